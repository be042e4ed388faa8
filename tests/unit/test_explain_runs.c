/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every named scenario is run by the real engine, and each second each guest is explained. What the sentences of
 * a rule take for granted must be so: a plan that says "shortage" while the guest is to have all it wants would make
 * them wrong.
 */

#include "cmocka_all.h"
#include "report/held_tick.h"
#include "report/rules.h"
#include "sim/sim.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

typedef struct Run {
    const char *file;
    unsigned seen[PLAN_RULE_COUNT];
    char *wrong; /* the first thing that is */
} Run;

static uint64_t
awaited(const Plan *plan)
{
    uint64_t count = 0;

    for (size_t i = 0; i < plan->guest_count; i++)
        count += plan->guests[i].rule == PLAN_RULE_ADOPTING;
    return count;
}

/* What the sentences of rules.c take for granted of a guest under its rule. */
static bool
is_as_said(const GuestPlan *guest, const TickReport *report)
{
    const GuestSnapshot *snapshot = guest->guest;
    const GuestSettings *settings = snapshot->settings;
    const Plan *plan = report->plan;
    uint64_t apart = MAX(guest->ideal_kib, guest->target_kib) - MIN(guest->ideal_kib, guest->target_kib);

    switch (guest->rule) {
    case PLAN_RULE_SATISFIED:
        return guest->ideal_kib >= guest->want_kib;
    case PLAN_RULE_AT_MINIMUM:
        return guest->want_kib == settings->minimum_kib && guest->ideal_kib >= settings->minimum_kib;
    case PLAN_RULE_AT_MAXIMUM:
        return guest->want_kib == settings->maximum_kib && guest->ideal_kib == settings->maximum_kib;
    case PLAN_RULE_SHORTAGE:
        return guest->ideal_kib < guest->want_kib && plan->minimums_fit;
    case PLAN_RULE_MINIMUMS:
        return !plan->minimums_fit;
    case PLAN_RULE_PRESSURE:
        return plan->host_pressure && guest->ideal_kib >= guest->demand_kib && guest->ideal_kib < guest->want_kib;
    case PLAN_RULE_SURPLUS:
        return guest->ideal_kib > guest->want_kib && report->settings->give_away;
    case PLAN_RULE_WAIT_FREE: /* a target from before a reset may be in force, and not booked */
        return MIN(guest->target_kib, guest->committed_kib) < guest->ideal_kib;
    case PLAN_RULE_WAIT_SURPLUS:
        return guest->ideal_kib < guest->target_kib || awaited(plan) > 0;
    case PLAN_RULE_STEP:
        return guest->ideal_kib <= guest->target_kib;
    case PLAN_RULE_SMALL:
        return apart <= guest->target_kib / 16 ||
               (guest->demand_kib <= guest->target_kib && apart <= (guest->ideal_kib - guest->demand_kib) / 2);
    case PLAN_RULE_PEAK:
        return guest->ideal_kib > guest->want_kib && !guest->starved;
    case PLAN_RULE_STALE:
        return !snapshot->fresh;
    case PLAN_RULE_STARVED:
        return guest->starved && guest->ideal_kib >= guest->want_kib;
    case PLAN_RULE_SETTLING:
        return snapshot->driver_up && report->now_usec - snapshot->driver_usec < 60 * USEC_PER_SEC;
    case PLAN_RULE_RETRY:
        return guest->retry;
    case PLAN_RULE_OFF:
        return snapshot->life == GUEST_LIFE_OFF && guest->assigned_kib == 0;
    case PLAN_RULE_UNMANAGED:
        return !settings->managed && guest->committed_kib > 0;
    case PLAN_RULE_STATIC:
        return settings->mode == GUEST_MODE_STATIC && guest->committed_kib > 0;
    case PLAN_RULE_BAR:
        return settings->bar != BALLOON_USABLE;
    case PLAN_RULE_INHIBITED:
        return snapshot->resident_kib + guest->assigned_kib / 64 > guest->assigned_kib;
    case PLAN_RULE_NO_DRIVER:
        return !snapshot->driver_up && guest->committed_kib >= settings->maximum_kib;
    case PLAN_RULE_NO_STATISTICS:
        return !snapshot->has_usable || !snapshot->fresh;
    case PLAN_RULE_OBSERVE:
        return settings->mode == GUEST_MODE_OBSERVE || report->dry_run ||
               report->snapshot->host.link == WORLD_LINK_READ_ONLY;
    case PLAN_RULE_STARTING:
        return (!snapshot->driver_up || guest->granted_kib > 0) && guest->committed_kib >= settings->startup_kib;
    case PLAN_RULE_BROUGHT:
        return snapshot->boot_resumed;
    case PLAN_RULE_LET_GO:
        return !settings->managed || settings->mode == GUEST_MODE_STATIC;
    case PLAN_RULE_LET_BE:
        return guest->weight > 0 && snapshot->boot_in_place;
    case PLAN_RULE_BOUND:
        return guest->weight > 0 && (snapshot->limits.max_kib != 0 || snapshot->limits.above.group[0].id != 0 ||
                                     settings->strict_nodes != 0);
    case PLAN_RULE_ADOPTING:
        return snapshot->adopted;
    case PLAN_RULE_RESET:
        return snapshot->boot_in_place && guest->committed_kib >= settings->maximum_kib;
    case PLAN_RULE_STUCK:
        return guest->flagged_usec != 0;
    case PLAN_RULE_UNRESPONSIVE:
        return !snapshot->answering;
    case PLAN_RULE_FROZEN:
        return snapshot->migrating || snapshot->life == GUEST_LIFE_PAUSED || snapshot->life == GUEST_LIFE_SUSPENDED;
    case PLAN_RULE_MAKE_ROOM:
        return guest->ideal_kib <= guest->want_kib;
    case PLAN_RULE_RESERVED:
        return snapshot->life == GUEST_LIFE_OFF && plan_find_start(plan, snapshot->uuid) != NULL;
    case PLAN_RULE_RESTART:
    case PLAN_RULE_PAGING:
    case PLAN_RULE_PAGING_LEAVE:
        return snapshot->life == GUEST_LIFE_RUNNING && guest->committed_kib >= guest->granted_kib;
    case PLAN_RULE_LINK_DOWN:
        return report->snapshot->host.link == WORLD_LINK_DOWN;
    case PLAN_RULE_LIMIT:
        return guest->weight > 0;
    case PLAN_RULE_COUNT:
        break;
    }
    return false;
}

