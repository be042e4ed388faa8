/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that have less than their minimum, for which there is no room: where they wait, and what they are booked at meanwhile. */

#include "decide/budget.h"
#include "test_limited_world.h"

/*
 * Guest 0 comes back from a reset with 1 GiB and a minimum of 2, told 2 GiB as its driver was not there yet; the other one, which may not be
 * squeezed, has all the rest.
 */
static FakeWorld *
waits_for_its_minimum(void)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, GIB, 600 * MIB);
    world_add(world, GIB, 12 * GIB, 4 * GIB, 11 * GIB);
    world->lazy = true;
    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    run_with_limits(world, 120);
    assert_int_equal(world->plan.guests[0].committed_kib, GIB);
    world->fake[0].settings.minimum_kib = world->fake[0].settings.startup_kib = 2 * GIB;
    world->fake[1].settings.minimum_kib = world->guests[1].target_kib;
    world_reset(world, 0);
    run_with_limits(world, 10);
    assert_int_equal(world->guests[0].target_kib, 2 * GIB);
    world_driver_up(world, 0);
    world->fake[0].inflate = 4 * GIB;
    return world;
}

/* No more than it had, but for what the QEMUs were thought to cost and do not (64 and 80 MiB). */
static void
assert_granted_nothing(const FakeWorld *world)
{
    assert_in_range(world->plan.guests[0].committed_kib, GIB, GIB + 144 * MIB);
    assert_true(world->guests[0].limits.high_kib < 2 * GIB);
    assert_false(world->plan.over_budget);
}

static void
a_guest_that_comes_back_with_less_than_its_minimum_waits_until_there_is_room(void **state)
{
    FakeWorld *world = waits_for_its_minimum();

    for (unsigned t = 0; t < 120; t++) {
        tick_with_limits(world);
        assert_int_equal(world->guests[0].target_kib, 2 * GIB);
        assert_granted_nothing(world);
    }
    assert_int_equal(world->fake[0].actual, 2 * GIB);
    world->fake[1].settings.minimum_kib = GIB;
    run_with_limits(world, 30);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_ACTIVE);
    assert_in_range(world->plan.guests[0].committed_kib, 2 * GIB, 2 * GIB + 64 * MIB);
    assert_true(world->guests[0].limits.high_kib > 2 * GIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

/* What is plugged in comes on top of its size, and of its target or not: it is told that it does, as its balloon would take it from what the
   guest sees, and that makes its minimum no nearer. */
static void
a_dimm_grants_a_guest_nothing_that_waits_for_its_minimum(void **state)
{
    for (unsigned target_follows = 0; target_follows < 2; target_follows++) {
        FakeWorld *world = waits_for_its_minimum();

        run_with_limits(world, 10);
        world->fake[0].settings.maximum_kib += 512 * MIB;
        world->fake[0].actual += 512 * MIB;
        world->fake[0].need += 512 * MIB; /* size less usable */
        world->guests[0].target_kib += target_follows * 512 * MIB;
        world->guests[0].unseen_kib = 512 * MIB;
        for (unsigned t = 0; t < 60; t++) {
            tick_with_limits(world);
            assert_int_equal(world->guests[0].target_kib, 2 * GIB + 512 * MIB);
            assert_granted_nothing(world);
        }
        world_free(world);
    }
    (void)state;
}

/* Somebody else moves its balloon: it is told where it was to be, for which there is still no room. */
static void
who_is_told_again_while_it_waits_for_its_minimum_is_granted_nothing(void **state)
{
    FakeWorld *world = waits_for_its_minimum();
    unsigned changes;

    run_with_limits(world, 10);
    changes = world->fake[0].changes;
    world->fake[0].actual = GIB + GIB / 2;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        assert_granted_nothing(world);
    }
    assert_int_equal(world->fake[0].changes, changes + 1);
    world_free(world);
    (void)state;
}

/* Restored with more than its memory.max lets it have, on a host that is full: it is not told to stay there. */
static void
a_guest_that_waits_for_its_minimum_is_not_told_more_than_its_memory_max(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, 6 * GIB, 600 * MIB);

    world_add(world, 9 * GIB, 12 * GIB, 9 * GIB, 11 * GIB);
    world->lazy = true;
    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    fake->settings.hard_limit_kib = 3 * GIB;
    world->guests[0].limits = (GuestLimits){.usable = true, .set = true, .high_kib = 300 * MIB};
    world->guests[0].boot_resumed = true;
    world->guests[0].target_known = false;
    world->guests[0].target_unbounded = true;
    tick_with_limits(world);
    world->guests[0].target_unbounded = false;
    run_with_limits(world, 10);
    assert_true(world->guests[0].limits.high_kib < GIB);
    assert_true(fake->changes > 0);
    assert_in_range(fake->largest, GIB, 3 * GIB - 16 * MIB);
    world_free(world);
    (void)state;
}

/*
 * Two guests on a host that has no room. Libvirt was away; one of them says that its balloon left it next to nothing, and its QEMU holds
 * far more: it is told no less than its minimum.
 */
