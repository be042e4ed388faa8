/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guest a record is of, what its run came from, and what its next start brings. */
#include "registry_fixture.h"

#include "error.h"
#include "units.h"

/* What a reading finds. The strings are literals, copied when it is applied. */
typedef struct Found {
    int id; /* 0: off */
    GuestLife life;
    bool migrating;
    bool coming;
    bool resumed;
    bool booted;
    uint64_t started_usec;
    const char *live;
    const char *inactive;
    const char *saved;
} Found;

static bool
apply(Guest *guest, Found found)
{
    GuestReading reading = {
        .name = g_strdup("web"),
        .id = found.id != 0 ? found.id : -1,
        .life = found.life,
        .migrating = found.migrating,
        .coming = found.coming,
        .resumed = found.resumed,
        .booted = found.booted,
        .started_usec = found.started_usec,
        .live_xml = g_strdup(found.live),
        .inactive_xml = g_strdup(found.inactive),
        .saved_xml = g_strdup(found.saved),
    };
    bool changed = guest_apply_reading(guest, &reading);

    guest_reading_clear(&reading);
    return changed;
}

#define OFF .life = GUEST_LIFE_OFF
#define RUNNING .life = GUEST_LIFE_RUNNING, .live = "<domain/>\n"
#define PAUSED .life = GUEST_LIFE_PAUSED, .live = "<domain/>\n"
#define DEFINED .inactive = "<domain/>\n"

/* ---- which guest ---- */

static void
no_two_records_have_one_serial(void **state)
{
    Fixture *fixture = *state;
    uint64_t serial = fixture->guest->record.serial, other = registry_add(fixture->registry, OTHER)->record.serial;
    uint64_t again;

    assert_true(serial != 0 && other != 0 && serial != other);
    registry_remove(fixture->registry, fixture->guest, NULL);
    again = registry_add(fixture->registry, UUID)->record.serial; /* no reader looked in between */
    assert_true(again != 0 && again != serial && again != other);
}

static void
transient_guest_that_starts_again_is_another(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial, definition;

    apply(guest, (Found){.id = 1, RUNNING});
    serial = guest->record.serial;
    definition = guest->record.definition_serial;
    guest->record.report = (GuestReport){.serial = 7, .fields = REPORT_ACTUAL, .actual_kib = 1000};
    guest->target = (TargetBook){.known = true, .kib = 1000};
    guest->period_wished = true;
    guest_note_off(guest, STOP_OVER);
    guest_note_start(guest, false); /* the record was there all the time */
    assert_true(guest->record.serial != serial);
    assert_true(guest->record.definition_serial != definition);
    assert_int_equal(guest->record.report.serial, 0);
    assert_false(guest->record.target_known);
    assert_int_equal(guest->record.target_kib, 0);
    assert_false(guest->period_wished);
    serial = guest->record.serial;
    apply(guest, (Found){.id = 2, RUNNING}); /* this is the guest that was told of */
    assert_int_equal(guest->record.serial, serial);
    assert_int_equal(guest->record.boots, 1);
}

static void
transient_guest_is_another_also_where_only_a_reading_tells(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial, boots;

    apply(guest, (Found){.id = 1, RUNNING});
    serial = guest->record.serial;
    boots = guest->record.boots;
    assert_true(apply(guest, (Found){.id = 2, RUNNING}));
    assert_true(guest->record.serial != serial);
    assert_true(guest->record.boots != boots); /* also for who compares nothing else */
}

static void
guest_with_a_definition_stays_the_same(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial = guest->record.serial;

    apply(guest, (Found){OFF, DEFINED});
    guest_note_start(guest, false);
    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest_note_reset(guest);
    guest_note_off(guest, STOP_OVER);
    guest_note_start(guest, false);
    apply(guest, (Found){.id = 2, RUNNING, DEFINED});
    apply(guest, (Found){.id = 3, RUNNING, DEFINED});
    guest_note_defined(guest);               /* a transient one that is given a definition would be told so too */
    apply(guest, (Found){.id = 3, RUNNING}); /* undefined while it runs */
    assert_int_equal(guest->record.serial, serial);
}

