/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes_fixture.h"

#include <string.h>

/* ---- tests ---- */

static void
a_calm_host_has_nothing_to_tell(void **state)
{
    Fixture *fixture = *state;

    hand_in_times(fixture, 20);
    fixture->tick->plans[0].demand_kib += 1234;
    fixture->tick->snapshots[0].resident_kib += 99;
    hand_in_times(fixture, 20);
    none(fixture);
}

static void
a_target_is_told_once_it_was_taken_with_the_reason_it_was_sent_for(void **state)
{
    Fixture *fixture = *state;
    const Told *told;

    fixture->tick->plans[0].rule = PLAN_RULE_STARVED;
    fake_tick_act(fixture->tick, 0, 2 * KIB_PER_GIB, 3 * KIB_PER_GIB, ACTION_STARTED, NULL);
    hand_in(fixture);
    none(fixture);
    fixture->tick->plans[0].rule = PLAN_RULE_SATISFIED;
    fake_tick_act(fixture->tick, 0, 2 * KIB_PER_GIB, 3 * KIB_PER_GIB, ACTION_DONE, NULL);
    hand_in(fixture);
    told = only(fixture, CHANGE_TARGET_CHANGED);
    assert_string_equal(told->name, "web");
    assert_int_equal(told->old_kib, 2 * KIB_PER_GIB);
    assert_int_equal(told->new_kib, 3 * KIB_PER_GIB);
    assert_non_null(strstr(told->message, "web raised from 2 GiB to 3 GiB; it is starved"));
    assert_non_null(strstr(told->reason, "it is starved"));
}

static void
a_first_target_is_raised_from_nothing_that_there_was(void **state)
{
    Fixture *fixture = *state;

    fake_tick_act(fixture->tick, 0, 0, 3 * KIB_PER_GIB, ACTION_STARTED, NULL);
    hand_in(fixture);
    fake_tick_act(fixture->tick, 0, 0, 3 * KIB_PER_GIB, ACTION_DONE, NULL);
    hand_in(fixture);
    assert_non_null(strstr(only(fixture, CHANGE_TARGET_CHANGED)->message, "web set to 3 GiB; "));
}

static void
a_target_that_changes_by_too_little_to_be_seen_is_told_with_what_it_changes_by(void **state)
{
    Fixture *fixture = *state;

    fake_tick_act(fixture->tick, 0, 700 * KIB_PER_MIB, 700 * KIB_PER_MIB + 300, ACTION_DONE, NULL);
    hand_in(fixture);
    assert_non_null(strstr(only(fixture, CHANGE_TARGET_CHANGED)->message, "web raised by 300 KiB to 700 MiB; "));
}

static void
the_same_target_told_again_is_no_change(void **state)
{
    Fixture *fixture = *state;

    fake_tick_act(fixture->tick, 0, 2 * KIB_PER_GIB, 2 * KIB_PER_GIB, ACTION_DONE, NULL);
    hand_in(fixture);
    none(fixture);
}

static void
a_target_that_failed_is_told_as_failed_only(void **state)
{
    Fixture *fixture = *state;

    fake_tick_act(fixture->tick, 1, 2 * KIB_PER_GIB, KIB_PER_GIB, ACTION_STARTED, NULL);
    hand_in(fixture);
    fake_tick_act(fixture->tick, 1, 2 * KIB_PER_GIB, KIB_PER_GIB, ACTION_FAILED, "the domain is locked");
    hand_in(fixture);
    assert_non_null(strstr(only(fixture, CHANGE_TARGET_FAILED)->message,
                           "db could not be changed from 2 GiB to 1 GiB: the domain is locked"));
}

