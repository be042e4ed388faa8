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

/* Demand has a 48th of air in it, and no more than 256 MiB. */
static uint64_t
with_air(uint64_t kib)
{
    return kib + MIN(kib / 48, 256 * MIB);
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
demand_is_actual_less_usable(void **state)
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

    for (uint64_t need = 100 * MIB; need < 64 * GIB; need += 333 * MIB) {
        bench->memory = (DemandMemory){.serial = 0};
        bench->guest_settings.maximum_kib = 64 * GIB;
        report(bench, with_air(need), with_air(need) - need);
        assert_false(bench->demand.starved);
        assert_true(bench->demand.demand_kib <=
                    MAX(with_air(need), guest_floor_kib(bench->guest.settings->maximum_kib)));
    }
}

static void
guest_with_nothing_usable_may_grow_and_claims_no_more_than_it_shows(void **state)
{
    Bench *bench = *state;

    report(bench, 2 * GIB, 10 * MIB);
    assert_true(bench->demand.starved);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB - 10 * MIB));
    assert_int_equal(bench->demand.growth_kib, 4 * GIB);
    report(bench, 4 * GIB, GIB);
    assert_false(bench->demand.starved);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
    assert_int_equal(bench->demand.growth_kib, 0);
}

static void
starved_once_takes_more_than_the_edge_to_end(void **state)
{
    Bench *bench = *state;

    /* the air of 4 GiB is 85 MiB */
    report(bench, 4 * GIB, 45 * MIB);
    assert_false(bench->demand.starved);
    report(bench, 4 * GIB, 40 * MIB);
    assert_true(bench->demand.starved);
    report(bench, 4 * GIB, 60 * MIB);
    assert_true(bench->demand.starved);
    report(bench, 4 * GIB, 70 * MIB);
    assert_false(bench->demand.starved);
}

/* It swaps both ways, which is a need for more than it has at any time. */
static void
swaps(Bench *bench, uint64_t actual_kib)
{
    bench->guest.swapped_in_kib = bench->guest.swapped_out_kib = 50 * MIB;
    report(bench, actual_kib, actual_kib / 20);
    bench->guest.swapped_in_kib = bench->guest.swapped_out_kib = 0;
}

static void
steps_double_while_they_do_not_suffice(void **state)
{
    Bench *bench = *state;
    uint64_t actual = GIB;

    for (uint64_t step = GIB / 16; step <= GIB; step *= 2) {
        swaps(bench, actual);
        assert_int_equal(bench->demand.demand_kib, actual + step);
        /* one that was not taken yet is not doubled */
        swaps(bench, actual);
        assert_int_equal(bench->demand.demand_kib, actual + step);
        actual += step;
    }
    /* no step is larger than what it has */
    for (unsigned t = 0; t < 10; t++)
        swaps(bench, actual + t);
    assert_int_equal(bench->demand.demand_kib, 2 * (actual + 9));
}

/* It needs 3 GiB, then 1, and then it swaps. */
static void
need_of_a_short_while_ago(Bench *bench)
{
    report(bench, 4 * GIB, GIB);
    report(bench, 2 * GIB, GIB);
    swaps(bench, 2 * GIB);
}

static void
need_of_a_short_while_ago_is_the_first_guess(void **state)
{
    Bench *bench = *state;

    need_of_a_short_while_ago(bench);
    assert_int_equal(bench->demand.demand_kib, with_air(3 * GIB));
    /* it was not enough */
    swaps(bench, with_air(3 * GIB));
    assert_true(bench->demand.demand_kib > with_air(3 * GIB) + 100 * MIB);
    /* what was long ago says nothing */
    for (unsigned t = 0; t < 400; t++)
        report(bench, 2 * GIB, GIB);
    swaps(bench, 2 * GIB);
    assert_int_equal(bench->demand.demand_kib, 2 * GIB + GIB / 8);
}

/* It swaps with 2 GiB, of which another guest takes a part, and rests. */
static void
rests(Bench *bench)
{
    swaps(bench, 2 * GIB);
    report(bench, 2 * GIB - 100 * MIB, 80 * MIB);
}