/* It was redefined and started in one breath, and the end of its run before is heard after that or never. */
static void
xml_of_the_run_before_is_not_that_of_a_start_that_is_heard(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t definition;

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest->record.boot_usec = 1; /* long ago */
    guest->starts_due = 0;
    definition = guest->record.definition_serial;
    guest_note_start(guest, false);
    assert_null(guest->record.live_xml);
    assert_true(guest->record.definition_serial != definition);
    apply(guest, (Found){.id = 2, RUNNING, DEFINED});
    assert_non_null(guest->record.live_xml);
}

static void
guest_that_is_defined_anew_while_off_is_another(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial;

    apply(guest, (Found){OFF, DEFINED, .saved = "<domain/>\n"});
    serial = guest->record.serial;
    guest_note_defined(guest);
    assert_true(guest->record.serial != serial);
    assert_null(guest->record.saved_xml);

    apply(guest, (Found){OFF, DEFINED});
    serial = guest->record.serial;
    apply(guest, (Found){.id = 1, RUNNING}); /* undefined, and created without a definition */
    assert_true(guest->record.serial != serial);

    guest_note_off(guest, STOP_OVER);
    apply(guest, (Found){OFF, DEFINED});
    guest_note_start(guest, false);
    serial = guest->record.serial;
    apply(guest, (Found){.id = 2, RUNNING}); /* the same, told by the event first */
    assert_true(guest->record.serial != serial);
}

/* A call for the guest that is gone hangs, and may yet reach the one that is there now. */
static void
target_under_way_outlives_its_record(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "gone");
    Guest *guest = fixture->guest;
    uint64_t kib;

    apply(guest, (Found){.id = 1, RUNNING});
    target_book_wish(&guest->target, UUID, 3000, NULL, NULL);
    assert_true(target_book_send(&guest->target, &kib));
    registry_remove(fixture->registry, guest, error);
    guest = registry_add(fixture->registry, UUID);
    assert_true(guest->record.target_pending);
    assert_int_equal(guest->record.target_kib, 3000);
    assert_false(guest->record.target_known || guest->record.target_bounded);
    registry_remove(fixture->registry, guest, error);
    registry_end_stray_call(fixture->registry, UUID);
    assert_false(registry_add(fixture->registry, UUID)->record.target_pending);
}

/* libvirtd goes on with a call whose connection is gone, and may do so after a later one. */
static void
target_of_unknown_fate_is_booked_until_one_is_taken_that_comes_after_it(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t now_usec = (uint64_t)g_get_monotonic_time();

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest_note_stray_target(guest, 3000);
    guest_note_stray_target(guest, 1000);
    guest->target = (TargetBook){.known = true, .kib = 500}; /* taken on the next connection */
    guest_note_target_taken(guest, now_usec);
    guest_show_target(guest);
    assert_int_equal(guest->record.target_kib, 3000);
    assert_false(guest->record.target_known);
    assert_true(guest->record.target_bounded);

    /* by now it has come or never will; where it has, it is what the guest was told last */
    guest->stray_usec -= 60 * USEC_PER_SEC;
    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    assert_int_equal(guest->record.target_kib, 3000);
    assert_false(guest->record.target_known);
    guest_note_target_taken(guest, now_usec);
    guest_show_target(guest);
    assert_int_equal(guest->record.target_kib, 500);
    assert_true(guest->record.target_known);
}

static void
target_of_unknown_fate_may_reach_the_next_process_for_as_long_as_libvirtd_may_wait(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest_note_stray_target(guest, 3000);
    guest_note_off(guest, STOP_OVER);
    guest_note_start(guest, false);
    assert_int_equal(guest->record.target_kib, 3000);
    assert_false(guest->record.target_known || guest->record.target_bounded);
    guest->record.boot_usec -= 60 * USEC_PER_SEC;
    guest_note_revert(guest); /* to a snapshot, in the same process */
    assert_int_equal(guest->record.target_kib, 3000);

    guest->stray_usec -= 60 * USEC_PER_SEC;
    guest_note_off(guest, STOP_OVER);
    guest_note_start(guest, false);
    assert_int_equal(guest->record.target_kib, 0);
}

