/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How guests begin and end, what is kept of it, and what is not asked while a hook waits; on libvirt's test driver. */
#include "watch_fixture.h"

#include "units.h"

#include <string.h>

/* So long nothing happens that would happen at once. */
#define QUIET_USEC (400 * USEC_PER_MSEC)

static uint64_t waited_boots;

static bool
has_more_boots(Fixture *fixture, const char *uuid)
{
    return is_running(fixture, uuid) && find(fixture, uuid)->boots > waited_boots;
}

static bool
has_no_stop(Fixture *fixture, const char *uuid)
{
    return is_off(fixture, uuid) && find(fixture, uuid)->stop_usec == 0;
}

static void
note(Fixture *fixture, const char *uuid, HookMoment moment)
{
    fixture->world.note_hook(fixture->world.self, uuid, moment, 0);
}

/* ---- how runs begin and end ---- */

static void
boot_is_not_resumed_and_its_end_counts(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    g_autofree char *kept = NULL;

    start(fixture);
    assert_int_equal(find(fixture, UUID_A)->stop_usec, 0);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_false(find(fixture, UUID_A)->boot_resumed);
    kept = keep_get(fixture->keep, KEEP_RUNNING, UUID_A);
    assert_string_equal(kept, "a");
    assert_int_equal(virDomainShutdown(a), 0);
    wait_until(fixture, is_off, UUID_A);
    assert_true(find(fixture, UUID_A)->stop_usec > 0);
    assert_null(keep_get(fixture->keep, KEEP_RUNNING, UUID_A));
}

