/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The paging rule, with every combination of what it is told. What it must answer is not worked out as the rule does it, but
 * looked up in the tables below by what is the case.
 */

#include "paging_bench.h"

#include <string.h>

/* What others can give is waited for so long. */
#define PATIENCE (10 * USEC_PER_SEC)

/* How much of the startup memory is there: nothing of it, a part, all, more. */
static const uint64_t granted[] = {0, 300 * MIB, STARTUP, 700 * MIB};
/* What others can give: nothing, less than what is missing, all, more. */
static const uint64_t comes[] = {0, 100 * MIB, STARTUP, 700 * MIB};
static const uint64_t waited[] = {0, PATIENCE - 1, PATIENCE, 10 * PATIENCE};

/* What a restart that lacks memory gets: by whether others can give, by whether there still is time, by bar. */
static PagingPhase
expected(bool reclaimable, bool time_left, bool barred)
{
    static const PagingPhase table[2][2][2] = {
        /* [reclaimable][time left][barred] */
        [0] = {[0] = {PAGING_PHASE_MAKE, PAGING_PHASE_REFUSED}, [1] = {PAGING_PHASE_MAKE, PAGING_PHASE_REFUSED}},
        [1] = {[0] = {PAGING_PHASE_MAKE, PAGING_PHASE_REFUSED}, [1] = {PAGING_PHASE_WAIT, PAGING_PHASE_WAIT}},
    };

    return table[reclaimable][time_left][barred];
}

static unsigned
differing(Fault fault)
{
    unsigned wrong = 0;

    rules_break(fault);
    for (int restart = RESTART_NONE; restart <= RESTART_HOST; restart++)
        for (unsigned booting = 0; booting < 2; booting++)
            for (unsigned barred = 0; barred < 2; barred++)
                for (size_t g = 0; g < G_N_ELEMENTS(granted); g++)
                    for (size_t t = 0; t < G_N_ELEMENTS(comes); t++)
                        for (size_t w = 0; w < G_N_ELEMENTS(waited); w++) {
                            uint64_t missing = saturating_sub(STARTUP, granted[g]);
                            GuestPlan right = {.paging_phase = PAGING_PHASE_NONE};
                            Bench bench;

                            bench_init(&bench);
                            bench.memory.restart = (RestartKind)restart;
                            bench.work.standing.booting = booting != 0;
                            bench.work.comes_kib = comes[t];
                            bench.entry.granted_kib = granted[g];
                            bench.snapshot.paging_bar = barred != 0 ? "no" : NULL;
                            bench.pass.now_usec += waited[w];
                            decide_anew(&bench);
                            if (restart != RESTART_NONE && booting && missing > 0) {
                                right.paging_phase = expected(comes[t] > 0, waited[w] < PATIENCE, barred != 0);
                                right.shortfall_kib = missing;
                            }
                            wrong += bench.plan.paging_phase != right.paging_phase ||
                                     bench.plan.shortfall_kib != right.shortfall_kib ||
                                     (bench.plan.paging_order == PAGING_ORDER_MAKE) !=
                                         (right.paging_phase == PAGING_PHASE_MAKE);
                        }
    return wrong;
}

static void
every_combination_is_ruled_as_the_tables_say(void **state)
{
    assert_int_equal(differing(0), 0);
    (void)state;
}

static void
each_part_of_the_rule_is_needed(void **state)
{
    assert_int_not_equal(differing(FAULT_PAGE_COLD_STARTS), 0);
    assert_int_not_equal(differing(FAULT_PAGE_RUNNING), 0);
    assert_int_not_equal(differing(FAULT_PAGE_FIRST), 0);
    assert_int_not_equal(differing(FAULT_PAGE_ALL), 0);
    (void)state;
}

static void
cold_start_and_running_guest_are_never_paged(void **state)
{
    Bench bench;

    bench_init(&bench);
    bench.work.standing.booting = true;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_NONE);
    bench.memory.restart = RESTART_RESET;
    bench.work.standing.booting = false;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_NONE);
    bench.work.standing.booting = true;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_MAKE);
    assert_int_equal(bench.plan.shortfall_kib, STARTUP);
    (void)state;
}

/* What is read back is charged to the guest's group, and the kernel kills it for what is above memory.max. */
static void
file_is_not_ended_into_memory_max(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    bench.entry.overhead_kib = 100 * MIB;
    bench.guest.limits.max_kib = 900 * MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
    bench.guest.limits.max_kib = 1100 * MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_END);
    (void)state;
}

/* What comes back from the files that end in one tick has to be free together. */
static void
files_that_end_at_once_come_back_into_memory_for_all_of_them(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    bench.snapshot.host.figures.available_kib = 700 * MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_END);
    decide_anew(&bench); /* as another guest of the same pass */
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
    bench.pass.read_back_kib = 0;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_END);
    (void)state;
}

