/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verdict on a start, for every kind of start and every state of the host. */

#include "cmocka_all.h"
#include "decide/admission.h"
#include "decide/faults.h"
#include "units.h"

#include <stdio.h>
#include <string.h>

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC
#define ASKED (1000 * SEC)
#define NEED (1024 * MIB)

typedef struct Bench {
    Settings *settings;
    StartRequest request;
    Bound nodes; /* what it may be bound to */
    LedgerEntry entry;
    uint32_t of_start[1];
    DecideState state;
    Snapshot snapshot;
    Plan host;
    Pass pass;
    ClaimGiver giver;
    ClaimTerms claim_terms;
    Claim claim;
    StartPlan plan;
} Bench;

/* A start of 1 GiB, asked for at ASKED with 30 seconds to wait. */
static void
bench_init(Bench *bench)
{
    *bench = (Bench){.settings = settings_new(),
                     .snapshot = {.host = {.figures_valid = true}},
                     .state = {.ledger = {.entries = &bench->entry, .of_start = bench->of_start},
                               .bounds = {.bounds = &bench->nodes, .count = 1}},
                     .nodes = {.nodes = 1},
                     .claim = {.guest = SIZE_MAX}};
    bench->request = (StartRequest){
        .uuid = "00000000-0000-0000-0000-000000000001",
        .name = (char *)"web",
        .settings = {.managed = true,
                     .minimum_kib = 512 * MIB,
                     .startup_kib = NEED,
                     .maximum_kib = 4 * NEED,
                     .priority = 50,
                     .smart_paging = true,
                     .vcpus = 1},
        .need_kib = NEED,
        .asked_usec = ASKED,
        .deadline_usec = ASKED + 30 * SEC,
        .waiting = true,
    };
    bench->host = (Plan){.reserve_kib = 600 * MIB, .other_kib = 400 * MIB, .budget_limit = BUDGET_BY_TOTAL};
    bench->pass = (Pass){.state = &bench->state,
                         .snapshot = &bench->snapshot,
                         .settings = bench->settings,
                         .plan = &bench->host,
                         .now_usec = ASKED};
    bench->giver = (ClaimGiver){.uuid = "g", .name = "db", .priority = 50, .kept_rule = PLAN_RULE_AT_MINIMUM};
}

static void
bench_clear(Bench *bench)
{
    settings_free(bench->settings);
}

static uint64_t
needed(const Bench *bench)
{
    return bench->request.need_kib + overhead_estimate(&bench->request.settings);
}

/* free, and what db has beyond the 300 MiB it must be left with */
static StartVerdict
judge(Bench *bench, uint64_t free_kib, uint64_t beyond_kib)
{
    SharingScratch scratch;

    bench->claim_terms = (ClaimTerms){
        .free_kib = free_kib, .overhead_room_kib = bench->state.budget.overhead_room_kib, .plan = &bench->host};
    bench->giver.least_kib = 300 * MIB;
    bench->giver.booked_kib = bench->giver.told_kib = 300 * MIB + beyond_kib;
    bench->claim = (Claim){.guest = SIZE_MAX};
    admission_claim(&bench->pass, &bench->request, bench->request.need_kib, &bench->claim);
    claims_settle(&bench->claim, 1, &bench->giver, 1, &bench->claim_terms, &scratch);
    admission_judge(&bench->pass, &bench->request, &bench->claim, &bench->plan);
    return bench->plan.verdict;
}

typedef enum Who {
    COLD,
    RESTART,    /* a paging file can be had */
    RESTART_NO, /* it can't */
    FORCED,
} Who;

typedef enum Free {
    FITS,  /* what it needs is free */
    COMES, /* a half is free, and others can give more than the rest */
    LACKS, /* a half is free, and others can give a quarter */
    NONE,  /* a half is free and nothing else can be had */
} Free;

typedef enum When {
    ASKING,
    LATER, /* after the patience of claims, long before the deadline */
    OVER,
} When;

typedef enum Sure {
    CERTAIN,
    UNCERTAIN, /* it may look better in a moment */
    INVALID,   /* the host's figures could not be read */
} Sure;