static void
a_stuck_guest_is_told_with_what_it_missed_and_recovers_after_its_trial(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];
    const Told *told;

    guest->target_kib = KIB_PER_GIB;
    hand_in(fixture);
    guest->state = GUEST_STATE_STUCK;
    guest->rule = PLAN_RULE_STUCK;
    guest->flagged_usec = fixture->tick->report.now_usec;
    guest->retry_usec = guest->flagged_usec + 60 * USEC_PER_SEC;
    guest->target_kib = 2 * KIB_PER_GIB;
    hand_in_times(fixture, 3);
    told = only(fixture, CHANGE_GUEST_STUCK);
    assert_int_equal(told->old_kib, KIB_PER_GIB);
    assert_int_equal(told->new_kib, 2 * KIB_PER_GIB);
    assert_non_null(strstr(told->message, "told to become 1 GiB and has 2 GiB"));
    assert_non_null(strstr(told->reason, "tried again in 60 s"));

    /* on trial: still flagged */
    guest->state = GUEST_STATE_ACTIVE;
    guest->retry = true;
    hand_in(fixture);
    only(fixture, CHANGE_STATE_CHANGED);
    guest->flagged_usec = guest->retry_usec = 0;
    guest->retry = false;
    hand_in(fixture);
    only(fixture, CHANGE_GUEST_RECOVERED);
}

static void
an_unresponsive_guest_is_told_and_told_back(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->plans[0].state = GUEST_STATE_UNRESPONSIVE;
    fixture->tick->plans[0].rule = PLAN_RULE_UNRESPONSIVE;
    hand_in_times(fixture, 2);
    assert_non_null(strstr(only(fixture, CHANGE_GUEST_UNRESPONSIVE)->message, "with 2 GiB booked"));
    fixture->tick->plans[0].state = GUEST_STATE_ACTIVE;
    fixture->tick->plans[0].rule = PLAN_RULE_SATISFIED;
    hand_in_times(fixture, 2);
    assert_non_null(strstr(only(fixture, CHANGE_GUEST_BACK)->message, "is now active"));
}

static void
a_managed_guest_that_cannot_be_is_told_with_the_reason(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->plans[0].state = GUEST_STATE_STATIC;
    fixture->tick->plans[0].rule = PLAN_RULE_BAR;
    fake_tick_settings(fixture->tick, 0)->bar = BALLOON_VFIO;
    hand_in_times(fixture, 2);
    assert_non_null(strstr(only(fixture, CHANGE_GUEST_STATIC)->message, "through VFIO"));
    /* another reason is another record */
    fixture->tick->plans[0].rule = PLAN_RULE_INHIBITED;
    hand_in_times(fixture, 2);
    only(fixture, CHANGE_GUEST_STATIC);
    /* one that nobody wants managed is not */
    fake_tick_settings(fixture->tick, 1)->managed = false;
    fixture->tick->plans[1].state = GUEST_STATE_STATIC;
    fixture->tick->plans[1].rule = PLAN_RULE_UNMANAGED;
    hand_in(fixture);
    none(fixture);
}

static void
a_reset_is_told_and_its_new_state_not_twice(void **state)
{
    Fixture *fixture = *state;

    fake_tick_snapshot(fixture->tick, 0)->boots++;
    fake_tick_snapshot(fixture->tick, 0)->boot_in_place = true;
    fixture->tick->plans[0].state = GUEST_STATE_RESTARTING;
    fixture->tick->plans[0].rule = PLAN_RULE_RESET;
    fixture->tick->plans[0].committed_kib = 4 * KIB_PER_GIB;
    hand_in_times(fixture, 2);
    assert_non_null(strstr(only(fixture, CHANGE_GUEST_RESET)->message, "4 GiB are booked"));
}

static void
a_reset_by_the_firmware_after_a_reset_is_not_told_again(void **state)
{
    Fixture *fixture = *state;
    GuestSnapshot *guest = fake_tick_snapshot(fixture->tick, 0);

    for (unsigned i = 0; i < 4; i++) {
        bool told = i != 1;

        guest->boots++;
        guest->boot_in_place = true;
        guest->boot_usec = fixture->tick->report.now_usec;
        guest->driver_up = false;
        hand_in(fixture);
        if (told)
            only(fixture, CHANGE_GUEST_RESET);
        else
            none(fixture);
        /* the third comes too late to be the firmware's, the fourth after the driver was back */
        hand_in_times(fixture, i == 1 ? 10 : 1);
        guest->driver_up = i == 2;
        hand_in(fixture);
    }
}

