/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a guest's record when it is read and when events tell of it, in whatever order they come. */
#include "cmocka_all.h"

#include "error.h"
#include "watch/registry.h"

#include <string.h>

#define UUID "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

typedef struct Fixture {
    Registry *registry;
    Guest *guest;
    unsigned targets_failed;
} Fixture;

static void
process_ended(void *user_data, Guest *guest)
{
}

static void
target_done(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    Fixture *fixture = user_data;

    fixture->targets_failed += error != NULL;
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->registry = registry_new(process_ended, fixture);
    fixture->guest = registry_add(fixture->registry, UUID);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    registry_free(fixture->registry);
    g_free(fixture);
    return 0;
}

/* id -1: off. */
static bool
apply(Guest *guest, int id, const char *live, const char *inactive)
{
    GuestReading reading = {
        .name = g_strdup("web"),
        .id = id,
        .life = id < 0 ? GUEST_LIFE_OFF : GUEST_LIFE_RUNNING,
        .live_xml = g_strdup(live),
        .inactive_xml = g_strdup(inactive),
    };
    bool changed = guest_apply_reading(guest, &reading);

    guest_reading_clear(&reading);
    return changed;
}

static bool
apply_running(Guest *guest, int id)
{
    return apply(guest, id, "<domain/>\n", "<domain/>\n");
}

static void
records_are_sorted_and_only_of_guests_that_were_read(void **state)
{
    Fixture *fixture = *state;
    Guest *other = registry_add(fixture->registry, OTHER);
    const GuestRecord *const *records;
    size_t count;

    assert_ptr_equal(registry_add(fixture->registry, OTHER), other);
    (void)registry_records(fixture->registry, &count);
    assert_int_equal(count, 0);
    apply(other, -1, NULL, "<domain/>\n");
    apply_running(fixture->guest, 1);
    records = registry_records(fixture->registry, &count);
    assert_int_equal(count, 2);
    assert_string_equal(records[0]->uuid, UUID);
    assert_string_equal(records[1]->uuid, OTHER);
    registry_remove(fixture->registry, other, NULL);
    (void)registry_records(fixture->registry, &count);
    assert_int_equal(count, 1);
}

static void
start_is_counted_once_whichever_comes_first(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, -1, NULL, "<domain/>\n");
    guest_note_start(guest);
    assert_int_equal(guest->record.boots, 1);
    apply_running(guest, 1);
    assert_int_equal(guest->record.boots, 1);
    guest_note_off(guest);
    assert_null(guest->record.live_xml);
    apply_running(guest, 2); /* the event is still on its way */
    assert_int_equal(guest->record.boots, 2);
    guest_note_start(guest);
    assert_int_equal(guest->record.boots, 2);
    guest_note_start(guest); /* this one is another */
    assert_int_equal(guest->record.boots, 3);
}

static void
missed_start_is_seen_by_its_id(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    assert_int_equal(guest->record.boots, 0);
    guest->target.known = true;
    guest->target.kib = 1000;
    guest->record.report.fields = REPORT_ACTUAL;
    guest_show_target(guest);
    assert_false(apply_running(guest, 1));
    assert_int_equal(guest->record.boots, 0);
    assert_true(guest->record.target_known);
    assert_true(apply_running(guest, 2));
    assert_int_equal(guest->record.boots, 1);
    assert_false(guest->record.boot_in_place);
    assert_false(guest->record.target_known);
    assert_int_equal(guest->record.report.fields, 0);
}

static void
reset_keeps_the_target_and_is_not_told_twice(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    guest->target.known = true;
    guest->target.kib = 1000;
    guest_note_reset(guest);
    guest_note_reset(guest);
    guest_show_target(guest);
    assert_int_equal(guest->record.boots, 1);
    assert_true(guest->record.boot_in_place);
    assert_true(guest->record.target_known);
    assert_int_equal(guest->record.target_kib, 1000);
}