static void
plugged_memory_moves_the_target(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    const char *before = "<domain>\n  <memory unit='KiB'>524288</memory>\n</domain>\n";
    const char *after = "<domain>\n  <memory unit='KiB'>786432</memory>\n</domain>\n";

    apply(guest, (Found){.id = 1, .life = GUEST_LIFE_RUNNING, .live = before});
    guest->target = (TargetBook){.known = true, .kib = 141312};
    guest_show_target(guest);
    apply(guest, (Found){.id = 1, .life = GUEST_LIFE_RUNNING, .live = after});
    /* The balloon takes as much as before, of more. */
    assert_int_equal(guest->record.target_kib, 141312 + 262144);
    assert_false(guest->record.target_known);
    assert_true(guest->record.target_bounded);
}

/* ---- what a run came from ---- */

static void
guest_started_paused_is_paused_and_has_booted(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED});
    apply(guest, (Found){.id = 1, PAUSED, DEFINED}); /* read before its events come */
    guest_note_start(guest, false);
    assert_int_equal(guest->record.life, GUEST_LIFE_PAUSED);
    assert_int_equal(guest->record.boots, 1);
    assert_false(guest->record.boot_resumed);
    assert_false(guest->record.migrating);
}

/* It was started while the connection was away, and its next run is read before anything of that is heard. */
static void
start_that_was_missed_long_ago_is_not_waited_for_in_the_next_run(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED});
    guest->gap = true;
    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest->record.boot_usec -= 60 * USEC_PER_SEC;
    apply(guest, (Found){.id = 2, RUNNING, DEFINED});
    guest_note_reset(guest); /* of the run before */
    assert_false(guest_hear_stop(guest, STOP_OVER));
    guest_note_start(guest, false);
    assert_false(guest->record.boot_in_place);
    assert_true(guest_hear_stop(guest, STOP_OVER)); /* of this one */
}

/* Restoring many GiB takes minutes between the process and its event. */
static void
long_restore_is_one_boot_and_resumed_from_its_first_moment(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED, .saved = "<domain type='kvm'/>\n"});
    assert_string_equal(guest->record.saved_xml, "<domain type='kvm'/>\n");
    apply(guest, (Found){.id = 1, PAUSED, DEFINED, .coming = true});
    assert_null(guest->record.saved_xml);
    assert_true(guest->record.boot_resumed);
    guest->record.boot_usec -= 600 * USEC_PER_SEC;
    guest_note_start(guest, true);
    assert_int_equal(guest->record.boots, 1);
    assert_true(guest->record.boot_resumed);
    guest_note_revert(guest); /* a revert tells so, and that it is one, in the same moment */
    assert_int_equal(guest->record.boots, 1);
    guest_note_start(guest, false); /* this one is another */
    assert_int_equal(guest->record.boots, 2);
}

static void
reverted_guest_is_resumed_while_its_memory_is_read(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest_note_off(guest, STOP_KEPT);
    guest->reverting = true;
    apply(guest, (Found){.id = 2, PAUSED, DEFINED, .coming = true});
    assert_true(guest->record.boot_resumed);
    guest_note_off(guest, STOP_OVER);
    apply(guest, (Found){.id = 3, PAUSED, DEFINED, .coming = true});
    assert_false(guest->record.boot_resumed);
}

