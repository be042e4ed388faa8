/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "decide/demand.h"
#include "decide/faults.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC

typedef struct Bench {
    GuestSettings guest_settings;
    GuestSnapshot guest;
    Settings *settings;
    DemandMemory memory;
    uint64_t now_usec;
    Demand demand;
} Bench;

static int
set_up(void **state)
{
    Bench *bench = g_new0(Bench, 1);

    bench->settings = settings_new();
    bench->guest_settings = (GuestSettings){.minimum_kib = GIB, .maximum_kib = 8 * GIB, .buffer_percent = 20};
    bench->guest = (GuestSnapshot){.settings = &bench->guest_settings, .driver_up = true, .has_usable = true};
    bench->now_usec = 100 * SEC;
    *state = bench;
    return 0;
}

static int
tear_down(void **state)
{
    Bench *bench = *state;

    settings_free(bench->settings);
    g_free(bench);
    return 0;
}

/* One report a second later. */
static void
report(Bench *bench, uint64_t actual_kib, uint64_t usable_kib)
{
    bench->now_usec += SEC;
    bench->guest.report_serial++;
    bench->guest.report_span_usec = SEC;
    bench->guest.report_actual_kib = actual_kib;
    bench->guest.usable_kib = usable_kib;
    demand_work_out(&bench->memory, &bench->guest, bench->settings, bench->now_usec, &bench->demand);
}

/* Demand has a 32nd of air in it. */
static uint64_t
with_air(uint64_t kib)
{
    return kib + kib / 32;
}

static void
nothing_is_known_before_the_first_report(void **state)
{
    Bench *bench = *state;

    bench->guest.has_usable = false;
    demand_work_out(&bench->memory, &bench->guest, bench->settings, bench->now_usec, &bench->demand);
    assert_false(bench->demand.known);
    bench->guest.has_usable = true;
    bench->guest.driver_up = false;
    demand_work_out(&bench->memory, &bench->guest, bench->settings, bench->now_usec, &bench->demand);
    assert_false(bench->demand.known);
}

static void
demand_is_actual_less_usable_and_some_air(void **state)
{
    Bench *bench = *state;

    report(bench, 4 * GIB, 1 * GIB);
    assert_true(bench->demand.known);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
    assert_int_equal(bench->demand.want_kib, with_air(3 * GIB) + with_air(3 * GIB) / 5);
    assert_false(bench->demand.starved);
}

static void
demand_is_the_same_whatever_the_guest_has(void **state)
{
    Bench *bench = *state;

    /* the balloon took 2 GiB: a guest that counts it as used shows the same usable as one that does not */
    report(bench, 6 * GIB, 4 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB));
    report(bench, 4 * GIB, 2 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB));
}

static void
who_got_exactly_the_demand_is_not_starved(void **state)
{
    Bench *bench = *state;

    for (uint64_t need = 100 * MIB; need < 8 * GIB; need += 333 * MIB) {
        bench->memory = (DemandMemory){.valid = false};
        report(bench, with_air(need), with_air(need) - need);
        assert_false(bench->demand.starved);
        assert_true(bench->demand.demand_kib <= MAX(with_air(need), bench->demand.floor_kib));
    }
}

static void
starved_guest_grows_by_a_quarter_or_an_eighth_of_its_maximum(void **state)
{
    Bench *bench = *state;

    report(bench, 2 * GIB, 10 * MIB);
    assert_true(bench->demand.starved);
    assert_int_equal(bench->demand.demand_kib, 3 * GIB);
    report(bench, 6 * GIB, 10 * MIB);
    assert_int_equal(bench->demand.demand_kib, 6 * GIB + 6 * GIB / 4);
}

static void
guest_that_stays_at_the_edge_is_starved(void **state)
{
    Bench *bench = *state;

    for (unsigned t = 0; t < 5; t++) {
        report(bench, 4 * GIB, 90 * MIB);
        assert_false(bench->demand.starved);
    }
    report(bench, 4 * GIB, 90 * MIB);
    assert_true(bench->demand.starved);
    /* one that only touches it is not */
    for (unsigned t = 0; t < 60; t++) {
        report(bench, 4 * GIB, t % 3 == 0 ? 150 * MIB : 90 * MIB);
        assert_false(bench->demand.starved);
    }
}

