/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that are held back at their limits: which of them teach that a QEMU costs more than was thought, and which do not. */

#include "test_limited_world.h"

/* 2 GiB under a limit, on a host where nobody lacks anything. */
static FakeWorld *
host_with_a_limited_guest(void)
{
    FakeWorld *world = world_new(32 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 2 * GIB, 1700 * MIB);
    make_limited(world, 0);
    run_with_limits(world, 60);
    assert_true(world->guests[0].limits.set);
    return world;
}

/*
 * For half a minute it holds all that its limit lets it have, and would touch more: what its QEMU is thought to cost more than before. How
 * much of that is its memory can't be read, so being held back is all that can teach it.
 */
static uint64_t
learnt_of(FakeWorld *world)
{
    uint64_t before = world->plan.guests[0].overhead_kib;

    for (unsigned t = 0; t < 30; t++) {
        world->snapshot.now_usec += SEC;
        world_observe(world);
        world->guests[0].limits.held_back++;
        world->guests[0].limits.charged_kib = world->guests[0].limits.high_kib;
        world->guests[0].resident_kib = 0;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        if (world->plan.guests[0].limit_tell)
            world->guests[0].limits.high_kib = world->plan.guests[0].limit_kib;
    }
    return saturating_sub(world->plan.guests[0].overhead_kib, before);
}

/* It has what it was told, and no more: what it touches beyond that is its QEMU's, which is to have it. */
static void
a_qemu_that_is_held_back_with_its_balloon_in_place_costs_more_than_was_thought(void **state)
{
    FakeWorld *world = host_with_a_limited_guest();

    world->fake[0].inflate = world->fake[0].deflate = 0;
    assert_true(learnt_of(world) >= 64 * MIB);
    world_free(world);
    (void)state;
}

/* Somebody else let its balloon go, so it would touch twice what it was granted: that is no cost of its QEMU, and is given to nobody. */
static void
a_guest_whose_balloon_somebody_else_let_go_teaches_nothing_of_what_its_qemu_costs(void **state)
{
    FakeWorld *world = host_with_a_limited_guest();

    world->fake[0].inflate = world->fake[0].deflate = 0;
    world->fake[0].actual = 2 * world->guests[0].target_kib;
    world->guests[0].target_pending = true; /* it can't be told another now */
    assert_int_equal(learnt_of(world), 0);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_qemu_that_is_held_back_with_its_balloon_in_place_costs_more_than_was_thought),
        cmocka_unit_test(a_guest_whose_balloon_somebody_else_let_go_teaches_nothing_of_what_its_qemu_costs),
    };

    return cmocka_run_group_tests_name("decide_overhead", tests, NULL, NULL);
}
