/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watch stage against libvirt's own test driver, which lives inside this process. */
#include "watch_fixture.h"

#include "units.h"

#include <string.h>

static void
inventory_lists_guests_by_uuid(void **state)
{
    Fixture *fixture = *state;
    G_GNUC_UNUSED g_autoptr(virDomain) b = define(fixture, "b", UUID_B, "");
    G_GNUC_UNUSED g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    const GuestRecord *const *records;
    const GuestRecord *record;
    size_t count;

    assert_int_equal(fixture->world.link(fixture->world.self), WORLD_LINK_DOWN);
    start(fixture);
    records = fixture->world.records(fixture->world.self, &count);
    assert_true(count >= 3); /* and the driver's own */
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(records[i - 1]->uuid, records[i]->uuid) < 0);
    record = find(fixture, UUID_A);
    assert_non_null(record);
    assert_string_equal(record->name, "a");
    assert_int_equal(record->life, GUEST_LIFE_OFF);
    assert_null(record->live_xml);
    assert_non_null(record->inactive_xml);
    assert_true(record->answering);
    assert_int_equal(record->pid, 0);
}

static void
guest_that_ran_before_has_no_boot(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    const GuestRecord *record;

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    record = find(fixture, UUID_A);
    assert_int_equal(record->life, GUEST_LIFE_RUNNING);
    assert_int_equal(record->boots, 0);
    assert_true(record->boot_usec > 0);
    assert_non_null(record->live_xml);
    assert_false(record->target_known);
}

