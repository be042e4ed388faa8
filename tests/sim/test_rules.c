/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each rule of the policy is needed: broken by its switch, the scenario named here fails, which passes with it
 * (test_scenarios). A switch without a scenario fails the test too.
 */

#include "decide/faults.h"
#include "scenario_checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    uint64_t fault;
    const char *rule;
    const char *scenario;
} rules[] = {
    {FAULT_NO_GATE, "a raise waits until memory is seen free", "s2-weights"},
    {FAULT_COUNT_TARGET_ONLY, "committed is max(actual, target)", "s4-stuck"},
    {FAULT_NO_RESET_BOOKING, "a reset guest is booked anew", "reboot-storm"},
    {FAULT_NO_WEIGHTS, "shares go by weight", "s2-weights"},
    {FAULT_BUFFER_FIRST, "nobody gets buffer before everybody has their demand", "s5-square-tight"},
    {FAULT_NO_STALE_FREEZE, "a stale guest is not shrunk", "mute"},
    {FAULT_NO_HYSTERESIS, "small changes are held back and a surplus must last", "s6-square-roomy"},
    {FAULT_SHRINK_AT_ONCE, "shrinking goes in steps", "s3-mixed"},
    {FAULT_ANY_PROGRESS, "progress is a rate", "trickle"},
    {FAULT_NO_STUCK, "a stuck guest is flagged", "s4-stuck-tight"},
    {FAULT_NO_STARVED, "a starved guest grows in large steps", "s1-step"},
    {FAULT_NO_ENVELOPE, "noise is no demand", "noise-in-shortage"},
    {FAULT_NO_INHIBITED, "a balloon that frees nothing is found out", "inhibited"},
    {FAULT_SQUEEZE_STARTING, "a starting guest is not squeezed", "start-in-shortage"},
    {FAULT_NO_PRESSURE, "under pressure buffers are given up", "pressure"},
    {FAULT_NO_AVAILABLE, "the budget is held against what is available", "inhibited-unseen"},
    {FAULT_NO_BUDGET_SMOOTHING, "the budget does not follow every wiggle", "host-wobbles"},
    {FAULT_TRUST_REPORTS, "what can't be is not believed", "lying-in-shortage"},
    {FAULT_FORGET_REMAINDERS, "in a shortage nothing is left over", "s2-weights"},
    {FAULT_NO_RECENT, "what a guest needed lately is the first guess", "s6-square-roomy"},
    {FAULT_KEEP_MAXIMUM, "a guest that was started goes to its startup", "start-in-shortage"},
};

/* What simulated guests do not show is caught in test_demand, and in test_decide_moments the last one. */
#define CAUGHT_ELSEWHERE                                                                                               \
    (FAULT_SWAP_IS_FETCHING | FAULT_STARVED_ONCE | FAULT_PART_PAGES | FAULT_CLAIM_NO_ORDER | FAULT_CLAIM_OVERTAKES |   \
     FAULT_CLAIM_TAKES_NEED | FAULT_CLAIM_NEED_FIRST | FAULT_CLAIM_NO_RANK | FAULT_CLAIM_PATIENT |                     \
     FAULT_CLAIM_OUTBID | FAULT_START_BEFORE_FREE | FAULT_START_HOPES | FAULT_START_REFUSES_RESTART |                  \
     FAULT_RESERVED_NOT_BOOKED | FAULT_RESERVED_BARE)

static const ScenarioCheck *
find_check(const char *name)
{
    for (const ScenarioCheck *check = scenario_checks; check->name != NULL; check++)
        if (strcmp(check->name, name) == 0)
            return check;
    g_error("there is no scenario %s", name);
}

static bool
matters(size_t rule)
{
    const ScenarioCheck *check = find_check(rules[rule].scenario);
    g_autoptr(SimScenario) scenario = scenario_load(check);
    g_autoptr(Trace) trace = NULL;
    g_autofree char *wrong = NULL;

    scenario->faults |= rules[rule].fault;
    trace = trace_run(scenario);
    wrong = scenario_verdict(check, trace);
    if (*wrong == '\0') {
        printf("FAIL %s passes without the rule that %s\n", check->name, rules[rule].rule);
        return false;
    }
    wrong[strcspn(wrong, "\n")] = '\0';
    printf("ok   without the rule that %s: %s: %s\n", rules[rule].rule, check->name, wrong);
    return true;
}

int
main(void)
{
    bool good = true;
    uint64_t covered = CAUGHT_ELSEWHERE;

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        good &= matters(i);
        covered |= rules[i].fault;
    }
    if (covered != DECIDE_FAULTS_ALL) {
        printf("FAIL the switches 0x%" PRIx64 " have no scenario\n", DECIDE_FAULTS_ALL & ~covered);
        good = false;
    }
    return good ? 0 : 1;
}
