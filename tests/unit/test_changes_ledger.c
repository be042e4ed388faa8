/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is told of what guests are booked at: once for each event, and not in every tick that it lasts. */

#include "changes_fixture.h"

#include <string.h>

static void
assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

/* ---- balloons ---- */

static void
a_balloon_that_somebody_else_moved_is_told_with_both_sizes(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];
    const Told *told;

    fixture->tick->snapshots[0].actual_kib = 3 * KIB_PER_GIB;
    guest->moved = guest->tell = true;
    hand_in_times(fixture, 2);
    guest->moved = guest->tell = false;
    hand_in_times(fixture, 20);
    told = only(fixture, CHANGE_BALLOON_MOVED);
    assert_int_equal(told->old_kib, 2 * KIB_PER_GIB);
    assert_int_equal(told->new_kib, 3 * KIB_PER_GIB);
    assert_says(told->message, "guest web was moved from 2 GiB to 3 GiB");
    assert_says(told->message, "its target is told again");
}

/* It is seen there first, and judged a tick later. */
static void
a_moved_balloon_that_was_seen_before_is_told_from_its_target(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    fixture->tick->snapshots[0].actual_kib = 3 * KIB_PER_GIB;
    hand_in_times(fixture, 1);
    guest->moved = true;
    hand_in_times(fixture, 1);
    assert_says(only(fixture, CHANGE_BALLOON_MOVED)->message, "guest web was moved from 2 GiB to 3 GiB");
}

/* Its balloon would leave it 3.5 GiB, and memory.high holds it at 2. */
static void
empty_balloon(Fixture *fixture)
{
    fixture->tick->plans[0].ground = GROUND_LIMIT;
    fixture->tick->plans[0].balloon_kib = 3584 * KIB_PER_MIB;
}

static void
a_guest_that_empties_its_balloon_is_told_when_it_begins_and_when_it_is_over(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    empty_balloon(fixture);
    hand_in_times(fixture, 8); /* not for a moment */
    none(fixture);
    hand_in_times(fixture, 30);
    assert_says(only(fixture, CHANGE_BALLOON_EMPTIED)->message,
                "would leave it 3.5 GiB. Its limit (memory.high) holds it at the 2 GiB");
    guest->ground = GROUND_BALLOON;
    guest->balloon_kib = 0;
    hand_in_times(fixture, 30);
    assert_says(only(fixture, CHANGE_BALLOON_REFILLED)->message, "it has 2 GiB and is booked at 2 GiB");
}

static void
a_balloon_of_a_guest_that_boots_is_not_told_as_emptied(void **state)
{
    static const GuestState states[] = {GUEST_STATE_STARTING, GUEST_STATE_RESTARTING, GUEST_STATE_PAGING};
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        empty_balloon(fixture);
        guest->state = states[i];
        hand_in(fixture);
        only(fixture, CHANGE_STATE_CHANGED);
        hand_in_times(fixture, 30);
        none(fixture);
    }
    /* a few pages more are not it either */
    guest->state = GUEST_STATE_ACTIVE;
    guest->balloon_kib = 2 * KIB_PER_GIB + 8 * KIB_PER_MIB;
    hand_in(fixture);
    only(fixture, CHANGE_STATE_CHANGED);
    hand_in_times(fixture, 30);
    none(fixture);
}

static void
a_guest_that_empties_its_balloon_is_not_told_as_held_back_besides(void **state)
{
    Fixture *fixture = *state;
    GuestLimits *limits = fake_tick_limit(fixture->tick, 0);

    empty_balloon(fixture);
    for (unsigned i = 0; i < 30; i++) {
        limits->held_back += 5;
        hand_in(fixture);
    }
    only(fixture, CHANGE_BALLOON_EMPTIED);
}

/* ---- let go, let be ---- */

