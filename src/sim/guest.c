/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include "units.h"

/* A guest can't be squeezed below this share of its need, and swaps at most so much a second. */
#define SQUEEZE_PERCENT 35
#define SWAP_KIB_PER_SEC (100 * KIB_PER_MIB)
#define PAGE_KIB 4
#define LIE_SECONDS 16

enum {
    CHANCE_LIE = 16,
    CHANCE_GARBAGE
};

typedef enum Lie {
    LIE_NONE,
    LIE_STARVING,         /* says it is full and swapping */
    LIE_USABLE_ABOVE_ALL, /* says more is usable than it has */
    LIE_IDLE,             /* says it needs nothing */
    LIE_COUNTERS_BACK,    /* counters fall without a boot */
    LIE_TOTAL_ABOVE_ALL,  /* says it has more than its maximum */
    LIE_GARBAGE,          /* any number at all */
    LIE_PULLS,            /* takes memory out of its balloon against the target */
    LIE_COUNT,
} Lie;

static Lie
current_lie(const SimGuest *guest, uint64_t second)
{
    if ((guest->spec->behaviours & SIM_LYING) == 0)
        return LIE_NONE;
    return (Lie)(sim_chance(guest->seed, guest->spec->name, second / LIE_SECONDS, CHANCE_LIE) % LIE_COUNT);
}

static bool
has_driver(const SimGuest *guest)
{
    return (guest->spec->behaviours & SIM_NO_DRIVER) == 0;
}

static void
start(SimGuest *guest, uint64_t second)
{
    guest->running = true;
    guest->booting = true;
    guest->boot_second = second;
    guest->boots++;
    guest->boot_in_place = false;
    guest->paused = guest->migrating = guest->hanging = guest->muted = false;
    guest->has_kib = guest->shown_kib = guest->spec->maximum_kib;
    guest->target_kib = sim_guest_spec_startup(guest->spec);
    guest->touched_kib = 0;
    guest->swapped_kib = guest->swap_in_kib = guest->swap_out_kib = guest->major_faults = 0;
    guest->updated_sec = 0;
    guest->report = (GuestReport){0};
}

/* Target, shown size and statistics survive (QEMU's virtio_balloon_device_reset clears none of them). */
static void
reset(SimGuest *guest, uint64_t second)
{
    guest->booting = true;
    guest->boot_second = second;
    guest->boots++;
    guest->boot_in_place = true;
    guest->has_kib = guest->spec->maximum_kib;
    guest->swapped_kib = guest->swap_in_kib = guest->swap_out_kib = guest->major_faults = 0;
}

static void
stop(SimGuest *guest)
{
    guest->running = guest->booting = false;
    guest->paused = guest->migrating = guest->hanging = guest->muted = false;
    guest->need_kib = guest->has_kib = guest->shown_kib = guest->touched_kib = 0;
}

static void
happen(SimGuest *guest, SimEventKind kind, uint64_t second)
{
    if (guest->running == (kind == SIM_EVENT_START))
        return;
    switch (kind) {
    case SIM_EVENT_REBOOT:
        if (!guest->paused && !guest->hanging)
            reset(guest, second);
        break;
    case SIM_EVENT_START:
        start(guest, second);
        break;
    case SIM_EVENT_STOP:
        stop(guest);
        break;
    case SIM_EVENT_PAUSE:
        guest->paused = true;
        break;
    case SIM_EVENT_MIGRATE:
        guest->migrating = true;
        break;
    case SIM_EVENT_HANG:
        guest->hanging = true;
        break;
    case SIM_EVENT_MUTE:
        guest->muted = true;
        break;
    case SIM_EVENT_RESUME:
        guest->paused = guest->migrating = guest->hanging = guest->muted = false;
        break;
    }
}

