/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watch stage against libvirt's own test driver, which lives inside this process. */
#include "cmocka_all.h"

#include "units.h"
#include "watch/virt.h"
#include "watch/watch.h"

#include <string.h>

#define URI "test:///default"
#define WAIT_USEC (30 * USEC_PER_SEC)

#define UUID_A "11111111-1111-1111-1111-111111111111"
#define UUID_B "22222222-2222-2222-2222-222222222222"

typedef struct Fixture {
    Watch *watch;
    GuestWorld world;
    virConnectPtr connection; /* the administrator's */
    unsigned changes;
    unsigned collected;
    unsigned targets_done;
    unsigned targets_failed;
    bool stopped;
} Fixture;

static void
on_changed(void *user_data)
{
    ((Fixture *)user_data)->changes++;
}

static void
on_collected(void *user_data)
{
    ((Fixture *)user_data)->collected++;
}

static void
on_target(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    Fixture *fixture = user_data;

    fixture->targets_done++;
    fixture->targets_failed += error != NULL;
}

static void
on_stopped(void *user_data)
{
    ((Fixture *)user_data)->stopped = true;
}

static gboolean
wake(void *data)
{
    return G_SOURCE_CONTINUE;
}

/* Runs the main loop until condition(fixture, argument) holds. */
static void
wait_until(Fixture *fixture, bool (*condition)(Fixture *fixture, const char *argument), const char *argument)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;
    guint source = g_timeout_add(20, wake, NULL);

    while (!condition(fixture, argument)) {
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(source);
}

static const GuestRecord *
find(Fixture *fixture, const char *uuid)
{
    size_t count;
    const GuestRecord *const *records = fixture->world.records(fixture->world.self, &count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(records[i]->uuid, uuid) == 0)
            return records[i];
    }
    return NULL;
}

static bool
is_up(Fixture *fixture, const char *argument)
{
    return fixture->world.link(fixture->world.self) == WORLD_LINK_READ_WRITE;
}

static bool
is_known(Fixture *fixture, const char *uuid)
{
    return find(fixture, uuid) != NULL;
}

static bool
is_unknown(Fixture *fixture, const char *uuid)
{
    return find(fixture, uuid) == NULL;
}

static bool
is_running(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_RUNNING && record->live_xml != NULL;
}

static bool
is_paused(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_PAUSED;
}

static bool
is_off(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_OFF;
}

static bool
is_collected(Fixture *fixture, const char *argument)
{
    return fixture->collected > 0;
}

static bool
is_target_done(Fixture *fixture, const char *argument)
{
    return fixture->targets_done > 0;
}

static bool
is_stopped(Fixture *fixture, const char *argument)
{
    return fixture->stopped;
}

static bool
has_changed(Fixture *fixture, const char *argument)
{
    return fixture->changes > 0;
}

static char *
guest_xml(const char *name, const char *uuid, const char *extra)
{
    return g_strdup_printf("<domain type='test'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>1024</memory>"
                           "<currentMemory unit='MiB'>512</currentMemory>%s<os><type>hvm</type></os>"
                           "<devices><memballoon model='virtio'/></devices></domain>",
                           name, uuid, extra);
}

static virDomainPtr
define(Fixture *fixture, const char *name, const char *uuid, const char *extra)
{
    g_autofree char *xml = guest_xml(name, uuid, extra);
    virDomainPtr domain = virDomainDefineXML(fixture->connection, xml);

    assert_non_null(domain);
    return domain;
}

static virConnectPtr keeper;
static int keeper_id;

static void
on_kept_event(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
}

/*
 * The test driver's connections share their events, and libvirt loses them all from then on when one is queued at the
 * moment when the last listener goes (object_event.c, virObjectEventStateQueueRemote looks at the timer without the
 * lock). So one listener stays from the first test to the last. A connection to a daemon has events of its own.
 */
static int
keep_listening(void **state)
{
    virt_init();
    keeper = virConnectOpen(URI);
    assert_non_null(keeper);
    keeper_id = virConnectDomainEventRegisterAny(keeper, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                 VIR_DOMAIN_EVENT_CALLBACK(on_kept_event), NULL, NULL);
    return keeper_id < 0 ? -1 : 0;
}

static int
stop_listening(void **state)
{
    virConnectDomainEventDeregisterAny(keeper, keeper_id);
    virConnectClose(keeper);
    return 0;
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    /* Keeps the driver's guests while watch comes and goes. */
    fixture->connection = virConnectOpen(URI);
    assert_non_null(fixture->connection);
    fixture->watch = watch_new(&(WatchOptions){.uri = URI}, on_changed, fixture);
    fixture->world = watch_guest_world(fixture->watch);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    if (!fixture->stopped) {
        watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
        wait_until(fixture, is_stopped, NULL);
    }
    watch_free(fixture->watch);
    for (size_t i = 0; i < 2; i++) {
        g_autoptr(virDomain) domain = virDomainLookupByUUIDString(fixture->connection, i == 0 ? UUID_A : UUID_B);

        if (domain != NULL) {
            virDomainDestroy(domain);
            virDomainUndefine(domain);
        }
    }
    virConnectClose(fixture->connection);
    g_free(fixture);
    return 0;
}

static void
start(Fixture *fixture)
{
    watch_start(fixture->watch);
    wait_until(fixture, is_up, NULL);
}

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
    fixture->world.collect(fixture->world.self, USEC_PER_SEC, on_collected, fixture);
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
    wait_until(fixture, is_target_done, NULL);
    assert_int_equal(fixture->targets_failed, 0);
    assert_false(find(fixture, UUID_A)->target_pending);
    assert_true(find(fixture, UUID_A)->target_known);
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
    fixture->world.collect(fixture->world.self, USEC_PER_SEC, on_collected, fixture);
    watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
    assert_false(fixture->stopped);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(fixture->targets_failed, 1);
    wait_until(fixture, is_stopped, NULL);
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
    world.collect(world.self, USEC_PER_SEC, on_collected, fixture);
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
        cmocka_unit_test_setup_teardown(definition_serial_follows_the_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(definition_serial_ignores_the_balloon, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(target_is_obeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_target_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(target_of_a_guest_that_is_off_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(target_of_a_guest_that_goes_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_ends_collections_and_refuses_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(unreachable_libvirt_is_said_and_survived, setup, teardown),
    };

    return cmocka_run_group_tests(tests, keep_listening, stop_listening);
}
