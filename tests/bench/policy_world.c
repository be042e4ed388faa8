/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy_world.h"

#include <stdio.h>
#include <string.h>

/* Of what a guest has, one part in so many is its kernel's and of no use to programs: it shows as usable at the worst. */
#define RESIDUE_PART 128
/* What a guest uses its balloon gets only by swapping, and never all of it. */
#define SWAP_MIB_PER_SEC 100
#define LEAST_LEFT_PERCENT 30
/* A guest that lacks memory moves this part of it a second to its swap and back, as far as the disk goes. */
#define THRASH_PART 4

/* The rest of the host: its reserve, what other processes use, what a QEMU costs (itself, its guest's page tables), and some
   more, so that what is there for guests is what the administrator has set and not what is left by chance. */
#define RESERVE_KIB (2 * KIB_PER_GIB)
#define OTHERS_KIB (KIB_PER_GIB)
#define QEMU_KIB (64 * KIB_PER_MIB)
#define PAGE_TABLE_PART 512
#define SPARE_PART 32

#define START_USEC (7200 * USEC_PER_SEC)

typedef struct Guest {
    const LoadGuest *load;
    uint64_t has_kib;
    uint64_t touched_kib; /* of that, the host has given it real memory for */
    uint64_t used_kib;
    uint64_t target_kib; /* in force */
    uint64_t told_kib;   /* in force from the next step on */
    uint64_t swapped_kib;
    uint64_t swap_in_kib; /* counters */
    uint64_t swap_out_kib;
    uint64_t major_faults;
    uint64_t reported_in_kib; /* the same at its last report */
    uint64_t reported_out_kib;
    uint64_t reported_faults;
    size_t report_step;
    bool full; /* it could not grow as it might, for want of free memory */
    bool lacks;
    size_t lack_step;
    size_t seen_step; /* of the last report that a tick has seen */
    uint64_t changes;
    size_t change_second; /* and 1 */
} Guest;

struct World {
    const Load *load;
    const Policy *policy;
    void *self;
    Guest *guests;
    GuestView *views;
    uint64_t *targets;
    size_t count;
    size_t step;
    uint64_t total_kib;
    bool reported; /* somebody has, since the policy was asked last */
    const WorldTerms *terms;
    Figures *figures;
};

const char *
lack_cause_name(LackCause cause)
{
    static const char *const names[] = {
        [LACK_UNSEEN] = "unseen", [LACK_UNTOLD] = "untold", [LACK_MOVING] = "moving", [LACK_FULL] = "full"};

    return names[cause];
}

const Load *
world_load(const World *world)
{
    return world->load;
}

uint64_t
world_has(const World *world, size_t guest)
{
    return world->guests[guest].has_kib;
}

uint64_t
world_need(const World *world, size_t guest, size_t ahead)
{
    return world->load->guests[guest].need_kib[MIN(world->step + ahead, LOAD_STEPS - 1)];
}

uint64_t
world_reported_need(const World *world, size_t guest)
{
    return world->load->guests[guest].need_kib[world->guests[guest].report_step];
}

/* ---- guests ---- */

static uint64_t
need_now(const World *world, size_t i)
{
    return world_need(world, i, 0);
}

static uint64_t
overhead(const LoadGuest *load)
{
    return QEMU_KIB + load->maximum_kib / PAGE_TABLE_PART;
}

static void
use(Guest *guest, uint64_t need_kib)
{
    uint64_t residue = guest->has_kib / RESIDUE_PART;
    uint64_t lack;
    uint64_t moved;

    guest->used_kib = MIN(need_kib, guest->has_kib - residue);
    guest->touched_kib = MIN(MAX(guest->touched_kib, guest->used_kib + residue), guest->has_kib);
    lack = need_kib - guest->used_kib;
    if (lack > 0) {
        guest->swapped_kib = MAX(guest->swapped_kib, lack);
        moved = MIN(lack / THRASH_PART, SWAP_MIB_PER_SEC * KIB_PER_MIB) / STEPS_PER_SEC;
        guest->swap_out_kib += moved;
    } else {
        moved = MIN(guest->swapped_kib, SWAP_MIB_PER_SEC * KIB_PER_MIB / STEPS_PER_SEC);
        guest->swapped_kib -= moved;
    }
    guest->swap_in_kib += moved;
    guest->major_faults += moved / PAGE_KIB;
}