static void
life_follows_events(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = NULL;
    uint64_t boots;

    start(fixture);
    a = define(fixture, "a", UUID_A, "");
    wait_until(fixture, is_known, UUID_A);
    fixture->changes = 0;
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    wait_until(fixture, has_changed, NULL);
    boots = find(fixture, UUID_A)->boots;
    assert_int_equal(boots, 1);
    assert_false(find(fixture, UUID_A)->boot_in_place);
    assert_int_equal(virDomainSuspend(a), 0);
    wait_until(fixture, is_paused, UUID_A);
    assert_int_equal(virDomainResume(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(find(fixture, UUID_A)->boots, boots);
    assert_int_equal(virDomainDestroy(a), 0);
    wait_until(fixture, is_off, UUID_A);
    assert_null(find(fixture, UUID_A)->live_xml);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(find(fixture, UUID_A)->boots, boots + 1);
    assert_int_equal(virDomainDestroy(a), 0);
    wait_until(fixture, is_off, UUID_A);
    assert_int_equal(virDomainUndefine(a), 0);
    wait_until(fixture, is_unknown, UUID_A);
}

static void
transient_guest_goes_with_its_end(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *xml = guest_xml("a", UUID_A, "");
    g_autoptr(virDomain) a = NULL;

    start(fixture);
    a = virDomainCreateXML(fixture->connection, xml, 0);
    assert_non_null(a);
    wait_until(fixture, is_running, UUID_A);
    assert_null(find(fixture, UUID_A)->inactive_xml);
    assert_int_equal(find(fixture, UUID_A)->boots, 1);
    assert_int_equal(virDomainDestroy(a), 0);
    wait_until(fixture, is_unknown, UUID_A);
}

static uint64_t waited_record;

static bool
is_another_that_runs(Fixture *fixture, const char *uuid)
{
    return is_running(fixture, uuid) && find(fixture, uuid)->serial != waited_record;
}

/* Its end and its next start are told at once: nobody could have seen it gone. */
static void
transient_guest_that_is_created_again_is_another(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *xml = guest_xml("a", UUID_A, "");
    g_autoptr(virDomain) a = NULL;
    g_autoptr(virDomain) again = NULL;

    start(fixture);
    a = virDomainCreateXML(fixture->connection, xml, 0);
    wait_until(fixture, is_running, UUID_A);
    waited_record = find(fixture, UUID_A)->serial;
    assert_true(waited_record != 0);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    wait_until(fixture, is_target_done, NULL);
    assert_int_equal(virDomainDestroy(a), 0);
    again = virDomainCreateXML(fixture->connection, xml, 0);
    assert_non_null(again);
    wait_until(fixture, is_another_that_runs, UUID_A);
    assert_true(find(fixture, UUID_A)->boots > 0);
    assert_false(find(fixture, UUID_A)->target_known);
    assert_int_equal(find(fixture, UUID_A)->report.serial, 0);
}

static void
guest_that_is_started_again_is_the_same(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    uint64_t serial;

    start(fixture);
    serial = find(fixture, UUID_A)->serial;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(virDomainCreate(a), 0);
        wait_until(fixture, is_running, UUID_A);
        assert_int_equal(virDomainDestroy(a), 0);
        wait_until(fixture, is_off, UUID_A);
    }
    assert_int_equal(find(fixture, UUID_A)->serial, serial);
}

static uint64_t waited_serial;

static bool
has_another_serial(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->definition_serial != waited_serial;
}

static void
definition_serial_follows_the_texts(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    g_autoptr(virDomain) again = NULL;

    start(fixture);
    waited_serial = find(fixture, UUID_A)->definition_serial;
    assert_int_equal(virDomainSetMetadata(a, VIR_DOMAIN_METADATA_ELEMENT, "<memory minimum='128MiB'/>", "dynmem",
                                          "urn:dynmem:domain:1", VIR_DOMAIN_AFFECT_CONFIG),
                     0);
    wait_until(fixture, has_another_serial, UUID_A);
    assert_non_null(strstr(find(fixture, UUID_A)->inactive_xml, "128MiB"));

    waited_serial = find(fixture, UUID_A)->definition_serial;
    again = define(fixture, "a", UUID_A, "<description>another</description>");
    wait_until(fixture, has_another_serial, UUID_A);
    assert_non_null(strstr(find(fixture, UUID_A)->inactive_xml, "another"));
}

/* The balloon's size stands in the live XML, and is no change of the definition. */
static void
definition_serial_ignores_the_balloon(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    uint64_t serial;

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    serial = find(fixture, UUID_A)->definition_serial;
    assert_int_equal(virDomainSetMemoryFlags(a, 300 * KIB_PER_MIB, VIR_DOMAIN_AFFECT_LIVE), 0);
    assert_int_equal(virDomainSuspend(a), 0); /* has it read again */
    wait_until(fixture, is_paused, UUID_A);
    assert_int_equal(virDomainResume(a), 0);
    wait_until(fixture, is_running, UUID_A);
    waited_serial = 0;
    for (int i = 0; i < 10; i++) {
        g_usleep(10000);
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    }
    assert_int_equal(find(fixture, UUID_A)->definition_serial, serial);
}

static void
reports_arrive(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    const GuestRecord *record;

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    assert_int_equal(find(fixture, UUID_A)->report.serial, 0);
    fixture->world.collect(fixture->world.self, NULL, USEC_PER_SEC, on_collected, fixture);
    wait_until(fixture, is_collected, NULL);
    assert_int_equal(fixture->collected, 1);
    record = find(fixture, UUID_A);
    assert_int_equal(record->report.serial, 1);
    assert_true(record->report.asked_usec >= record->boot_usec);
    assert_true(record->report.answered_usec >= record->report.asked_usec);
    assert_true((record->report.fields & REPORT_ACTUAL) != 0);
    assert_int_equal(record->report.actual_kib, 512 * KIB_PER_MIB);
    assert_true((record->report.fields & REPORT_RESIDENT) != 0);
}

/* Its balloon may have moved until then. */
static void
a_guest_that_is_paused_is_asked_too(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    assert_int_equal(virDomainSetMemoryFlags(a, 300 * KIB_PER_MIB, VIR_DOMAIN_AFFECT_LIVE), 0);
    assert_int_equal(virDomainSuspend(a), 0);
    wait_until(fixture, is_paused, UUID_A);
    fixture->world.collect(fixture->world.self, NULL, USEC_PER_SEC, on_collected, fixture);
    wait_until(fixture, is_collected, NULL);
    assert_int_equal(find(fixture, UUID_A)->report.actual_kib, 300 * KIB_PER_MIB);
}

static void
target_is_obeyed(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    virDomainInfo info;

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    assert_true(find(fixture, UUID_A)->target_pending);
    assert_int_equal(find(fixture, UUID_A)->target_kib, 300 * KIB_PER_MIB);
    assert_false(find(fixture, UUID_A)->target_bounded); /* not even its size has been asked */
    wait_until(fixture, is_target_done, NULL);
    assert_int_equal(fixture->targets_failed, 0);
    assert_false(find(fixture, UUID_A)->target_pending);
    assert_true(find(fixture, UUID_A)->target_known);
    assert_true(find(fixture, UUID_A)->target_bounded);
    assert_int_equal(virDomainGetInfo(a, &info), 0);
    assert_int_equal(info.memory, 300 * KIB_PER_MIB);
}

static void
newest_target_wins(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    virDomainInfo info;

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 500 * KIB_PER_MIB, on_target, fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 400 * KIB_PER_MIB, on_target, fixture);
    /* The one in the middle was never sent, and ended at once. */
    assert_int_equal(fixture->targets_done, 1);
    assert_int_equal(fixture->targets_failed, 1);
    assert_int_equal(find(fixture, UUID_A)->target_kib, 400 * KIB_PER_MIB);
    while (fixture->targets_done < 3)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(fixture->targets_failed, 1);
    assert_int_equal(virDomainGetInfo(a, &info), 0);
    assert_int_equal(info.memory, 400 * KIB_PER_MIB);
    assert_int_equal(find(fixture, UUID_A)->target_kib, 400 * KIB_PER_MIB);
}