static void
a_lost_element_is_told_once_with_what_follows(void **state)
{
    static const struct {
        bool managed;
        GuestLife life;
        PlanRule rule;
        const char *says;
    } cases[] = {
        {true, GUEST_LIFE_RUNNING, PLAN_RULE_SATISFIED, "managed by the defaults instead (Manage=all)"},
        {false, GUEST_LIFE_RUNNING, PLAN_RULE_UNMANAGED, "all its memory is booked for it from now on"},
        {false, GUEST_LIFE_OFF, PLAN_RULE_OFF, "all its memory is booked at its next start"},
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GuestSettings *settings = fake_tick_settings(fixture->tick, 0);

        fixture->tick->snapshots[0].life = cases[i].life;
        fixture->tick->plans[0].rule = cases[i].rule;
        settings->managed = cases[i].managed;
        settings->element_gone = false;
        hand_in(fixture);
        settings->element_gone = true;
        hand_in_times(fixture, 20);
        assert_says(only(fixture, CHANGE_ELEMENT_GONE)->message, cases[i].says);
    }
    /* another guest of the same uuid, first seen without */
    fake_tick_settings(fixture->tick, 0)->element_gone = false;
    hand_in(fixture);
    fake_tick_settings(fixture->tick, 0)->element_gone = true;
    fixture->tick->snapshots[0].serial++;
    hand_in(fixture);
    none(fixture);
}

static void
letting_go_is_told_when_it_begins_and_when_it_is_done(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    fake_tick_settings(fixture->tick, 0)->managed = false;
    guest->rule = PLAN_RULE_LET_GO;
    guest->assigned_kib = KIB_PER_GIB;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_LETTING_GO)->message, "it has 1 GiB of 2 GiB, and it is no longer managed");
    /* set aside for a while */
    guest->rule = PLAN_RULE_FROZEN;
    hand_in_times(fixture, 20);
    guest->rule = PLAN_RULE_LET_GO;
    hand_in_times(fixture, 20);
    none(fixture);
    guest->rule = PLAN_RULE_UNMANAGED;
    guest->assigned_kib = 2 * KIB_PER_GIB;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_LET_GO)->message, "web is let go: it has 2 GiB");
}

static void
a_guest_that_is_managed_again_was_not_let_go(void **state)
{
    Fixture *fixture = *state;

    fake_tick_settings(fixture->tick, 0)->managed = false;
    fixture->tick->plans[0].rule = PLAN_RULE_LET_GO;
    hand_in(fixture);
    only(fixture, CHANGE_LETTING_GO);
    fake_tick_settings(fixture->tick, 0)->managed = true;
    fixture->tick->plans[0].rule = PLAN_RULE_SATISFIED;
    hand_in_times(fixture, 20);
    only(fixture, CHANGE_SETTINGS_CHANGED);
    fake_tick_settings(fixture->tick, 0)->mode = GUEST_MODE_STATIC;
    hand_in(fixture);
    only(fixture, CHANGE_SETTINGS_CHANGED);
    /* the next time is told again */
    fixture->tick->plans[0].rule = PLAN_RULE_LET_GO;
    hand_in_times(fixture, 2);
    assert_says(only(fixture, CHANGE_LETTING_GO)->message, "its mode is static now");
}

static void
being_let_be_is_told_until_it_is_squeezed_again(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];

    guest->rule = PLAN_RULE_LET_BE;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_LET_BE)->message, "web is let be with 2 GiB: it was reset again and again");
    /* it grows for a while, and stays where it is */
    guest->rule = PLAN_RULE_WAIT_FREE;
    hand_in_times(fixture, 20);
    guest->rule = PLAN_RULE_LET_BE;
    hand_in_times(fixture, 20);
    none(fixture);
    guest->rule = PLAN_RULE_STEP;
    guest->target_kib = 1900 * KIB_PER_MIB;
    guest->tell = true;
    hand_in_times(fixture, 5);
    assert_says(only(fixture, CHANGE_SQUEEZED_AGAIN)->message, "web is squeezed again, to 1.9 GiB");
}

/* ---- out of reach ---- */

