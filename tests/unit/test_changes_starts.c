/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes_fixture.h"

#include <string.h>

/* ---- helpers ---- */

static void
assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

/* The first guest restarts under a limit with a part of its memory missing. */
static GuestPlan *
restart(Fixture *fixture)
{
    GuestPlan *guest = &fixture->tick->plans[0];

    fake_tick_limit(fixture->tick, 0);
    fixture->tick->snapshots[0].driver_up = false;
    guest->state = GUEST_STATE_RESTARTING;
    guest->restart = RESTART_RESET;
    guest->granted_kib = 1748 * KIB_PER_MIB;
    guest->shortfall_kib = 300 * KIB_PER_MIB;
    guest->paging_phase = PAGING_PHASE_WAIT;
    hand_in(fixture);
    only(fixture, CHANGE_STATE_CHANGED);
    return guest;
}

/* ... and has a paging file. */
static PagingRecord *
page(Fixture *fixture)
{
    GuestPlan *guest = restart(fixture);
    PagingRecord *file = fake_tick_file(fixture->tick, 0, PAGING_STAGE_ON);

    guest->paging_phase = PAGING_PHASE_BOOT;
    hand_in(fixture);
    only(fixture, CHANGE_PAGING_STARTED);
    return file;
}

/* ---- starts ---- */

static void
a_start_that_waits_is_told_once_then_its_admission(void **state)
{
    Fixture *fixture = *state;
    const Told *told;

    fixture->tick->plans[0].rule = PLAN_RULE_MAKE_ROOM;
    fixture->tick->plans[0].ideal_kib = KIB_PER_GIB;
    fake_tick_start(fixture->tick, 1, START_WAITS);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    told = only(fixture, CHANGE_START_WAITING);
    assert_string_equal(told->name, "db");
    assert_says(told->message, "needs 2.1 GiB, 512 MiB are free and 1 GiB can be taken");
    assert_says(told->message, "web (2 GiB, on its way to 1 GiB)");
    assert_says(told->message, "in 25 s");
    assert_int_equal(told->needed_kib, 2198 * KIB_PER_MIB);
    assert_int_equal(told->reclaimable_kib, KIB_PER_GIB);
    hand_in_times(fixture, 5);
    none(fixture);

    fixture->tick->starts[0].verdict = START_ADMITTED;
    fixture->tick->starts[0].booked_kib = 2 * KIB_PER_GIB;
    fixture->tick->requests[0].waiting = false;
    hand_in(fixture);
    told = only(fixture, CHANGE_START_ADMITTED);
    assert_says(told->message, "admitted after 11 s: 2.1 GiB are booked for it");
    hand_in_times(fixture, 3);
    none(fixture);
}

static void
a_refused_start_is_told_with_its_figures(void **state)
{
    Fixture *fixture = *state;
    const Told *told;

    fake_tick_start(fixture->tick, 1, START_REFUSED);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    told = only(fixture, CHANGE_START_REFUSED);
    assert_int_equal(told->old_kib, 512 * KIB_PER_MIB);
    assert_int_equal(told->new_kib, 2198 * KIB_PER_MIB);
    assert_true(told->reason[0] != '\0');
    assert_says(told->message, "Start of guest db is refused: ");

    /* the next try of the same guest is another start */
    fake_tick_drop_starts(fixture->tick);
    fake_tick_start(fixture->tick, 1, START_REFUSED);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    only(fixture, CHANGE_START_REFUSED);
}

static void
a_start_that_is_over_without_a_guest_that_runs_is_told(void **state)
{
    Fixture *fixture = *state;

    fake_tick_start(fixture->tick, 1, START_WAITS);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    only(fixture, CHANGE_START_WAITING);
    fake_tick_drop_starts(fixture->tick);
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_START_DROPPED)->reason, "called it off");

    fake_tick_start(fixture->tick, 1, START_ADMITTED);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    only(fixture, CHANGE_START_ADMITTED);
    fake_tick_drop_starts(fixture->tick);
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_START_DROPPED)->message, "was not seen to run");

    /* one that runs has started */
    fake_tick_start(fixture->tick, 1, START_ADMITTED);
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    hand_in(fixture);
    only(fixture, CHANGE_START_ADMITTED);
    fake_tick_drop_starts(fixture->tick);
    fixture->tick->snapshots[1].life = GUEST_LIFE_RUNNING;
    hand_in(fixture);
    none(fixture);
}