/* The same of the ground on which it is booked. */
static bool
is_booked_as_said(const GuestPlan *guest)
{
    const GuestSnapshot *snapshot = guest->guest;
    uint64_t fixed = snapshot->settings->fixed_kib;

    if (snapshot->limits.max_kib != 0)
        return guest->committed_kib <= snapshot->limits.max_kib;
    switch (guest->ground) {
    case GROUND_NONE:
        return snapshot->life == GUEST_LIFE_OFF && guest->committed_kib == 0;
    case GROUND_START:
        return snapshot->life == GUEST_LIFE_OFF && guest->state == GUEST_STATE_RESERVED;
    case GROUND_LIMIT:
        return snapshot->limits.usable &&
               MAX(guest->balloon_kib + fixed, snapshot->resident_kib) >= guest->committed_kib;
    case GROUND_BALLOON:
        return guest->committed_kib >= snapshot->actual_kib + fixed;
    case GROUND_BROUGHT:
        return snapshot->boot_resumed || snapshot->adopted;
    case GROUND_MAXIMUM:
        return guest->committed_kib >= snapshot->settings->maximum_kib + fixed;
    case GROUND_FULL:
        return guest->committed_kib + snapshot->settings->hugepages_kib >= snapshot->settings->maximum_kib;
    }
    return false;
}

static char *
describe(const Run *run, const GuestPlan *guest, const TickReport *report, uint64_t second)
{
    g_autoptr(GPtrArray) why = explain_why(guest, report);
    g_autofree char *text = NULL;

    g_ptr_array_add(why, NULL);
    text = g_strjoinv("\n  ", (char **)why->pdata);
    return g_strdup_printf("%s, second %" G_GUINT64_FORMAT ", guest %s, rule %s, ground %s:\n  %s", run->file, second,
                           guest->guest->name, plan_rule_name(guest->rule), ledger_ground_name(guest->ground), text);
}

static bool
look(void *user_data, const SimStep *step)
{
    Run *run = user_data;
    const TickReport *report = step->tick;

    for (size_t i = 0; i < report->plan->guest_count; i++) {
        const GuestPlan *guest = &report->plan->guests[i];

        run->seen[guest->rule]++;
        if (!is_as_said(guest, report) || !is_booked_as_said(guest)) {
            run->wrong = describe(run, guest, report, step->second);
            return false;
        }
        if (step->second % 60 == 0) {
            g_autoptr(GPtrArray) why = explain_why(guest, report);
            g_autoptr(GPtrArray) more = explain_more(guest, report);

            assert_true(why->len > 0 && more->len > 0);
        }
    }
    return true;
}

static void
what_the_sentences_say_is_so_in_every_scenario(void **state)
{
    const char *directory = getenv("SIM_SCENARIOS");
    g_autoptr(GDir) files = NULL;
    g_autoptr(GString) wrong = g_string_new(NULL);
    unsigned seen[PLAN_RULE_COUNT] = {0};
    unsigned rules = 0;
    const char *name;

    assert_non_null(directory);
    files = g_dir_open(directory, 0, NULL);
    assert_non_null(files);
    while ((name = g_dir_read_name(files)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autoptr(SimScenario) scenario = sim_scenario_load(path, NULL);
        SimSummary summary = {0};
        Run run = {.file = name};

        assert_non_null(scenario);
        sim_run(scenario, look, &run, &summary);
        sim_summary_clear(&summary);
        for (PlanRule rule = 0; rule < PLAN_RULE_COUNT; rule++)
            seen[rule] += run.seen[rule];
        if (run.wrong != NULL)
            g_string_append_printf(wrong, "%s\n", run.wrong);
        g_free(run.wrong);
    }
    for (PlanRule rule = 0; rule < PLAN_RULE_COUNT; rule++)
        rules += seen[rule] > 0;
    if (wrong->len > 0)
        fputs(wrong->str, stderr);
    assert_int_equal(wrong->len, 0);
    /* or the scenarios would prove nothing */
    assert_true(rules >= 15);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_sentences_say_is_so_in_every_scenario),
    };

    return cmocka_run_group_tests_name("explain in runs", tests, NULL, NULL);
}
