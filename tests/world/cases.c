/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cases.h"

Definition
case_define(const char *name, uint64_t minimum_mib, uint64_t startup_mib, uint64_t maximum_mib)
{
    Definition definition = {
        .managed = true,
        .minimum_kib = FROM_MIB(minimum_mib),
        .startup_kib = FROM_MIB(startup_mib),
        .current_kib = FROM_MIB(startup_mib),
        .base_kib = FROM_MIB(maximum_mib),
        .priority = 50,
        .buffer = 10,
    };

    g_strlcpy(definition.name, name, sizeof definition.name);
    return definition;
}

static const Kernel good_kernel = {
    .driver = DRIVER_GOOD,
    .boot_usec = 8 * USEC_PER_SEC,
    .boot_touch_kib = FROM_MIB(100),
    .inflate_kib = FROM_MIB(400),
    .deflate_kib = FROM_MIB(800),
};

Seat *
case_add(World *world, Definition definition)
{
    return world_add(world, &definition, &good_kernel);
}

Seat *
case_add_running(World *world, Definition definition, uint64_t actual_mib, uint64_t need_mib)
{
    Seat *seat = case_add(world, definition);

    seat->need_changes_usec = UINT64_MAX;
    world_place(world, seat, FROM_MIB(actual_mib), FROM_MIB(need_mib));
    return seat;
}

WorldOptions
case_options(uint64_t memory_mib, uint64_t reserve_mib)
{
    return (WorldOptions){
        .seed = 1,
        .memory_kib = FROM_MIB(memory_mib),
        .reserve_kib = FROM_MIB(reserve_mib),
        .limits = true,
        .quiet_calls = true,
        .absent_allows = true,
        .admission = true,
        .interval_usec = USEC_PER_SEC,
    };
}

World *
case_world(uint64_t memory_mib, uint64_t reserve_mib)
{
    const WorldOptions options = case_options(memory_mib, reserve_mib);
    World *world = world_new(&options);

    world->other_kib = world->other_goal_kib = FROM_MIB(100);
    return world;
}

/* Runs so long; victim (may be NULL) must have what it needs all the time. */
bool
case_run(World *world, uint64_t usec, const Seat *victim)
{
    for (uint64_t end_usec = world->now_usec + usec; world->now_usec < end_usec;) {
        if (!world_run(world, WORLD_STEP_USEC))
            return false;
        if (victim != NULL && machine_actual(victim->machine) < percent_of(victim->machine->need_kib, 98)) {
            world_break(world, victim, "has %.0f MiB and needs %.0f, because of somebody else",
                        MIB(machine_actual(victim->machine)), MIB(victim->machine->need_kib));
            return false;
        }
    }
    return true;
}

/* Runs until it is in this state of the ledger; false after so long. */
bool
case_run_until_runs(World *world, const Seat *seat, uint64_t usec)
{
    for (uint64_t end_usec = world->now_usec + usec; world->now_usec < end_usec;) {
        if (!world_run(world, WORLD_STEP_USEC))
            return false;
        if (seat->machine != NULL && seat->start.stage == STARTING_NOT)
            return true;
    }
    world_break(world, seat, "does not run");
    return false;
}

void
case_booked_within(World *world, const Seat *seat, uint64_t low_mib, uint64_t high_mib, const char *when)
{
    double booked = MIB(truth_booked(seat) - seat->told.lent_kib); /* page cache of its disks is another matter */

    if (booked < (double)low_mib || booked > (double)high_mib)
        world_break(world, seat, "%s is booked at %.0f MiB; right is %d to %d", when, booked, (int)low_mib,
                    (int)high_mib);
}