static void
gap_is_noted_only_while_the_same_run_goes_on(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    assert_int_equal(guest->record.gap_usec, 0);
    guest->gap = true;
    assert_true(apply_running(guest, 1));
    assert_true(guest->record.gap_usec > 0);
    assert_int_equal(guest->record.boots, 0);
    assert_false(guest->gap);
    guest->gap = true;
    apply_running(guest, 2);
    assert_int_equal(guest->record.gap_usec, 0);
    assert_int_equal(guest->record.boots, 1);
}

static void
run_whose_process_has_ended_stays_off(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    guest_note_off(guest);
    guest->dead_id = 1;
    apply_running(guest, 1); /* libvirt has not noticed */
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);
    assert_null(guest->record.live_xml);
    apply_running(guest, 2);
    assert_int_equal(guest->record.life, GUEST_LIFE_RUNNING);
    assert_int_equal(guest->record.boots, 1);
}

static void
migration_ends_only_when_a_job_question_says_so(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    assert_false(guest->job_doubt);
    guest->record.migrating = true; /* an event told */
    apply_running(guest, 1);        /* the state of a live migration is that of any running guest */
    assert_true(guest->record.migrating);
    assert_true(guest->job_doubt);
    guest_note_off(guest);
    assert_false(guest->record.migrating);
}

static void
serial_changes_with_the_texts_only(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial;

    apply(guest, 1, "<domain>\n<currentMemory>1</currentMemory>\n</domain>\n", "<domain/>\n");
    serial = guest->record.definition_serial;
    assert_false(apply(guest, 1, "<domain>\n<currentMemory>2</currentMemory>\n</domain>\n", "<domain/>\n"));
    assert_int_equal(guest->record.definition_serial, serial);
    assert_non_null(strstr(guest->record.live_xml, ">1<"));
    assert_true(apply(guest, 1, "<domain>\n</domain>\n", "<domain a='1'/>\n"));
    assert_true(guest->record.definition_serial != serial);
    serial = guest->record.definition_serial;
    assert_true(apply(guest, 1, "<domain>\n</domain>\n", NULL)); /* undefined while it runs */
    assert_null(guest->record.inactive_xml);
    assert_true(guest->record.definition_serial != serial);
}

/* What the period was before anybody of us changed it is what it is put back to. */
static void
first_period_of_a_run_is_remembered(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    const char *with = "<domain><devices><memballoon><stats period='5'/></memballoon></devices></domain>";

    apply(guest, 1, "<domain/>", NULL);
    apply(guest, 1, with, NULL);
    assert_int_equal(guest->period_sec, 5);
    assert_int_equal(guest->period_first_sec, 0);
    guest_note_start(guest);
    assert_false(guest->period_known);
    apply(guest, 2, with, NULL);
    assert_int_equal(guest->period_first_sec, 5);
}

static void
who_waits_is_told_when_the_guest_goes(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "gone");
    uint64_t kib;

    apply_running(fixture->guest, 1);
    target_book_wish(&fixture->guest->target, UUID, 1000, target_done, fixture);
    assert_true(target_book_send(&fixture->guest->target, &kib));
    target_book_wish(&fixture->guest->target, UUID, 2000, target_done, fixture);
    registry_remove(fixture->registry, fixture->guest, error);
    assert_int_equal(fixture->targets_failed, 2);
    assert_null(registry_find(fixture->registry, UUID));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_sorted_and_only_of_guests_that_were_read, setup, teardown),
        cmocka_unit_test_setup_teardown(start_is_counted_once_whichever_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(missed_start_is_seen_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_keeps_the_target_and_is_not_told_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(gap_is_noted_only_while_the_same_run_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(run_whose_process_has_ended_stays_off, setup, teardown),
        cmocka_unit_test_setup_teardown(migration_ends_only_when_a_job_question_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_changes_with_the_texts_only, setup, teardown),
        cmocka_unit_test_setup_teardown(first_period_of_a_run_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_when_the_guest_goes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