static void
an_admitted_restart_says_what_is_missing(void **state)
{
    Fixture *fixture = *state;

    fake_tick_start(fixture->tick, 1, START_ADMITTED)->shortfall_kib = 200 * KIB_PER_MIB;
    fixture->tick->plans[1].state = GUEST_STATE_ACTIVE;
    fixture->tick->requests[0].restart = RESTART_SOON;
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_START_ADMITTED)->message, "although 200 MiB could not be found");
}

static void
what_an_earlier_daemon_admitted_is_no_news(void **state)
{
    g_autoptr(Changes) changes = changes_new();
    g_autoptr(FakeTick) tick = fake_tick_new();

    fake_tick_add(tick, "web");
    fake_tick_start(tick, 0, START_ADMITTED);
    tick->plans[0].state = GUEST_STATE_OFF;
    assert_int_equal(changes_compare(changes, NULL, &tick->report)->len, 0);
}

static void
a_start_soon_after_a_stop_is_told_as_a_restart(void **state)
{
    Fixture *fixture = *state;
    GuestSnapshot *guest = &fixture->tick->snapshots[0];
    const Told *told;

    guest->boots++;
    guest->stop_usec = fixture->tick->report.now_usec - 20 * USEC_PER_SEC;
    guest->boot_usec = fixture->tick->report.now_usec - 3 * USEC_PER_SEC;
    fixture->tick->plans[0].restart = RESTART_SOON;
    hand_in(fixture);
    told = only(fixture, CHANGE_GUEST_RESTARTED);
    assert_string_equal(told->reason, "it was stopped 17 s before");
    assert_says(told->message, "It needs 2 GiB to boot, and 2 GiB are booked for it");

    guest->boots++;
    fixture->tick->plans[0].restart = RESTART_HOST;
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_GUEST_RESTARTED)->message, "when the host went down");

    guest->boots++;
    fixture->tick->plans[0].restart = RESTART_NONE;
    hand_in_times(fixture, 2);
    none(fixture);
}

/* ---- paging files ---- */

static void
a_file_is_told_when_it_is_on_and_when_it_is_gone(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = restart(fixture);
    PagingRecord *file;
    const Told *told;

    guest->paging_phase = PAGING_PHASE_MAKE;
    file = fake_tick_file(fixture->tick, 0, PAGING_STAGE_MAKING);
    hand_in_times(fixture, 2);
    none(fixture);
    file->stage = PAGING_STAGE_ON;
    hand_in(fixture);
    told = only(fixture, CHANGE_PAGING_STARTED);
    assert_string_equal(told->name, "web");
    assert_says(told->reason, "it was reset; of the 2 GiB that it needs to boot 300 MiB could not be found");
    assert_string_equal(told->directory, "/var/lib/dynmem/paging");
    assert_int_equal(told->size_kib, 512 * KIB_PER_MIB);
    assert_int_equal(told->shortfall_kib, 300 * KIB_PER_MIB);

    file->stage = PAGING_STAGE_EMPTYING;
    guest->shortfall_kib = 0;
    guest->paging_phase = PAGING_PHASE_EMPTY;
    hand_in_times(fixture, 3);
    none(fixture);
    file->stage = PAGING_STAGE_GONE;
    guest->paging_phase = PAGING_PHASE_NONE;
    hand_in(fixture);
    told = only(fixture, CHANGE_PAGING_ENDED);
    assert_says(told->message, "of its 512 MiB at most 400 MiB were used, and it was there for 1 min 6 s");
    assert_int_equal(told->peak_kib, 400 * KIB_PER_MIB);
    fake_tick_drop_files(fixture->tick);
    hand_in_times(fixture, 2);
    none(fixture);
}

static void
a_file_that_is_off_and_can_not_be_deleted_says_why(void **state)
{
    Fixture *fixture = *state;
    PagingRecord *file = page(fixture);
    const Told *told;

    file->stage = PAGING_STAGE_GONE;
    file->error = g_strdup("/srv/web.dynmem-paging can't be deleted: Read-only file system");
    hand_in(fixture);
    told = only(fixture, CHANGE_PAGING_ENDED);
    assert_says(told->message, "The paging file of guest web is off: ");
    assert_says(told->message,
                " But /srv/web.dynmem-paging can't be deleted: Read-only file system; that is tried again.");
    assert_says(told->reason, "can't be deleted");
}

static void
a_file_whose_record_is_gone_has_ended_too(void **state)
{
    Fixture *fixture = *state;

    page(fixture);
    fake_tick_drop_files(fixture->tick);
    fixture->tick->plans[0].paging_phase = PAGING_PHASE_NONE;
    hand_in(fixture);
    only(fixture, CHANGE_PAGING_ENDED);
    hand_in(fixture);
    none(fixture);
}

