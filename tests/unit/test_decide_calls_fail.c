/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was told and did not come about: calls that are under way, that fail, and of which nobody knows how they ended. */

#include "test_limited_world.h"

/* ---- guests that are let go ---- */

/* What is known of a call while it is under way, or after it. */
typedef enum CallEnd {
    CALL_FAILED,  /* what was in force before is in force again */
    CALL_UNKNOWN, /* either may be in force */
    CALL_UNDER_WAY,
} CallEnd;

/* A squeezed guest beside a big one; there is room for its startup memory, and it is nobody's from now on. */
static FakeWorld *
host_that_lets_a_guest_go(bool limited)
{
    FakeWorld *world = world_new(16 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB);
    world->fake[0].settings.startup_kib = 4 * GIB;
    world->lazy = true;
    if (limited)
        make_limited(world, 0);
    world_add(world, GIB, 14 * GIB, 12 * GIB, 13 * GIB);
    run_with_limits(world, 90);
    assert_in_range(world->fake[0].actual, GIB, 1300 * MIB);
    world->guests[1].life = GUEST_LIFE_OFF;
    world->fake[1].actual = 0;
    world->fake[0].settings.managed = false;
    return world;
}

/* Its balloon is told its startup memory, and stays where it is, as that call comes to nothing. It is told again within ten seconds
   of the end of the call, and has its startup memory then. */
static void
is_told_again(bool limited, CallEnd end)
{
    FakeWorld *world = host_that_lets_a_guest_go(limited);
    GuestSnapshot *guest = &world->guests[0];
    uint64_t before = guest->target_kib, deflate = world->fake[0].deflate;
    unsigned t;

    world->fake[0].deflate = 0;
    for (t = 0; t < 30 && guest->target_kib != 4 * GIB; t++)
        tick_with_limits(world);
    assert_int_equal(guest->target_kib, 4 * GIB);
    if (end == CALL_UNDER_WAY) {
        guest->target_pending = true;
        for (t = 0; t < 3; t++) {
            tick_with_limits(world);
            assert_false(world->plan.guests[0].tell);
        }
        guest->target_pending = false;
    }
    guest->target_known = end != CALL_UNKNOWN;
    guest->target_kib = end == CALL_UNKNOWN ? 4 * GIB : before;
    for (t = 0; t < 10; t++) {
        tick_with_limits(world);
        if (world->plan.guests[0].tell)
            break;
    }
    assert_true(t < 10);
    assert_int_equal(guest->target_kib, 4 * GIB);
    world->fake[0].deflate = deflate;
    run_with_limits(world, 30);
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    assert_false(guest->limits.set);
    world_free(world);
}

static void
who_is_let_go_is_told_its_startup_again_where_that_came_to_nothing(void **state)
{
    for (CallEnd end = CALL_FAILED; end <= CALL_UNDER_WAY; end++) {
        is_told_again(false, end);
        is_told_again(true, end);
    }
    (void)state;
}

/* ---- targets that are not followed, or not known ---- */

/* Somebody else told its balloon another size right after it was told its own, before it had moved: it stands there, and nobody says so. */
static void
a_balloon_that_was_told_another_size_before_it_moved_is_told_again(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);
    FakeGuest *fake;
    unsigned t;

    fake = world_add(world, GIB, 8 * GIB, 2 * GIB, 1700 * MIB);
    world_run(world, 60);
    fake->need = 5 * GIB;
    fake->deflate = 0;
    fake->changes = 0;
    for (t = 0; t < 10 && fake->changes == 0; t++)
        world_tick(world);
    assert_int_equal(fake->changes, 1);
    for (t = 0; t < 20 && fake->changes == 1; t++)
        world_tick(world);
    assert_in_range(t, 5, 15);
    fake->deflate = 800 * MIB;
    world_run(world, 30);
    assert_true(fake->actual >= 5 * GIB);
    world_free(world);
    (void)state;
}