static void
restored_guest_is_resumed_and_its_saving_no_stop(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    g_autofree char *path = g_build_filename(fixture->directory, "saved", NULL);

    start(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    waited_boots = find(fixture, UUID_A)->boots;
    assert_int_equal(virDomainSave(a, path), 0);
    wait_until(fixture, has_no_stop, UUID_A);
    assert_int_equal(virDomainRestore(fixture->connection, path), 0);
    wait_until(fixture, has_more_boots, UUID_A);
    assert_true(find(fixture, UUID_A)->boot_resumed);
    assert_false(find(fixture, UUID_A)->boot_in_place);
}

/* This driver keeps saved guests, and can't tell what they were saved with. */
static void
saved_guest_of_which_no_more_is_told_is_off(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(virDomainManagedSave(a, 0), 0);
    wait_until(fixture, has_no_stop, UUID_A);
    assert_int_equal(virDomainHasManagedSaveImage(a, 0), 1);
    run_loop_for(QUIET_USEC);
    assert_null(find(fixture, UUID_A)->saved_xml);
    assert_non_null(find(fixture, UUID_A)->inactive_xml);
    assert_int_equal(virDomainManagedSaveRemove(a, 0), 0);
}

static void
guest_started_paused_has_booted_and_is_paused(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    assert_int_equal(virDomainSuspend(a), 0); /* this driver can't do both in one */
    wait_until(fixture, is_paused, UUID_A);
    run_loop_for(QUIET_USEC);
    assert_int_equal(find(fixture, UUID_A)->life, GUEST_LIFE_PAUSED);
    assert_int_equal(find(fixture, UUID_A)->boots, 1);
    assert_false(find(fixture, UUID_A)->boot_resumed);
    assert_int_equal(virDomainResume(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(find(fixture, UUID_A)->boots, 1);
}

static void
reverted_guest_is_resumed(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    virDomainSnapshotPtr snapshot;

    start(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    snapshot = virDomainSnapshotCreateXML(a, "<domainsnapshot><name>s</name></domainsnapshot>", 0);
    assert_non_null(snapshot);
    waited_boots = find(fixture, UUID_A)->boots;
    assert_int_equal(virDomainRevertToSnapshot(snapshot, VIR_DOMAIN_SNAPSHOT_REVERT_FORCE), 0);
    wait_until(fixture, has_more_boots, UUID_A);
    assert_true(find(fixture, UUID_A)->boot_resumed);
    assert_false(find(fixture, UUID_A)->boot_in_place);
    assert_int_equal(virDomainSnapshotDelete(snapshot, 0), 0);
    virDomainSnapshotFree(snapshot);
}

/* Another daemon takes over in the same boot of the host. */
static void
restart_daemon(Fixture *fixture)
{
    g_autofree char *problem = NULL;

    watch_free(fixture->watch);
    keep_free(fixture->keep);
    fixture->keep = keep_open(fixture->directory, "this boot", &problem);
    assert_null(problem);
    fixture->watch = watch_new(&(WatchOptions){.uri = URI, .keep = fixture->keep}, on_changed, fixture);
    fixture->world = watch_guest_world(fixture->watch);
    start(fixture);
}

static void
stop_is_known_to_the_next_daemon(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    uint64_t stop_usec;

    restart_daemon(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(virDomainDestroy(a), 0);
    wait_until(fixture, is_off, UUID_A);
    stop_usec = find(fixture, UUID_A)->stop_usec;
    restart_daemon(fixture);
    assert_int_equal(find(fixture, UUID_A)->stop_usec, stop_usec);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_int_equal(find(fixture, UUID_A)->stop_usec, stop_usec);
}

static void
guest_that_ran_at_host_down_is_told_until_its_second_start(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    keep_set(fixture->keep, KEEP_RAN_BEFORE, UUID_A, "a");
    start(fixture);
    assert_true(find(fixture, UUID_A)->ran_at_host_down);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    assert_true(find(fixture, UUID_A)->ran_at_host_down);
    assert_null(keep_get(fixture->keep, KEEP_RAN_BEFORE, UUID_A));
    assert_int_equal(virDomainDestroy(a), 0);
    wait_until(fixture, is_off, UUID_A);
    assert_false(find(fixture, UUID_A)->ran_at_host_down);
}

/* ---- starting ---- */

static void
guest_is_started(void **state)
{
    Fixture *fixture = *state;
    G_GNUC_UNUSED g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    assert_int_equal(fixture->starts_done, 0);
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    assert_int_equal(fixture->starts_done, 1);
    assert_non_null(strstr(fixture->start_error, "being started already"));
    wait_until(fixture, is_running, UUID_A);
    while (fixture->starts_done < 2)
        g_main_context_iteration(NULL, TRUE);
    assert_null(fixture->start_error);
    assert_int_equal(find(fixture, UUID_A)->boots, 1);
}

static void
start_that_can_not_be_says_what_would_help(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    assert_int_equal(fixture->starts_done, 1);
    assert_non_null(strstr(fixture->start_error, "not connected to libvirt"));
    start(fixture);
    assert_int_equal(virDomainCreate(a), 0);
    wait_until(fixture, is_running, UUID_A);
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    assert_int_equal(fixture->starts_done, 2);
    assert_non_null(strstr(fixture->start_error, "runs already"));
    fixture->starts_done = 0;
    fixture->world.start(fixture->world.self, UUID_B, on_started, fixture);
    wait_until(fixture, is_start_done, NULL);
    assert_non_null(strstr(fixture->start_error, "virsh define"));
}

static void
who_waits_for_a_start_is_told_when_the_daemon_ends(void **state)
{
    Fixture *fixture = *state;
    G_GNUC_UNUSED g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
    assert_int_equal(fixture->starts_done, 1);
    assert_non_null(strstr(fixture->start_error, "being stopped"));
    wait_until(fixture, is_stopped, NULL);
    run_loop_for(QUIET_USEC);
    assert_int_equal(fixture->starts_done, 1);
}

/* ---- while a hook waits ---- */

static void
nobody_is_listed_while_a_hook_waits(void **state)
{
    Fixture *fixture = *state;
    G_GNUC_UNUSED g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    note(fixture, UUID_B, HOOK_WAITS);
    watch_start(fixture->watch);
    run_loop_for(QUIET_USEC);
    assert_int_equal(fixture->world.link(fixture->world.self), WORLD_LINK_DOWN);
    assert_null(find(fixture, UUID_A));
    note(fixture, UUID_B, HOOK_ANSWERED);
    wait_until(fixture, is_up, NULL);
    assert_non_null(find(fixture, UUID_A));
}

/* Those of whom it is known that they run can be asked for by name. */
static void
balancing_begins_with_the_guests_that_ran_before(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    G_GNUC_UNUSED g_autoptr(virDomain) b = define(fixture, "b", UUID_B, "");
    size_t count;

    assert_int_equal(virDomainCreate(a), 0);
    keep_set(fixture->keep, KEEP_RUNNING, UUID_A, "a");
    keep_set(fixture->keep, KEEP_RUNNING, UUID_B, "b"); /* it ran, is off, and is being started */
    note(fixture, UUID_B, HOOK_WAITS);
    start(fixture);
    assert_int_equal(find(fixture, UUID_A)->life, GUEST_LIFE_RUNNING);
    (void)fixture->world.records(fixture->world.self, &count);
    assert_int_equal(count, 1);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    wait_until(fixture, is_target_done, NULL);
    assert_int_equal(fixture->targets_failed, 0);
    run_loop_for(QUIET_USEC);
    assert_null(find(fixture, UUID_B));
    note(fixture, UUID_B, HOOK_ANSWERED);
    wait_until(fixture, is_known, UUID_B);
    (void)fixture->world.records(fixture->world.self, &count);
    assert_true(count >= 3); /* and the driver's own: they have been listed */
    assert_true(find(fixture, UUID_B)->stop_usec > 0);
}

static void
starting_guest_is_neither_read_nor_asked(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    g_autoptr(virDomain) b = define(fixture, "b", UUID_B, "");
    uint64_t serial;

    assert_int_equal(virDomainCreate(b), 0);
    start(fixture);
    note(fixture, UUID_A, HOOK_WAITS);
    assert_int_equal(virDomainCreate(a), 0); /* the event comes in any case */
    run_loop_for(QUIET_USEC);
    assert_int_equal(find(fixture, UUID_A)->life, GUEST_LIFE_RUNNING);
    assert_null(find(fixture, UUID_A)->live_xml);
    serial = find(fixture, UUID_B)->report.serial;
    fixture->world.collect(fixture->world.self, NULL, 5 * USEC_PER_SEC, on_collected, fixture);
    wait_until(fixture, is_collected, NULL);
    assert_int_equal(find(fixture, UUID_A)->report.serial, 0);
    assert_int_equal(find(fixture, UUID_B)->report.serial, serial + 1);
    fixture->world.set_target(fixture->world.self, UUID_A, 300 * KIB_PER_MIB, on_target, fixture);
    assert_int_equal(fixture->targets_failed, 1);
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    assert_int_equal(fixture->starts_done, 1);
    assert_non_null(fixture->start_error);
    note(fixture, UUID_A, HOOK_ANSWERED);
    wait_until(fixture, is_running, UUID_A);
}

static void
start_that_libvirt_refuses_is_told_with_its_reason(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    start(fixture);
    wait_until(fixture, is_off, UUID_A);
    assert_int_equal(virDomainCreate(a), 0); /* and nobody has heard of it yet */
    fixture->world.start(fixture->world.self, UUID_A, on_started, fixture);
    wait_until(fixture, is_start_done, NULL);
    assert_non_null(strstr(fixture->start_error, "can't start the guest a: "));
    assert_null(strstr(fixture->start_error, "gives no reason"));
}

/* A collection that is under way does not wait for a guest whose hook has begun to. */
static void
hook_takes_back_what_has_not_begun(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");

    assert_int_equal(virDomainCreate(a), 0);
    start(fixture);
    fixture->world.collect(fixture->world.self, NULL, 20 * USEC_PER_SEC, on_collected, fixture);
    note(fixture, UUID_A, HOOK_WAITS);
    wait_until(fixture, is_collected, NULL);
    assert_int_equal(find(fixture, UUID_A)->report.serial, 0);
    note(fixture, UUID_A, HOOK_ANSWERED);
    fixture->collected = 0;
    fixture->world.collect(fixture->world.self, NULL, 5 * USEC_PER_SEC, on_collected, fixture);
    wait_until(fixture, is_collected, NULL);
    assert_int_equal(find(fixture, UUID_A)->report.serial, 1);
}

static void
start_a_hook_told_of_is_a_boot_when_it_is_first_read(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define(fixture, "a", UUID_A, "");
    g_autoptr(virDomain) b = define(fixture, "b", UUID_B, "");

    note(fixture, UUID_A, HOOK_WAITS);
    note(fixture, UUID_A, HOOK_ANSWERED);
    note(fixture, UUID_A, HOOK_STARTED);
    note(fixture, UUID_B, HOOK_STARTED);
    note(fixture, UUID_B, HOOK_STOPPED);
    assert_int_equal(virDomainCreate(a), 0);
    assert_int_equal(virDomainCreate(b), 0);
    start(fixture);
    assert_int_equal(find(fixture, UUID_A)->boots, 1);
    assert_int_equal(find(fixture, UUID_B)->boots, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(start_that_libvirt_refuses_is_told_with_its_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(boot_is_not_resumed_and_its_end_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(restored_guest_is_resumed_and_its_saving_no_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(saved_guest_of_which_no_more_is_told_is_off, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_started_paused_has_booted_and_is_paused, setup, teardown),
        cmocka_unit_test_setup_teardown(reverted_guest_is_resumed, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_is_known_to_the_next_daemon, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_ran_at_host_down_is_told_until_its_second_start, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_is_started, setup, teardown),
        cmocka_unit_test_setup_teardown(start_that_can_not_be_says_what_would_help, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_a_start_is_told_when_the_daemon_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_listed_while_a_hook_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(balancing_begins_with_the_guests_that_ran_before, setup, teardown),
        cmocka_unit_test_setup_teardown(starting_guest_is_neither_read_nor_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(hook_takes_back_what_has_not_begun, setup, teardown),
        cmocka_unit_test_setup_teardown(start_a_hook_told_of_is_a_boot_when_it_is_first_read, setup, teardown),
    };

    return cmocka_run_group_tests(tests, keep_listening, stop_listening);
}