static void
a_file_has_ended_also_while_its_guest_lacks_memory_still(void **state)
{
    Fixture *fixture = *state;

    page(fixture);
    fake_tick_drop_files(fixture->tick);
    fixture->tick->plans[0].paging_phase = PAGING_PHASE_WAIT;
    hand_in_times(fixture, 2);
    only(fixture, CHANGE_PAGING_ENDED);

    /* the next one is another */
    fixture->tick->plans[0].paging_phase = PAGING_PHASE_BOOT;
    fake_tick_file(fixture->tick, 0, PAGING_STAGE_ON);
    hand_in_times(fixture, 2);
    only(fixture, CHANGE_PAGING_STARTED);
}

static void
a_file_that_was_left_is_told_as_taken_over(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = restart(fixture);

    guest->paging_phase = PAGING_PHASE_LEAVE;
    fake_tick_file(fixture->tick, 0, PAGING_STAGE_ON)->found = true;
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_PAGING_STARTED)->message, "left by an earlier dynmemd and is taken over; 300 MiB");
}

static void
each_step_of_pressing_is_told_once_and_overdue_says_why(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];
    PagingRecord *file = page(fixture);
    const Told *told;

    guest->paging_urgency = PAGING_URGENCY_HARDER;
    hand_in(fixture);
    assert_says(only(fixture, CHANGE_PAGING_HARDER)->message, "driver of the guest is not back");
    fixture->tick->snapshots[0].driver_up = true;
    guest->paging_phase = PAGING_PHASE_LEAVE;
    guest->paging_urgency = PAGING_URGENCY_HARDEST;
    hand_in_times(fixture, 2);
    assert_says(only(fixture, CHANGE_PAGING_HARDEST)->message, "has not had the memory");
    guest->paging_urgency = PAGING_URGENCY_OVERDUE;
    fixture->tick->report.now_usec = file->since_usec + 600 * USEC_PER_SEC;
    hand_in(fixture);
    told = only(fixture, CHANGE_PAGING_OVERDUE);
    assert_says(told->message, "guest web is there for 10 min and holds 300 MiB of 512 MiB in /var/lib/dynmem/paging");
    assert_int_equal(told->used_kib, 300 * KIB_PER_MIB);
    hand_in_times(fixture, 3);
    none(fixture);
}

static void
a_swapoff_that_fails_is_told_each_time(void **state)
{
    Fixture *fixture = *state;
    PagingRecord *file = page(fixture);

    file->failures = 1;
    file->error = g_strdup("swapoff: Cannot allocate memory");
    hand_in_times(fixture, 2);
    assert_says(only(fixture, CHANGE_PAGING_STUCK)->message,
                "holds 300 MiB: swapoff: Cannot allocate memory (attempt 1)");
    file->failures = 2;
    hand_in(fixture);
    only(fixture, CHANGE_PAGING_STUCK);
}

static void
a_restart_without_a_file_says_why_and_what_that_means(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = restart(fixture);
    const Told *told;

    guest->paging_phase = PAGING_PHASE_REFUSED;
    guest->paging_bar = "vm.swappiness is 0";
    hand_in_times(fixture, 2);
    told = only(fixture, CHANGE_PAGING_REFUSED);
    assert_string_equal(told->reason, "vm.swappiness is 0");
    assert_says(told->message, "300 MiB of its startup memory could not be found (it has 1.7 GiB)");
    assert_says(told->message, "held back while its memory is reclaimed");
}

static void
a_file_that_failed_is_told_once_with_its_error(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = restart(fixture);

    guest->paging_phase = PAGING_PHASE_REFUSED;
    guest->paging_bar = "it failed before";
    fake_tick_file(fixture->tick, 0, PAGING_STAGE_FAILED)->error = g_strdup("/srv is on tmpfs");
    hand_in(fixture);
    assert_string_equal(only(fixture, CHANGE_PAGING_REFUSED)->reason, "/srv is on tmpfs");
    fake_tick_drop_files(fixture->tick);
    hand_in(fixture);
    none(fixture);
}

static void
a_host_without_smart_paging_is_told_once(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->snapshot.paging_bar = "its control groups are of version 1";
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_PAGING_UNAVAILABLE)->message, "of version 1");
    fixture->tick->snapshot.paging_bar = "vm.swappiness is 0";
    hand_in_times(fixture, 20);
    none(fixture);

    /* whoever switches it off knows */
    fixture->tick->settings->paging_enabled = false;
    hand_in_times(fixture, 20);
    none(fixture);
}

