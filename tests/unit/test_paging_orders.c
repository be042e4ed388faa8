/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When a paging file is ordered and how large, what its guest claims, and when it is ended. */

#include "paging_bench.h"

#include "decide/limit.h"

/* It restarts and lacks 212 MiB, and nobody can give anything. */
static void
bench_lacks(Bench *bench)
{
    bench_init(bench);
    bench->memory.restart = RESTART_SOON;
    bench->work.standing.booting = true;
    bench->entry.granted_kib = 300 * MIB;
}

/* It boots with a file, which holds so much of it. */
static void
bench_boots(Bench *bench, const PagingRecord *file)
{
    bench_leaves(bench, file);
    bench->work.standing.booting = bench->work.standing.is_void = true;
    bench->entry.granted_kib = 600 * MIB;
}

static void
make_paused(Bench *bench)
{
    bench->guest.life = GUEST_LIFE_PAUSED;
}

static void
make_migrating(Bench *bench)
{
    bench->guest.migrating = true;
}

static void
make_link_down(Bench *bench)
{
    bench->pass.link_down = true;
}

static void
make_observed(Bench *bench)
{
    bench->pass.observe = true;
}

static void (*const hindrances[])(Bench *bench) = {make_paused, make_migrating, make_link_down, make_observed};

/* ---- ordered ---- */

/* One that does not run here, or that nothing may be done to, gets none now. One that was asked for is on its way all the same. */
static void
file_is_ordered_for_a_guest_that_runs_here(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hindrances); i++) {
        Bench bench;

        bench_lacks(&bench);
        hindrances[i](&bench);
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_WAIT);
        assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
        bench.memory.paging.asked_usec = BOOT;
        bench.pass.now_usec += 60 * SEC;
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_MAKE);
        assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
    }
    (void)state;
}

/* Once, and again only when it has not come for ten seconds. */
static void
file_that_does_not_come_is_ordered_again(void **state)
{
    unsigned orders = 0;
    Bench bench;

    bench_lacks(&bench);
    for (unsigned t = 0; t <= 20; t++) {
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_MAKE);
        orders += bench.plan.paging_order == PAGING_ORDER_MAKE;
        bench.pass.now_usec += SEC;
    }
    assert_int_equal(orders, 3);
    (void)state;
}

/* The file that this boot asked for; one that failed before is of no account. */
static void
file_that_failed_in_this_boot_is_not_ordered_again(void **state)
{
    PagingRecord file = {.stage = PAGING_STAGE_FAILED, .error = (char *)"no space"};
    Bench bench;

    bench_lacks(&bench);
    bench.guest.paging = &file;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_MAKE);
    bench.memory.paging.asked_usec = BOOT;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_REFUSED);
    assert_string_equal(bench.plan.paging_bar, "no space");
    /* nor does one that is gone without an error bar another */
    bench_lacks(&bench);
    file.stage = PAGING_STAGE_GONE;
    bench.guest.paging = &file;
    bench.memory.paging.asked_usec = BOOT;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_MAKE);
    (void)state;
}

/* A guest that was reset has to move out what it held before; none touches more than its maximum, nor needs more than its startup. */
static void
file_is_as_large_as_what_may_have_to_go_there(void **state)
{
    static const struct {
        RestartKind restart;
        uint64_t granted_kib, garbage_kib, maximum_kib, size_kib;
    } rows[] = {
        {RESTART_SOON, 300 * MIB, 0, 4096 * MIB, 212 * MIB},
        {RESTART_RESET, 200 * MIB, 0, 4096 * MIB, 512 * MIB},
        {RESTART_RESET, 300 * MIB, 0, 700 * MIB, 400 * MIB},
        {RESTART_RESET, 300 * MIB, 200 * MIB, 4096 * MIB, STARTUP},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Bench bench;

        bench_lacks(&bench);
        bench.memory.restart = rows[i].restart;
        bench.memory.garbage_kib = rows[i].garbage_kib;
        bench.entry.granted_kib = rows[i].granted_kib;
        bench.guest_settings.maximum_kib = rows[i].maximum_kib;
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_order, PAGING_ORDER_MAKE);
        assert_int_equal(bench.plan.paging_size_kib, rows[i].size_kib + PAGING_MARGIN_KIB);
    }
    (void)state;
}

static void
bar_by_setting(Bench *bench)
{
    bench->settings.paging_enabled = false;
}

static void
bar_by_element(Bench *bench)
{
    bench->guest_settings.smart_paging = false;
}

static void
bar_by_no_limits(Bench *bench)
{
    bench->settings.memory_high = false;
}

static void
bar_by_its_group(Bench *bench)
{
    bench->guest.limits.usable = false;
}

/* Whoever says so; and where no limit holds it nobody else's memory is safe from it. */
static void
no_file_is_ordered_where_there_is_to_be_none(void **state)
{
    static void (*const bars[])(Bench * bench) = {bar_by_setting, bar_by_element, bar_by_no_limits, bar_by_its_group};

    for (size_t i = 0; i < G_N_ELEMENTS(bars); i++) {
        Bench bench;

        bench_lacks(&bench);
        bars[i](&bench);
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_REFUSED);
        assert_int_equal(bench.plan.paging_order, PAGING_ORDER_NONE);
        assert_non_null(bench.plan.paging_bar);
    }
    (void)state;
}

