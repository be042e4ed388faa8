/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "calm_table.h"
#include "cmocka_all.h"
#include "decide/faults.h"
#include "units.h"

#include <string.h>

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC

static void
table_init(CalmTable *table, size_t count, uint64_t held_kib)
{
    *table = (CalmTable){.count = count, .budget_kib = 100 * GIB, .now_usec = 1000 * SEC};
    for (size_t i = 0; i < count; i++)
        table->guests[i] = (CalmRow){.held_kib = held_kib,
                                     .actual_kib = held_kib,
                                     .ideal_kib = held_kib,
                                     .need_kib = held_kib / 2,
                                     .want_kib = held_kib,
                                     .minimum_kib = GIB / 2,
                                     .maximum_kib = 16 * GIB};
}

/* One second, after which targets are told and reached. */
static void
table_tick(CalmTable *table)
{
    table->now_usec += SEC;
    calm_table_settle(table);
    for (size_t i = 0; i < table->count; i++)
        table->guests[i].held_kib = table->guests[i].actual_kib = table->guests[i].target_kib;
}

static void
growing_to_demand_is_immediate(void **state)
{
    CalmTable table;

    table_init(&table, 1, 2 * GIB);
    for (unsigned i = 0; i < 5; i++) {
        table.guests[0].ideal_kib += GIB / 2;
        table.guests[0].need_kib = table.guests[0].ideal_kib;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, table.guests[0].ideal_kib);
        assert_int_equal(table.guests[0].delay, PLAN_RULE_COUNT);
    }
}

static void
buffer_is_refilled_when_half_of_it_is_gone(void **state)
{
    CalmTable table;

    table_init(&table, 1, 3 * GIB);
    table.guests[0].need_kib = 3 * GIB - 200 * MIB;
    table.guests[0].ideal_kib = 3 * GIB + 190 * MIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 3 * GIB);
    assert_int_equal(table.guests[0].delay, PLAN_RULE_SMALL);
    table.guests[0].ideal_kib = 3 * GIB + 210 * MIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 3 * GIB + 210 * MIB);
    assert_int_equal(table.guests[0].delay, PLAN_RULE_COUNT);
}

static void
small_buffer_of_a_large_guest_is_refilled_too(void **state)
{
    CalmTable table;

    table_init(&table, 1, 4 * GIB);
    table.guests[0].need_kib = 4 * GIB - 40 * MIB;
    table.guests[0].ideal_kib = 4 * GIB + 120 * MIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    /* that is little, and has to last: not longer than a lack of buffer may */
    for (unsigned i = 0; i < 7; i++)
        table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB + 120 * MIB);
}

static void
surplus_is_taken_back_when_it_has_lasted(void **state)
{
    CalmTable table;

    table_init(&table, 1, 4 * GIB);
    table.guests[0].ideal_kib = 2 * GIB;
    for (unsigned i = 0; i < 300; i++) {
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
        assert_int_equal(table.guests[0].delay, PLAN_RULE_WAIT_SURPLUS);
    }
    for (unsigned i = 0; i < 20; i++)
        table_tick(&table);
    assert_true(table.guests[0].target_kib <= 2 * GIB + 2 * GIB / 15);
}

static void
surplus_that_was_interrupted_waits_anew(void **state)
{
    CalmTable table;

    table_init(&table, 1, 4 * GIB);
    for (unsigned i = 0; i < 1000; i++) {
        table.guests[0].ideal_kib = i % 250 == 249 ? 4 * GIB : 2 * GIB;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    }
}

static void
shrinking_goes_in_steps(void **state)
{
    CalmTable table;
    uint64_t before = 8 * GIB;

    table_init(&table, 1, 8 * GIB);
    table.guests[0].ideal_kib = 2 * GIB;
    table.budget_kib = 2 * GIB;
    for (unsigned i = 0; i < 30; i++) {
        table_tick(&table);
        assert_true(before - table.guests[0].target_kib <= MAX(before / 10, 256 * MIB));
        before = table.guests[0].target_kib;
    }
    assert_int_equal(before, 2 * GIB);
}

static void
steps_are_as_large_as_the_guest_is_fast(void **state)
{
    CalmTable table;

    table_init(&table, 1, 8 * GIB);
    table.guests[0].ideal_kib = 2 * GIB;
    table.guests[0].rate_kib = GIB;
    table.budget_kib = 2 * GIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 6 * GIB);
}

static void
small_differences_are_left_alone(void **state)
{
    CalmTable table;

    table_init(&table, 1, 4 * GIB);
    for (unsigned i = 0; i < 900; i++) {
        table.guests[0].ideal_kib = 4 * GIB + (i % 2 == 0 ? 150 * MIB : 0) - 75 * MIB;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    }
}

static void
small_differences_give_way_to_the_budget(void **state)
{
    CalmTable table;

    table_init(&table, 3, 4 * GIB);
    table.budget_kib = 12 * GIB - 60 * MIB;
    for (size_t i = 0; i < 3; i++) {
        table.guests[i].ideal_kib = 4 * GIB - 20 * MIB;
        table.guests[i].need_kib = table.guests[i].ideal_kib;
    }
    table_tick(&table);
    assert_true(table.guests[0].target_kib + table.guests[1].target_kib + table.guests[2].target_kib <=
                table.budget_kib);
}

