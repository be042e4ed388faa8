/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guests for the tests of the decision, in snapshots only: no engine, no ports. Each follows its target at its own
 * speed and reports a need. Enough to close the loop around decide(); the simulator is the thorough one.
 */

#include "cmocka_all.h"
#include "decide/decide.h"
#include "decide/faults.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC
#define WORLD_GUESTS_MAX 64

typedef struct FakeGuest {
    char uuid[37];
    char name[16];
    GuestSettings settings;
    uint64_t actual;
    uint64_t need;
    uint64_t inflate; /* KiB a second; 0: does not move */
    uint64_t deflate;
    uint64_t lower; /* refuses to go below */
    bool mute;      /* no new reports */
    bool inhibited; /* what it gives back is not freed */
    bool lies;      /* says that it has more usable memory than it has memory */
    uint64_t resident;
    unsigned changes; /* targets told */
    uint64_t largest; /* largest target told */
} FakeGuest;

typedef struct FakeWorld {
    Snapshot snapshot;
    GuestSnapshot guests[WORLD_GUESTS_MAX];
    FakeGuest fake[WORLD_GUESTS_MAX];
    size_t count;
    Settings *settings;
    DecideState *state;
    Plan plan;
    bool dry;
    bool lazy;           /* guests have touched nothing of their memory yet */
    uint64_t other;      /* used by the host itself */
    uint64_t violations; /* ticks in which the committed memory was above the budget */
} FakeWorld;

static inline FakeWorld *
world_new(uint64_t memory_kib, uint64_t reserve_kib)
{
    FakeWorld *world = g_new0(FakeWorld, 1);

    world->settings = settings_new();
    world->settings->reserve_kib = reserve_kib;
    world->state = decide_state_new();
    world->snapshot.now_usec = 1000 * SEC;
    world->snapshot.guests = world->guests;
    world->snapshot.host.figures.total_kib = memory_kib;
    world->snapshot.host.figures.available_kib = memory_kib;
    world->snapshot.host.figures_valid = true;
    world->snapshot.host.link = WORLD_LINK_READ_WRITE;
    return world;
}

static inline void
world_free(FakeWorld *world)
{
    settings_free(world->settings);
    decide_state_free(world->state);
    plan_clear(&world->plan);
    g_free(world);
}

static inline FakeGuest *
world_add(FakeWorld *world, uint64_t minimum, uint64_t maximum, uint64_t actual, uint64_t need)
{
    FakeGuest *fake = &world->fake[world->count];
    GuestSnapshot *guest = &world->guests[world->count];

    g_assert(world->count < WORLD_GUESTS_MAX);
    snprintf(fake->uuid, sizeof fake->uuid, "00000000-0000-0000-0000-%012zu", world->count);
    snprintf(fake->name, sizeof fake->name, "g%zu", world->count);
    fake->settings = (GuestSettings){.managed = true,
                                     .minimum_kib = minimum,
                                     .startup_kib = MAX(minimum, MIN(actual, maximum)),
                                     .maximum_kib = maximum,
                                     .buffer_percent = 20,
                                     .priority = 50,
                                     .vcpus = 1};
    fake->actual = actual;
    fake->need = need;
    fake->inflate = 400 * MIB;
    fake->deflate = 800 * MIB;
    fake->resident = actual;
    *guest = (GuestSnapshot){.uuid = fake->uuid,
                             .name = fake->name,
                             .settings = &fake->settings,
                             .life = GUEST_LIFE_RUNNING,
                             .answering = true,
                             .boots = 1,
                             .boot_usec = 900 * SEC,
                             .driver_up = true,
                             .driver_usec = 910 * SEC,
                             .report_serial = 1,
                             .fresh = true,
                             .period_usec = SEC,
                             .has_actual = true,
                             .actual_kib = actual,
                             .target_known = true,
                             .target_kib = actual,
                             .limits.bar = "the host has no limits"};
    world->count++;
    world->snapshot.guest_count = world->count;
    return fake;
}

/* A host of 32 GiB, of which 2 are kept, with guests of 1 to 8 GiB. */
static inline FakeWorld *
world_of(size_t count, uint64_t actual, uint64_t need)
{
    FakeWorld *world = world_new(32 * GIB, 2 * GIB);

    for (size_t i = 0; i < count; i++)
        world_add(world, GIB, 8 * GIB, actual, need);
    return world;
}

/* New reports and figures, as they would be seen now. */
static inline void
world_observe(FakeWorld *world)
{
    uint64_t resident = 0;
    bool away = world->snapshot.host.link == WORLD_LINK_DOWN;

    for (size_t i = 0; i < world->count; i++) {
        FakeGuest *fake = &world->fake[i];
        GuestSnapshot *guest = &world->guests[i];
        uint64_t used = MIN(fake->need, fake->actual);

        if (guest->life == GUEST_LIFE_OFF) {
            guest->resident_kib = 0;
            continue;
        }
        if (!away) {
            guest->actual_kib = fake->actual;
            guest->asked_usec = world->snapshot.now_usec;
        }
        if (!away && !fake->mute) {
            guest->report_serial++;
            guest->report_usec = world->snapshot.now_usec;
            guest->report_span_usec = SEC;
            guest->has_usable = true;
            guest->usable_kib = fake->actual - used;
            guest->report_actual_kib = fake->actual;
            guest->has_unused = true;
            guest->unused_kib = guest->usable_kib;
            guest->swapped_in_kib = guest->swapped_out_kib = fake->need > fake->actual ? 20 * MIB : 0;
        }
        if (fake->lies) {
            guest->usable_kib = 2 * fake->actual;
            guest->doubts = DOUBT_USABLE_ABOVE_TOTAL;
        }
        if (world->lazy) {
            guest->resident_kib = 64 * MIB;
            resident += guest->resident_kib;
            continue;
        }
        guest->resident_kib = fake->inhibited ? MAX(fake->resident, fake->actual) : fake->actual;
        fake->resident = guest->resident_kib;
        resident += guest->resident_kib;
    }
    world->snapshot.host.figures.available_kib =
        saturating_sub(world->snapshot.host.figures.total_kib, resident + world->other);
}

