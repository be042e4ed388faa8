/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits of others: memory.max of a guest and of the slice that it stands in, and the NUMA nodes that it is bound to. */

#include "test_decide_world.h"

/* 3 GiB, of which its QEMU costs 72 MiB before it is known better, and 8 at least; 16 are left to what is not known of it. */
static void
memory_max_bounds_a_guest(void **state)
{
    for (unsigned by_xml = 0; by_xml < 2; by_xml++) {
        FakeWorld *world = world_of(2, 2 * GIB, 6 * GIB);
        bool bound = false;

        if (by_xml != 0)
            world->fake[0].settings.hard_limit_kib = 3 * GIB;
        else
            world->guests[0].limits.max_kib = 3 * GIB;
        for (unsigned t = 0; t < 120; t++) {
            world_tick(world);
            assert_true(world->guests[0].target_kib + world->plan.guests[0].overhead_kib + 16 * MIB <= 3 * GIB);
            assert_true(world->plan.guests[0].committed_kib <= 3 * GIB);
            bound |= world->plan.guests[0].rule == PLAN_RULE_BOUND;
        }
        assert_in_range(world->guests[0].target_kib, 3 * GIB - 96 * MIB, 3 * GIB - 24 * MIB);
        assert_true(bound);
        assert_true(world->guests[1].target_kib >= 6 * GIB);
        world_free(world);
    }
    (void)state;
}

/* Its group has none any more; its XML was read before that. */
static void
memory_max_that_was_taken_away_bounds_nobody(void **state)
{
    FakeWorld *world = world_of(1, 2 * GIB, 6 * GIB);

    world->fake[0].settings.hard_limit_kib = 3 * GIB;
    world->guests[0].limits.max_kib = LIMIT_NONE;
    for (unsigned t = 0; t < 120; t++)
        world_tick(world);
    assert_true(world->guests[0].target_kib >= 6 * GIB);
    world_free(world);
    (void)state;
}

static void
memory_max_bounds_what_a_guest_without_a_balloon_is_booked_at(void **state)
{
    FakeWorld *world = world_of(1, 2 * GIB, GIB);

    world->fake[0].settings.managed = false;
    world_tick(world);
    assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    world->fake[0].settings.hard_limit_kib = 3 * GIB;
    world_tick(world);
    assert_int_equal(world->plan.guests[0].committed_kib, 3 * GIB);
    world_free(world);
    (void)state;
}

/* g0 and g1 stand in a slice of 5 GiB; g2 does not. */
static void
the_limit_of_a_slice_is_not_exceeded_by_those_in_it(void **state)
{
    FakeWorld *world = world_of(3, GIB, 6 * GIB);
    bool bound = false;

    for (unsigned t = 0; t < 120; t++) {
        uint64_t may = 0;

        for (size_t i = 0; i < 2; i++)
            world->guests[i].limits = (GuestLimits){.above_id = 7,
                                                    .above_kib = 5 * GIB,
                                                    .above_charged_kib = world->fake[0].actual + world->fake[1].actual};
        world_tick(world);
        for (size_t i = 0; i < 2; i++) {
            may += MAX(world->fake[i].actual, world->guests[i].target_kib);
            bound |= world->plan.guests[i].rule == PLAN_RULE_BOUND;
        }
        assert_true(may <= 5 * GIB);
    }
    assert_true(bound);
    assert_true(world->guests[0].target_kib + world->guests[1].target_kib >= 4800 * MIB);
    assert_true(world->guests[2].target_kib >= 6 * GIB);
    world_free(world);
    (void)state;
}

/* The first node of two has 16 of 32 GiB and keeps 1 of the 2 that the host keeps. */
static void
nodes_that_guests_are_bound_to_are_not_promised_twice(void **state)
{
    FakeWorld *world = world_of(2, GIB, 10 * GIB);
    HostNode *nodes = world->snapshot.host.figures.nodes;

    nodes[0] = nodes[1] = (HostNode){.total_kib = 16 * GIB, .available_kib = 16 * GIB};
    for (size_t i = 0; i < 2; i++) {
        world->fake[i].settings.maximum_kib = 12 * GIB;
        world->fake[i].settings.strict_nodes = 1;
    }
    for (unsigned t = 0; t < 120; t++) {
        uint64_t may = 0;

        nodes[0].available_kib = 16 * GIB - world->fake[0].actual - world->fake[1].actual;
        world_tick(world);
        for (size_t i = 0; i < 2; i++)
            may += MAX(world->fake[i].actual, world->guests[i].target_kib);
        assert_true(may <= 15 * GIB);
    }
    assert_true(world->guests[0].target_kib + world->guests[1].target_kib >= 14500 * MIB);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_max_bounds_a_guest),
        cmocka_unit_test(memory_max_that_was_taken_away_bounds_nobody),
        cmocka_unit_test(memory_max_bounds_what_a_guest_without_a_balloon_is_booked_at),
        cmocka_unit_test(the_limit_of_a_slice_is_not_exceeded_by_those_in_it),
        cmocka_unit_test(nodes_that_guests_are_bound_to_are_not_promised_twice),
    };

    return cmocka_run_group_tests_name("decide_bounds", tests, NULL, NULL);
}