/* ---- limits ---- */

static void
set_limit(Fixture *fixture, ActionResult result, const char *error)
{
    LimitAction action = {.old_kib = LIMIT_NONE, .new_kib = KIB_PER_GIB, .result = result, .error = g_strdup(error)};

    g_strlcpy(action.uuid, fixture->tick->uuids[0], sizeof action.uuid);
    g_array_append_val(fixture->tick->outcome.limits, action);
    hand_in(fixture);
}

static void
a_limit_that_fails_is_told_until_it_was_set_in_between(void **state)
{
    Fixture *fixture = *state;
    const Told *told;

    set_limit(fixture, ACTION_STARTED, NULL);
    none(fixture);
    for (unsigned i = 0; i < 5; i++)
        set_limit(fixture, ACTION_FAILED, "Permission denied");
    told = only(fixture, CHANGE_LIMIT_FAILED);
    assert_says(told->message, "from none to 1 GiB: Permission denied");
    assert_int_equal(told->old_kib, 0);

    set_limit(fixture, ACTION_FAILED, "No such device");
    only(fixture, CHANGE_LIMIT_FAILED);
    set_limit(fixture, ACTION_DONE, NULL);
    none(fixture);
    set_limit(fixture, ACTION_FAILED, "No such device");
    only(fixture, CHANGE_LIMIT_FAILED);
}

static void
being_held_back_is_told_once_it_lasted(void **state)
{
    Fixture *fixture = *state;
    GuestLimits *limits = fake_tick_limit(fixture->tick, 0);

    hand_in(fixture);
    for (unsigned i = 0; i < 9; i++) {
        limits->held_back += 5;
        hand_in(fixture);
    }
    hand_in(fixture); /* not for a moment */
    none(fixture);
    for (unsigned i = 0; i < 20; i++) {
        limits->held_back += 5;
        hand_in(fixture);
    }
    assert_says(only(fixture, CHANGE_GUEST_HELD_BACK)->message, "held back at its limit (memory.high 2 GiB)");

    hand_in_times(fixture, 20);
    fixture->tick->plans[0].paging_phase = PAGING_PHASE_BOOT;
    for (unsigned i = 0; i < 20; i++) {
        limits->held_back += 5;
        hand_in(fixture);
    }
    none(fixture);
}

static void
limits_that_can_not_be_set_are_told_once(void **state)
{
    Fixture *fixture = *state;

    /* a QEMU that is just starting has no control group for a moment */
    fixture->tick->snapshots[0].limits.bar = "its QEMU is not there";
    hand_in_times(fixture, 5);
    fixture->tick->snapshots[0].limits.bar = NULL;
    hand_in_times(fixture, 10);
    none(fixture);

    fixture->tick->snapshots[0].limits.bar = "control groups are of version 1";
    fixture->tick->snapshots[1].limits.bar = "control groups are of version 1";
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_LIMITS_UNAVAILABLE)->message, "of version 1");
    fixture->tick->snapshots[1].limits.bar = "its QEMU is not there";
    hand_in_times(fixture, 20);
    none(fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_start_that_waits_is_told_once_then_its_admission),
        TEST(a_refused_start_is_told_with_its_figures),
        TEST(a_start_that_is_over_without_a_guest_that_runs_is_told),
        TEST(an_admitted_restart_says_what_is_missing),
        TEST(what_an_earlier_daemon_admitted_is_no_news),
        TEST(a_start_soon_after_a_stop_is_told_as_a_restart),
        TEST(a_file_is_told_when_it_is_on_and_when_it_is_gone),
        TEST(a_file_that_is_off_and_can_not_be_deleted_says_why),
        TEST(a_file_whose_record_is_gone_has_ended_too),
        TEST(a_file_has_ended_also_while_its_guest_lacks_memory_still),
        TEST(a_file_that_was_left_is_told_as_taken_over),
        TEST(each_step_of_pressing_is_told_once_and_overdue_says_why),
        TEST(a_swapoff_that_fails_is_told_each_time),
        TEST(a_restart_without_a_file_says_why_and_what_that_means),
        TEST(a_file_that_failed_is_told_once_with_its_error),
        TEST(a_host_without_smart_paging_is_told_once),
        TEST(a_limit_that_fails_is_told_until_it_was_set_in_between),
        TEST(being_held_back_is_told_once_it_lasted),
        TEST(limits_that_can_not_be_set_are_told_once),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
