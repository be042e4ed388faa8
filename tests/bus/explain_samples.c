/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What Explain answers for every guest in every half minute of simulated runs, and whenever somebody gives up memory, a
 * document a line: a real daemon on libvirt's test driver has neither restarts nor limits. Usage: explain_samples SCENARIO...
 */

#include "report/explain.h"
#include "report/held_tick.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
look(void *user_data, const SimStep *step)
{
    HeldTick *held = user_data;

    held_tick_update(held, step->tick);
    for (size_t i = 0; i < step->tick->plan->guest_count; i++) {
        const TickReport *report = held_tick_report(held);
        g_autofree char *json = explain_guest(&report->plan->guests[i], report);

        if (step->second % 30 == 0 || strstr(json, "\"from\":[{") != NULL)
            puts(json);
    }
    return true;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        g_autoptr(SimScenario) scenario = sim_scenario_load(argv[i], NULL);
        g_autoptr(HeldTick) held = held_tick_new();
        SimSummary summary = {0};

        g_assert(scenario != NULL);
        sim_run(scenario, look, held, &summary);
        sim_summary_clear(&summary);
    }
    return EXIT_SUCCESS;
}
