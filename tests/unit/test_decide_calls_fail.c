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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_let_go_is_told_its_startup_again_where_that_came_to_nothing),
    };

    return cmocka_run_group_tests_name("decide_calls_fail", tests, NULL, NULL);
}