static StartVerdict
verdict_of(Who who, Free memory, When when, Sure sure, Fault fault, StartPlan *plan)
{
    static const uint64_t beyond[] = {[FITS] = 0, [COMES] = NEED, [LACKS] = NEED / 4, [NONE] = 0};
    static const uint64_t after[] = {[ASKING] = 0, [LATER] = 15 * SEC, [OVER] = 30 * SEC};
    Bench bench;
    StartVerdict verdict;
    uint64_t free_kib;

    bench_init(&bench);
    bench.request.restart = who == RESTART || who == RESTART_NO ? RESTART_SOON : RESTART_NONE;
    bench.request.forced = who == FORCED;
    if (who == RESTART_NO)
        bench.snapshot.paging_bar = "there is none";
    bench.pass.now_usec += after[when];
    bench.pass.hindered = sure == UNCERTAIN;
    bench.snapshot.host.figures_valid = sure != INVALID;
    rules_break(fault);
    if (sure == INVALID)
        free_kib = 0;
    else
        free_kib = memory == FITS ? needed(&bench) : needed(&bench) / 2;
    verdict = judge(&bench, free_kib, beyond[memory]);
    rules_break(FAULT_NONE);
    *plan = bench.plan;
    plan->request = NULL;
    bench_clear(&bench);
    return verdict;
}

/* W: waits, A: admitted, S: admitted with what is free, R: refused */
static char
letter(StartVerdict verdict, const StartPlan *plan)
{
    if (verdict == START_WAITS)
        return 'W';
    if (verdict == START_REFUSED)
        return 'R';
    return plan->booked_kib == NEED ? 'A' : 'S';
}