/* ---- claimed ---- */

static uint64_t
need_of(const Bench *bench)
{
    return paging_claim(&bench->pass, &bench->work).need_kib;
}

/*
 * What is in its file is claimed when nothing more goes there, or when its time is half over. Before that it may touch more at any
 * moment, which is to go there. It holds 600 MiB, and there are 400 in its file.
 */
static void
what_is_in_a_file_is_claimed_when_it_is_to_come_back(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_boots(&bench, &file);
    assert_int_equal(need_of(&bench), 600 * MIB);
    bench.pass.now_usec += 299 * SEC;
    assert_int_equal(need_of(&bench), 600 * MIB);
    bench.pass.now_usec += SEC;
    assert_in_range(need_of(&bench), 1000 * MIB, 1008 * MIB);
    bench_boots(&bench, &file);
    bench.memory.belief.state = BELIEF_ABSENT;
    assert_in_range(need_of(&bench), 1000 * MIB, 1008 * MIB);
    bench_boots(&bench, &file);
    bench.work.standing.booting = false;
    assert_in_range(need_of(&bench), 1000 * MIB, 1008 * MIB);
    for (size_t i = 0; i < G_N_ELEMENTS(hindrances); i++) {
        bench_boots(&bench, &file);
        hindrances[i](&bench);
        assert_in_range(need_of(&bench), 1000 * MIB, 1008 * MIB);
    }
    /* it is granted that much already, and to the byte */
    bench.entry.granted_kib = 1001 * MIB;
    assert_int_equal(need_of(&bench), 1001 * MIB);
    /* its minimum is more than what comes back */
    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 600 * MIB;
    bench.work.minimum_kib = 2048 * MIB;
    assert_int_equal(need_of(&bench), 2048 * MIB);
    (void)state;
}

/* Of ten minutes: from five on it stands before all others, from eight on everybody is squeezed to the minimum for it. */
static void
what_has_a_file_for_long_comes_first_and_then_presses(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};

    for (unsigned age = 0; age < 660; age += 20) {
        Bench bench;

        bench_boots(&bench, &file);
        bench.pass.now_usec += age * SEC;
        assert_int_equal(paging_claim(&bench.pass, &bench.work).overdue, age >= 300);
        assert_int_equal(paging_claim(&bench.pass, &bench.work).presses, age >= 480);
        decide_anew(&bench);
        assert_int_equal(bench.plan.paging_deadline_usec, BOOT + 600 * SEC);
        assert_int_equal(bench.plan.paging_urgency, age >= 600   ? PAGING_URGENCY_OVERDUE
                                                    : age >= 480 ? PAGING_URGENCY_HARDEST
                                                    : age >= 300 ? PAGING_URGENCY_HARDER
                                                                 : PAGING_URGENCY_NONE);
    }
    (void)state;
}

/* ---- ended ---- */

static bool
ends(Bench *bench)
{
    decide_anew(bench);
    bench->pass.read_back_kib = 0;
    return bench->plan.paging_order == PAGING_ORDER_END;
}

/* Some of what it has swapped out may be in the host's own swap, and others' pages may be in no file of its. */
static void
what_is_in_a_file_is_what_both_of_its_figures_say(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.guest.limits.swapped_kib = 300 * MIB;
    assert_int_equal(paging_in_file(&bench.guest), 300 * MIB);
    bench.guest.limits.swapped_kib = 500 * MIB;
    assert_int_equal(paging_in_file(&bench.guest), 400 * MIB);
    bench.guest.limits.usable = false;
    assert_int_equal(paging_in_file(&bench.guest), 400 * MIB);
    bench.guest.paging = NULL;
    assert_int_equal(paging_in_file(&bench.guest), 0);
    (void)state;
}

static void
file_with_nothing_in_it_is_ended_whatever_room_there_is(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .since_usec = BOOT};
    Bench bench;

    bench_boots(&bench, &file);
    bench.entry.granted_kib = STARTUP;
    bench.snapshot.host.figures.available_kib = 0;
    bench.guest.limits.high_kib = 600 * MIB;
    bench.guest.limits.pending = true;
    assert_true(ends(&bench));
    /* it lacks startup memory, and will need its file in a moment */
    bench.entry.granted_kib = STARTUP - MIB;
    assert_false(ends(&bench));
    (void)state;
}

static void
nothing_is_ended_where_nothing_may_be_done(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    assert_true(ends(&bench));
    make_observed(&bench);
    assert_false(ends(&bench));
    (void)state;
}

/* What the host had is no news of what it has. */
static void
nothing_is_ended_on_figures_that_are_not_valid(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    bench.snapshot.host.figures_valid = false;
    assert_false(ends(&bench));
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_LEAVE);
    bench.snapshot.host.figures_valid = true;
    assert_true(ends(&bench));
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_EMPTY);
    (void)state;
}