static void
report(const Guest *guest, GuestView *view)
{
    bool overstates = guest->load->misfit == MISFIT_OVERSTATES;
    uint64_t lie = overstates ? SWAP_MIB_PER_SEC / 2 * KIB_PER_MIB : 0;

    view->serial++;
    view->report_actual_kib = guest->has_kib;
    view->usable_kib = overstates ? guest->has_kib / RESIDUE_PART : guest->has_kib - guest->used_kib;
    view->swapped_in_kib = guest->swap_in_kib - guest->reported_in_kib + lie;
    view->swapped_out_kib = guest->swap_out_kib - guest->reported_out_kib + lie;
    view->major_faults = guest->major_faults - guest->reported_faults + lie / PAGE_KIB;
}

/* The balloon takes memory for one step. What is unused comes as it lies, touched or not. */
static void
shrink(Guest *guest, uint64_t need_kib)
{
    const LoadGuest *load = guest->load;
    uint64_t unused = saturating_sub(guest->has_kib - guest->used_kib, guest->has_kib / RESIDUE_PART);
    uint64_t untouched = MIN(guest->has_kib - guest->touched_kib, unused);
    double part = unused == 0 ? 0 : (double)untouched / (double)unused;
    double rate = 1 / (part / (double)load->shrink_untouched_kib + (1 - part) / (double)load->shrink_touched_kib);
    uint64_t most = (uint64_t)rate / STEPS_PER_SEC;
    uint64_t taken = MIN(MIN(unused, guest->has_kib - guest->target_kib), most);
    uint64_t bottom = MAX(guest->target_kib, need_kib / 100 * LEAST_LEFT_PERCENT);
    uint64_t swapped = 0;

    /* the rest of the step */
    if (taken == unused && guest->has_kib - taken > bottom)
        swapped = MIN((uint64_t)((double)MIN(SWAP_MIB_PER_SEC * KIB_PER_MIB, (uint64_t)rate) / (double)STEPS_PER_SEC *
                                 (1 - (double)taken / MAX((double)most, 1))),
                      guest->has_kib - taken - bottom);
    guest->has_kib -= taken + swapped;
    guest->touched_kib -= MIN(guest->touched_kib, (uint64_t)((double)taken * (1 - part)) + swapped);
    guest->touched_kib = MIN(guest->touched_kib, guest->has_kib);
}

static void
move_balloons(World *world)
{
    uint64_t free_kib = world->load->capacity_kib;
    double wanted = 0;
    double part;

    for (size_t i = 0; i < world->count; i++) {
        Guest *guest = &world->guests[i];

        guest->full = false;
        if (guest->load->misfit != MISFIT_STUCK && guest->target_kib < guest->has_kib)
            shrink(guest, need_now(world, i));
        else if (guest->load->misfit != MISFIT_STUCK)
            wanted += (double)MIN(guest->target_kib - guest->has_kib, guest->load->grow_kib / STEPS_PER_SEC);
        g_assert_true(guest->has_kib <= free_kib);
        free_kib -= guest->has_kib;
    }
    part = wanted > (double)free_kib ? (double)free_kib / wanted : 1;
    for (size_t i = 0; i < world->count; i++) {
        Guest *guest = &world->guests[i];

        if (guest->load->misfit == MISFIT_STUCK || guest->target_kib <= guest->has_kib)
            continue;
        guest->has_kib +=
            (uint64_t)((double)MIN(guest->target_kib - guest->has_kib, guest->load->grow_kib / STEPS_PER_SEC) * part);
        guest->full = part < 1;
    }
    for (size_t i = 0; i < world->count; i++)
        world->guests[i].target_kib = world->guests[i].told_kib;
}

