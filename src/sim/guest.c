/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include "units.h"

/* A guest can't be squeezed below this share of its need, and swaps at most so much a second. */
#define SQUEEZE_PERCENT 35
#define SWAP_KIB_PER_SEC (100 * KIB_PER_MIB)
#define LIE_SECONDS 16

/* A guest that boots and is held back without getting what it needs comes on in one of so many seconds. */
#define CRAWL 8

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
begin_boot(SimGuest *guest, uint64_t second, bool in_place)
{
    guest->booting = true;
    guest->boot_second = second;
    guest->boot_progress = 0;
    guest->boots++;
    guest->boot_in_place = in_place;
    guest->garbage_kib = in_place ? MIN(guest->touched_kib, guest->spec->maximum_kib) : 0;
    guest->wedged = false;
    guest->has_kib = guest->spec->maximum_kib;
    guest->swapped_kib = guest->swap_in_kib = guest->swap_out_kib = guest->major_faults = 0;
}

static void
wake(SimGuest *guest)
{
    guest->paused = guest->migrating = guest->hanging = guest->muted = false;
}

void
sim_guest_start(SimGuest *guest, uint64_t second)
{
    begin_boot(guest, second, false);
    wake(guest);
    guest->running = true;
    guest->asks = guest->stopped = false;
    guest->shown_kib = guest->has_kib;
    guest->target_kib = sim_guest_spec_startup(guest->spec);
    guest->touched_kib = guest->paged_kib = guest->swap_max_kib = guest->held_back = 0;
    guest->high_kib = LIMIT_NONE;
    guest->updated_sec = 0;
    guest->report = (GuestReport){0};
    /* A saved guest goes on where it was: its driver and its balloon are those of before. */
    guest->boot_resumed = guest->saved_kib != 0;
    if (guest->boot_resumed) {
        guest->booting = false;
        guest->has_kib = guest->shown_kib = guest->target_kib = guest->saved_kib;
        guest->saved_kib = 0;
    }
}

/* Target, shown size and statistics survive (QEMU's virtio_balloon_device_reset clears none of them). */
static void
reset(SimGuest *guest, uint64_t second, bool wedged)
{
    begin_boot(guest, second, true);
    guest->boot_resumed = false;
    guest->ran_at_host_down = false;
    guest->wedged = wedged;
}

void
sim_guest_fall(SimGuest *guest)
{
    guest->running = guest->booting = guest->asks = guest->wedged = guest->held = false;
    wake(guest);
    guest->need_kib = guest->has_kib = guest->shown_kib = guest->touched_kib = guest->paged_kib = 0;
    guest->swap_max_kib = guest->held_back = 0;
    guest->high_kib = LIMIT_NONE;
}

void
sim_guest_stop(SimGuest *guest, uint64_t second, bool saved)
{
    guest->stopped = true;
    if (!guest->running) {
        guest->asks = false; /* who wanted it gives up */
        return;
    }
    guest->has_stopped = !saved;
    guest->stop_second = second;
    guest->ran_at_host_down = false;
    guest->saved_kib = saved && !guest->booting ? guest->has_kib : 0;
    sim_guest_fall(guest);
}

static void
happen(SimGuest *guest, SimEventKind kind, uint64_t second)
{
    bool started = guest->running || guest->asks;

    if (kind == SIM_EVENT_START && !started)
        guest->asks = true;
    if (kind == SIM_EVENT_STOP || (kind == SIM_EVENT_SAVE && guest->running))
        sim_guest_stop(guest, second, kind == SIM_EVENT_SAVE);
    if (!guest->running)
        return;
    switch (kind) {
    case SIM_EVENT_REBOOT:
    case SIM_EVENT_WEDGE:
        if (!guest->paused && !guest->hanging)
            reset(guest, second, kind == SIM_EVENT_WEDGE);
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
        wake(guest);
        break;
    case SIM_EVENT_START:
    case SIM_EVENT_STOP:
    case SIM_EVENT_SAVE:
        break;
    }
}

/* Most that it may have of the host's memory, without what QEMU itself costs. */
static uint64_t
physical_limit(const SimGuest *guest)
{
    return guest->high_kib == LIMIT_NONE ? UINT64_MAX : saturating_sub(guest->high_kib, guest->overhead_kib);
}

/*
 * QEMU holds wanted_kib, as far as memory.high lets it. What is above goes to the paging file at the speed of swapping; what
 * does not, waits.
 */