/* As much goes to its file as it touches, and its limit keeps what it holds where it is. */
static void
guest_that_fills_its_file_does_not_stand_still(void **state)
{
    PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 10 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_boots(&bench, &file);
    bench.entry.granted_kib = 400 * MIB;
    decide_anew(&bench);
    assert_int_equal(bench.plan.paging_phase, PAGING_PHASE_BOOT);
    assert_int_equal(bench.plan.shortfall_kib, 112 * MIB);
    bench.entry.granted_kib = 2048 * MIB;
    for (unsigned t = 0; t < 30; t++) {
        assert_false(ends(&bench));
        bench.pass.now_usec += SEC;
        file.used_kib += 8 * MIB;
        bench.guest.limits.swapped_kib = file.used_kib;
    }
    (void)state;
}

/* It has its startup memory, and what it touches next may still have to go to its file, until it has stood still for 20 seconds. */
static void
file_of_a_guest_that_boots_is_ended_when_it_touches_no_more(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_boots(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    for (unsigned t = 0; t < 30; t++) {
        assert_false(ends(&bench));
        bench.pass.now_usec += SEC;
        if (t == 10)
            bench.guest.resident_kib += 8 * MIB;
        bench.guest.resident_kib += 16; /* as good as nothing */
    }
    bench.pass.now_usec += SEC;
    assert_true(ends(&bench));
    (void)state;
}

/* Its driver is back, and its balloon leaves it more than it was granted: what it had touched in its boot tells nothing of that. */
static void
guest_whose_driver_came_a_moment_ago_has_not_stood_still(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Bench bench;

    bench_leaves(&bench, &file);
    bench.entry.granted_kib = 2048 * MIB;
    bench.guest.actual_kib = 4096 * MIB;
    assert_false(ends(&bench));
    bench.pass.now_usec += 30 * SEC;
    bench.guest.driver_usec = bench.pass.now_usec - 19 * SEC;
    assert_false(ends(&bench));
    bench.pass.now_usec += SEC;
    assert_true(ends(&bench));
    (void)state;
}

/*
 * What comes back must be let in by the limit, or is held back without end. That a limit is on its way, or the time is nearly over, or
 * that there is none that could hold anything back, ends the waiting one way or the other. It holds 600 MiB, with 400 to come.
 */
static void
file_is_ended_when_the_limit_lets_in_what_comes_back(void **state)
{
    static const struct {
        uint64_t high_kib;
        bool unusable, pending;
        unsigned age;
        bool ends;
    } rows[] = {
        {.high_kib = 999 * MIB, .ends = false},
        {.high_kib = 1000 * MIB, .ends = true},
        {.high_kib = 1000 * MIB, .pending = true, .ends = false},
        {.high_kib = LIMIT_NONE, .pending = true, .ends = true},
        {.high_kib = 999 * MIB, .age = 479, .ends = false},
        {.high_kib = 999 * MIB, .age = 480, .ends = true},
        {.high_kib = 0, .unusable = true, .pending = true, .ends = true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
        Bench bench;

        bench_leaves(&bench, &file);
        bench.entry.granted_kib = 2048 * MIB;
        bench.entry.overhead_kib = 100 * MIB;
        bench.guest.limits.high_kib = rows[i].high_kib;
        bench.guest.limits.usable = !rows[i].unusable;
        bench.guest.limits.pending = rows[i].pending;
        bench.pass.now_usec += rows[i].age * SEC;
        if (ends(&bench) != rows[i].ends)
            fail_msg("row %zu", i);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_ordered_for_a_guest_that_runs_here),
        cmocka_unit_test(file_that_does_not_come_is_ordered_again),
        cmocka_unit_test(file_that_failed_in_this_boot_is_not_ordered_again),
        cmocka_unit_test(file_is_as_large_as_what_may_have_to_go_there),
        cmocka_unit_test(no_file_is_ordered_where_there_is_to_be_none),
        cmocka_unit_test(what_has_a_file_for_long_comes_first_and_then_presses),
        cmocka_unit_test(nothing_is_ended_on_figures_that_are_not_valid),
        cmocka_unit_test(guest_that_fills_its_file_does_not_stand_still),
        cmocka_unit_test(what_is_in_a_file_is_claimed_when_it_is_to_come_back),
        cmocka_unit_test(what_is_in_a_file_is_what_both_of_its_figures_say),
        cmocka_unit_test(file_with_nothing_in_it_is_ended_whatever_room_there_is),
        cmocka_unit_test(nothing_is_ended_where_nothing_may_be_done),
        cmocka_unit_test(file_of_a_guest_that_boots_is_ended_when_it_touches_no_more),
        cmocka_unit_test(guest_whose_driver_came_a_moment_ago_has_not_stood_still),
        cmocka_unit_test(file_is_ended_when_the_limit_lets_in_what_comes_back),
    };

    return cmocka_run_group_tests_name("paging_orders", tests, NULL, NULL);
}
