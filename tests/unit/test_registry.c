/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a guest's record when it is read and when events tell of it, in whatever order they come. */
#include "registry_fixture.h"

#include "error.h"

#include <string.h>

static void
target_done(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    Fixture *fixture = user_data;

    fixture->targets_failed += error != NULL;
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
    guest_note_start(guest, false);
    assert_int_equal(guest->record.boots, 1);
    apply_running(guest, 1);
    assert_int_equal(guest->record.boots, 1);
    guest_note_off(guest, STOP_OVER);
    assert_null(guest->record.live_xml);
    apply_running(guest, 2); /* the event is still on its way */
    assert_int_equal(guest->record.boots, 2);
    guest_note_start(guest, false);
    assert_int_equal(guest->record.boots, 2);
    guest_note_start(guest, false); /* this one is another */
    assert_int_equal(guest->record.boots, 3);
}

/* Its start was the last that was heard before libvirt went away, and it was over when it could be read for the first time. */
static void
guest_is_off_if_it_is_so_when_first_read_though_its_start_was_told(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    guest_note_start(guest, true);
    assert_int_equal(guest->record.life, GUEST_LIFE_RUNNING);
    assert_true(apply(guest, -1, NULL, "<domain/>\n"));
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);
    assert_int_not_equal(guest->record.stop_usec, 0);
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
    /* an event tells of what nothing was missed of */
    guest_note_off(guest, STOP_OVER);
    guest->gap = true;
    guest_note_start(guest, true);
    apply_running(guest, 3);
    assert_int_equal(guest->record.gap_usec, 0);
    assert_int_equal(guest->record.boots, 2);
}

static void
run_whose_process_has_ended_stays_off(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    guest_note_off(guest, STOP_OVER);
    guest->dead_id = 1;
    apply_running(guest, 1); /* libvirt has not noticed */
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);
    assert_null(guest->record.live_xml);
    apply_running(guest, 2);
    assert_int_equal(guest->record.life, GUEST_LIFE_RUNNING);
    assert_int_equal(guest->record.boots, 1);
}

/* A libvirtd that has no running guest when it starts gives its ids from 1 again (qemu_driver.c, qemuDomainFindMaxID). */
static void
run_with_the_id_of_one_that_libvirt_saw_end_is_another(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    guest_note_off(guest, STOP_UNTOLD);
    guest->dead_id = 1;
    apply(guest, -1, NULL, "<domain/>\n");
    guest->gap = true; /* libvirtd was restarted, and the guest started before we were back */
    apply_running(guest, 1);
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
    guest_note_off(guest, STOP_OVER);
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

static void
way_a_boot_began_is_told(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, -1, NULL, "<domain/>\n");
    guest_note_start(guest, true);
    apply_running(guest, 1);
    assert_true(guest->record.boot_resumed);
    guest_note_reset(guest);
    assert_true(guest->record.boot_in_place);
    assert_false(guest->record.boot_resumed);
    guest_note_off(guest, STOP_OVER);
    guest_note_start(guest, false);
    assert_false(guest->record.boot_in_place);
    assert_false(guest->record.boot_resumed);
}

/* Its event may come after the reading that has seen it, or not at all. */
static void
resumed_start_is_known_by_reading_and_by_event(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    GuestReading reading = {
        .name = g_strdup("web"), .id = 1, .life = GUEST_LIFE_RUNNING, .live_xml = g_strdup("<a/>"), .resumed = true};

    apply(guest, -1, NULL, "<domain/>\n");
    guest_apply_reading(guest, &reading);
    guest_reading_clear(&reading);
    assert_true(guest->record.boot_resumed);
    guest_note_off(guest, STOP_OVER);
    apply_running(guest, 2);
    assert_false(guest->record.boot_resumed);
    guest_note_start(guest, true); /* the event of what was read: no boot of its own */
    assert_true(guest->record.boot_resumed);
    assert_int_equal(guest->record.boots, 2);
}

static void
revert_brings_memory_and_voids_the_target(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_running(guest, 1);
    guest->target.known = true;
    guest->target.kib = 1000;
    guest->record.report.fields = REPORT_ACTUAL;
    guest_show_target(guest);
    guest_note_revert(guest);
    assert_int_equal(guest->record.boots, 1);
    assert_true(guest->record.boot_resumed);
    assert_false(guest->record.boot_in_place);
    assert_false(guest->record.target_known);
    assert_int_equal(guest->record.report.fields, 0);
    guest_note_revert(guest); /* paused and resumed: one revert */
    assert_int_equal(guest->record.boots, 1);
}