static void
need_of_a_short_while_ago_is_the_first_guess(void **state)
{
    Bench *bench = *state;

    report(bench, 4 * GIB, GIB);
    for (unsigned t = 0; t < 20; t++)
        report(bench, 2 * GIB, GIB);
    report(bench, 2 * GIB, 0);
    assert_true(bench->demand.starved);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
    /* it was not enough */
    report(bench, with_air(3 * GIB), 0);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB) + GIB);
    /* what was long ago says nothing */
    for (unsigned t = 0; t < 200; t++)
        report(bench, 2 * GIB, GIB);
    report(bench, 2 * GIB, 0);
    assert_int_equal(bench->demand.demand_kib, 3 * GIB);
}

static void
guest_that_stays_starved_grows_beyond_what_it_needed_lately(void **state)
{
    Bench *bench = *state;

    report(bench, 4 * GIB, GIB);
    report(bench, 3 * GIB, 0);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
    for (unsigned t = 0; t < 10; t++)
        report(bench, 3 * GIB, 0);
    assert_int_equal(bench->demand.demand_kib, 4 * GIB);
}

static void
fetching_pages_back_after_growing_is_no_need(void **state)
{
    Bench *bench = *state;

    bench->guest.swapped_in_kib = 50 * MIB;
    report(bench, 2 * GIB, 0);
    report(bench, 3 * GIB, 200 * MIB);
    assert_false(bench->demand.starved);
    for (unsigned t = 0; t < 15; t++)
        report(bench, 3 * GIB, 200 * MIB);
    assert_true(bench->demand.starved);
}

static void
swapping_both_ways_is_need_at_any_time(void **state)
{
    Bench *bench = *state;

    bench->guest.swapped_in_kib = bench->guest.swapped_out_kib = 50 * MIB;
    report(bench, 2 * GIB, 0);
    report(bench, 3 * GIB, 100 * MIB);
    assert_true(bench->demand.starved);
    report(bench, 3 * GIB, GIB);
    assert_false(bench->demand.starved);
    bench->guest.swapped_in_kib = 0;
    report(bench, 4 * GIB, 100 * MIB);
    assert_false(bench->demand.starved);
}

/* Two reports after it had nothing left: it swaps both ways right after a raise. Is it still taken for starved? */
static bool
is_starved_right_after_a_raise(Bench *bench, uint64_t faults)
{
    bench->memory = (DemandMemory){.valid = false};
    rules_break(faults);
    bench->guest.swapped_in_kib = bench->guest.swapped_out_kib = 50 * MIB;
    report(bench, 2 * GIB, 0);
    report(bench, 3 * GIB, 150 * MIB);
    return bench->demand.starved;
}

/* One good report after it had nothing left. Does its demand stay at what it has? */
static bool
keeps_its_demand_for_one_good_report(Bench *bench, uint64_t faults)
{
    bench->memory = (DemandMemory){.valid = false};
    rules_break(faults);
    bench->guest.swapped_in_kib = bench->guest.swapped_out_kib = 0;
    report(bench, 2 * GIB, 0);
    report(bench, 2 * GIB, 600 * MIB);
    return bench->demand.demand_kib >= 2 * GIB;
}

static void
each_broken_rule_is_caught(void **state)
{
    assert_true(is_starved_right_after_a_raise(*state, 0));
    assert_false(is_starved_right_after_a_raise(*state, FAULT_SWAP_IS_FETCHING));
    assert_true(keeps_its_demand_for_one_good_report(*state, 0));
    assert_false(keeps_its_demand_for_one_good_report(*state, FAULT_STARVED_ONCE));
}

static void
swapping_in_counts_only_while_usable_is_short(void **state)
{
    Bench *bench = *state;

    bench->guest.swapped_in_kib = 50 * MIB;
    report(bench, 4 * GIB, 2 * GIB);
    assert_false(bench->demand.starved);
    report(bench, 4 * GIB, 200 * MIB);
    assert_true(bench->demand.starved);
    bench->guest.swapped_in_kib = 0;
    report(bench, 4 * GIB, 200 * MIB);
    assert_false(bench->demand.starved);
    bench->guest.major_faults = 500;
    report(bench, 4 * GIB, 200 * MIB);
    assert_true(bench->demand.starved);
}