static inline void
world_move(FakeWorld *world)
{
    for (size_t i = 0; i < world->count; i++) {
        FakeGuest *fake = &world->fake[i];
        uint64_t target = MAX(world->guests[i].target_kib, fake->lower);

        if (world->guests[i].life != GUEST_LIFE_RUNNING)
            continue;
        if (fake->actual > target)
            fake->actual = MAX(target, saturating_sub(fake->actual, fake->inflate));
        else if (fake->actual < target)
            fake->actual = MIN(target, fake->actual + fake->deflate);
    }
}

/* One second: observe, decide, tell, move. */
static inline void
world_tick(FakeWorld *world)
{
    world->snapshot.now_usec += SEC;
    world_observe(world);
    decide(world->state, &world->snapshot, world->settings, world->dry, &world->plan);
    world->violations += world->plan.over_budget;
    for (size_t i = 0; i < world->count; i++) {
        GuestPlan *plan = &world->plan.guests[i];

        if (!plan->tell)
            continue;
        world->fake[i].changes++;
#ifdef WORLD_TRACE
        printf("# t=%" PRIu64 " %s %" PRIu64 " -> %" PRIu64 " ideal=%" PRIu64 " demand=%" PRIu64 " %s\n",
               (uint64_t)(world->snapshot.now_usec / SEC - 1000), world->fake[i].name,
               world->guests[i].target_kib / MIB, plan->target_kib / MIB, plan->ideal_kib / MIB, plan->demand_kib / MIB,
               plan_rule_name(plan->rule));
#endif
        world->fake[i].largest = MAX(world->fake[i].largest, plan->target_kib);
        world->guests[i].target_known = true;
        world->guests[i].target_kib = plan->target_kib;
    }
    world_move(world);
}

static inline void
world_run(FakeWorld *world, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++)
        world_tick(world);
}

/* The guest is reset: its memory is all its own until its driver is up again. */
static inline void
world_reset(FakeWorld *world, size_t i)
{
    world->guests[i].boots++;
    world->guests[i].boot_usec = world->snapshot.now_usec;
    world->guests[i].boot_in_place = true;
    world->guests[i].driver_up = false;
    world->guests[i].fresh = false;
    world->guests[i].has_usable = false;
    world->fake[i].mute = true;
}

static inline void
world_driver_up(FakeWorld *world, size_t i)
{
    world->guests[i].driver_up = true;
    world->guests[i].driver_usec = world->snapshot.now_usec + SEC;
    world->guests[i].fresh = true;
    world->fake[i].mute = false;
    world->fake[i].actual = world->fake[i].settings.maximum_kib;
}

/* The guest is gone for good. */
static inline void
world_remove(FakeWorld *world, size_t i)
{
    world->count--;
    world->snapshot.guest_count = world->count;
    for (size_t j = i; j < world->count; j++) {
        world->fake[j] = world->fake[j + 1];
        world->guests[j] = world->guests[j + 1];
        world->guests[j].uuid = world->fake[j].uuid;
        world->guests[j].name = world->fake[j].name;
        world->guests[j].settings = &world->fake[j].settings;
    }
}

/* For a look at what goes on; not called by tests that pass. */
static inline void
world_print(const FakeWorld *world)
{
    printf("# t=%" PRIu64 " budget=%" PRIu64 " committed=%" PRIu64 " sharing=%" PRIu64 "\n",
           (uint64_t)(world->snapshot.now_usec / SEC - 1000), (uint64_t)(world->plan.budget_kib / MIB),
           (uint64_t)(world->plan.committed_kib / MIB), (uint64_t)(world->plan.sharing_kib / MIB));
    for (size_t i = 0; i < world->count; i++) {
        const GuestPlan *plan = &world->plan.guests[i];

        printf("#   %s actual=%" PRIu64 " need=%" PRIu64 " demand=%" PRIu64 " want=%" PRIu64 " ideal=%" PRIu64
               " target=%" PRIu64 " %s %s %s\n",
               world->fake[i].name, (uint64_t)(world->fake[i].actual / MIB), (uint64_t)(world->fake[i].need / MIB),
               (uint64_t)(plan->demand_kib / MIB), (uint64_t)(plan->want_kib / MIB), (uint64_t)(plan->ideal_kib / MIB),
               (uint64_t)(plan->target_kib / MIB), guest_state_name(plan->state), plan_rule_name(plan->rule),
               plan->tell ? "tell" : "");
    }
}