static void
target_of_a_guest_that_is_off_is_refused(void **state)
{
    Fixture *fixture = *state;
    G_GNUC_UNUSED g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(fixture->targets_done, 1);
    assert_int_equal(fixture->targets_failed, 1);
    fixture->world.set_target(fixture->world.self, UUID_B, 300 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(fixture->targets_failed, 2);
}

/* Whatever becomes of the call, who asked is told once. */
static void
target_of_a_guest_that_goes_ends_once(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    fixture->world.set_target(fixture->world.self, UUID_A, 400 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(virDomainDestroy(a), 0);
    assert_int_equal(virDomainUndefine(a), 0);
    wait_until(fixture, is_unknown, UUID_A);
    assert_int_equal(fixture->targets_done, 2);
}

static void
stop_ends_collections_and_refuses_calls(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.set_period(fixture->world.self, UUID_A, 2);
    fixture->world.collect(fixture->world.self, NULL, USEC_PER_SEC, on_collected, fixture);
    watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
    assert_false(fixture->stopped);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(fixture->targets_failed, 1);
    wait_until(fixture, is_stopped, NULL);
}

/* The test driver has no period; that it is looked for shows by what else the reading finds of which no event told. */
static void
a_period_asked_for_again_has_the_guest_read(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.set_period(fixture->world.self, UUID_A, 2);
    run_loop_for(USEC_PER_SEC / 5);
    waited_serial = find(fixture, UUID_A)->definition_serial;
    assert_int_equal(virDomainSetMemoryFlags(a, 300 * KIB_PER_MIB, VIR_DOMAIN_AFFECT_CONFIG), 0);
    run_loop_for(USEC_PER_SEC / 5);
    assert_int_equal(find(fixture, UUID_A)->definition_serial, waited_serial);
    fixture->world.set_period(fixture->world.self, UUID_A, 2);
    wait_until(fixture, has_another_serial, UUID_A);
}

static void
unreachable_libvirt_is_said_and_survived(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Watch) watch = watch_new(&(WatchOptions){.uri = "test:///nowhere/at/all.xml"}, on_changed, fixture);
    GuestWorld world = watch_guest_world(watch);
    size_t count;

    watch_start(watch);
    wait_until(fixture, has_changed, NULL);
    assert_int_equal(world.link(world.self), WORLD_LINK_DOWN);
    assert_non_null(strstr(watch_link_text(watch), "next try in"));
    (void)world.records(world.self, &count);
    assert_int_equal(count, 0);
    world.collect(world.self, NULL, USEC_PER_SEC, on_collected, fixture);
    assert_int_equal(fixture->collected, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inventory_lists_guests_by_uuid, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_ran_before_has_no_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(life_follows_events, setup, teardown),
        cmocka_unit_test_setup_teardown(transient_guest_goes_with_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(transient_guest_that_is_created_again_is_another, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_is_started_again_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(definition_serial_follows_the_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(definition_serial_ignores_the_balloon, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_is_paused_is_asked_too, setup, teardown),
        cmocka_unit_test_setup_teardown(target_is_obeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_target_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(target_of_a_guest_that_is_off_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(target_of_a_guest_that_goes_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_ends_collections_and_refuses_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(a_period_asked_for_again_has_the_guest_read, setup, teardown),
        cmocka_unit_test_setup_teardown(unreachable_libvirt_is_said_and_survived, setup, teardown),
    };

    return cmocka_run_group_tests(tests, keep_listening, stop_listening);
}