/* virsh start --force-boot throws the image away. */
/* Destroyed and started, and read before libvirt's events of either. */
static void
event_of_a_run_that_is_over_ends_none_that_was_read_since(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    apply(guest, (Found){.id = 2, RUNNING, DEFINED});
    assert_int_equal(guest->record.boots, 1);
    assert_false(guest_hear_stop(guest, STOP_OVER));
    assert_int_equal(guest->record.life, GUEST_LIFE_RUNNING);
    guest_note_start(guest, false);
    assert_int_equal(guest->record.boots, 1);
    assert_true(guest_hear_stop(guest, STOP_OVER));
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);

    /* two that are over before any event */
    apply(guest, (Found){.id = 3, RUNNING, DEFINED});
    apply(guest, (Found){.id = 4, RUNNING, DEFINED});
    guest_note_start(guest, false);
    assert_false(guest_hear_stop(guest, STOP_OVER));
    guest_note_start(guest, true);
    assert_int_equal(guest->record.boots, 3);
    assert_true(guest->record.boot_resumed);

    /* an event that was missed while the connection was away is not waited for: the reading says so */
    guest->gap = true;
    apply(guest, (Found){.id = 5, RUNNING, DEFINED});
    assert_false(guest_hear_stop(guest, STOP_OVER));
    apply(guest, (Found){OFF, DEFINED});
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);
}

/* A hook told the daemon before of its start, and nobody whether it was reset before there was another one. */
static void
what_was_restored_under_the_daemon_before_may_have_been_reset_since(void **state)
{
    const uint64_t now = (uint64_t)g_get_monotonic_time();

    for (unsigned heard = 0; heard < 2; heard++) {
        Guest *guest = ((Fixture *)*state)->guest;

        apply(guest, (Found){OFF, DEFINED});
        apply(guest, (Found){.id = 1 + (int)heard, RUNNING, DEFINED, .resumed = true, .started_usec = heard ? now : 1});
        assert_true(guest->record.boot_resumed);
        assert_int_equal(guest->record.gap_usec == 0, heard);
    }
}

/* Nobody heard of its start, nor whether it was reset since: that it brought its memory says nothing of what it has now. */
static void
what_was_restored_while_nobody_heard_may_have_been_reset_since(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED});
    apply(guest, (Found){.id = 1, RUNNING, DEFINED, .resumed = true});
    assert_true(guest->record.boot_resumed);
    assert_int_equal(guest->record.gap_usec, 0);
    apply(guest, (Found){OFF, DEFINED});
    guest->gap = true;
    apply(guest, (Found){.id = 2, RUNNING, DEFINED, .resumed = true});
    assert_true(guest->record.gap_usec > 0);
    apply(guest, (Found){OFF, DEFINED});
    guest->gap = true;
    apply(guest, (Found){.id = 3, RUNNING, DEFINED});
    assert_int_equal(guest->record.gap_usec, 0);
    /* who is still coming has not run, and who is paused can't be reset by itself */
    for (size_t i = 0; i < 3; i++) {
        static const Found still[] = {{.id = 4, PAUSED, DEFINED, .resumed = true, .migrating = true},
                                      {.id = 5, RUNNING, DEFINED, .resumed = true, .migrating = true},
                                      {.id = 6, PAUSED, DEFINED, .resumed = true}};

        apply(guest, (Found){OFF, DEFINED});
        guest->gap = true;
        apply(guest, still[i]);
        assert_int_equal(guest->record.gap_usec, 0);
    }
}

static void
event_knows_better_than_the_file(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED, .saved = "<domain type='kvm'/>\n"});
    apply(guest, (Found){.id = 1, PAUSED, DEFINED, .coming = true});
    guest_note_start(guest, false);
    assert_false(guest->record.boot_resumed);
}

/* The event of a revert to a snapshot without memory says "from snapshot", and the guest boots. */
static void
state_that_says_booted_is_believed(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;

    apply(guest, (Found){OFF, DEFINED});
    guest_note_start(guest, true);
    assert_true(guest->record.boot_resumed);
    assert_true(apply(guest, (Found){.id = 1, RUNNING, DEFINED, .booted = true}));
    assert_false(guest->record.boot_resumed);
    assert_int_equal(guest->record.boots, 1);
}