/* Two hold a surplus, one lacks something: does it get that at once, from the one who has most? */
static bool
surplus_is_taken(CalmTable *table, uint64_t need_kib)
{
    table_init(table, 3, 4 * GIB);
    table->budget_kib = 12 * GIB;
    table->guests[0].ideal_kib = 4 * GIB + 200 * MIB;
    table->guests[0].need_kib = need_kib;
    table->guests[1].ideal_kib = 2 * GIB;
    table->guests[2].ideal_kib = 3 * GIB + 700 * MIB;
    table_tick(table);
    return table->guests[0].target_kib == 4 * GIB + 200 * MIB && table->guests[1].target_kib == 4 * GIB - 200 * MIB &&
           table->guests[2].target_kib == 4 * GIB;
}

static void
what_is_lacking_is_taken_at_once_from_who_has_most(void **state)
{
    CalmTable table;

    assert_true(surplus_is_taken(&table, 4 * GIB + 200 * MIB));
    /* a buffer, too */
    assert_true(surplus_is_taken(&table, 4 * GIB - 200 * MIB));
    rules_break(FAULT_KEEP_SURPLUS);
    assert_false(surplus_is_taken(&table, 4 * GIB + 200 * MIB));
    rules_break(FAULT_NONE);
}

/* What another lacks, and waits for, grows by 1 MiB a second. Returns how often what this one has is changed in 30 s. */
static unsigned
times_taken_from(void)
{
    CalmTable table;
    unsigned changes = 0;

    table_init(&table, 2, 4 * GIB);
    table.budget_kib = 8 * GIB;
    table.guests[1].ideal_kib = 2 * GIB;
    for (unsigned t = 0; t < 30; t++) {
        uint64_t held = table.guests[1].held_kib;

        table.guests[0].ideal_kib = table.guests[0].need_kib = 4 * GIB + 40 * MIB + t * MIB;
        table_tick(&table);
        table.guests[0].held_kib = table.guests[0].actual_kib = 4 * GIB;
        changes += table.guests[1].held_kib != held;
    }
    return changes;
}

/* The shares of two move a little to and fro, as the needs of others do. Returns how often they are told in a minute. */
static unsigned
times_told_of_crumbs(void)
{
    CalmTable table;
    unsigned changes = 0;

    table_init(&table, 2, 4 * GIB);
    table.budget_kib = 8 * GIB;
    for (unsigned t = 0; t < 60; t++) {
        uint64_t held = table.guests[0].held_kib;
        uint64_t moves = t % 4 < 2 ? 60 * MIB : 0;

        for (size_t i = 0; i < 2; i++) {
            table.guests[i].ideal_kib = i == 0 ? 4 * GIB - moves : 4 * GIB + moves;
            table.guests[i].need_kib = table.guests[i].ideal_kib;
        }
        table_tick(&table);
        /* it is given what is free */
        table.guests[1].held_kib = table.guests[1].actual_kib = table.budget_kib - table.guests[0].held_kib;
        changes += table.guests[0].held_kib != held;
    }
    return changes;
}

static void
crumbs_move_when_they_have_lasted(void **state)
{
    CalmTable table;

    assert_int_equal(times_told_of_crumbs(), 0);
    rules_break(FAULT_CRUMBS);
    assert_true(times_told_of_crumbs() > 10);
    rules_break(FAULT_NONE);

    table_init(&table, 2, 4 * GIB);
    table.budget_kib = 8 * GIB;
    table.guests[0].ideal_kib = table.guests[0].need_kib = 4 * GIB - 60 * MIB;
    table.guests[1].ideal_kib = table.guests[1].need_kib = 4 * GIB + 60 * MIB;
    for (unsigned i = 0; i < 4; i++) {
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
        table.guests[1].held_kib = table.guests[1].actual_kib = 4 * GIB; /* nothing is free for it */
    }
    table_tick(&table);
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB - 128 * MIB + 68 * MIB);
}

static void
what_is_taken_is_worth_telling(void **state)
{
    assert_in_range(times_taken_from(), 1, 2);
    rules_break(FAULT_CRUMBS);
    assert_true(times_taken_from() > 2);
    rules_break(FAULT_NONE);
}

static void
much_is_taken_from_all_side_by_side(void **state)
{
    CalmTable table;

    table_init(&table, 4, 8 * GIB);
    table.budget_kib = 32 * GIB;
    table.guests[0].ideal_kib = table.guests[0].need_kib = 14 * GIB;
    for (size_t i = 1; i < 4; i++) {
        table.guests[i].ideal_kib = 6 * GIB;
        table.guests[i].rate_kib = 8 * GIB;
    }
    table_tick(&table);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(table.guests[i].target_kib, 6 * GIB);
}

static void
limit_that_was_moved_is_kept_at_once(void **state)
{
    CalmTable table;

    table_init(&table, 1, 4 * GIB);
    table.guests[0].minimum_kib = table.guests[0].ideal_kib = 4 * GIB + 10 * MIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB + 10 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing_to_demand_is_immediate),
        cmocka_unit_test(buffer_is_refilled_when_half_of_it_is_gone),
        cmocka_unit_test(small_buffer_of_a_large_guest_is_refilled_too),
        cmocka_unit_test(surplus_is_taken_back_when_it_has_lasted),
        cmocka_unit_test(surplus_that_was_interrupted_waits_anew),
        cmocka_unit_test(shrinking_goes_in_steps),
        cmocka_unit_test(steps_are_as_large_as_the_guest_is_fast),
        cmocka_unit_test(small_differences_are_left_alone),
        cmocka_unit_test(small_differences_give_way_to_the_budget),
        cmocka_unit_test(what_is_lacking_is_taken_at_once_from_who_has_most),
        cmocka_unit_test(crumbs_move_when_they_have_lasted),
        cmocka_unit_test(what_is_taken_is_worth_telling),
        cmocka_unit_test(much_is_taken_from_all_side_by_side),
        cmocka_unit_test(limit_that_was_moved_is_kept_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
