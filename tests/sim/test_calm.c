/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Constant load with a noise of 150 MiB moves no targets, whatever the guests and however short memory is: random
 * hosts and guests, of which each needs the same all the time. Where all that is needed is there, no guest is told more than
 * two targets in ten minutes. In the worst of shortages one in fifty may be told a few more, for the guests that
 * can't be squeezed further must be tried now and then.
 *
 * SIM_CALM_HOSTS: how many hosts to try.
 */

#include "decide/faults.h"
#include "random_scenario.h"
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_HOSTS 300
#define SECONDS 1500
#define LAST_MINUTES 600
#define MOST_CHANGES 2
#define MOST_CHANGES_IN_SHORTAGE 8

typedef struct Tally {
    uint64_t roomy;
    uint64_t restless_roomy;
    uint64_t short_of;
    uint64_t restless_short;
    unsigned most;
} Tally;

static void
look_at(uint64_t number, Fault fault, Tally *tally)
{
    g_autoptr(SimScenario) scenario = random_constant_scenario_new(number, SECONDS, 150 * KIB_PER_MIB);
    g_autoptr(Trace) trace = NULL;
    unsigned changes;
    bool roomy;

    rules_break(fault);
    trace = trace_run(scenario);
    changes = trace_changes(trace, TRACE_ALL, SECONDS - LAST_MINUTES, SECONDS);
    roomy = trace_unmet(trace, TRACE_ALL, SECONDS - LAST_MINUTES, SECONDS) == 0;
    tally->most = MAX(tally->most, changes);
    if (roomy) {
        tally->roomy++;
        tally->restless_roomy += changes > MOST_CHANGES;
    } else {
        tally->short_of++;
        tally->restless_short += changes > MOST_CHANGES;
    }
    if (fault == FAULT_NONE && (trace->broken != NULL || (roomy && changes > MOST_CHANGES))) {
        g_autofree char *text = sim_scenario_format(scenario);

        printf("FAIL host %" PRIu64 ": %u changes, %s\n%s", number, changes,
               trace->broken != NULL ? trace->broken : "with room for all", text);
        exit(1);
    }
}

static bool
is_calm(const Tally *tally)
{
    return tally->restless_roomy == 0 && tally->restless_short <= 2 + tally->short_of / 50 &&
           tally->most <= MOST_CHANGES_IN_SHORTAGE;
}

int
main(void)
{
    const char *wanted = g_getenv("SIM_CALM_HOSTS");
    uint64_t hosts = wanted != NULL ? strtoull(wanted, NULL, 10) : DEFAULT_HOSTS;
    Tally tally = {0};
    Tally broken = {0};

    for (uint64_t number = 1; number <= hosts; number++)
        look_at(number, 0, &tally);
    for (uint64_t number = 1; number <= 20; number++)
        look_at(number, FAULT_NO_ENVELOPE, &broken);
    printf("%s %" PRIu64 " hosts with room, %" PRIu64 " short of memory: more than %d changes on %" PRIu64
           " of them, at most %u\n",
           is_calm(&tally) ? "ok  " : "FAIL", tally.roomy, tally.short_of, MOST_CHANGES, tally.restless_short,
           tally.most);
    if (is_calm(&broken))
        printf("FAIL it is as calm where demand follows every wiggle\n");
    return is_calm(&tally) && !is_calm(&broken) ? 0 : 1;
}