static void
memory_that_no_balloon_reaches_is_told_once_it_lasted(void **state)
{
    Fixture *fixture = *state;
    GuestSnapshot *guest = fake_tick_snapshot(fixture->tick, 0);

    guest->unseen_kib = 256 * KIB_PER_MIB;
    hand_in_times(fixture, 5); /* plugged, and online a moment later */
    guest->unseen_kib = 0;
    hand_in_times(fixture, 20);
    none(fixture);
    guest->unseen_kib = 256 * KIB_PER_MIB;
    hand_in_times(fixture, 40);
    assert_says(only(fixture, CHANGE_MEMORY_UNSEEN)->message, "web has 256 MiB that its kernel does not see");

    guest->group_other_kib = 63 * KIB_PER_MIB;
    hand_in_times(fixture, 20);
    none(fixture);
    guest->group_other_kib = 3 * KIB_PER_GIB;
    hand_in_times(fixture, 40);
    assert_says(only(fixture, CHANGE_GROUP_HOLDS_MORE)->message, "web holds 3 GiB that is not its memory");
}

/* ---- the host and the settings ---- */

static void
an_exceeded_budget_is_no_news_while_guests_are_taken_over(void **state)
{
    Fixture *fixture = *state;
    GuestPlan *guest = &fixture->tick->plans[0];
    Changes *fresh = changes_new();

    /* the daemon starts anew; libvirt comes a moment later */
    changes_free(fixture->changes);
    fixture->changes = fresh;
    fixture->tick->snapshot.host.link = WORLD_LINK_DOWN;
    hand_in(fixture);
    fixture->tick->snapshot.host.link = WORLD_LINK_READ_WRITE;
    guest->rule = PLAN_RULE_ADOPTING;
    fixture->tick->plan.over_budget = true;
    hand_in_times(fixture, 40);
    none(fixture);
    /* then it is */
    guest->rule = PLAN_RULE_SATISFIED;
    hand_in_times(fixture, 12);
    only(fixture, CHANGE_OVER_BUDGET);
    /* and a guest that comes into view later changes nothing in that */
    guest->rule = PLAN_RULE_ADOPTING;
    hand_in_times(fixture, 20);
    none(fixture);
}

static void
advice_on_settings_is_told_as_that_and_ends_without_a_word(void **state)
{
    Fixture *fixture = *state;

    fake_tick_advise(fixture->tick, 0, "startup is 1 GiB, and it needs 2 GiB for itself");
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_SETTINGS_ADVICE)->message,
                "web are in force, and may not work out: startup is 1 GiB, and it needs 2 GiB for itself.");
    /* the same words as a refusal are other news */
    g_ptr_array_set_size(fixture->tick->issues, 0);
    fake_tick_reject(fixture->tick, 0, "startup is 1 GiB, and it needs 2 GiB for itself");
    hand_in_times(fixture, 20);
    only(fixture, CHANGE_SETTINGS_REJECTED);
    g_ptr_array_set_size(fixture->tick->issues, 0);
    fake_tick_advise(fixture->tick, 0, "its element is lost");
    hand_in(fixture);
    only(fixture, CHANGE_SETTINGS_ADVICE);
    g_ptr_array_set_size(fixture->tick->issues, 0);
    hand_in_times(fixture, 20);
    none(fixture);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_balloon_that_somebody_else_moved_is_told_with_both_sizes),
        TEST(a_moved_balloon_that_was_seen_before_is_told_from_its_target),
        TEST(a_guest_that_empties_its_balloon_is_told_when_it_begins_and_when_it_is_over),
        TEST(a_balloon_of_a_guest_that_boots_is_not_told_as_emptied),
        TEST(a_guest_that_empties_its_balloon_is_not_told_as_held_back_besides),
        TEST(a_lost_element_is_told_once_with_what_follows),
        TEST(letting_go_is_told_when_it_begins_and_when_it_is_done),
        TEST(a_guest_that_is_managed_again_was_not_let_go),
        TEST(being_let_be_is_told_until_it_is_squeezed_again),
        TEST(memory_that_no_balloon_reaches_is_told_once_it_lasted),
        TEST(an_exceeded_budget_is_no_news_while_guests_are_taken_over),
        TEST(advice_on_settings_is_told_as_that_and_ends_without_a_word),
    };
#undef TEST

    return cmocka_run_group_tests_name("changes of the ledger", tests, NULL, NULL);
}