/* One in a boot: when it has ended its guest has all that it needed to boot. */
static void
guest_has_no_second_file_in_one_boot(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_END);
    bench.guest.paging = NULL;
    bench.entry.granted_kib = 0;
    bench.memory.restart = RESTART_SOON;
    bench.work.standing.booting = true;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_REFUSED);
    assert_non_null(strstr(bench.plan.paging_bar, "in this boot"));
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
    (void)state;
}

/* Its balloon is told its minimum, and with less granted it would hang on its limit, starved, until it has been still for long. */
static void
guest_that_leaves_its_file_claims_its_minimum(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 100 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.work.minimum_kib = 640 * MIB;
    bench.entry.balloon_kib = 4096 * MIB;
    bench.entry.overhead_kib = 100 * MIB;
    bench.entry.granted_kib = 612 * MIB;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 640 * MIB);
    bench.entry.granted_kib = 700 * MIB;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 700 * MIB);
    (void)state;
}

/* What it does not see is in its minimum, takes no room, and its limit keeps it from it. */
static void
guest_that_leaves_its_file_claims_of_its_minimum_what_it_sees(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 0, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.guest.unseen_kib = 128 * MIB;
    bench.work.minimum_kib = 640 * MIB + bench.guest.unseen_kib;
    bench.entry.granted_kib = 300 * MIB;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 640 * MIB);
    (void)state;
}

/* It runs without a driver, and may touch all its memory at any time. A file is for a boot: it is to end, and is no reason for more. */
static void
guest_whose_driver_never_comes_claims_all_that_it_may_touch_once_it_has_no_file(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 0, .since_usec = BOOT};
    Bench bench;

    bench_init(&bench);
    bench.work.standing.booting = true;
    bench.entry.granted_kib = 600 * MIB;
    bench.entry.balloon_kib = 4096 * MIB;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 600 * MIB);
    bench.memory.belief.state = BELIEF_ABSENT;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 4096 * MIB);
    bench.guest.paging = &file;
    assert_int_equal(paging_claim(&bench.pass, &bench.work).need_kib, 600 * MIB);
    (void)state;
}

/* What QEMU costs is learnt to be less in each tick, so that more of what comes back is the guest's own. */
static void
what_comes_back_is_claimed_with_a_little_more(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.guest.limits.max_kib = LIMIT_NONE;
    bench.entry.granted_kib = 800 * MIB;
    bench.entry.overhead_kib = 100 * MIB;
    bench.entry.granted_kib = paging_claim(&bench.pass, &bench.work).need_kib;
    bench.entry.overhead_kib -= MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_order, PAGING_ORDER_END);
    (void)state;
}

/* A guest that lacks startup memory and gets no file for it gets all that others can do without, after they had their ten seconds. */
static void
who_boots_and_can_have_no_file_presses(void **state)
{
    static const struct {
        const char *what;
        bool cold, back, early;
        const char *bar;
        PagingMemory memory;
        bool presses;
    } rows[] = {
        {"it can have a file", .presses = false},
        {"it is barred from one", .bar = "no", .presses = true},
        {"its file could not be made, or is ended", .memory.bar = "no", .presses = true},
        {"others have time left", .bar = "no", .early = true, .presses = false},
        {"it is no restart", .bar = "no", .cold = true, .presses = false},
        {"its driver is back", .bar = "no", .back = true, .presses = false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Claim need;
        Bench bench;

        bench_init(&bench);
        bench.memory.paging = rows[i].memory;
        bench.memory.restart = rows[i].cold ? RESTART_NONE : RESTART_SOON;
        bench.snapshot.paging_bar = rows[i].bar;
        bench.work.standing.booting = !rows[i].back;
        bench.entry.granted_kib = 300 * MIB;
        bench.pass.now_usec += PATIENCE - (rows[i].early ? 1 : 0);
        need = paging_claim(&bench.pass, &bench.work);
        if (need.presses != rows[i].presses)
            fail_msg("%s", rows[i].what);
        assert_int_equal(need.need_kib, STARTUP);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_ruled_as_the_tables_say),
        cmocka_unit_test(each_part_of_the_rule_is_needed),
        cmocka_unit_test(cold_start_and_running_guest_are_never_paged),
        cmocka_unit_test(file_is_not_ended_into_memory_max),
        cmocka_unit_test(files_that_end_at_once_come_back_into_memory_for_all_of_them),
        cmocka_unit_test(guest_has_no_second_file_in_one_boot),
        cmocka_unit_test(guest_that_leaves_its_file_claims_its_minimum),
        cmocka_unit_test(guest_that_leaves_its_file_claims_of_its_minimum_what_it_sees),
        cmocka_unit_test(guest_whose_driver_never_comes_claims_all_that_it_may_touch_once_it_has_no_file),
        cmocka_unit_test(what_comes_back_is_claimed_with_a_little_more),
        cmocka_unit_test(who_boots_and_can_have_no_file_presses),
    };

    return cmocka_run_group_tests_name("paging_rule", tests, NULL, NULL);
}
