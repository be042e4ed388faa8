/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The closed loop by chance: scenarios with every kind of guest mixed, the invariants looked at in every second, and
 * now and then that the same scenario is the same run. A failing scenario is made small and printed as a
 * simulation file.
 *
 *   test_chance [FIRST [COUNT]]     scenarios FIRST to FIRST + COUNT - 1; without COUNT until SIM_CHANCE_STEPS
 *                                   seconds have been simulated (a million unless it is set)
 *
 * SIM_CHANCE_FAULT is the number of a rule that is broken (decide/faults.h), to see how soon that is found and how small it is made.
 */

#include "decide/faults.h"
#include "invariants.h"
#include "random_scenario.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_STEPS 1000000
#define REPEAT_EVERY 64
#define SOON 500

typedef struct Look {
    Invariants invariants;
    char *broken;
    uint64_t hash; /* of all that was seen */
    uint64_t seconds;
} Look;

static void
add_to_hash(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * UINT64_C(0x100000001b3);
    *hash ^= *hash >> 29;
}

static bool
look(void *user_data, const SimStep *step)
{
    Look *seen = user_data;

    for (size_t i = 0; i < step->count; i++) {
        add_to_hash(&seen->hash, step->samples[i].assigned_kib);
        add_to_hash(&seen->hash, step->samples[i].target_kib);
        add_to_hash(&seen->hash, step->samples[i].plan->demand_kib);
        add_to_hash(&seen->hash, step->samples[i].plan->rule);
    }
    seen->seconds++;
    seen->broken = invariants_check(&seen->invariants, step);
    if (seen->broken == NULL && step->second + 1 == seen->invariants.scenario->seconds)
        seen->broken = invariants_check_end(&seen->invariants, step);
    return seen->broken == NULL;
}

static Look
run(const SimScenario *scenario)
{
    Look seen = {.hash = 1};
    SimSummary summary;

    invariants_init(&seen.invariants, scenario);
    sim_run(scenario, look, &seen, &summary);
    sim_summary_clear(&summary);
    invariants_clear(&seen.invariants);
    return seen;
}

static char *
trial(const SimScenario *scenario)
{
    return run(scenario).broken;
}

/* The printed scenario read back is the same run. */
static bool
reads_back(const SimScenario *scenario, uint64_t hash)
{
    g_autofree char *text = sim_scenario_format(scenario);
    g_autoptr(GError) error = NULL;
    g_autoptr(SimScenario) again = sim_scenario_parse(scenario->name, text, -1, &error);
    Look seen;

    if (again == NULL) {
        printf("FAIL %s does not read back: %s\n%s", scenario->name, error->message, text);
        return false;
    }
    seen = run(again);
    g_free(seen.broken);
    if (seen.hash != hash)
        printf("FAIL %s is another run the second time\n%s", scenario->name, text);
    return seen.hash == hash;
}

static void
print_small(SimScenario *scenario, const char *broken)
{
    SimScenario *small = scenario_shrink(scenario, trial);
    g_autofree char *wrong = trial(small);
    g_autofree char *text = sim_scenario_format(small);

    printf("FAIL %s: %s\nmade small: %s\n%s", small->name, broken, wrong, text);
    sim_scenario_free(small);
}

/* A broken rule is found soon, and what is made of it is no larger, reads back and still fails. */
static bool
finds(Fault fault)
{
    for (uint64_t number = 1; number <= SOON; number++) {
        SimScenario *scenario = random_scenario_new(number);
        guint count = scenario->guests->len;
        g_autofree char *broken = NULL;
        g_autofree char *text = NULL;
        g_autofree char *still = NULL;
        g_autoptr(SimScenario) again = NULL;

        rules_break(fault);
        broken = trial(scenario);
        if (broken == NULL) {
            sim_scenario_free(scenario);
            continue;
        }
        scenario = scenario_shrink(scenario, trial);
        text = sim_scenario_format(scenario);
        again = sim_scenario_parse("small", text, -1, NULL);
        sim_scenario_free(scenario);
        if (again == NULL || again->guests->len > count)
            break;
        still = trial(again);
        return still != NULL;
    }
    printf("FAIL the broken rule %u is not found in %d scenarios, or not made small\n", fault, SOON);
    return false;
}

int
main(int argc, char **argv)
{
    static const Fault must_find[] = {FAULT_NO_GATE, FAULT_COUNT_TARGET_ONLY, FAULT_NO_RESET_BOOKING,
                                      FAULT_NO_STALE_FREEZE, FAULT_FORGET_REMAINDERS};
    const char *fault = g_getenv("SIM_CHANCE_FAULT");
    const char *steps = g_getenv("SIM_CHANCE_STEPS");
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX;
    uint64_t left = argc > 2 ? UINT64_MAX : steps != NULL ? strtoull(steps, NULL, 10) : DEFAULT_STEPS;
    uint64_t seconds = 0;
    uint64_t number;

    rules_break(fault == NULL ? FAULT_NONE : (Fault)strtoull(fault, NULL, 10));
    for (number = first; number - first < count && seconds < left; number++) {
        SimScenario *scenario = random_scenario_new(number);
        Look seen;

        seen = run(scenario);
        seconds += seen.seconds;
        if (seen.broken != NULL) {
            print_small(scenario, seen.broken);
            g_free(seen.broken);
            return 1;
        }
        if (number % REPEAT_EVERY == 0 && !reads_back(scenario, seen.hash))
            return 1;
        sim_scenario_free(scenario);
    }
    for (size_t i = 0; argc == 1 && i < G_N_ELEMENTS(must_find); i++)
        if (!finds(must_find[i]))
            return 1;
    printf("ok   %" PRIu64 " scenarios, %" PRIu64 " steps\n", number - first, seconds);
    return 0;
}