static void
only_a_stop_that_ends_a_guest_is_remembered(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t stop_usec;

    apply_running(guest, 1);
    assert_int_equal(guest->record.stop_usec, 0);
    guest_note_off(guest, STOP_OVER);
    stop_usec = guest->record.stop_usec;
    assert_true(stop_usec > 0);
    guest_note_start(guest, false);
    assert_int_equal(guest->record.stop_usec, stop_usec); /* it tells what this boot is */
    guest_note_off(guest, STOP_KEPT);
    assert_int_equal(guest->record.stop_usec, 0);
}

/* The process is seen to end before libvirt says why. */
static void
stop_is_judged_by_who_knows_how(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t stop_usec;

    apply_running(guest, 1);
    guest_note_off(guest, STOP_UNTOLD);
    stop_usec = guest->record.stop_usec;
    assert_true(stop_usec > 0);
    guest_note_off(guest, STOP_OVER);
    assert_int_equal(guest->record.stop_usec, stop_usec);
    guest_note_off(guest, STOP_KEPT); /* that one is of nobody */
    assert_int_equal(guest->record.stop_usec, stop_usec);

    guest_note_start(guest, false);
    guest_note_off(guest, STOP_UNTOLD);
    guest_note_off(guest, STOP_KEPT);
    assert_int_equal(guest->record.stop_usec, 0);
    assert_int_equal(runs_stop_usec(fixture->runs, UUID, (uint64_t)g_get_monotonic_time()), 0);
}

static void
stop_outlives_a_transient_guest(void **state)
{
    Fixture *fixture = *state;
    uint64_t stop_usec;

    apply(fixture->guest, 1, "<domain/>\n", NULL);
    guest_note_off(fixture->guest, STOP_OVER);
    stop_usec = fixture->guest->record.stop_usec;
    registry_remove(fixture->registry, fixture->guest, NULL);
    assert_int_equal(registry_add(fixture->registry, UUID)->record.stop_usec, stop_usec);
}

/* What runs is kept; who is gone without a word had stopped. */
static void
guest_that_vanished_has_stopped(void **state)
{
    Fixture *fixture = *state;
    Guest *guest;

    apply_running(fixture->guest, 1);
    assert_true(runs_is_running(fixture->runs, UUID));
    registry_remove(fixture->registry, fixture->guest, NULL);
    assert_false(runs_is_running(fixture->runs, UUID));
    guest = registry_add(fixture->registry, UUID);
    assert_true(guest->record.stop_usec > 0);

    runs_note_running(fixture->runs, OTHER, "other"); /* by an earlier daemon */
    guest = registry_add(fixture->registry, OTHER);
    apply(guest, -1, NULL, "<domain/>\n");
    assert_true(guest->record.stop_usec > 0);
    assert_false(runs_is_running(fixture->runs, OTHER));
}

static void
first_boot_since_the_host_went_down_is_one(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    guest->record.ran_at_host_down = true; /* as registry_add found it */
    apply(guest, -1, NULL, "<domain/>\n");
    assert_true(guest->record.ran_at_host_down);
    guest_note_start(guest, false);
    apply_running(guest, 1);
    assert_true(guest->record.ran_at_host_down);
    guest_note_off(guest, STOP_OVER);
    assert_false(guest->record.ran_at_host_down);

    guest->record.ran_at_host_down = true;
    guest_note_start(guest, false);
    guest_note_reset(guest);
    assert_false(guest->record.ran_at_host_down);
}

/* It was started while libvirt could not be asked, and the hook has told. */
static void
start_that_a_hook_told_of_is_a_boot(void **state)
{
    Fixture *fixture = *state;
    GuestReading reading = {.name = g_strdup("web"),
                            .id = 1,
                            .life = GUEST_LIFE_RUNNING,
                            .live_xml = g_strdup("<a/>"),
                            .started_usec = 4711};

    guest_apply_reading(fixture->guest, &reading);
    guest_reading_clear(&reading);
    assert_int_equal(fixture->guest->record.boots, 1);
    assert_int_equal(fixture->guest->record.boot_usec, 4711);
    assert_false(fixture->guest->record.boot_in_place);
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
    guest_note_start(guest, false);
    assert_false(guest->period_known);
    apply(guest, 2, with, NULL);
    assert_int_equal(guest->period_first_sec, 5);
}

static bool
apply_period(Guest *guest, int id, unsigned seconds)
{
    g_autofree char *live = g_strdup_printf("<domain>\n<devices>\n<memballoon>\n<stats period='%u'/>\n</memballoon>\n"
                                            "</devices>\n</domain>\n",
                                            seconds);

    return apply(guest, id, live, "<domain/>");
}