static void
a_size_below_the_minimum_is_no_target(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    for (size_t i = 0; i < 2; i++)
        world_add(world, GIB, 8 * GIB, 4200 * MIB, 3900 * MIB);
    world_run(world, 60);
    guest->has_actual = true;
    guest->actual_kib = world->fake[0].actual = 4 * MIB;
    guest->target_known = false;
    guest->target_kib = 0;
    guest->target_unbounded = true;
    guest->resident_kib = 4 * GIB;
    decide(world->state, &world->snapshot, world->settings, false, &world->plan);
    assert_true(world->plan.guests[0].tell);
    assert_int_equal(world->plan.guests[0].target_kib, GIB);
    world_free(world);
    (void)state;
}

/*
 * Its balloon may be on its way to more than it has, so it is told where to stop: there is no room for its minimum. Its QEMU is seen to
 * hold no more.
 */
static void
a_guest_that_may_be_on_its_way_to_more_is_stopped_below_its_minimum(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, 2 * GIB, 8 * GIB, 1200 * MIB, GIB);
    world_add(world, 7600 * MIB, 8 * GIB, 7600 * MIB, 7 * GIB);
    guest->target_known = false;
    guest->target_unbounded = true;
    world_tick(world);
    assert_true(world->plan.guests[0].tell);
    assert_in_range(world->plan.guests[0].target_kib, 1200 * MIB, 1300 * MIB);
    /* the next look at its size was asked for before that */
    guest->target_unbounded = false;
    guest->target_usec = world->snapshot.now_usec + 2 * SEC;
    world_tick(world);
    assert_in_range(world->plan.guests[0].target_kib, 1200 * MIB, 1300 * MIB);
    world_free(world);
    (void)state;
}

/* It does not see a dimm, which it was told with. Its minimum is raised, and there is no room for that: nothing was plugged since. */
static void
a_minimum_that_is_raised_is_told_when_there_is_room(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, GIB, 500 * MIB);
    world_add(world, GIB, 12 * GIB, 7 * GIB, 12 * GIB);
    world->lazy = true;
    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    run_with_limits(world, 60);
    world->fake[0].actual += 512 * MIB;
    world->guests[0].unseen_kib = 512 * MIB;
    run_with_limits(world, 60);
    assert_int_equal(world->guests[0].target_kib, 1536 * MIB);
    world->fake[0].settings.minimum_kib = 2 * GIB;
    world->fake[1].settings.minimum_kib = world->guests[1].target_kib;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        assert_int_equal(world->guests[0].target_kib, 1536 * MIB);
    }
    world->fake[1].settings.minimum_kib = GIB;
    run_with_limits(world, 30);
    assert_int_equal(world->guests[0].target_kib, 2560 * MIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

/*
 * An earlier daemon left a limit that lets in more than the guest's balloon leaves it. It is told its minimum because of a dimm, which its
 * balloon would take from what it sees: until the limit is down it may have that, or as much of it as the limit lets in.
 */
static void
what_a_limit_lets_in_of_a_minimum_that_is_told_is_booked_until_it_is_down(void **state)
{
    for (unsigned all = 0; all < 2; all++) {
        FakeWorld *world = world_new(10 * GIB, GIB);
        GuestSnapshot *guest = &world->guests[0];
        const uint64_t lets_in_kib = (all ? 3072 : 2048) * MIB;
        const GuestPlan *plan;

        world_add(world, 2 * GIB, 8 * GIB, 1536 * MIB, 1200 * MIB);
        world_add(world, 7400 * MIB, 8 * GIB, 7400 * MIB, 7 * GIB);
        world->lazy = true;
        guest->adopted = true;
        guest->boots = 0;
        guest->unseen_kib = 512 * MIB;
        guest->limits = (GuestLimits){.usable = true, .set = true};
        guest->limits.high_kib = lets_in_kib + overhead_estimate(guest->settings);
        tick_with_limits(world);
        plan = &world->plan.guests[0];
        assert_true(plan->tell);
        assert_int_equal(plan->target_kib, 2560 * MIB);
        /* but for slack of its limit, which is the host's reserve */
        assert_in_range(plan->committed_kib, MIN(lets_in_kib - 136 * MIB, 2560 * MIB), MIN(lets_in_kib, 2560 * MIB));
        assert_in_range(guest->limits.high_kib, 1536 * MIB, 1800 * MIB);
        tick_with_limits(world);
        assert_in_range(plan->committed_kib, 1536 * MIB, 1600 * MIB);
        world_free(world);
    }
    (void)state;
}

/*
 * It was nobody's, and has a paging file yet; Manage=all makes all its memory its minimum, on a host of which others were given more than
 * it has.
 */
static void
a_guest_with_a_file_is_told_no_minimum_where_memory_is_owed(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB};
    FakeWorld *world = world_new(6 * GIB, GIB);

    world_add(world, 4 * GIB, 4 * GIB, 2 * GIB, GIB)->settings.managed = false;
    world_add(world, GIB, 4 * GIB, 4 * GIB, GIB)->settings.managed = false;
    make_limited(world, 0);
    world->guests[0].paging = &file;
    world->lazy = true;
    run_with_limits(world, 3);
    world->fake[0].settings.managed = true;
    for (unsigned t = 0; t < 10; t++) {
        tick_with_limits(world);
        assert_true(world->plan.over_budget);
        assert_true(world->guests[0].target_kib <= 2 * GIB);
    }
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_PAGING_LEAVE);
    world_free(world);
    (void)state;
}

