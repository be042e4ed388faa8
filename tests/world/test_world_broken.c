/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the daemon once did wrong with its ledger, put back one by one: random worlds must catch each, in no more than STEPS_MOST
 * steps of 100 ms. How many it took is printed. test_world_broken NAME: that one alone, with the trace of the world that caught it.
 */

#include "decide/faults.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST UINT64_C(12000000)

static const struct {
    const char *name;
    Fault fault; /* of decide */
    unsigned bugs;
    const char *what;
    bool above; /* caught in worlds with limits above guests alone, so the others are left out */
} wrongs[] = {
    {"under_way", FAULT_TARGET_UNDER_WAY, 0, "a target under way, or of unknown fate, is not booked"},
    {"brings", FAULT_NONE, 1 << BUG_BOOTS, "a guest that brings its memory is booked as if it booted"},
    {"unheld", FAULT_TRUST_NO_LIMIT, 0,
     "one that was started paused, or arrived, is booked as if its limit were there"},
    {"empties", FAULT_FOLLOW_BALLOON, 0, "a balloon that grows by itself is followed"},
    {"old_xml", FAULT_NONE, 1 << BUG_OLD_XML,
     "a guest that was defined and started in one breath is admitted by what was defined before"},
    {"bare_xml", FAULT_NONE, 1 << BUG_BARE_XML, "hard limits and what memory devices have plugged are not read"},
    {"leaves", FAULT_NONE, 1 << BUG_LEAVES, "Ctrl-C of dm-ctl start drops the booking of a start that goes on"},
    {"same_run", FAULT_NONE, 1 << BUG_SAME_RUN,
     "a guest that was destroyed and started between two looks is taken for the one before"},
    {"told_once", FAULT_NONE, 1 << BUG_TOLD_ONCE, "a balloon that somebody else moved is not told again"},
    {"dropped", FAULT_DROP_SQUEEZED, 0, "who is no longer managed stays at what it was squeezed to"},
    {"all_seen", FAULT_NONE, 1 << BUG_ALL_SEEN, "memory that a guest does not see is squeezed"},
    {"raise_waits", FAULT_NONE, 1 << BUG_RAISE_WAITS, "a limit that is raised waits for what is being lowered"},
    {"bound_no_gate", FAULT_BOUND_NO_GATE, 0, "limits above guests bound nothing", true},
    {"bound_taken_twice", FAULT_BOUND_TAKEN_TWICE, 0, "what one guest takes of its group is left for the next", true},
    {"bound_grant_all", FAULT_BOUND_GRANT_ALL, 0, "a restart is granted what its group does not have", true},
    {"bound_starts_free", FAULT_BOUND_STARTS_FREE, 0, "a start is in no group before its QEMU is seen", true},
    {"bound_first_alone", FAULT_BOUND_FIRST_ALONE, 0, "of a group within a group only one counts", true},
    {"bound_nodes_alone", FAULT_BOUND_NODES_ALONE, 0,
     "what is promised on a node is there for who may have another, too", true},
    {"bound_all_ours", FAULT_BOUND_ALL_OURS, 0, "what a group holds beyond its bookings is there for its guests", true},
    {"bound_no_slack", FAULT_BOUND_NO_SLACK, 0, "a group keeps nothing for the slack of limits", true},
    {"bound_nodes_whole", FAULT_BOUND_NODES_WHOLE, 0, "a node keeps nothing for the host", true},
};

static bool
is_caught(size_t i, bool shown)
{
    gint64 began = g_get_monotonic_time();
    uint64_t steps = 0;
    bool caught = false;

    rules_break(wrongs[i].fault);
    bugs_put_back(wrongs[i].bugs);
    for (uint64_t worlds = 0; !caught && steps < STEPS_MOST; worlds++) {
        uint64_t seed = 1 + worlds / 2 + (worlds % 2 != 0 ? CHANCE_MOMENTS : 0);
        World *world;

        if (wrongs[i].above && !chance_has_limits_above(seed))
            continue;
        world = chance_world(seed);
        caught = !run_world(world);
        steps += world->counts.steps;
        if (caught)
            printf("ok   %s: caught after %" PRIu64 " steps, %.1f s (%s), by seed %" PRIu64 ": %s\n", wrongs[i].name,
                   steps, (double)(g_get_monotonic_time() - began) / 1e6, wrongs[i].what, seed, world->broken);
        if (caught && shown)
            trace_print(world);
        world_free(world);
    }
    rules_break(FAULT_NONE);
    bugs_put_back(0);
    if (!caught)
        printf("FAIL %s: not caught in %" PRIu64 " steps: %s\n", wrongs[i].name, steps, wrongs[i].what);
    fflush(stdout);
    return caught;
}

int
main(int argc, char **argv)
{
    bool all = true;

    for (size_t i = 0; i < G_N_ELEMENTS(wrongs); i++)
        if (argc < 2 || strcmp(argv[1], wrongs[i].name) == 0)
            all &= is_caught(i, argc > 1);
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
