/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "decide/calm.h"
#include "units.h"

#include <string.h>

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC
#define GUESTS 4

typedef struct Table {
    CalmMemory memories[GUESTS];
    CalmGuest guests[GUESTS];
    SharingGuest sharing[GUESTS];
    SharingScratch entries[GUESTS];
    size_t count;
    uint64_t budget_kib;
    bool shortage;
    uint64_t now_usec;
} Table;

static void
table_init(Table *table, size_t count, uint64_t held_kib)
{
    *table = (Table){.count = count, .budget_kib = 100 * GIB, .now_usec = 1000 * SEC};
    for (size_t i = 0; i < count; i++)
        table->guests[i] = (CalmGuest){.memory = &table->memories[i],
                                       .held_kib = held_kib,
                                       .actual_kib = held_kib,
                                       .ideal_kib = held_kib,
                                       .need_kib = held_kib / 2,
                                       .minimum_kib = GIB / 2,
                                       .maximum_kib = 16 * GIB,
                                       .weight = 1};
}

/* One second, after which targets are told and reached. */
static void
table_tick(Table *table)
{
    CalmScratch scratch = {.sharing = table->sharing, .entries = table->entries};
    CalmTerms terms = {.budget_kib = table->budget_kib, .shortage = table->shortage, .interval_usec = SEC};

    table->now_usec += SEC;
    terms.now_usec = table->now_usec;
    calm_settle(table->guests, table->count, &terms, &scratch);
    for (size_t i = 0; i < table->count; i++) {
        CalmGuest *guest = &table->guests[i];

        if (guest->target_kib != guest->held_kib)
            calm_note_change(guest->memory, table->now_usec);
        guest->held_kib = guest->actual_kib = guest->target_kib;
    }
}

static void
growing_to_demand_is_immediate(void **state)
{
    Table table;

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
growing_to_want_is_not_too_often(void **state)
{
    Table table;

    table_init(&table, 1, 2 * GIB);
    table.guests[0].ideal_kib = 3 * GIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 3 * GIB);
    table.guests[0].ideal_kib = 4 * GIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 3 * GIB);
    assert_int_equal(table.guests[0].delay, PLAN_RULE_RECENT);
    for (unsigned i = 0; i < 10; i++)
        table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB);
}

static void
buffer_that_is_half_eaten_up_is_refilled_at_once(void **state)
{
    Table table;

    table_init(&table, 1, 2 * GIB);
    for (unsigned i = 0; i < 10; i++) {
        table.guests[0].need_kib = table.guests[0].held_kib - 100 * MIB;
        table.guests[0].ideal_kib = table.guests[0].need_kib + 400 * MIB;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, table.guests[0].ideal_kib);
    }
}

static void
surplus_is_taken_back_when_it_has_lasted(void **state)
{
    Table table;

    table_init(&table, 1, 4 * GIB);
    table.guests[0].ideal_kib = 2 * GIB;
    for (unsigned i = 0; i < 59; i++) {
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
        assert_int_equal(table.guests[0].delay, PLAN_RULE_WAIT_SURPLUS);
    }
    for (unsigned i = 0; i < 12; i++)
        table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 2 * GIB);
}

static void
surplus_that_was_interrupted_waits_anew(void **state)
{
    Table table;

    table_init(&table, 1, 4 * GIB);
    for (unsigned i = 0; i < 300; i++) {
        table.guests[0].ideal_kib = i % 50 == 49 ? 4 * GIB : 2 * GIB;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    }
}

static void
shrinking_goes_in_steps(void **state)
{
    Table table;
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
    Table table;

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
    Table table;

    table_init(&table, 1, 4 * GIB);
    for (unsigned i = 0; i < 900; i++) {
        table.guests[0].ideal_kib = 4 * GIB + (i % 2 == 0 ? 150 * MIB : 0) - 75 * MIB;
        table_tick(&table);
        assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    }
}

static void
in_a_shortage_small_differences_are_set_right_seldom(void **state)
{
    Table table;
    unsigned changes = 0;

    table_init(&table, 1, 4 * GIB);
    table.shortage = true;
    table.guests[0].ideal_kib = 4 * GIB + 60 * MIB;
    for (unsigned i = 0; i < 40; i++)
        table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB + 60 * MIB);
    for (unsigned i = 0; i < 600; i++) {
        uint64_t before = table.guests[0].target_kib;

        table.guests[0].ideal_kib = 4 * GIB + (i / 50 % 2 == 0 ? 0 : 60) * MIB;
        table_tick(&table);
        changes += table.guests[0].target_kib != before;
    }
    assert_true(changes <= 2);
}

static void
small_differences_give_way_to_the_budget(void **state)
{
    Table table;

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

static void
buffer_takes_nobodys_surplus_at_once(void **state)
{
    Table table;

    table_init(&table, 2, 4 * GIB);
    table.budget_kib = 8 * GIB;
    table.guests[0].ideal_kib = 5 * GIB;
    table.guests[1].ideal_kib = 3 * GIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB);
    assert_int_equal(table.guests[0].delay, PLAN_RULE_WAIT_FREE);
    assert_int_equal(table.guests[1].target_kib, 4 * GIB);
    for (unsigned i = 0; i < 90; i++)
        table_tick(&table);
    assert_int_equal(table.guests[1].target_kib, 3 * GIB);
    assert_int_equal(table.guests[0].target_kib, 5 * GIB);
}

static void
demand_takes_surplus_at_once_from_who_has_most(void **state)
{
    Table table;

    table_init(&table, 3, 4 * GIB);
    table.budget_kib = 12 * GIB;
    table.guests[0].ideal_kib = table.guests[0].need_kib = 4 * GIB + 200 * MIB;
    table.guests[1].ideal_kib = 2 * GIB;
    table.guests[2].ideal_kib = 3 * GIB + 700 * MIB;
    table_tick(&table);
    assert_int_equal(table.guests[0].target_kib, 4 * GIB + 200 * MIB);
    assert_int_equal(table.guests[1].target_kib, 4 * GIB - 300 * MIB);
    assert_int_equal(table.guests[2].target_kib, 4 * GIB);
}

static void
limit_that_was_moved_is_kept_at_once(void **state)
{
    Table table;

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
        cmocka_unit_test(growing_to_want_is_not_too_often),
        cmocka_unit_test(buffer_that_is_half_eaten_up_is_refilled_at_once),
        cmocka_unit_test(surplus_is_taken_back_when_it_has_lasted),
        cmocka_unit_test(surplus_that_was_interrupted_waits_anew),
        cmocka_unit_test(shrinking_goes_in_steps),
        cmocka_unit_test(steps_are_as_large_as_the_guest_is_fast),
        cmocka_unit_test(small_differences_are_left_alone),
        cmocka_unit_test(in_a_shortage_small_differences_are_set_right_seldom),
        cmocka_unit_test(small_differences_give_way_to_the_budget),
        cmocka_unit_test(buffer_takes_nobodys_surplus_at_once),
        cmocka_unit_test(demand_takes_surplus_at_once_from_who_has_most),
        cmocka_unit_test(limit_that_was_moved_is_kept_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