static void
a_period_that_is_neither_wished_nor_told_is_somebody_elses(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_period(guest, 1, 7); /* as it was */
    guest->period_wished = true;
    guest->period_wish_sec = 1;
    apply_period(guest, 1, 7); /* it is being told */
    apply_period(guest, 1, 1);
    assert_false(guest->record.period_changed);
    apply_period(guest, 1, 5);
    assert_true(guest->record.period_changed);
    assert_int_equal(guest->record.period_changed_sec, 5);
    assert_int_equal(guest->period_sec, 5);
    apply_period(guest, 1, 1); /* put right; what they want stays known */
    assert_int_equal(guest->record.period_changed_sec, 5);
    apply_period(guest, 1, 0);
    assert_int_equal(guest->record.period_changed_sec, 0);
    assert_true(guest->record.period_changed);
    guest_note_start(guest, false);
    assert_false(guest->record.period_changed);
    apply_period(guest, 2, 7); /* its next run begins with what its definition says */
    assert_false(guest->record.period_changed);
    guest_note_revert(guest);
    apply_period(guest, 2, 3); /* or a snapshot's */
    assert_false(guest->record.period_changed);
}

/* Who only looks on (dynmemd --dry-run) tells nobody how often to report, and follows what others say. */
static void
a_period_that_nobody_here_wishes_is_part_of_the_definition(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial;

    apply_period(guest, 1, 0);
    serial = guest->record.definition_serial;
    apply_period(guest, 1, 0);
    assert_int_equal(guest->record.definition_serial, serial);
    apply_period(guest, 1, 5); /* virsh dommemstat --period */
    assert_int_not_equal(guest->record.definition_serial, serial);
    assert_non_null(strstr(guest->record.live_xml, "period='5'"));
    serial = guest->record.definition_serial;
    guest->period_wished = true;
    guest->period_wish_sec = 1;
    apply_period(guest, 1, 1);
    assert_int_equal(guest->record.definition_serial, serial);
}

/* Its period is 0 for a moment then. */
static void
a_guest_that_is_asked_at_once_is_changed_by_nobody(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply_period(guest, 1, 1);
    guest->period_wished = true;
    guest->period_wish_sec = 1;
    guest->ask_under_way = true;
    apply_period(guest, 1, 0);
    apply_period(guest, 1, 1);
    assert_false(guest->record.period_changed);
    assert_int_equal(guest->period_sec, 1);
    apply_period(guest, 1, 5); /* that is not ours */
    assert_true(guest->record.period_changed);
    guest_note_start(guest, false);
    assert_false(guest->ask_under_way);
    apply_period(guest, 2, 1);
    apply_period(guest, 2, 0);
    assert_true(guest->record.period_changed);
}

static void
a_guest_that_was_released_is_left_alone(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    for (unsigned then = 0; then <= 5; then += 5) {
        apply_period(guest, 1, 1);
        guest->period_wished = guest->period_released = true;
        guest->period_wish_sec = 0;
        apply_period(guest, 1, 1);
        assert_true(guest->period_wished);
        apply_period(guest, 1, then); /* put back, or set by somebody else */
        assert_false(guest->period_wished);
    }
    guest->period_wished = true;
    guest_note_start(guest, false);
    assert_false(guest->period_wished);
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

static void
who_waits_is_told_when_the_daemon_ends(void **state)
{
    Fixture *fixture = *state;
    uint64_t kib;

    apply_running(fixture->guest, 1);
    target_book_wish(&fixture->guest->target, UUID, 1000, target_done, fixture);
    assert_true(target_book_send(&fixture->guest->target, &kib));
    target_book_wish(&fixture->guest->target, UUID, 2000, target_done, fixture);
    registry_free(g_steal_pointer(&fixture->registry));
    assert_int_equal(fixture->targets_failed, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_sorted_and_only_of_guests_that_were_read, setup, teardown),
        cmocka_unit_test_setup_teardown(start_is_counted_once_whichever_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_is_off_if_it_is_so_when_first_read_though_its_start_was_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(missed_start_is_seen_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_keeps_the_target_and_is_not_told_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(gap_is_noted_only_while_the_same_run_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(run_whose_process_has_ended_stays_off, setup, teardown),
        cmocka_unit_test_setup_teardown(run_with_the_id_of_one_that_libvirt_saw_end_is_another, setup, teardown),
        cmocka_unit_test_setup_teardown(migration_ends_only_when_a_job_question_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_changes_with_the_texts_only, setup, teardown),
        cmocka_unit_test_setup_teardown(way_a_boot_began_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(resumed_start_is_known_by_reading_and_by_event, setup, teardown),
        cmocka_unit_test_setup_teardown(revert_brings_memory_and_voids_the_target, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_stop_that_ends_a_guest_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_is_judged_by_who_knows_how, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_outlives_a_transient_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_vanished_has_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(first_boot_since_the_host_went_down_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(start_that_a_hook_told_of_is_a_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(first_period_of_a_run_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_period_that_is_neither_wished_nor_told_is_somebody_elses, setup, teardown),
        cmocka_unit_test_setup_teardown(a_period_that_nobody_here_wishes_is_part_of_the_definition, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_is_asked_at_once_is_changed_by_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_was_released_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_when_the_guest_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_when_the_daemon_ends, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