static void
coming_and_going_is_told_of_managed_guests(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->plans[0].state = GUEST_STATE_OFF;
    fixture->tick->plans[0].rule = PLAN_RULE_OFF;
    hand_in(fixture);
    assert_non_null(strstr(only(fixture, CHANGE_STATE_CHANGED)->message, "web is now off (it was active)."));
    fake_tick_add(fixture->tick, "new")->state = GUEST_STATE_STARTING;
    hand_in(fixture);
    assert_non_null(strstr(only(fixture, CHANGE_STATE_CHANGED)->message, "new is new and starting"));
    fake_tick_remove(fixture->tick, 1);
    hand_in(fixture);
    none(fixture);
}

static void
a_lack_is_told_once_it_lasted_and_so_is_its_end(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    for (unsigned i = 0; i < 5; i++) {
        guest->status = GUEST_STATUS_WARNING;
        hand_in_times(fixture, 9);
        guest->status = GUEST_STATUS_LOW;
        hand_in(fixture);
    }
    none(fixture);
    guest->status = GUEST_STATUS_WARNING;
    guest->demand_kib = 3 * KIB_PER_GIB;
    hand_in_times(fixture, 12);
    assert_non_null(strstr(only(fixture, CHANGE_STATUS_WARNING)->message, "it needs 3 GiB and has 2 GiB"));
    guest->status = GUEST_STATUS_OK;
    hand_in_times(fixture, 9);
    none(fixture);
    hand_in_times(fixture, 3);
    only(fixture, CHANGE_STATUS_OK);
    /* at its maximum its need shows no more than that */
    guest->status = GUEST_STATUS_WARNING;
    guest->demand_kib = guest->assigned_kib;
    hand_in_times(fixture, 12);
    assert_non_null(strstr(only(fixture, CHANGE_STATUS_WARNING)->message, "lacks memory: it is starved with 2 GiB"));
}

static void
new_doubts_are_told_by_what_they_are(void **state)
{
    Fixture *fixture = *state;

    fake_tick_snapshot(fixture->tick, 0)->doubts = DOUBT_COUNTER_WENT_BACK | DOUBT_IMPOSSIBLE;
    hand_in_times(fixture, 3);
    assert_string_equal(only(fixture, CHANGE_STATISTICS_DOUBTED)->reason,
                        "a counter went back without a boot, a figure is impossibly large");
    fake_tick_snapshot(fixture->tick, 0)->doubts |= DOUBT_ACTUAL_ABOVE_MAXIMUM;
    hand_in(fixture);
    assert_string_equal(only(fixture, CHANGE_STATISTICS_DOUBTED)->reason, "its balloon is larger than its maximum");
    /* which is so for a moment after each reset */
    fake_tick_snapshot(fixture->tick, 0)->doubts |= DOUBT_USABLE_ABOVE_TOTAL;
    hand_in_times(fixture, 10);
    none(fixture);
    hand_in(fixture);
    assert_string_equal(only(fixture, CHANGE_STATISTICS_DOUBTED)->reason, "it says that more is usable than it has");
    hand_in_times(fixture, 20);
    none(fixture);
}