static void
every_start_gets_its_verdict(void **state)
{
    /* by FITS, COMES, LACKS, NONE; on figures that are not valid nothing counts as free */
    static const struct {
        Who who;
        When when;
        const char *verdicts[3]; /* by Sure */
    } rows[] = {
        {COLD, ASKING, {"AWRR", "AWWW", "WWWW"}},       {COLD, LATER, {"AWRR", "AWWW", "WWWW"}},
        {COLD, OVER, {"ARRR", "ARRR", "RRRR"}},         {RESTART, ASKING, {"AWWS", "AWWW", "WWWW"}},
        {RESTART, LATER, {"ASSS", "ASSS", "WWWW"}},     {RESTART, OVER, {"ASSS", "ASSS", "SSSS"}},
        {RESTART_NO, ASKING, {"AWWS", "AWWW", "WWWW"}}, {RESTART_NO, LATER, {"AWWS", "AWWS", "WWWW"}},
        {RESTART_NO, OVER, {"ASSS", "ASSS", "SSSS"}},   {FORCED, ASKING, {"AWWS", "AWWW", "WWWW"}},
        {FORCED, LATER, {"AWWS", "AWWS", "WWWW"}},      {FORCED, OVER, {"ASSS", "ASSS", "SSSS"}},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        for (Sure sure = CERTAIN; sure <= INVALID; sure++)
            for (Free memory = FITS; memory <= NONE; memory++) {
                StartPlan plan;
                StartVerdict verdict = verdict_of(rows[i].who, memory, rows[i].when, sure, 0, &plan);
                char expected = rows[i].verdicts[sure][memory];
                bool restart = rows[i].who == RESTART || rows[i].who == RESTART_NO;

                if (letter(verdict, &plan) != expected)
                    printf("# row %zu, memory %d, sure %d: %c\n", i, memory, sure, letter(verdict, &plan));
                assert_int_equal(letter(verdict, &plan), expected);
                assert_int_equal(plan.shortfall_kib, expected == 'S' && restart ? NEED - plan.booked_kib : 0);
                assert_int_equal(plan.timed_out, rows[i].when == OVER && expected != 'A');
                if (expected == 'W' || expected == 'R')
                    assert_int_equal(plan.booked_kib, 0);
                assert_int_equal(plan.blocker_count > 0, plan.missing_kib > 0);
            }
}

static void
broken_rules_give_other_verdicts(void **state)
{
    StartPlan plan;

    assert_int_equal(verdict_of(COLD, COMES, ASKING, CERTAIN, FAULT_START_BEFORE_FREE, &plan), START_ADMITTED);
    assert_int_equal(verdict_of(COLD, NONE, ASKING, CERTAIN, FAULT_START_HOPES, &plan), START_WAITS);
    assert_int_equal(verdict_of(RESTART, NONE, LATER, CERTAIN, FAULT_START_REFUSES_RESTART, &plan), START_REFUSED);
}

/* Whatever keeps its guest from a paging file lets a restart wait longer for real memory. */
static void
restart_without_paging_waits_for_its_deadline(void **state)
{
    for (unsigned why = 0; why < 7; why++) {
        Bench bench;

        bench_init(&bench);
        bench.request.restart = RESTART_HOST;
        bench.pass.now_usec += 15 * SEC;
        bench.settings->paging_enabled = why != 1;
        bench.snapshot.paging_bar = why == 2 ? "there is none" : NULL;
        bench.request.settings.smart_paging = why != 3;
        bench.request.settings.managed = why != 4;
        bench.request.settings.mode = why == 5 ? GUEST_MODE_STATIC : GUEST_MODE_DYNAMIC;
        bench.request.settings.bar = why == 6 ? BALLOON_VFIO : BALLOON_USABLE;
        assert_int_equal(judge(&bench, NEED / 2, NEED), why == 0 ? START_ADMITTED : START_WAITS);
        bench_clear(&bench);
    }
}

static void
answer_comes_before_the_deadline(void **state)
{
    Bench bench;

    bench_init(&bench);
    bench.pass.now_usec = bench.request.deadline_usec - bench.settings->interval_usec;
    assert_int_equal(judge(&bench, 0, 2 * NEED), START_WAITS);
    bench.pass.now_usec++;
    assert_int_equal(judge(&bench, 0, 2 * NEED), START_REFUSED);
    assert_true(bench.plan.timed_out);
    assert_int_equal(bench.plan.missing_kib, 0);
    /* it is asked at least once whatever the interval */
    bench.settings->interval_usec = 60 * SEC;
    bench.pass.now_usec = ASKED;
    assert_int_equal(judge(&bench, 0, 2 * NEED), START_WAITS);
    bench_clear(&bench);
}

static void
nothing_is_refused_where_nothing_is_told(void **state)
{
    Bench bench;

    bench_init(&bench);
    bench.pass.observe = true;
    assert_int_equal(judge(&bench, NEED / 2, 0), START_ADMITTED);
    assert_int_equal(judge(&bench, NEED / 2, 4 * NEED), START_ADMITTED);
    bench_clear(&bench);
}

/* libvirt is away, and may be back before the deadline. Where nobody runs there is nobody to wait for. */
static void
nobody_is_refused_while_those_who_run_can_not_be_squeezed(void **state)
{
    for (size_t running = 0; running < 2; running++) {
        Bench bench;

        bench_init(&bench);
        bench.pass.link_down = true;
        bench.state.giver_count = running;
        assert_int_equal(judge(&bench, NEED / 2, 0), running ? START_WAITS : START_REFUSED);
        bench.pass.link_down = false;
        assert_int_equal(judge(&bench, NEED / 2, 0), START_REFUSED);
        bench_clear(&bench);
    }
    (void)state;
}

static void
what_was_admitted_stays_booked_and_grows(void **state)
{
    Bench bench;

    bench_init(&bench);
    bench.request.waiting = false;
    bench.request.booked_kib = NEED / 4;
    bench.request.restart = RESTART_SOON;
    assert_int_equal(judge(&bench, 0, 0), START_ADMITTED);
    assert_int_equal(bench.plan.booked_kib, NEED / 4);
    assert_int_equal(bench.plan.shortfall_kib, NEED - NEED / 4);
    assert_int_equal(judge(&bench, NEED / 2, 0), START_ADMITTED);
    assert_int_equal(bench.plan.booked_kib, NEED / 4 + NEED / 2);
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_ADMITTED);
    assert_int_equal(bench.plan.booked_kib, NEED);
    assert_int_equal(bench.plan.shortfall_kib, 0);
    bench_clear(&bench);
}