static void
claim_stands_while_the_guest_rests(void **state)
{
    Bench *bench = *state;

    rests(bench);
    assert_int_equal(bench->demand.demand_kib, 2 * GIB + GIB / 8);
    /* it has what it claimed, and that suffices */
    report(bench, 2 * GIB + GIB / 8, 80 * MIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB + GIB / 8 - 80 * MIB));
    bench->memory = (DemandMemory){.serial = 0};
    rests(bench);
    /* plenty is usable */
    report(bench, 2 * GIB - 100 * MIB, 200 * MIB);
    assert_true(bench->demand.demand_kib < 2 * GIB);
}

static void
fetching_pages_back_is_no_need(void **state)
{
    Bench *bench = *state;

    bench->guest.swapped_in_kib = 50 * MIB;
    bench->guest.major_faults = 500;
    report(bench, 3 * GIB, 150 * MIB);
    assert_false(bench->demand.starved);
    report(bench, 3 * GIB, 10 * MIB);
    assert_true(bench->demand.demand_kib > 3 * GIB + 100 * MIB);
}

static void
need_that_was_hidden_is_not_forgotten_before_plenty_is_usable(void **state)
{
    Bench *bench = *state;

    report(bench, 2 * GIB, 0);
    report(bench, 2 * GIB, 100 * MIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB));
    report(bench, 2 * GIB, GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(GIB));
}

static void
each_broken_rule_is_caught(void **state)
{
    Bench *bench = *state;

    rules_break(FAULT_NO_PEAK);
    need_of_a_short_while_ago(bench);
    assert_true(bench->demand.demand_kib < 3 * GIB);
    bench->memory = (DemandMemory){.serial = 0};
    rules_break(FAULT_NO_STARVED);
    swaps(bench, 2 * GIB);
    assert_int_equal(bench->demand.growth_kib, 0);
    bench->memory = (DemandMemory){.serial = 0};
    rules_break(FAULT_FORGET_CLAIM);
    rests(bench);
    assert_true(bench->demand.demand_kib < 2 * GIB + 50 * MIB);
    bench->memory = (DemandMemory){.serial = 0};
    rules_break(FAULT_SAME_STEP);
    swaps(bench, GIB);
    swaps(bench, GIB + GIB / 8);
    assert_int_equal(bench->demand.demand_kib, GIB + GIB / 8 + GIB / 16);
    rules_break(FAULT_NONE);
}

static void
demand_and_want_fall_at_once_and_the_peak_is_kept_for_a_while(void **state)
{
    Bench *bench = *state;
    uint64_t peak;

    report(bench, 8 * GIB, 2 * GIB);
    report(bench, 8 * GIB, 6 * GIB);
    assert_int_equal(bench->demand.demand_kib, with_air(2 * GIB));
    assert_int_equal(bench->demand.want_kib, with_air(2 * GIB) + with_air(2 * GIB) / 5);
    peak = bench->demand.peak_kib;
    assert_int_equal(peak, with_air(6 * GIB));
    for (unsigned t = 0; t < 140; t++)
        report(bench, 8 * GIB, 6 * GIB);
    assert_int_equal(bench->demand.peak_kib, peak);
    for (unsigned t = 0; t < 170; t++)
        report(bench, 8 * GIB, 6 * GIB);
    assert_int_equal(bench->demand.peak_kib, with_air(2 * GIB));
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
    assert_int_equal(guest_floor_kib(8 * GIB), (32 + 64 + 224) * MIB);
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
        cmocka_unit_test_setup_teardown(demand_is_actual_less_usable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(demand_is_the_same_whatever_the_guest_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_got_exactly_the_demand_is_not_starved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(guest_with_nothing_usable_may_grow_and_claims_no_more_than_it_shows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(starved_once_takes_more_than_the_edge_to_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(steps_double_while_they_do_not_suffice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(need_of_a_short_while_ago_is_the_first_guess, set_up, tear_down),
        cmocka_unit_test_setup_teardown(claim_stands_while_the_guest_rests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fetching_pages_back_is_no_need, set_up, tear_down),
        cmocka_unit_test_setup_teardown(need_that_was_hidden_is_not_forgotten_before_plenty_is_usable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_broken_rule_is_caught, set_up, tear_down),
        cmocka_unit_test_setup_teardown(demand_and_want_fall_at_once_and_the_peak_is_kept_for_a_while, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(noise_is_covered_and_does_not_move_demand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_new_report_nothing_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(share_of_page_cache_counts_as_demand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_report_counts_as_needing_all_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_guest_needs_less_than_its_floor, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