/* It had come to its target, and is told others, up and down, to which it goes slowly. Nobody else is blamed for that. */
static void
a_balloon_on_its_way_to_a_new_target_was_moved_by_nobody_else(void **state)
{
    static const uint64_t needs[] = {1700 * MIB, 6 * GIB, 2 * GIB, 4 * GIB};
    FakeWorld *world = world_new(16 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, 2 * GIB, 1700 * MIB);

    world_add(world, GIB, 12 * GIB, 4 * GIB, 11 * GIB);
    fake->inflate = fake->deflate = 150 * MIB;
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        fake->need = needs[i];
        for (unsigned t = 0; t < 90; t++) {
            world->guests[0].target_pending = t % 3 == 0;
            world_tick(world);
            assert_false(world->plan.guests[0].moved);
        }
        assert_true(fake->actual >= needs[i]);
    }
    world_free(world);
    (void)state;
}

/* What its balloon was told last is not known, and it has not reported for a while. Others lack memory, and it keeps what it has. */
static void
keeps_what_it_has(bool adopted, bool reset, bool resumed)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, GIB, 8 * GIB, 5 * GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 7 * GIB);
    world->lazy = true;
    world->fake[0].settings.startup_kib = 2 * GIB;
    guest->adopted = adopted;
    guest->boot_in_place = reset;
    guest->boot_resumed = resumed;
    guest->target_known = false;
    guest->fresh = false;
    for (unsigned t = 0; t < 30; t++) {
        world_tick(world);
        assert_true(world->fake[0].actual == 5 * GIB);
    }
    world_free(world);
}

static void
a_guest_that_does_not_report_is_not_squeezed_whatever_it_was_told_before(void **state)
{
    keeps_what_it_has(true, false, false);
    keeps_what_it_has(false, true, false);
    keeps_what_it_has(false, false, true);
    (void)state;
}

/* It was started with 2 GiB and told more since, and nobody knows how the last call ended. Then it falls silent, and others lack memory. */
static void
a_guest_that_falls_silent_keeps_what_it_has_beyond_its_startup(void **state)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    uint64_t had;

    world_add(world, GIB, 8 * GIB, 2 * GIB, 4 * GIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, GIB);
    world->lazy = true;
    world_run(world, 60);
    had = world->fake[0].actual;
    assert_true(had >= 4 * GIB);
    world->guests[0].fresh = world->guests[0].target_known = false;
    world->fake[0].mute = true;
    world->fake[1].need = 8 * GIB;
    for (unsigned t = 0; t < 60; t++) {
        world_tick(world);
        assert_true(world->fake[0].actual >= had);
        world->guests[0].target_known = false;
    }
    world_free(world);
    (void)state;
}

/* The daemon is new: it has heard of one guest, whose target nobody knows, and waits for the first report of another. A third lacks memory. */
static void
a_guest_whose_target_is_not_known_is_not_squeezed_while_another_is_waited_for(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 5 * GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 4 * GIB, 2 * GIB);
    world_add(world, GIB, 10 * GIB, 4 * GIB, 9 * GIB);
    world->lazy = true;
    for (size_t i = 0; i < world->count; i++) {
        world->guests[i].adopted = true;
        world->guests[i].boots = 0;
        world->guests[i].boot_usec = world->snapshot.now_usec;
        world->guests[i].target_known = false;
    }
    world->fake[0].settings.startup_kib = 2 * GIB;
    world->fake[1].mute = true;
    world->guests[1].driver_up = world->guests[1].fresh = false;
    for (unsigned t = 0; t < 5; t++) {
        world_tick(world);
        assert_int_equal(world->plan.guests[1].rule, PLAN_RULE_ADOPTING);
        assert_true(world->plan.guests[0].target_kib >= 5 * GIB);
        world->guests[0].target_known = false;
    }
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_let_go_is_told_its_startup_again_where_that_came_to_nothing),
        cmocka_unit_test(a_balloon_that_was_told_another_size_before_it_moved_is_told_again),
        cmocka_unit_test(a_balloon_on_its_way_to_a_new_target_was_moved_by_nobody_else),
        cmocka_unit_test(a_guest_that_does_not_report_is_not_squeezed_whatever_it_was_told_before),
        cmocka_unit_test(a_guest_that_falls_silent_keeps_what_it_has_beyond_its_startup),
        cmocka_unit_test(a_guest_whose_target_is_not_known_is_not_squeezed_while_another_is_waited_for),
    };

    return cmocka_run_group_tests_name("decide_calls_fail", tests, NULL, NULL);
}