static void
doubts_that_come_and_go_are_told_once_an_hour(void **state)
{
    Fixture *fixture = *state;

    for (unsigned i = 0; i < 60; i++) {
        fake_tick_snapshot(fixture->tick, 0)->doubts = i % 2 == 0 ? DOUBT_COUNTER_WENT_BACK : 0;
        hand_in(fixture);
    }
    assert_string_equal(only(fixture, CHANGE_STATISTICS_DOUBTED)->reason, "a counter went back without a boot");
    hand_in_times(fixture, 3600);
    none(fixture);
    fake_tick_snapshot(fixture->tick, 0)->doubts = DOUBT_COUNTER_WENT_BACK;
    hand_in(fixture);
    only(fixture, CHANGE_STATISTICS_DOUBTED);
}

static void
a_period_that_somebody_else_set_is_told_once_for_each_guest(void **state)
{
    Fixture *fixture = *state;
    GuestSnapshot *web = fake_tick_snapshot(fixture->tick, 0);
    GuestSnapshot *db = fake_tick_snapshot(fixture->tick, 1);

    hand_in(fixture);
    web->period_changed = true;
    web->period_changed_sec = 5;
    fixture->tick->snapshot.host.link = WORLD_LINK_READ_ONLY; /* nor is it put right */
    hand_in(fixture);
    none(fixture);
    fixture->tick->snapshot.host.link = WORLD_LINK_READ_WRITE;
    hand_in_times(fixture, 20);
    assert_non_null(strstr(only(fixture, CHANGE_PERIOD_CHANGED)->message, "web is told again to report every 1 s"));
    /* in its next run it is done to it once more */
    web->period_changed = false;
    hand_in(fixture);
    web->period_changed = true;
    web->period_changed_sec = 10;
    hand_in_times(fixture, 20);
    none(fixture);
    db->period_changed = true;
    hand_in_times(fixture, 20);
    assert_string_equal(only(fixture, CHANGE_PERIOD_CHANGED)->reason,
                        "somebody else had its balloon statistics switched off");
}

static void
wrong_settings_are_told_once_each_and_when_they_are_right_again(void **state)
{
    Fixture *fixture = *state;

    fake_tick_reject(fixture->tick, 1, "buffer 'x' is no number");
    hand_in_times(fixture, 3);
    assert_non_null(
        strstr(only(fixture, CHANGE_SETTINGS_REJECTED)->message, "guest db can't be used as they are: buffer 'x'"));
    g_ptr_array_set_size(fixture->tick->issues, 0);
    fake_tick_reject(fixture->tick, 1, "priority '200' is above 100");
    hand_in(fixture);
    only(fixture, CHANGE_SETTINGS_REJECTED);
    g_ptr_array_set_size(fixture->tick->issues, 0);
    hand_in_times(fixture, 2);
    only(fixture, CHANGE_SETTINGS_ACCEPTED);
    /* a guest that is gone has no right settings */
    fake_tick_reject(fixture->tick, 1, "priority '200' is above 100");
    hand_in(fixture);
    only(fixture, CHANGE_SETTINGS_REJECTED);
    g_ptr_array_set_size(fixture->tick->issues, 0);
    fake_tick_remove(fixture->tick, 1);
    hand_in(fixture);
    none(fixture);
}

static void
the_hosts_troubles_are_told_once_they_lasted(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->plan.over_budget = true;
    hand_in_times(fixture, 12);
    only(fixture, CHANGE_OVER_BUDGET);
    fixture->tick->plan.over_budget = false;
    hand_in_times(fixture, 12);
    only(fixture, CHANGE_WITHIN_BUDGET);
    fixture->tick->plan.minimums_fit = false;
    hand_in_times(fixture, 12);
    only(fixture, CHANGE_MINIMUMS_DO_NOT_FIT);
    fixture->tick->plan.minimums_fit = true;
    hand_in_times(fixture, 12);
    only(fixture, CHANGE_MINIMUMS_FIT);
}