/* The guest uses what it needs as far as it has it; the rest is in its swap. */
static void
touch(SimGuest *guest, uint64_t second)
{
    uint64_t used = MIN(guest->need_kib, guest->has_kib);
    uint64_t lacking = guest->need_kib - used;
    uint64_t moved;

    guest->touched_kib = MAX(guest->touched_kib, used);
    if (guest->booting) {
        /* A kernel without a balloon may touch all of its memory, and some zero it. */
        uint64_t seconds = MIN(second - guest->boot_second + 1, SIM_BOOT_SECONDS);

        guest->touched_kib = MAX(guest->touched_kib, guest->spec->maximum_kib / SIM_BOOT_SECONDS * seconds);
    }
    /* While it works on more than it has, pages go out and come back all the time; after it they only come back. */
    if (lacking > 0)
        guest->swapped_kib = MIN(lacking, guest->swapped_kib + SWAP_KIB_PER_SEC);
    moved = MIN(guest->swapped_kib, SWAP_KIB_PER_SEC);
    guest->swap_in_kib += moved;
    guest->major_faults += moved / PAGE_KIB;
    if (lacking == 0)
        guest->swapped_kib -= moved;
    else
        guest->swap_out_kib += moved;
}

static void
tell_lie(const SimGuest *guest, Lie lie, uint64_t second, GuestReport *report)
{
    uint64_t *figures[] = {&report->usable_kib,  &report->total_kib,    &report->unused_kib,  &report->cache_kib,
                           &report->swap_in_kib, &report->swap_out_kib, &report->major_faults};

    switch (lie) {
    case LIE_STARVING:
        report->usable_kib = report->unused_kib = 0;
        report->swap_in_kib = report->swap_out_kib = second * SWAP_KIB_PER_SEC;
        report->major_faults = report->swap_in_kib / PAGE_KIB;
        break;
    case LIE_USABLE_ABOVE_ALL:
        report->usable_kib = report->total_kib * 2;
        break;
    case LIE_IDLE:
        report->usable_kib = report->unused_kib = report->total_kib;
        break;
    case LIE_COUNTERS_BACK:
        report->swap_in_kib = report->swap_out_kib = report->major_faults = 0;
        break;
    case LIE_TOTAL_ABOVE_ALL:
        report->total_kib = guest->spec->maximum_kib * 3;
        report->usable_kib = guest->spec->maximum_kib * 2;
        break;
    case LIE_GARBAGE:
        for (size_t i = 0; i < G_N_ELEMENTS(figures); i++) {
            uint64_t chance = sim_chance(guest->seed, guest->spec->name, second, CHANCE_GARBAGE + i);

            *figures[i] = chance >> (chance % 64);
        }
        break;
    case LIE_NONE:
    case LIE_PULLS:
    case LIE_COUNT:
        break;
    }
}

/* The driver sends its statistics. */
static void
send_report(SimGuest *guest, uint64_t second, uint64_t wall_sec)
{
    uint64_t usable = saturating_sub(guest->has_kib, guest->need_kib);
    bool balloon_is_used = (guest->spec->behaviours & SIM_AUTODEFLATE) != 0;

    guest->reported_second = second;
    guest->updated_sec = wall_sec;
    guest->report = (GuestReport){
        .fields = REPORT_USABLE | REPORT_TOTAL | REPORT_UNUSED | REPORT_CACHE | REPORT_SWAP_IN | REPORT_SWAP_OUT |
                  REPORT_MAJOR_FAULTS,
        .usable_kib = usable,
        .total_kib = balloon_is_used ? guest->spec->maximum_kib : guest->has_kib,
        .unused_kib = usable,
        .swap_in_kib = guest->swap_in_kib,
        .swap_out_kib = guest->swap_out_kib,
        .major_faults = guest->major_faults,
    };
    tell_lie(guest, current_lie(guest, second), second, &guest->report);
}

void
sim_guest_init(SimGuest *guest, const SimGuestSpec *spec, const SimScenario *scenario)
{
    *guest = (SimGuest){.spec = spec, .seed = scenario->seed, .overhead_kib = scenario->overhead_kib, .period_sec = 1};
    if (!sim_guest_spec_runs_first(spec))
        return;
    guest->running = true;
    guest->target_kib = sim_guest_spec_startup(spec);
    guest->has_kib = guest->shown_kib = has_driver(guest) ? guest->target_kib : spec->maximum_kib;
}

void
sim_guest_settle(SimGuest *guest, uint64_t buffer_percent, uint64_t wall_sec)
{
    if (!guest->running)
        return;
    guest->need_kib = guest->has_kib / (100 + buffer_percent) * 100;
    touch(guest, 0);
    if ((guest->spec->behaviours & (SIM_NO_STATS | SIM_NO_DRIVER)) == 0)
        send_report(guest, 0, wall_sec);
    guest->reported_second = 0;
}

