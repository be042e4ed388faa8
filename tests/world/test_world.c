/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Random worlds: test_world [SEED [COUNT]]. WORLD_STEPS= is how many steps of 100 ms all of them take together (two million);
 * with SEED and no COUNT that world alone is run. The first that fails is told in full. WORLD_BREAK= puts a behaviour back: its
 * number in decide/faults.h.
 * Every second world has a moment at which more happens than at others (a file is emptied, a call is under way, ...); from
 * CHANCE_MOMENTS on all seeds are such. In the end each thing that can happen must have happened at each moment at which it can;
 * WORLD_MOMENTS=1 prints how often.
 * WORLD_TRACE=SECOND prints all that happens from that second on. WORLD_WITHOUT= leaves deeds of chance.c out, WORLD_FAILURES= is after how many failures to stop (10),
 * WORLD_ABOVE=1 runs those alone that have limits above guests.
 */

#include "decide/faults.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FAILURES_MAX UINT64_C(10)
#define DEFAULT_STEPS UINT64_C(3000000)

static void
add_counts(WorldCounts *sums, const WorldCounts *counts)
{
    uint64_t *sum = (uint64_t *)sums;
    const uint64_t *count = (const uint64_t *)counts;

    for (size_t i = 0; i < sizeof *sums / sizeof *sum; i++)
        sum[i] += count[i];
}

static uint64_t
number_from(const char *text, uint64_t otherwise)
{
    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
    uint64_t seed = number_from(argc > 1 ? argv[1] : NULL, 1);
    uint64_t count = number_from(argc > 2 ? argv[2] : NULL, argc > 1 ? 1 : UINT64_MAX);
    uint64_t steps = argc > 1 ? UINT64_MAX : number_from(g_getenv("WORLD_STEPS"), DEFAULT_STEPS);
    WorldCounts sums = {0};
    uint64_t failures_most = number_from(g_getenv("WORLD_FAILURES"), FAILURES_MAX);
    unsigned failures = 0;
    uint64_t worlds = 0;
    const char *fault = g_getenv("WORLD_BREAK");
    bool above = g_getenv("WORLD_ABOVE") != NULL;
    gint64 began = g_get_monotonic_time();
    double seconds;

    if (fault != NULL)
        rules_break((Fault)number_from(fault, 0));
    for (; worlds < count && sums.steps < steps && failures < failures_most; worlds++) {
        /* worlds with a moment of their own by turns, unless they were asked for by number */
        uint64_t number = argc <= 1 && worlds % 2 != 0 ? CHANCE_MOMENTS + seed + worlds / 2 : seed + worlds;
        World *world;

        if (above && !chance_has_limits_above(number))
            continue;
        world = chance_world(number);

        if (!run_world(world)) {
            failures++;
            printf("seed %" PRIu64 ": %s\n  again: %s %" PRIu64 "\n", number, world->broken, argv[0], number);
            if (failures == 1)
                trace_print(world);
        }
        add_counts(&sums, &world->counts);
        world_free(world);
    }
    seconds = (double)(g_get_monotonic_time() - began) / 1e6;
    printf("%" PRIu64 " worlds, %" PRIu64 " steps in %.1f s (%.0f a second), %u failed\n", worlds, sums.steps, seconds,
           (double)sums.steps / seconds, failures);
    printf("%" PRIu64 " ticks, %" PRIu64 " checks (%" PRIu64 " of a host nearly full, %" PRIu64
           " bookings excused), %" PRIu64 " ends reached (all fits at %" PRIu64 ")\n",
           sums.ticks, sums.checks, sums.tight, sums.excused, sums.ends, sums.ends_fit);
    printf("%" PRIu64 " starts, %" PRIu64 " refused, %" PRIu64 " resets, %" PRIu64 " targets (%" PRIu64
           " of unknown fate), %" PRIu64 " paging files, %" PRIu64 " daemons\n",
           sums.starts, sums.refused, sums.resets, sums.targets, sums.targets_unknown, sums.files, sums.daemons);
    /* in fewer steps they don't all come by */
    if (!chance_met_all(g_getenv("WORLD_MOMENTS") != NULL) && sums.steps >= DEFAULT_STEPS && failures == 0 &&
        g_getenv("WORLD_WITHOUT") == NULL) {
        printf("not everything has happened at every moment (WORLD_MOMENTS=1 shows what has)\n");
        failures++;
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