static void
a_lost_connection_is_told_at_once_and_one_that_never_came_later(void **state)
{
    Fixture *fixture = *state;

    keep(fixture, changes_link(fixture->changes, WORLD_LINK_DOWN, "connecting"));
    hand_in_times(fixture, 5);
    none(fixture);
    keep(fixture, changes_link(fixture->changes, WORLD_LINK_DOWN, "no socket, next try in 4 s"));
    hand_in_times(fixture, 10);
    assert_non_null(strstr(only(fixture, CHANGE_LIBVIRT_LOST)->message, "no socket"));
    keep(fixture, changes_link(fixture->changes, WORLD_LINK_READ_WRITE, "connected to test:///default"));
    only(fixture, CHANGE_LIBVIRT_BACK);
    keep(fixture, changes_link(fixture->changes, WORLD_LINK_DOWN, "libvirt is away"));
    only(fixture, CHANGE_LIBVIRT_LOST);
    keep(fixture, changes_link(fixture->changes, WORLD_LINK_DOWN, "libvirt is away, next try in 2 s"));
    hand_in_times(fixture, 30);
    none(fixture);
    keep(fixture, changes_link(fixture->changes, WORLD_LINK_READ_ONLY, "connected to test:///default"));
    assert_non_null(strstr(only(fixture, CHANGE_LIBVIRT_BACK)->message, "may not write"));
}

static void
the_end_for_good_is_told_with_who_asked_and_that_it_is_taken_back(void **state)
{
    Fixture *fixture = *state;
    Settings *settings = fixture->tick->settings;
    const Told *told;

    fake_tick_settings(fixture->tick, 0)->startup_kib = 3 * KIB_PER_GIB;
    hand_in(fixture);
    g_ptr_array_set_size(fixture->told, 0);
    keep(fixture, changes_retire(fixture->changes, held_tick_report(fixture->held), "user 1000"));
    settings->retiring = true;
    told = only(fixture, CHANGE_RETIRING);
    assert_non_null(strstr(told->reason, "user 1000"));
    assert_non_null(strstr(told->message, "user 1000"));
    assert_non_null(strstr(told->message, "1 guest has 1 GiB less"));
    hand_in_times(fixture, 20);
    keep(fixture, changes_retire(fixture->changes, held_tick_report(fixture->held), "root"));
    none(fixture);
    settings->retiring = false;
    hand_in_times(fixture, 20);
    only(fixture, CHANGE_RETIRING_ENDED);
}

static void
another_name_is_told_once_with_the_one_before(void **state)
{
    Fixture *fixture = *state;
    const Told *told;
    char *before = fixture->tick->names[0];
    char *plain = fixture->tick->names[1];
    static char shop[] = "shop";

    fake_tick_snapshot(fixture->tick, 0)->name = shop;
    hand_in_times(fixture, 20);
    told = only(fixture, CHANGE_GUEST_RENAMED);
    assert_string_equal(told->name, "shop");
    assert_non_null(strstr(told->reason, before));
    assert_non_null(strstr(told->message, before));
    /* of who is not managed nothing is told */
    fake_tick_settings(fixture->tick, 1)->managed = false;
    hand_in_times(fixture, 20);
    g_ptr_array_set_size(fixture->told, 0);
    fake_tick_snapshot(fixture->tick, 1)->name = before;
    hand_in_times(fixture, 20);
    none(fixture);
    fake_tick_snapshot(fixture->tick, 1)->name = plain;
}

static void
lines_of_the_configuration_are_told_with_their_place(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) problems = g_ptr_array_new();
    ConfigProblem problem = {.file = (char *)"/etc/dynmem/dynmemd.conf", .line = 7, .message = (char *)"no key 'Foo'"};

    g_ptr_array_add(problems, &problem);
    keep(fixture, changes_config(fixture->changes, problems));
    assert_string_equal(only(fixture, CHANGE_CONFIG_REJECTED)->message, "/etc/dynmem/dynmemd.conf:7: no key 'Foo'");
    problem.line = 0;
    keep(fixture, changes_config(fixture->changes, problems));
    assert_string_equal(only(fixture, CHANGE_CONFIG_REJECTED)->message, "/etc/dynmem/dynmemd.conf: no key 'Foo'");
}