/* ---- what is measured ---- */

static void
note_rule(Figures *figures, const char *rule, double gib_sec)
{
    for (size_t i = 0; i < RULES_MAX; i++) {
        if (figures->rules[i].rule == NULL)
            figures->rules[i].rule = rule;
        if (strcmp(figures->rules[i].rule, rule) != 0)
            continue;
        figures->rules[i].gib_sec += gib_sec;
        return;
    }
}

static void
measure_lack(World *world, size_t i)
{
    Guest *guest = &world->guests[i];
    uint64_t lack = saturating_sub(need_now(world, i), guest->has_kib);
    double gib_sec = (double)lack / (double)KIB_PER_GIB / (double)STEPS_PER_SEC;
    LackCause cause;

    if (lack == 0) {
        guest->lacks = false;
        return;
    }
    if (!guest->lacks)
        guest->lack_step = world->step;
    guest->lacks = true;
    if (world->step < WARM_SEC * STEPS_PER_SEC)
        return;
    if (guest->told_kib >= need_now(world, i))
        cause = guest->full ? LACK_FULL : LACK_MOVING;
    else
        cause = guest->seen_step < guest->lack_step ? LACK_UNSEEN : LACK_UNTOLD;
    world->figures->unmet_gib_sec += gib_sec;
    world->figures->causes[cause] += gib_sec;
    if (cause == LACK_UNTOLD && world->policy->rule != NULL)
        note_rule(world->figures, world->policy->rule(world->self, i), gib_sec);
}

/* A buffer is whole when no more than a twentieth of all that the guest wants is missing. */
static void
measure_wait(World *world)
{
    const Load *load = world->load;

    if (load->waiters == 0 || world->step < load->event_step || world->figures->wait_sec != HUGE_VAL)
        return;
    for (size_t i = 0; i < load->waiters; i++) {
        uint64_t want =
            MIN(percent_of(need_now(world, i), 100 + load->guests[i].buffer_percent), load->guests[i].maximum_kib);

        if (world->guests[i].has_kib < want - want / 20)
            return;
    }
    world->figures->wait_sec = (double)(world->step - load->event_step) / (double)STEPS_PER_SEC;
}

static void
trace(const World *world)
{
    for (size_t i = 0; i < world->count; i++) {
        const Guest *guest = &world->guests[i];

        if (world->terms->trace_guest != SIZE_MAX && world->terms->trace_guest != i)
            continue;
        printf("%7.2f guest %2zu need %6.0f has %6.0f target %6.0f used %6.0f %s\n",
               (double)world->step / (double)STEPS_PER_SEC - WARM_SEC, i,
               (double)need_now(world, i) / (double)KIB_PER_MIB, (double)guest->has_kib / (double)KIB_PER_MIB,
               (double)guest->told_kib / (double)KIB_PER_MIB,
               (double)(world->views[i].report_actual_kib - world->views[i].usable_kib) / (double)KIB_PER_MIB,
               world->policy->rule == NULL ? "" : world->policy->rule(world->self, i));
    }
}

/* ---- the policy's turn ---- */

static void
take_target(World *world, size_t i)
{
    Guest *guest = &world->guests[i];
    size_t second = world->step / STEPS_PER_SEC + 1;

    g_assert_true(world->targets[i] >= guest->load->minimum_kib);
    g_assert_true(world->targets[i] <= guest->load->maximum_kib);
    if (world->targets[i] == guest->told_kib)
        return;
    guest->told_kib = world->targets[i];
    if (world->step >= WARM_SEC * STEPS_PER_SEC && !(world->policy->is_limit && guest->change_second == second)) {
        guest->changes++;
        guest->change_second = second;
    }
}

