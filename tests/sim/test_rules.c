/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each rule of the policy is needed: broken by its switch, the scenario named here fails, which passes with it
 * (test_scenarios). A switch without a scenario fails the test too.
 */

#include "decide/faults.h"
#include "scenario_checks.h"

#include <stdio.h>
#include <string.h>

static const struct {
    Fault fault;
    const char *rule;
    const char *scenario;
} rules[] = {
    {FAULT_NO_GATE, "a raise waits until memory is seen free", "s2-weights"},
    {FAULT_COUNT_TARGET_ONLY, "committed is max(actual, target)", "start-in-shortage"},
    {FAULT_NO_RESET_BOOKING, "a reset guest is booked anew", "restart-unlimited"},
    {FAULT_NO_WEIGHTS, "shares go by weight", "s2-weights"},
    {FAULT_BUFFER_FIRST, "nobody gets buffer before everybody has their demand", "s4-stuck-tight"},
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
    {FAULT_OWN_PRESSURE, "pressure counts where memory is short", "pressure-own"},
    {FAULT_NO_AVAILABLE, "the budget is held against what is available", "inhibited-unseen"},
    {FAULT_NO_BUDGET_SMOOTHING, "the budget does not follow every wiggle", "host-wobbles"},
    {FAULT_TRUST_REPORTS, "what can't be is not believed", "lying-in-shortage"},
    {FAULT_FORGET_REMAINDERS, "in a shortage nothing is left over", "s2-weights"},
    {FAULT_KEEP_MAXIMUM, "a guest that was started goes to its startup", "start-in-shortage"},
    {FAULT_CLAIM_NO_ORDER, "claims are served by priority", "starts-queue"},
    {FAULT_CLAIM_OVERTAKES, "nobody further back gets what those before wait for", "start-high-priority"},
    {FAULT_CLAIM_TAKES_NEED, "a start takes nothing that those of higher priority need", "start-low-priority"},
    {FAULT_CLAIM_NEED_FIRST, "buffers are taken before what others need", "start-buffers-first"},
    {FAULT_CLAIM_NO_RANK, "who is squeezed first goes by priority", "start-low-priority"},
    {FAULT_CLAIM_OUTBID, "what comes free is kept for who waits for it", "start-outbid"},
    {FAULT_START_BEFORE_FREE, "a start goes on when its memory is seen free", "start-squeezes"},
    {FAULT_START_HOPES, "a start that can't ever fit is refused at once", "start-refused"},
    {FAULT_START_REFUSES_RESTART, "a restart is never refused", "restart-by-start"},
    {FAULT_RESERVED_NOT_BOOKED, "what was admitted is booked", "start-squeezes"},
    {FAULT_PAGE_FIRST, "a paging file is the last resort", "restart-reclaims"},
    {FAULT_END_UNBOOKED, "a file is ended when there is memory for what it holds", "restart-wedged"},
    {FAULT_NO_DEADLINES, "a file is pressed for harder and harder", "restart-wedged"},
    {FAULT_FORGET_FILES, "a file goes with its guest", "restart-destroyed"},
    {FAULT_LIMIT_AT_ONCE, "a limit does not fall below what a guest holds", "inhibited-unseen"},
    {FAULT_TRUST_NO_LIMIT, "a limit that is not in force is not relied on", "restart-unlimited"},
    {FAULT_ADOPT_UNHELD, "what an earlier daemon limited stays limited", "restart-daemon-hog"},
    {FAULT_NO_ROOM_TO_RETURN, "a limit leaves room for what comes back from a file", "restart-emptying"},
    {FAULT_CLAIM_NO_BASE, "every restart gets its minimum before others get more", "restart-host"},
    {FAULT_RESTART_AT_TARGET, "a guest that restarts goes to its startup", "restart-reclaims"},
};

/* What simulated guests do not show is caught in test_demand, test_decide_alarm, test_decide_calm, test_decide_moments, test_claims,
   test_decide_starts, test_decide_limit, test_decide_lend, test_paging_rule, test_decide_ledger, test_decide_let_go,
   test_decide_bounds, test_decide_groups and test_decide_boot. */
static const Fault caught_elsewhere[] = {FAULT_NO_PEAK,
                                         FAULT_SAME_STEP,
                                         FAULT_KEEP_SURPLUS,
                                         FAULT_PART_PAGES,
                                         FAULT_CLAIM_PATIENT,
                                         FAULT_CLAIM_NO_BASE,
                                         FAULT_RESERVED_BARE,
                                         FAULT_PAGE_COLD_STARTS,
                                         FAULT_PAGE_RUNNING,
                                         FAULT_PAGE_ALL,
                                         FAULT_LIMIT_NOT_LEARNT,
                                         FAULT_TARGET_UNDER_WAY,
                                         FAULT_FOLLOW_BALLOON,
                                         FAULT_DROP_SQUEEZED,
                                         FAULT_SQUEEZE_FRAIL,
                                         FAULT_FORGET_CLAIM,
                                         FAULT_CRUMBS,
                                         FAULT_LEARN_CAPPED,
                                         FAULT_NO_ASKING,
                                         FAULT_ALWAYS_ASKING,
                                         FAULT_NO_CROSSING,
                                         FAULT_TAKE_ITS_WORD,
                                         FAULT_LEND_UNBOOKED,
                                         FAULT_LEND_ON,
                                         FAULT_BOUND_NO_GATE,
                                         FAULT_BOUND_TAKEN_TWICE,
                                         FAULT_BOUND_GRANT_ALL,
                                         FAULT_BOUND_CLAIM_ALL,
                                         FAULT_BOUND_NOT_OWED,
                                         FAULT_BOUND_NOT_SHARED,
                                         FAULT_BOUND_STARTS_FREE,
                                         FAULT_BOUND_FIRST_ALONE,
                                         FAULT_BOUND_NODES_ALONE,
                                         FAULT_BOUND_ALL_OURS,
                                         FAULT_BOUND_NO_SLACK,
                                         FAULT_BOUND_NODES_WHOLE,
                                         FAULT_BOUND_OTHERS_NOW,
                                         FAULT_GRANT_UNHELD,
                                         FAULT_LIMIT_BY_LIBVIRT,
                                         FAULT_FORGET_DEVICES,
                                         FAULT_BOUND_LEND_ON};

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

    rules_break(check->fault);
    rules_break_also(rules[rule].fault);
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
    bool covered[FAULTS] = {[FAULT_NONE] = true};

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        good &= matters(i);
        covered[rules[i].fault] = true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(caught_elsewhere); i++)
        covered[caught_elsewhere[i]] = true;
    for (size_t fault = 0; fault < FAULTS; fault++)
        if (!covered[fault]) {
            printf("FAIL the switch %zu has no scenario\n", fault);
            good = false;
        }
    return good ? 0 : 1;
}
