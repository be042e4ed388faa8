/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What balloons are told: who is told a raise first, and that nobody is told more than is booked. */

#include "test_limited_world.h"

/* ---- guests whose balloon frees nothing ---- */

/*
 * What its balloon takes of 6 GiB stays where it is, and 1 GiB besides is a memory device. A limit holds it at what it has, so it is told
 * to take that back, and no more: what its device holds is no part of its balloon.
 */
static void
a_guest_whose_balloon_frees_nothing_is_told_what_it_holds_beside_its_devices(void **state)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, 6 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 3 * GIB, 6 * GIB);
    fake->inhibited = true;
    fake->resident = 7 * GIB;
    fake->settings.fixed_kib = GIB;
    make_limited(world, 0);
    for (unsigned t = 0; t < 180; t++) {
        tick_with_limits(world);
        if (world->plan.guests[0].rule == PLAN_RULE_INHIBITED)
            assert_true(world->guests[0].target_kib + GIB <= world->plan.guests[0].committed_kib);
    }
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_INHIBITED);
    assert_in_range(world->guests[0].target_kib, 5500 * MIB, 6 * GIB);
    world_free(world);
    (void)state;
}

/* ---- guests that have given what they can ---- */

/* It is of low priority, has nothing usable left, and goes no lower: it is told to stay where it is, and not what it can't do. */
static void
a_guest_that_gives_no_more_is_told_where_it_is(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, 3 * GIB);
    world_add(world, GIB, 9 * GIB, 4 * GIB, 8 * GIB);
    world->fake[0].settings.priority = 1;
    world->fake[1].settings.priority = 100;
    world->fake[0].lower = 3 * GIB;
    world->lazy = true;
    for (unsigned t = 0; t < 200; t++) {
        world_tick(world);
        if (t > 100 && t < 150) {
            assert_in_range(world->guests[0].target_kib, 2900 * MIB, 3100 * MIB);
            assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LIMIT);
        }
    }
    world_free(world);
    (void)state;
}

/* ---- raises ---- */

/*
 * g2 gives back what it had, little by little. There will be enough for the need of g0 and a large buffer of g1, which is of higher
 * priority and has what it needs: until g0 has that, too, all that comes free is told to it.
 */
static void
what_comes_free_goes_to_who_lacks_memory_before_who_wants_a_buffer(void **state)
{
    FakeWorld *world = world_new(13 * GIB, GIB);
    uint64_t before;
    unsigned t;

    world_add(world, GIB, 8 * GIB, 2 * GIB, 3500 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 2800 * MIB);
    world_add(world, GIB, 8 * GIB, 6500 * MIB, 6400 * MIB);
    world->fake[0].settings.priority = 10;
    world->fake[1].settings.priority = 90;
    world->fake[1].settings.buffer_percent = 100;
    world->fake[2].inflate = 100 * MIB;
    world->lazy = true;
    world_run(world, 60);
    world->fake[2].need = 2 * GIB;
    before = world->guests[1].target_kib;
    for (t = 0; t < 60 && world->guests[0].target_kib < 3500 * MIB; t++)
        world_tick(world);
    assert_in_range(t, 3, 50);
    assert_true(world->guests[1].target_kib <= before + 100 * MIB);
    world_run(world, 60);
    assert_true(world->guests[1].target_kib >= 4 * GIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_whose_balloon_frees_nothing_is_told_what_it_holds_beside_its_devices),
        cmocka_unit_test(what_comes_free_goes_to_who_lacks_memory_before_who_wants_a_buffer),
        cmocka_unit_test(a_guest_that_gives_no_more_is_told_where_it_is),
    };

    return cmocka_run_group_tests_name("decide_told", tests, NULL, NULL);
}