/* The host has more than enough, and of the node that the start is bound to half of it is left. */
static void
start_is_not_let_in_on_a_node_that_is_full(void **state)
{
    Bench bench;

    bench_init(&bench);
    bench.entry.bounds[1] = 1;
    bench.nodes.has_kib = NEED / 2 + MIB;
    bench.nodes.reserve_kib = MIB;
    bench.nodes.total_kib = 7 * NEED + NEED / 2;
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_REFUSED);
    assert_int_equal(bench.plan.blocker_count, 1);
    assert_int_equal(bench.plan.blockers[0].rule, START_BLOCK_NODE);
    assert_int_equal(bench.plan.blockers[0].kept_kib, 7 * NEED);
    bench.pass.hindered = true;
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_WAITS);
    bench.request.forced = true;
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_ADMITTED);
    bench.request.forced = false;
    bench.request.restart = RESTART_RESET;
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_ADMITTED);
    bench.request.restart = RESTART_NONE;
    bench.nodes.has_kib = 2 * NEED;
    assert_int_equal(judge(&bench, 4 * NEED, 0), START_ADMITTED);
    bench_clear(&bench);
}

static void
figures_add_up_and_name_who_is_in_the_way(void **state)
{
    Bench bench;

    bench_init(&bench);
    assert_int_equal(judge(&bench, 100 * MIB, 200 * MIB), START_REFUSED);
    assert_int_equal(bench.plan.overhead_kib, overhead_estimate(&bench.request.settings));
    assert_int_equal(bench.plan.needed_kib, NEED + bench.plan.overhead_kib);
    assert_int_equal(bench.plan.free_kib, 100 * MIB);
    assert_int_equal(bench.plan.reclaimable_kib, 200 * MIB);
    assert_int_equal(bench.plan.missing_kib, bench.plan.needed_kib - 300 * MIB);
    assert_int_equal(bench.plan.blocker_count, 2);
    assert_int_equal(bench.plan.blockers[0].rule, START_BLOCK_HOST);
    assert_int_equal(bench.plan.blockers[0].kept_kib, 1000 * MIB);
    assert_string_equal(bench.plan.blockers[1].name, "db");
    assert_int_equal(bench.plan.blockers[1].kept_kib, 300 * MIB);
    bench.host.budget_limit = BUDGET_BY_SETTING;
    bench.state.budget.overhead_room_kib = 5000 * MIB;
    judge(&bench, 100 * MIB, 200 * MIB);
    assert_int_equal(bench.plan.blockers[0].rule, START_BLOCK_BUDGET);
    assert_int_equal(bench.plan.blockers[0].kept_kib, 5000 * MIB);
    /* of 9 GiB that the host could give the group of all guests may hold 2 */
    bench.host.budget_limit = BUDGET_BY_GROUP;
    bench.host.budget_total_kib = 10 * GIB;
    bench.host.budget_available_kib = 9 * GIB;
    bench.host.budget_kib = 2 * GIB;
    judge(&bench, 100 * MIB, 200 * MIB);
    assert_int_equal(bench.plan.blockers[0].rule, START_BLOCK_GROUP);
    assert_int_equal(bench.plan.blockers[0].kept_kib, 7 * GIB);
    bench_clear(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_start_gets_its_verdict),
        cmocka_unit_test(broken_rules_give_other_verdicts),
        cmocka_unit_test(restart_without_paging_waits_for_its_deadline),
        cmocka_unit_test(answer_comes_before_the_deadline),
        cmocka_unit_test(nothing_is_refused_where_nothing_is_told),
        cmocka_unit_test(nobody_is_refused_while_those_who_run_can_not_be_squeezed),
        cmocka_unit_test(what_was_admitted_stays_booked_and_grows),
        cmocka_unit_test(start_is_not_let_in_on_a_node_that_is_full),
        cmocka_unit_test(figures_add_up_and_name_who_is_in_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