static void
what_a_cluster_does_with_a_guest_is_told_with_both_hosts(void **state)
{
    Fixture *fixture = *state;
    const ClusterMotion motion = {
        .guest = (char *)"web", .uuid = "6a2c0a3e-0000-4000-8000-000000000000", .source = "node-a", .target = "node-b"};
    static const struct {
        ClusterNews news;
        ChangeKind kind;
        const char *host;
    } all[] = {
        {CLUSTER_NEWS_OFFERED, CHANGE_MOVE_OFFERED, "node-b"},
        {CLUSTER_NEWS_BOOKED, CHANGE_MOVE_BOOKED, "node-a"},
        {CLUSTER_NEWS_WISHED, CHANGE_MOVE_WISHED, "node-a"},
        {CLUSTER_NEWS_LEFT, CHANGE_MOVE_LEFT, "node-b"},
        {CLUSTER_NEWS_ARRIVED, CHANGE_MOVE_ARRIVED, "node-a"},
        {CLUSTER_NEWS_WITHDRAWN, CHANGE_MOVE_WITHDRAWN, "node-b"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const Told *told;

        keep(fixture, changes_move(fixture->changes, all[i].news, &motion, "the cause"));
        told = only(fixture, all[i].kind);
        assert_string_equal(told->reason, "the cause");
        assert_string_equal(told->uuid, motion.uuid);
        assert_non_null(strstr(told->message, "web"));
        assert_non_null(strstr(told->message, all[i].host));
    }
}

static void
every_kind_has_a_name_an_id_and_a_priority(void **state)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (ChangeKind kind = 0; kind < CHANGE_KIND_COUNT; kind++) {
        assert_true(g_hash_table_add(seen, (void *)change_kind_name(kind)));
        assert_true(g_hash_table_add(seen, (void *)change_kind_message_id(kind)));
        assert_int_equal(strlen(change_kind_message_id(kind)), 32);
        assert_in_range(change_kind_priority(kind), 2, 6);
    }
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_calm_host_has_nothing_to_tell),
        TEST(a_target_is_told_once_it_was_taken_with_the_reason_it_was_sent_for),
        TEST(a_first_target_is_raised_from_nothing_that_there_was),
        TEST(a_target_that_changes_by_too_little_to_be_seen_is_told_with_what_it_changes_by),
        TEST(the_same_target_told_again_is_no_change),
        TEST(a_target_that_failed_is_told_as_failed_only),
        TEST(a_stuck_guest_is_told_with_what_it_missed_and_recovers_after_its_trial),
        TEST(an_unresponsive_guest_is_told_and_told_back),
        TEST(a_managed_guest_that_cannot_be_is_told_with_the_reason),
        TEST(a_reset_is_told_and_its_new_state_not_twice),
        TEST(a_reset_by_the_firmware_after_a_reset_is_not_told_again),
        TEST(coming_and_going_is_told_of_managed_guests),
        TEST(a_lack_is_told_once_it_lasted_and_so_is_its_end),
        TEST(new_doubts_are_told_by_what_they_are),
        TEST(doubts_that_come_and_go_are_told_once_an_hour),
        TEST(a_period_that_somebody_else_set_is_told_once_for_each_guest),
        TEST(wrong_settings_are_told_once_each_and_when_they_are_right_again),
        TEST(the_hosts_troubles_are_told_once_they_lasted),
        TEST(a_lost_connection_is_told_at_once_and_one_that_never_came_later),
        TEST(the_end_for_good_is_told_with_who_asked_and_that_it_is_taken_back),
        TEST(another_name_is_told_once_with_the_one_before),
        TEST(lines_of_the_configuration_are_told_with_their_place),
        TEST(what_a_cluster_does_with_a_guest_is_told_with_both_hosts),
        TEST(every_kind_has_a_name_an_id_and_a_priority),
    };

    return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
