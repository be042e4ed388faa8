/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one line that whoever starts a guest sees: figures that add up, who is in the way and why, and what would help. */

#include "cmocka_all.h"
#include "plan.h"
#include "units.h"

#include <stdio.h>
#include <string.h>

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB

static StartRequest
request_of(void)
{
    return (StartRequest){.name = (char *)"web",
                          .settings = {.managed = true, .minimum_kib = 256 * MIB, .startup_kib = GIB},
                          .need_kib = GIB};
}

static StartPlan
plan_of(const StartRequest *request, StartVerdict verdict)
{
    return (StartPlan){.request = request,
                       .verdict = verdict,
                       .overhead_kib = 88 * MIB,
                       .needed_kib = request->need_kib + 88 * MIB,
                       .free_kib = 300 * MIB,
                       .reclaimable_kib = 200 * MIB,
                       .missing_kib = 612 * MIB};
}

static void
expect_text(const StartPlan *plan, const char *expected)
{
    g_autofree char *text = start_plan_text(plan);

    assert_string_equal(text, expected);
    assert_null(strchr(text, '\n'));
}

static void
refusal_says_what_is_lacking_who_is_in_the_way_and_what_would_help(void **state)
{
    const StartRequest request = request_of();
    StartPlan plan = plan_of(&request, START_REFUSED);

    plan.blockers[0] = (StartBlocker){.name = "db", .kept_kib = 2 * GIB, .rule = START_BLOCK_PRIORITY};
    plan.blockers[1] = (StartBlocker){.kept_kib = GIB, .rule = START_BLOCK_HOST};
    plan.blockers[2] = (StartBlocker){.name = "mail", .kept_kib = 512 * MIB, .rule = PLAN_RULE_AT_MINIMUM};
    plan.blocker_count = 3;
    expect_text(&plan,
                "web needs 1.1 GiB to start (1 GiB and 88 MiB for its QEMU), 300 MiB are free and 200 MiB can be "
                "taken from others; db keeps 2 GiB (it needs that, and its priority is higher), the host keeps "
                "1 GiB (its own processes and the reserve), mail keeps 512 MiB (that is its minimum); what would "
                "help: a startup of at most 412 MiB, or a priority not below that of db");
}

static bool
advises_a_smaller_startup(const StartRequest *request)
{
    StartPlan plan = plan_of(request, START_REFUSED);
    g_autofree char *text = start_plan_text(&plan);

    return strstr(text, "a startup of at most") != NULL;
}

static void
smaller_startup_is_advised_only_where_it_would_help(void **state)
{
    StartRequest request = request_of();

    assert_true(advises_a_smaller_startup(&request));
    request.settings.maximum_kib = 128 * GIB; /* it needs 2 GiB for itself */
    assert_false(advises_a_smaller_startup(&request));
    request = request_of();
    request.settings.immediate = true;
    assert_false(advises_a_smaller_startup(&request));
    request = request_of();
    request.settings.bar = BALLOON_VFIO;
    assert_false(advises_a_smaller_startup(&request));
}

static void
start_that_came_too_late_is_told_so(void **state)
{
    const StartRequest request = request_of();
    StartPlan plan = plan_of(&request, START_REFUSED);

    plan.timed_out = true;
    plan.reclaimable_kib = 2 * GIB;
    plan.missing_kib = 0;
    expect_text(&plan, "web needs 1.1 GiB to start (1 GiB and 88 MiB for its QEMU), 300 MiB are free and 2 GiB can be "
                       "taken from others, which did not come free in time; what would help: to try again, or a longer "
                       "[Admission] TimeoutSec=");
}

/* Every reason there is gives a whole clause, and something that would help. */
static void
every_blocker_has_its_clause_and_every_refusal_its_help(void **state)
{
    StartRequest request = request_of();

    request.settings.minimum_kib = GIB; /* so that no smaller startup is advised */
    for (int rule = START_BLOCK_GROUP; rule < PLAN_RULE_COUNT; rule++) {
        StartPlan plan = plan_of(&request, START_REFUSED);
        g_autofree char *blocker = NULL;
        g_autofree char *text = NULL;
        const char *help;

        plan.blockers[0] = (StartBlocker){.name = "db", .kept_kib = 2 * GIB, .rule = rule};
        plan.blocker_count = 1;
        if (rule == START_BLOCK_HOST || rule == START_BLOCK_BUDGET || rule == START_BLOCK_NODE ||
            rule == START_BLOCK_GROUP)
            plan.blockers[0].name[0] = '\0';
        blocker = start_blocker_text(&plan.blockers[0]);
        text = start_plan_text(&plan);
        assert_non_null(strstr(blocker, "2 GiB"));
        assert_non_null(strstr(text, blocker));
        help = strstr(text, "; what would help: ");
        assert_non_null(help);
        assert_true(strlen(help) > strlen("; what would help: "));
    }
}

static void
who_is_only_awaited_need_not_be_stopped(void **state)
{
    static const struct {
        PlanRule rule;
        const char *help;
    } cases[] = {
        {PLAN_RULE_ADOPTING, "would help: to wait until db has reported"},
        {PLAN_RULE_BROUGHT, "would help: to wait until db has reported"},
        {PLAN_RULE_LET_GO, "would help: to have db managed again, or to stop it"},
    };
    StartRequest request = request_of();

    request.settings.minimum_kib = GIB;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        StartPlan plan = plan_of(&request, START_REFUSED);
        g_autofree char *text = NULL;

        plan.blockers[0] = (StartBlocker){.name = "db", .kept_kib = 2 * GIB, .rule = cases[i].rule};
        plan.blocker_count = 1;
        text = start_plan_text(&plan);
        assert_true(g_str_has_suffix(text, cases[i].help));
    }
}

static void
admission_says_what_is_booked(void **state)
{
    const StartRequest request = request_of();
    StartPlan plan = plan_of(&request, START_ADMITTED);

    plan.booked_kib = GIB;
    expect_text(&plan, "web may start: 1 GiB and 88 MiB for its QEMU are booked");
    plan.booked_kib = 300 * MIB;
    plan.shortfall_kib = 724 * MIB;
    expect_text(&plan,
                "web may start again: 300 MiB of the 1 GiB it needs are booked, what lacks (724 MiB) comes from a "
                "paging file where it may have one");
    plan.shortfall_kib = 0;
    expect_text(&plan,
                "web may start, though only 300 MiB of the 1 GiB it needs are free; 724 MiB more could not be had");
}

static void
who_waits_is_told_for_what(void **state)
{
    const StartRequest request = request_of();
    const StartPlan plan = plan_of(&request, START_WAITS);

    expect_text(&plan,
                "web needs 1.1 GiB to start (1 GiB and 88 MiB for its QEMU), 300 MiB are free and 200 MiB can be "
                "taken from others; it waits until enough is free");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_says_what_is_lacking_who_is_in_the_way_and_what_would_help),
        cmocka_unit_test(smaller_startup_is_advised_only_where_it_would_help),
        cmocka_unit_test(start_that_came_too_late_is_told_so),
        cmocka_unit_test(every_blocker_has_its_clause_and_every_refusal_its_help),
        cmocka_unit_test(who_is_only_awaited_need_not_be_stopped),
        cmocka_unit_test(admission_says_what_is_booked),
        cmocka_unit_test(who_waits_is_told_for_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