void
sim_guest_begin(SimGuest *guest, uint64_t second, uint64_t wall_sec)
{
    const GArray *events = guest->spec->events;
    bool first;

    for (; guest->next_event < events->len; guest->next_event++) {
        const SimEvent *event = &g_array_index(events, SimEvent, guest->next_event);

        if (event->second > second)
            break;
        happen(guest, event->kind, second);
    }
    if (!guest->running || guest->paused || guest->hanging)
        return;
    guest->need_kib = sim_guest_spec_need(guest->spec, guest->seed, second);
    first = guest->updated_sec == 0 || second == 0;
    if (guest->booting && has_driver(guest) && second >= guest->boot_second + SIM_BOOT_SECONDS) {
        guest->booting = false;
        guest->shown_kib = guest->has_kib; /* the new driver starts with an empty balloon */
        first = true;
    }
    touch(guest, second);
    /* A driver sends one report when it comes up, whatever the period. */
    if (!guest->booting && !guest->muted && (guest->spec->behaviours & (SIM_NO_STATS | SIM_NO_DRIVER)) == 0 &&
        (first || (guest->period_sec > 0 && second >= guest->reported_second + guest->period_sec)))
        send_report(guest, second, wall_sec);
}

/* How much the balloon takes in one second: what is free fast, what is needed slowly, some of it not at all. */
static void
inflate(SimGuest *guest, uint64_t target)
{
    const SimGuestSpec *spec = guest->spec;
    uint64_t slowness = (spec->behaviours & SIM_SLOW) != 0 ? 10 : 1;
    uint64_t fast = spec->inflate_kib / slowness;
    uint64_t slow = spec->swapping_kib / slowness;
    uint64_t bottom = MAX(target, guest->need_kib / 100 * SQUEEZE_PERCENT);
    uint64_t free_kib;
    uint64_t taken;

    if ((spec->behaviours & SIM_FLOOR) != 0)
        bottom = MAX(bottom, spec->floor_kib);
    if (bottom >= guest->has_kib)
        return;
    free_kib = guest->has_kib - MIN(MAX(guest->need_kib, bottom), guest->has_kib);
    taken = MIN(free_kib, fast);
    if (taken == free_kib && fast > 0) /* the rest of the second */
        taken += (uint64_t)((double)slow * (1.0 - (double)taken / (double)fast));
    guest->has_kib -= MIN(taken, guest->has_kib - bottom);
    if ((spec->behaviours & SIM_INHIBITED) == 0)
        guest->touched_kib = MIN(guest->touched_kib, guest->has_kib);
}

void
sim_guest_move(SimGuest *guest, uint64_t second)
{
    const SimGuestSpec *spec = guest->spec;
    uint64_t slowness = (spec->behaviours & SIM_SLOW) != 0 ? 10 : 1;
    uint64_t target = MIN(guest->target_kib, spec->maximum_kib);

    if (!guest->running || guest->booting || guest->paused || guest->hanging || !has_driver(guest) ||
        (spec->behaviours & SIM_STUCK) != 0)
        return;
    if ((spec->behaviours & SIM_INTERMITTENT) != 0 &&
        second % (spec->stuck_seconds + spec->moving_seconds) < spec->stuck_seconds)
        return;
    if (current_lie(guest, second) == LIE_PULLS)
        target = MIN(target + 512 * KIB_PER_MIB, spec->maximum_kib);
    if (target > guest->has_kib)
        guest->has_kib += MIN(target - guest->has_kib, spec->deflate_kib / slowness);
    else
        inflate(guest, target);
    guest->shown_kib = guest->has_kib;
}

uint64_t
sim_guest_resident(const SimGuest *guest)
{
    return guest->running ? guest->touched_kib + guest->overhead_kib : 0;
}

void
sim_guest_answer(const SimGuest *guest, GuestReport *report)
{
    *report = guest->report;
    report->fields |= REPORT_ACTUAL | REPORT_RESIDENT;
    report->actual_kib = guest->shown_kib;
    report->resident_kib = sim_guest_resident(guest);
    if (guest->updated_sec != 0) {
        report->fields |= REPORT_LAST_UPDATE;
        report->last_update_sec = guest->updated_sec;
    }
}