static void
saved_memory_is_known_until_the_start(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    uint64_t serial;

    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    guest_note_off(guest, STOP_KEPT);
    serial = guest->record.definition_serial;
    assert_true(apply(guest, (Found){OFF, DEFINED, .saved = "<domain/>\n"}));
    assert_non_null(guest->record.saved_xml);
    assert_true(guest->record.definition_serial != serial);
    assert_false(apply(guest, (Found){OFF, DEFINED, .saved = "<domain/>\n"}));
    serial = guest->record.definition_serial;
    assert_true(apply(guest, (Found){OFF, DEFINED})); /* the image was removed */
    assert_null(guest->record.saved_xml);
    assert_true(guest->record.definition_serial != serial);
    apply(guest, (Found){OFF, DEFINED, .saved = "<domain/>\n"});
    serial = guest->record.definition_serial;
    guest_note_start(guest, true);
    assert_null(guest->record.saved_xml);
    assert_true(guest->record.definition_serial != serial);
}

static void
arriving_guest_migrates_until_it_is_here_and_is_off_at_once_when_cancelled(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    Found arriving = {.id = 1, PAUSED, .migrating = true, .resumed = true};

    assert_true(apply(guest, arriving)); /* first seen: it ran before, for all that is known */
    assert_true(guest->record.migrating);
    assert_true(guest->job_doubt); /* it may also have been restored, and be paused since */
    guest_note_off(guest, STOP_OVER);
    assert_int_equal(guest->record.life, GUEST_LIFE_OFF);
    assert_false(guest->record.migrating);
    assert_null(guest->record.live_xml);

    arriving.id = 2;
    apply(guest, arriving); /* before its event */
    assert_true(guest->record.boot_resumed);
    assert_int_equal(guest->record.life, GUEST_LIFE_PAUSED);
    assert_true(guest->record.migrating);
}

/* libvirt leaves "paused, migration" as the state of a guest that was restored and stays paused. */
static void
state_of_a_migration_is_not_believed_against_the_answer(void **state)
{
    Fixture *fixture = *state;
    Guest *guest = fixture->guest;
    Found paused = {.id = 1, PAUSED, DEFINED, .migrating = true, .resumed = true};

    apply(guest, (Found){OFF, DEFINED});
    guest_note_start(guest, true);
    apply(guest, paused);
    assert_true(guest->record.migrating && guest->job_doubt);
    guest->record.migrating = guest->job_doubt = false; /* asked: no job */
    guest->job_denied = true;
    apply(guest, paused);
    assert_false(guest->record.migrating || guest->job_doubt);
    apply(guest, (Found){.id = 1, RUNNING, DEFINED});
    apply(guest, paused); /* that is news again */
    assert_true(guest->record.migrating);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_two_records_have_one_serial),
        TEST(transient_guest_that_starts_again_is_another),
        TEST(transient_guest_is_another_also_where_only_a_reading_tells),
        TEST(guest_with_a_definition_stays_the_same),
        TEST(xml_of_the_run_before_is_not_that_of_a_start_that_is_heard),
        TEST(guest_that_is_defined_anew_while_off_is_another),
        TEST(target_under_way_outlives_its_record),
        TEST(target_of_unknown_fate_is_booked_until_one_is_taken_that_comes_after_it),
        TEST(target_of_unknown_fate_may_reach_the_next_process_for_as_long_as_libvirtd_may_wait),
        TEST(plugged_memory_moves_the_target),
        TEST(guest_started_paused_is_paused_and_has_booted),
        TEST(start_that_was_missed_long_ago_is_not_waited_for_in_the_next_run),
        TEST(long_restore_is_one_boot_and_resumed_from_its_first_moment),
        TEST(reverted_guest_is_resumed_while_its_memory_is_read),
        TEST(event_of_a_run_that_is_over_ends_none_that_was_read_since),
        TEST(what_was_restored_while_nobody_heard_may_have_been_reset_since),
        TEST(what_was_restored_under_the_daemon_before_may_have_been_reset_since),
        TEST(event_knows_better_than_the_file),
        TEST(state_that_says_booted_is_believed),
        TEST(saved_memory_is_known_until_the_start),
        TEST(arriving_guest_migrates_until_it_is_here_and_is_off_at_once_when_cancelled),
        TEST(state_of_a_migration_is_not_believed_against_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
