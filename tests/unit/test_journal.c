/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "report/journal.h"
#include "units.h"

#include <string.h>

#define START (1000 * USEC_PER_SEC)

typedef struct Fixture {
    GPtrArray *list;
    Journal *journal;
    unsigned written;
    unsigned left_out;
    char *last;
} Fixture;

static void
written(const JournalRecord *record, void *data)
{
    Fixture *fixture = data;

    fixture->written++;
    fixture->left_out += record->left_out;
    g_free(fixture->last);
    fixture->last = g_strdup(record->message);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->journal = journal_new(written, fixture);
    fixture->list = change_list_new();
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    journal_free(fixture->journal);
    g_ptr_array_unref(fixture->list);
    g_free(fixture->last);
    g_free(fixture);
    return 0;
}

static void
write_one(Fixture *fixture, ChangeKind kind, const char *uuid, uint64_t now_usec)
{
    g_autofree char *message = g_strdup_printf("at %" G_GUINT64_FORMAT " s", now_usec / USEC_PER_SEC);

    g_ptr_array_set_size(fixture->list, 0);
    change_list_add(fixture->list, kind, uuid, "web", "", g_steal_pointer(&message));
    journal_write(fixture->journal, g_ptr_array_index(fixture->list, 0), now_usec);
}

static void
few_records_are_all_written(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 20; i++)
        write_one(fixture, CHANGE_TARGET_CHANGED, "a", START + i * USEC_PER_SEC);
    assert_int_equal(fixture->written, 20);
    assert_int_equal(fixture->left_out, 0);
    assert_string_equal(fixture->last, "at 1019 s");
}

static void
a_flood_is_thinned_and_what_is_left_out_is_said(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 1000; i++)
        write_one(fixture, CHANGE_TARGET_CHANGED, "a", START + i * USEC_PER_SEC);
    /* a burst, then one each five seconds */
    assert_in_range(fixture->written, 200, 225);
    assert_in_range(fixture->written + fixture->left_out, 994, 1000);
    assert_non_null(strstr(fixture->last, "records of this kind left out before)"));
}

static void
guests_and_kinds_do_not_take_from_each_other(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 100; i++)
        write_one(fixture, CHANGE_TARGET_CHANGED, "a", START);
    assert_int_equal(fixture->written, 20);
    write_one(fixture, CHANGE_TARGET_CHANGED, "b", START);
    write_one(fixture, CHANGE_GUEST_STUCK, "a", START);
    assert_int_equal(fixture->written, 22);
}

static void
the_last_of_a_flood_is_written_in_the_end(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 30; i++)
        write_one(fixture, CHANGE_TARGET_CHANGED, "a", START + i);
    write_one(fixture, CHANGE_TARGET_CHANGED, "a", START + USEC_PER_SEC);
    assert_int_equal(fixture->written, 20);
    journal_settle(fixture->journal, START + 30 * USEC_PER_SEC);
    assert_int_equal(fixture->written, 20);
    journal_settle(fixture->journal, START + 120 * USEC_PER_SEC);
    assert_int_equal(fixture->written, 21);
    assert_int_equal(fixture->left_out, 10);
    assert_string_equal(fixture->last, "at 1001 s (10 records of this kind left out before)");
    /* and not again */
    journal_settle(fixture->journal, START + 240 * USEC_PER_SEC);
    assert_int_equal(fixture->written, 21);
}

static void
each_line_of_the_configuration_is_written(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 100; i++)
        write_one(fixture, CHANGE_CONFIG_REJECTED, "", START);
    assert_int_equal(fixture->written, 100);
}

static void
assert_field(const GPtrArray *fields, const char *expected)
{
    for (unsigned i = 0; i < fields->len; i++)
        if (strcmp(g_ptr_array_index(fields, i), expected) == 0)
            return;
    fail_msg("no %s", expected);
}

static void
a_record_has_the_fields_of_its_kind(void **state)
{
    Fixture *fixture = *state;
    JournalRecord record;
    Change *change = change_list_add(fixture->list, CHANGE_PAGING_ENDED, "u", "web", "", g_strdup("It is gone."));
    g_autoptr(GPtrArray) fields = NULL;
    g_autoptr(GPtrArray) others = NULL;

    change->peak_kib = 3;
    change->age_usec = 61 * USEC_PER_SEC;
    record = (JournalRecord){.change = change, .message = change->message};
    fields = journal_fields(&record);
    assert_field(fields, "MESSAGE=It is gone.");
    assert_field(fields, "MESSAGE_ID=46c44611aefb4616b84408851b99bff7");
    assert_field(fields, "DYNMEM_GUEST=web");
    assert_field(fields, "DYNMEM_PEAK=3072");
    assert_field(fields, "DYNMEM_SECONDS=61");

    change->kind = CHANGE_START_REFUSED;
    change->needed_kib = 5;
    others = journal_fields(&record);
    assert_field(others, "DYNMEM_NEEDED=5120");
    for (unsigned i = 0; i < others->len; i++)
        assert_false(g_str_has_prefix(g_ptr_array_index(others, i), "DYNMEM_PEAK"));
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(few_records_are_all_written),
        TEST(a_flood_is_thinned_and_what_is_left_out_is_said),
        TEST(guests_and_kinds_do_not_take_from_each_other),
        TEST(the_last_of_a_flood_is_written_in_the_end),
        TEST(each_line_of_the_configuration_is_written),
        TEST(a_record_has_the_fields_of_its_kind),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