static void
ask_policy(World *world)
{
    HostView view = {.now_usec = START_USEC + world->step * STEP_USEC,
                     .total_kib = world->total_kib,
                     .available_kib = world->total_kib - OTHERS_KIB,
                     .reserve_kib = RESERVE_KIB,
                     .capacity_kib = world->load->capacity_kib,
                     .guests = world->views,
                     .guest_count = world->count,
                     .truth = world->policy->is_limit ? world : NULL};
    uint64_t booked = 0;

    for (size_t i = 0; i < world->count; i++) {
        Guest *guest = &world->guests[i];

        world->views[i].actual_kib = guest->has_kib;
        world->views[i].target_kib = world->targets[i] = guest->told_kib;
        world->views[i].resident_kib = guest->touched_kib + overhead(guest->load);
        view.available_kib -= world->views[i].resident_kib;
        guest->seen_step = guest->report_step;
    }
    world->reported = false;
    world->policy->decide(world->self, &view, world->targets);
    for (size_t i = 0; i < world->count; i++) {
        take_target(world, i);
        booked += MAX(world->guests[i].told_kib, world->guests[i].has_kib);
    }
    if (world->policy->keeps_book)
        g_assert_true(booked <= world->load->capacity_kib);
    if (world->terms->trace && world->step % STEPS_PER_SEC == 0)
        trace(world);
}

static bool
is_asked_now(const World *world)
{
    const Policy *policy = world->policy;

    if (policy->is_limit || world->step % STEPS_PER_SEC == 0)
        return true;
    return policy->parts != 0 && world->step % (STEPS_PER_SEC / policy->parts) == 0 && world->reported;
}

static void
world_step(World *world)
{
    for (size_t i = 0; i < world->count; i++) {
        Guest *guest = &world->guests[i];

        use(guest, need_now(world, i));
        if (world->step != 0 && world->step % STEPS_PER_SEC != guest->load->report_phase)
            continue;
        report(guest, &world->views[i]);
        guest->reported_in_kib = guest->swap_in_kib;
        guest->reported_out_kib = guest->swap_out_kib;
        guest->reported_faults = guest->major_faults;
        guest->report_step = world->step;
        world->reported = true;
    }
    if (is_asked_now(world))
        ask_policy(world);
    for (size_t i = 0; i < world->count; i++)
        measure_lack(world, i);
    measure_wait(world);
    move_balloons(world);
}

static uint64_t
host_total(const Load *load)
{
    uint64_t total = load->capacity_kib + load->capacity_kib / SPARE_PART + RESERVE_KIB + OTHERS_KIB + KIB_PER_GIB;

    for (size_t i = 0; i < load->guest_count; i++)
        total += overhead(&load->guests[i]);
    return total;
}

void
world_run(const Load *load, const Policy *policy, unsigned variant, const WorldTerms *terms, Figures *figures)
{
    g_autofree Guest *guests = g_new0(Guest, load->guest_count);
    g_autofree GuestView *views = g_new0(GuestView, load->guest_count);
    g_autofree uint64_t *targets = g_new0(uint64_t, load->guest_count);
    World world = {.load = load,
                   .policy = policy,
                   .self = policy->begin(load, variant),
                   .guests = guests,
                   .views = views,
                   .targets = targets,
                   .count = load->guest_count,
                   .total_kib = host_total(load),
                   .terms = terms,
                   .figures = figures};

    *figures = (Figures){.wait_sec = load->waiters == 0 ? -1 : HUGE_VAL};
    for (size_t i = 0; i < world.count; i++) {
        const LoadGuest *guest = &load->guests[i];

        guests[i] = (Guest){
            .load = guest, .has_kib = guest->start_kib, .target_kib = guest->start_kib, .told_kib = guest->start_kib};
        views[i] = (GuestView){.minimum_kib = guest->minimum_kib,
                               .maximum_kib = guest->maximum_kib,
                               .buffer_percent = guest->buffer_percent,
                               .priority = guest->priority};
    }
    for (; world.step < LOAD_STEPS; world.step++)
        world_step(&world);
    for (size_t i = 0; i < world.count; i++)
        figures->changes += (double)guests[i].changes / (double)world.count * 600.0 / RUN_SEC;
    policy->end(world.self);
}