/*
 * Its balloon has given its guest everything and does not follow, on a host of which others hold more than it has: it is not told that it
 * may stay there. With a dimm that the guest does not see its target would kill it as soon as its balloon follows again.
 */
static void
a_stuck_guest_is_told_what_it_does_not_see_where_memory_is_owed_too(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, GIB, 4 * GIB, GIB, 600 * MIB);
    world_add(world, 9 * GIB, 9 * GIB, 9 * GIB, GIB)->settings.managed = false;
    world->lazy = true;
    make_limited(world, 0);
    run_with_limits(world, 60);
    assert_true(world->plan.over_budget);
    world->fake[0].actual = 3 * GIB;
    world->fake[0].inflate = 0;
    run_with_limits(world, 60);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_STUCK);
    assert_int_equal(guest->target_kib, GIB);
    world->fake[0].settings.maximum_kib += 512 * MIB;
    world->fake[0].actual += 512 * MIB;
    guest->unseen_kib = 512 * MIB;
    run_with_limits(world, 2);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_STUCK);
    assert_true(guest->target_kib >= 1536 * MIB);
    assert_in_range(world->plan.guests[0].committed_kib, GIB, GIB + 144 * MIB);
    world_free(world);
    (void)state;
}

/* A limit that an administrator sets on a guest is the most that it may have, and no more is kept for it than before. */
static void
memory_max_is_no_minimum(void **state)
{
    FakeWorld *world = world_new(8 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, GIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 5 * GIB);
    world->guests[0].limits.max_kib = 5 * GIB;
    world_run(world, 120);
    assert_true(world->guests[0].target_kib < 2 * GIB);
    assert_true(world->guests[1].target_kib > 5 * GIB);
    world_free(world);
    (void)state;
}

/* Somebody gave its group less than a guest can live with: it is told no less than that, whatever the kernel makes of it. */
static void
a_memory_max_that_no_guest_can_live_with_takes_no_guest_below_what_it_needs_to_live(void **state)
{
    FakeWorld *world = world_new(8 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 2 * GIB, 700 * MIB);
    world->guests[0].limits.max_kib = 128 * MIB;
    for (unsigned t = 0; t < 60; t++) {
        world_tick(world);
        assert_true(world->guests[0].target_kib >= guest_floor_kib(8 * GIB));
    }
    world_free(world);
    (void)state;
}

/* It has its minimum beside a dimm that it does not see; then its group is given less than that. What its balloon took now it would take from
   what the guest sees. */
static void
a_memory_max_below_its_minimum_takes_nothing_from_who_does_not_see_all_of_its_memory(void **state)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, 3 * GIB, 8 * GIB, 3 * GIB, 500 * MIB);
    world_run(world, 20);
    guest->unseen_kib = GIB;
    world->fake[0].actual += GIB;
    world->fake[0].need += GIB; /* size less usable */
    world_run(world, 20);
    assert_int_equal(guest->target_kib, 4 * GIB);
    guest->limits.max_kib = 2 * GIB;
    for (unsigned t = 0; t < 30; t++) {
        world_tick(world);
        assert_true(guest->target_kib >= 4 * GIB);
    }
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_comes_back_with_less_than_its_minimum_waits_until_there_is_room),
        cmocka_unit_test(a_dimm_grants_a_guest_nothing_that_waits_for_its_minimum),
        cmocka_unit_test(who_is_told_again_while_it_waits_for_its_minimum_is_granted_nothing),
        cmocka_unit_test(a_guest_that_waits_for_its_minimum_is_not_told_more_than_its_memory_max),
        cmocka_unit_test(a_size_below_the_minimum_is_no_target),
        cmocka_unit_test(a_guest_that_may_be_on_its_way_to_more_is_stopped_below_its_minimum),
        cmocka_unit_test(a_minimum_that_is_raised_is_told_when_there_is_room),
        cmocka_unit_test(a_guest_with_a_file_is_told_no_minimum_where_memory_is_owed),
        cmocka_unit_test(what_a_limit_lets_in_of_a_minimum_that_is_told_is_booked_until_it_is_down),
        cmocka_unit_test(a_stuck_guest_is_told_what_it_does_not_see_where_memory_is_owed_too),
        cmocka_unit_test(memory_max_is_no_minimum),
        cmocka_unit_test(a_memory_max_that_no_guest_can_live_with_takes_no_guest_below_what_it_needs_to_live),
        cmocka_unit_test(a_memory_max_below_its_minimum_takes_nothing_from_who_does_not_see_all_of_its_memory),
    };

    return cmocka_run_group_tests_name("decide_minimum", tests, NULL, NULL);
}