static void
hold(SimGuest *guest, uint64_t wanted_kib)
{
    uint64_t limit = physical_limit(guest);
    uint64_t room = saturating_sub(limit, guest->touched_kib - guest->paged_kib);
    uint64_t growth = saturating_sub(wanted_kib, guest->touched_kib);
    uint64_t above;
    uint64_t out;

    guest->touched_kib += MIN(growth, room);
    growth -= MIN(growth, room);
    above = saturating_sub(guest->touched_kib - guest->paged_kib, limit);
    out = MIN(above + growth, MIN(saturating_sub(guest->swap_max_kib, guest->paged_kib), SIM_PAGING_KIB));
    guest->held = above + growth > out;
    guest->held_back += guest->held;
    guest->paged_kib += out;
    guest->touched_kib += saturating_sub(out, above);
}

/* What it needs and finds in its paging file comes back, as far as memory.high lets it. */
static void
fault_in(SimGuest *guest, uint64_t used_kib)
{
    uint64_t resident = guest->touched_kib - guest->paged_kib;
    uint64_t wanted = MIN(MIN(saturating_sub(used_kib, resident), guest->paged_kib), SIM_PAGING_KIB);

    guest->paged_kib -= MIN(wanted, saturating_sub(physical_limit(guest), resident));
}

/*
 * How much QEMU holds when the guest has used so much since its start or reset. What it held before a reset is garbage,
 * and stays until it is used again; the new pages fall on it by chance.
 */
static uint64_t
held_in_boot(const SimGuest *guest, uint64_t used_kib)
{
    double fresh = 1.0 - (double)used_kib / (double)guest->spec->maximum_kib;

    return used_kib + (uint64_t)((double)guest->garbage_kib * fresh);
}

/*
 * The guest uses what it needs as far as it has it; the rest is in its swap. A kernel without a balloon may touch all of
 * its memory, and some zero it; its boot goes on with its startup memory.
 */
static void
touch(SimGuest *guest)
{
    uint64_t used = MIN(guest->need_kib, guest->has_kib);
    uint64_t lacking = guest->need_kib - used;
    uint64_t wanted = MAX(guest->touched_kib, used);
    uint64_t moved;

    if (guest->booting) {
        uint64_t seconds = MIN(guest->boot_progress + 1, SIM_BOOT_SECONDS);

        hold(guest, MAX(wanted, held_in_boot(guest, guest->spec->maximum_kib / SIM_BOOT_SECONDS * seconds)));
        if (guest->touched_kib >= held_in_boot(guest, sim_guest_spec_startup(guest->spec) / SIM_BOOT_SECONDS * seconds))
            guest->boot_progress++;
        else if (guest->held_back % CRAWL == 0)
            guest->boot_progress++;
    } else {
        hold(guest, wanted);
        fault_in(guest, used);
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
    *guest = (SimGuest){.spec = spec,
                        .seed = scenario->seed,
                        .overhead_kib = scenario->overhead_kib,
                        .period_sec = 1,
                        .high_kib = LIMIT_NONE};
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
    touch(guest);
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
    if (guest->booting && has_driver(guest) && !guest->wedged && guest->boot_progress >= SIM_BOOT_SECONDS) {
        guest->booting = false;
        guest->shown_kib = guest->has_kib; /* the new driver starts with an empty balloon */
        first = true;
    }
    touch(guest);
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
    if ((spec->behaviours & SIM_INHIBITED) == 0 && guest->touched_kib > guest->has_kib) {
        /* pages of all kinds, those in the paging file as well: they are discarded there */
        guest->paged_kib = (uint64_t)((double)guest->paged_kib * (double)guest->has_kib / (double)guest->touched_kib);
        guest->touched_kib = guest->has_kib;
    }
}

void
sim_guest_move(SimGuest *guest, uint64_t second)
{
    const SimGuestSpec *spec = guest->spec;
    uint64_t slowness = (spec->behaviours & SIM_SLOW) != 0 ? 10 : 1;
    /* the balloon is made of whole pages, so with a target between two sizes the guest ends above it */
    uint64_t balloon = spec->maximum_kib - MIN(guest->target_kib, spec->maximum_kib);
    uint64_t target = spec->maximum_kib - pages_down(balloon);

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

void
sim_guest_read_back(SimGuest *guest, uint64_t kib)
{
    guest->paged_kib -= MIN(kib, guest->paged_kib);
}

uint64_t
sim_guest_resident(const SimGuest *guest)
{
    return guest->running ? guest->touched_kib - guest->paged_kib + guest->overhead_kib : 0;
}

uint64_t
sim_guest_assigned(const SimGuest *guest)
{
    uint64_t file = MAX(guest->swap_max_kib, guest->paged_kib);

    return MIN(guest->has_kib, saturating_add(physical_limit(guest), file));
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