static void
demand_falls_at_once_and_want_slowly(void **state)
{
    Bench *bench = *state;
    uint64_t want;

    report(bench, 8 * GIB, 2 * GIB);
    report(bench, 8 * GIB, 6 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB));
    want = bench->demand.want_kib;
    assert_true(want > 5 * GIB);
    for (unsigned t = 0; t < 60; t++)
        report(bench, 8 * GIB, 6 * GIB);
    assert_true(bench->demand.want_kib < want - GIB);
    assert_true(bench->demand.want_kib > 3 * GIB);
    for (unsigned t = 0; t < 600; t++)
        report(bench, 8 * GIB, 6 * GIB);
    assert_int_equal(bench->demand.want_kib, with_air(2 * GIB) + with_air(2 * GIB) / 5);
}

static void
noise_is_covered_and_does_not_move_demand(void **state)
{
    Bench *bench = *state;
    uint64_t demand;
    uint32_t seed = 3;

    for (unsigned t = 0; t < 60; t++) {
        seed = seed * 1103515245 + 12345;
        report(bench, 8 * GIB, 5 * GIB - 150 * MIB + (seed >> 8) % 301 * MIB);
    }
    demand = bench->demand.demand_kib;
    assert_true(demand >= with_air(3 * GIB + 100 * MIB) && demand <= with_air(3 * GIB + 150 * MIB));
    for (unsigned t = 0; t < 600; t++) {
        seed = seed * 1103515245 + 12345;
        report(bench, 8 * GIB, 5 * GIB - 150 * MIB + (seed >> 8) % 301 * MIB);
        assert_true(bench->demand.demand_kib >= demand);
        assert_true(bench->demand.demand_kib <= with_air(3 * GIB + 150 * MIB));
    }
}

static void
without_a_new_report_nothing_changes(void **state)
{
    Bench *bench = *state;
    uint64_t demand;

    report(bench, 4 * GIB, 2 * GIB);
    demand = bench->demand.demand_kib;
    bench->guest.usable_kib = 4 * GIB;
    bench->now_usec += 100 * SEC;
    demand_work_out(&bench->memory, &bench->guest, bench->settings, bench->now_usec, &bench->demand);
    assert_int_equal(bench->demand.demand_kib, demand);
}

static void
share_of_page_cache_counts_as_demand(void **state)
{
    Bench *bench = *state;

    bench->settings->cache_share_percent = 50;
    bench->guest.has_cache = true;
    bench->guest.cache_kib = GIB;
    report(bench, 4 * GIB, 2 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB + GIB / 2));
    /* no more of it than is usable */
    bench->guest.cache_kib = 100 * GIB;
    report(bench, 4 * GIB, 2 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
}

static void
impossible_report_counts_as_needing_all_it_has(void **state)
{
    Bench *bench = *state;

    bench->guest.doubts = DOUBT_USABLE_ABOVE_TOTAL;
    report(bench, 4 * GIB, 20 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(4 * GIB));
    assert_false(bench->demand.starved);
}

static void
no_guest_needs_less_than_its_floor(void **state)
{
    Bench *bench = *state;

    report(bench, 8 * GIB, 8 * GIB);
    assert_int_equal(bench->demand.demand_kib, guest_floor_kib(8 * GIB));
    assert_int_equal(bench->demand.floor_kib, (32 + 64 + 224) * MIB);
    for (uint64_t maximum = 0; maximum < 4096 * GIB; maximum = maximum * 2 + MIB) {
        assert_true(guest_floor_kib(maximum) <= maximum);
        assert_true(guest_floor_kib(maximum) >= maximum / 64);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_known_before_the_first_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(demand_is_actual_less_usable_and_some_air, set_up, tear_down),
        cmocka_unit_test_setup_teardown(demand_is_the_same_whatever_the_guest_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_got_exactly_the_demand_is_not_starved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(starved_guest_grows_by_a_quarter_or_an_eighth_of_its_maximum, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(guest_that_stays_at_the_edge_is_starved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(need_of_a_short_while_ago_is_the_first_guess, set_up, tear_down),
        cmocka_unit_test_setup_teardown(guest_that_stays_starved_grows_beyond_what_it_needed_lately, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fetching_pages_back_after_growing_is_no_need, set_up, tear_down),
        cmocka_unit_test_setup_teardown(swapping_in_counts_only_while_usable_is_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_broken_rule_is_caught, set_up, tear_down),
        cmocka_unit_test_setup_teardown(swapping_both_ways_is_need_at_any_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(demand_falls_at_once_and_want_slowly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_is_covered_and_does_not_move_demand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_new_report_nothing_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(share_of_page_cache_counts_as_demand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_report_counts_as_needing_all_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_guest_needs_less_than_its_floor, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
