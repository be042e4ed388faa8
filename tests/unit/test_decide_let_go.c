/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that are not to be squeezed any further: those that are let go, and those that die of it; and what they do not see. */

#include "decide/budget.h"
#include "test_limited_world.h"

/* ---- guests that are let go ---- */

/*
 * 10 GiB and two guests that need nearly all of it beside a small one: g0 needs 1 GiB and has a startup of 4, g1 is of low
 * priority, g2 of high. g0's memory is 4 GiB, so it is its startup that it has when it is nobody's.
 */
static FakeWorld *
host_with_a_squeezed_guest(void)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 3500 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 3500 * MIB);
    world->fake[0].settings.startup_kib = 4 * GIB;
    world->fake[1].settings.priority = 10;
    world->fake[2].settings.priority = 90;
    world->lazy = true;
    for (size_t i = 0; i < world->count; i++)
        make_limited(world, i);
    run_with_limits(world, 120);
    assert_in_range(world->fake[0].actual, GIB, 1300 * MIB);
    return world;
}

static bool
a_guest_let_go_gets_its_startup(Fault fault)
{
    FakeWorld *world = host_with_a_squeezed_guest();
    bool has;

    rules_break(fault);
    world->fake[0].settings.managed = false;
    run_with_limits(world, 120);
    has = world->fake[0].actual == 4 * GIB;
    rules_break(FAULT_NONE);
    world_free(world);
    return has;
}

static void
a_squeezed_guest_that_is_let_go_gets_its_startup_back(void **state)
{
    assert_true(a_guest_let_go_gets_its_startup(0));
    assert_false(a_guest_let_go_gets_its_startup(FAULT_DROP_SQUEEZED));
    (void)state;
}

static void
only_grows_and_is_limited_until_it_has_grown(bool managed, GuestMode mode, PlanRule rule)
{
    FakeWorld *world = host_with_a_squeezed_guest();
    uint64_t target = world->guests[0].target_kib;
    unsigned t, grown = 0;

    world->fake[0].settings.managed = managed;
    world->fake[0].settings.mode = mode;
    for (t = 0; t < 120; t++) {
        uint64_t actual = world->fake[0].actual; /* as this tick sees it */

        tick_with_limits(world);
        if (world->plan.guests[0].rule != PLAN_RULE_LET_GO)
            break;
        assert_true(world->guests[0].target_kib >= target);
        assert_true(world->guests[0].target_kib <= 4 * GIB);
        assert_true(world->guests[0].limits.set);
        grown += actual == 4 * GIB;
        assert_false(world->plan.over_budget);
        target = world->guests[0].target_kib;
    }
    assert_in_range(t, 2, 60);
    assert_true(grown <= 1);
    for (t = 0; t < 30; t++) {
        assert_int_equal(world->fake[0].actual, 4 * GIB);
        assert_int_equal(world->plan.guests[0].rule, rule);
        assert_false(world->guests[0].limits.set);
        tick_with_limits(world);
    }
    world_free(world);
}

static void
a_guest_that_is_let_go_only_grows_and_is_limited_until_it_has_grown(void **state)
{
    only_grows_and_is_limited_until_it_has_grown(false, GUEST_MODE_DYNAMIC, PLAN_RULE_UNMANAGED);
    only_grows_and_is_limited_until_it_has_grown(true, GUEST_MODE_STATIC, PLAN_RULE_STATIC);
    (void)state;
}

static void
a_guest_that_is_let_go_where_no_limits_are_kept_grows_without_one(void **state)
{
    FakeWorld *world = host_with_a_squeezed_guest();

    world->settings->memory_high = false;
    run_with_limits(world, 2);
    world->fake[0].settings.managed = false;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        assert_false(world->guests[0].limits.set);
    }
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_UNMANAGED);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

static void
a_guest_that_is_let_go_is_given_what_those_of_low_priority_have(void **state)
{
    FakeWorld *world = host_with_a_squeezed_guest();

    world->fake[0].settings.managed = false;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        assert_true(world->guests[2].target_kib >= 3500 * MIB); /* its need: only its buffer goes */
    }
    /* 9 GiB less three QEMUs, of which g0 has 4 and g2 what it needs: g1 has less than it needs of them */
    assert_in_range(world->guests[1].target_kib, GIB, 5 * GIB - 3500 * MIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

/*
 * Its balloon goes on to its startup memory, slowly, and its limit comes down with it, each time a second after it is told. What it
 * could have until then is no need of its own.
 */
static void
the_limit_of_a_guest_that_is_let_go_comes_down_with_its_balloon(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);
    uint64_t coming = 0, last = LIMIT_NONE;
    unsigned told = 0;

    world_add(world, GIB, 8 * GIB, 8 * GIB, 900 * MIB);
    world_add(world, GIB, 14 * GIB, 5 * GIB, 13 * GIB);
    world->fake[0].settings.startup_kib = 2 * GIB;
    world->fake[0].inflate = 100 * MIB;
    world->lazy = true;
    make_limited(world, 0);
    run_with_limits(world, 20);
    assert_in_range(world->guests[0].target_kib, 2 * GIB, world->fake[0].actual - 500 * MIB);
    world->fake[0].settings.managed = false;
    world->guests[1].life = GUEST_LIFE_OFF; /* nobody lacks anything any more */
    world->fake[1].actual = 0;
    for (unsigned t = 0; t < 40 && world->fake[0].actual > world->guests[0].target_kib; t++) {
        world_tick(world);
        if (coming != 0)
            world->guests[0].limits.high_kib = coming;
        coming = world->plan.guests[0].limit_tell ? world->plan.guests[0].limit_kib : 0;
        if (coming == 0)
            continue;
        told++;
        assert_true(t < 3 || coming <= last); /* its part of the reserve has grown, once */
        last = coming;
    }
    assert_true(told > 2);
    world_free(world);
    (void)state;
}

/* It boots, so nothing but its limit keeps it from all that it could have, and of that 64 MiB are not there: it keeps its limit until they are. */
static void
keeps_its_limit(uint64_t hard_limit_kib, uint64_t all_kib)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, 3 * GIB)->settings.hard_limit_kib = hard_limit_kib;
    world->lazy = true;
    world->other = 9 * GIB - all_kib + 64 * MIB - overhead_estimate(world->guests[0].settings);
    make_limited(world, 0);
    run_with_limits(world, 30);
    world->fake[0].settings.managed = false;
    world_reset(world, 0);
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        assert_true(world->guests[0].limits.set);
    }
    assert_in_range(world->plan.guests[0].committed_kib, all_kib - 80 * MIB, all_kib - 48 * MIB);
    world->other -= 128 * MIB;
    run_with_limits(world, 90);
    assert_false(world->guests[0].limits.set);
    assert_int_equal(world->violations, 0);
    world_free(world);
}

static void
a_guest_that_is_let_go_keeps_its_limit_while_there_is_no_room_for_all_it_could_have(void **state)
{
    keeps_its_limit(0, 8 * GIB);
    keeps_its_limit(6 * GIB, 6 * GIB);
    (void)state;
}

/* The daemon is new: an earlier one has told the guest that is let go nobody knows what. Its limit stands at more than all. */
static void
a_guest_that_is_let_go_may_be_on_its_way_to_more(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest;

    world_add(world, GIB, 4 * GIB, GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 4 * GIB, 3500 * MIB);
    guest = &world->guests[0];
    guest->limits = (GuestLimits){.usable = true, .set = true, .high_kib = 5 * GIB};
    guest->adopted = true;
    guest->target_known = false;
    guest->target_unbounded = true;
    world->fake[0].settings.managed = false;
    tick_with_limits(world);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LET_GO);
    assert_int_equal(world->plan.guests[0].committed_kib, 4 * GIB);
    /* which is no reason to take anything from others: it is told where to stop */
    assert_int_equal(world->fake[0].largest, GIB);
    assert_int_equal(world->guests[1].target_kib, 4 * GIB);
    world_free(world);
    (void)state;
}

/* Who has what it is owed did not give it back when it was told to, and would now: that is tried. */
static void
stuck_guest_is_tried_for(uint64_t needed_kib)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB)->settings.startup_kib = 4 * GIB;
    world_add(world, GIB, 8 * GIB, 6 * GIB, needed_kib)->inflate = 0;
    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    run_with_limits(world, 10);
    world->fake[1].need = 2 * GIB;
    world->fake[0].settings.managed = false;
    run_with_limits(world, 40);
    assert_int_equal(world->plan.guests[1].state, GUEST_STATE_STUCK);
    world->fake[1].inflate = 400 * MIB;
    run_with_limits(world, 120);
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    world_free(world);
}

static void
what_a_stuck_guest_has_is_tried_for_when_somebody_claims_it(void **state)
{
    stuck_guest_is_tried_for(2 * GIB);
    stuck_guest_is_tried_for(5800 * MIB); /* a peak is nobody's lack */
    (void)state;
}

/* It tells nothing, and a dimm of 1 GiB was plugged into it that it may not see. */
static void
a_guest_that_is_let_go_is_told_nothing_less_than_it_has(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB);

    make_limited(world, 0);
    fake->settings.startup_kib = GIB;
    fake->lower = 2 * GIB;
    world->guests[0].target_kib = GIB;
    run_with_limits(world, 2);
    fake->changes = 0;
    fake->settings.managed = false;
    run_with_limits(world, 25);
    assert_int_equal(fake->changes, 0);
    world_free(world);
    (void)state;
}

/* Its definition was given an element after libvirt had read it: it was started without, which is known a moment later. */
static void
a_guest_that_was_only_presumed_to_be_managed_is_owed_nothing(void **state)
{
    FakeWorld *world = host_with_a_squeezed_guest();
    GuestSettings *settings = &world->fake[0].settings;

    world->guests[0].boots++;
    world->guests[0].boot_usec = world->snapshot.now_usec;
    settings->presumed = true;
    tick_with_limits(world);
    settings->presumed = settings->managed = false;
    tick_with_limits(world);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_UNMANAGED);
    assert_false(world->guests[0].limits.set);
    world_free(world);
    (void)state;
}

/* Nobody knows what its balloon was told last, and it is told where to go when its driver is back. */
static void
a_guest_that_is_let_go_while_it_boots_is_told_its_startup(void **state)
{
    FakeWorld *world = host_with_a_squeezed_guest();
    FakeGuest *fake = &world->fake[0];

    world_reset(world, 0);
    fake->settings.mode = GUEST_MODE_STATIC;
    world->guests[0].target_known = false;
    fake->changes = 0;
    run_with_limits(world, 5);
    assert_int_equal(fake->changes, 1);
    assert_int_equal(world->guests[0].target_kib, fake->settings.startup_kib);
    world_free(world);
    (void)state;
}

/* ---- memory that a guest does not see ---- */

static void
what_a_guest_does_not_see_is_on_top_of_its_minimum(void **state)
{
    for (unsigned limits = 0; limits < 2; limits++) {
        FakeWorld *world = world_new(6 * GIB, GIB);

        world_add(world, GIB, 6 * GIB, 2 * GIB, 300 * MIB); /* needs less than its minimum */
        world_add(world, GIB, 8 * GIB, 2 * GIB, 6 * GIB);   /* needs all there is */
        world->lazy = limits != 0;
        for (size_t i = 0; limits != 0 && i < 2; i++)
            make_limited(world, i);
        run_with_limits(world, 120);
        assert_int_equal(world->guests[0].target_kib, GIB);
        world->fake[0].settings.maximum_kib += 512 * MIB;
        world->fake[0].actual += 512 * MIB;
        world->fake[0].need += 512 * MIB; /* size less usable */
        world->guests[0].unseen_kib = 512 * MIB;
        tick_with_limits(world);
        for (unsigned t = 0; t < 60; t++) {
            tick_with_limits(world);
            assert_int_equal(world->guests[0].target_kib, GIB + 512 * MIB);
            /* without a limit it may bring it online at any time */
            assert_int_equal(world->plan.guests[0].committed_kib, GIB + (limits != 0 ? 0 : 512 * MIB));
        }
        world_free(world);
    }
    (void)state;
}

/* 1 GiB of 4, under a limit, beside one that has nearly all else and gives nothing. */
static FakeWorld *
host_with_a_guest_at_its_minimum(void)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, GIB, 700 * MIB);
    world_add(world, 7800 * MIB, 7800 * MIB, 7800 * MIB, 7 * GIB);
    world->lazy = true;
    make_limited(world, 0);
    run_with_limits(world, 60);
    return world;
}

/*
 * Who is let go will have no limit, so what it does not see is to be there, too. It is not all there yet: what was found of it is not taken
 * back, though the host has less than before.
 */
static void
what_a_guest_that_is_let_go_does_not_see_is_granted_to_it_as_it_comes_free(void **state)
{
    FakeWorld *world = host_with_a_guest_at_its_minimum();
    uint64_t granted, high;

    world->fake[0].settings.maximum_kib += 512 * MIB;
    world->fake[0].actual += 512 * MIB;
    world->guests[0].unseen_kib = 512 * MIB;
    run_with_limits(world, 20);
    assert_int_equal(world->plan.guests[0].committed_kib, GIB);
    world->fake[0].settings.managed = false;
    run_with_limits(world, 5);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LET_GO);
    granted = world->plan.guests[0].committed_kib;
    high = world->guests[0].limits.high_kib;
    assert_in_range(granted, GIB + 200 * MIB, GIB + 400 * MIB);
    world->other += 200 * MIB;
    for (unsigned t = 0; t < 20; t++) {
        tick_with_limits(world);
        assert_true(world->plan.guests[0].committed_kib >= granted);
        assert_true(world->guests[0].limits.high_kib >= high);
    }
    world->other -= 200 * MIB;
    world->settings->reserve_kib = 512 * MIB;
    run_with_limits(world, 30);
    assert_false(world->guests[0].limits.set);
    world_free(world);
    (void)state;
}

/* Its balloon has taken what was plugged from what it sees, and nothing is known of that before it is let go. */
static void
a_guest_that_is_let_go_does_not_die_of_what_it_does_not_see(void **state)
{
    FakeWorld *world = host_with_a_guest_at_its_minimum();

    world->fake[0].settings.maximum_kib += 512 * MIB;
    world->guests[0].unseen_kib = 512 * MIB;
    world->fake[0].settings.managed = false;
    world->other += 400 * MIB;
    world->guests[0].limits.high_kib += GIB; /* until it is down it would let in what is not booked */
    tick_with_limits(world);
    assert_int_equal(world->guests[0].target_kib, GIB);
    run_with_limits(world, 3);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LET_GO);
    assert_int_equal(world->guests[0].target_kib, GIB + 512 * MIB);
    assert_in_range(world->plan.guests[0].committed_kib, GIB, GIB + 100 * MIB); /* its limit holds it */
    world_free(world);
    (void)state;
}

/*
 * Nobody knows what its balloon was told before libvirt was away, so it is to be told where to stop. It has all its memory, and its kernel
 * does not see a part of that: with the size that it has it loses nothing.
 */
static void
a_guest_with_all_its_memory_is_let_go_whatever_it_does_not_see(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, 4 * GIB, 4 * GIB, 4 * GIB, GIB);
    world->lazy = true;
    make_limited(world, 0);
    run_with_limits(world, 20);
    world->guests[0].unseen_kib = 256 * MIB;
    world->fake[0].settings.managed = false;
    world->guests[0].target_known = false;
    world->guests[0].target_unbounded = true;
    for (unsigned t = 0; t < 30; t++) {
        tick_with_limits(world);
        assert_true(!world->plan.guests[0].tell || world->guests[0].target_kib == 4 * GIB);
        world->guests[0].target_unbounded &= !world->plan.guests[0].tell;
    }
    assert_false(world->guests[0].limits.set);
    world_free(world);
    (void)state;
}

/* ---- guests that die of being squeezed ---- */

/* It dies of it, boots in ten seconds with all of its memory, and needs no more than before. */
static void
die_and_boot(FakeWorld *world)
{
    world_reset(world, 0);
    world_run(world, 10);
    world_driver_up(world, 0);
}

/* Runs until guest 0 is told less than its startup; false: it was not in so many seconds. */
static bool
is_squeezed_within(FakeWorld *world, unsigned seconds)
{
    for (unsigned t = 0; t < seconds; t++) {
        world_tick(world);
        if (world->plan.guests[0].tell && world->guests[0].target_kib < world->fake[0].settings.startup_kib)
            return true;
    }
    return false;
}

static bool
a_guest_that_died_twice_is_let_be(Fault fault)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    bool squeezed;

    rules_break(fault);
    world_add(world, GIB, 4 * GIB, 3 * GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 8 * GIB);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(is_squeezed_within(world, 120));
        world_run(world, 5);
        die_and_boot(world);
    }
    squeezed = is_squeezed_within(world, 560);
    if (!squeezed) {
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LET_BE);
        assert_true(is_squeezed_within(world, 120)); /* tried later */
    }
    rules_break(FAULT_NONE);
    world_free(world);
    return !squeezed;
}

static void
a_guest_that_dies_when_it_is_squeezed_is_let_be_for_ten_minutes(void **state)
{
    assert_true(a_guest_that_died_twice_is_let_be(0));
    assert_false(a_guest_that_died_twice_is_let_be(FAULT_SQUEEZE_FRAIL));
    (void)state;
}

/* Its XML has no balloon any more that a daemon may move. An earlier daemon left a limit on it, which nobody else takes off. */
static void
a_guest_without_a_balloon_keeps_no_limit_once_it_is_nobodys(void **state)
{
    FakeWorld *world = world_new(8 * GIB, GIB);

    world_add(world, GIB, 6 * GIB, 3 * GIB, 2 * GIB);
    world_add(world, GIB, 4 * GIB, 3 * GIB, 4 * GIB);
    world->lazy = true;
    make_limited(world, 0);
    world->fake[0].settings.startup_kib = 6 * GIB;
    world->guests[0].adopted = true;
    world->guests[0].limits.set = true;
    world->guests[0].limits.high_kib = 3 * GIB + 100 * MIB;
    world->fake[0].settings.managed = false;
    world->fake[0].settings.bar = BALLOON_NO_DEVICE;
    run_with_limits(world, 3);
    assert_false(world->guests[0].limits.set);
    assert_int_equal(world->fake[0].changes, 0);
    world_free(world);
    (void)state;
}

/* The daemon is new, and reads only after its first tick that the guest is nobody's: it owes what the one before took. */
static void
a_squeezed_guest_that_a_new_daemon_takes_for_managed_at_first_is_let_go(void **state)
{
    FakeWorld *world = host_with_a_squeezed_guest();
    GuestSettings *settings = &world->fake[0].settings;

    decide_state_free(world->state);
    world->state = decide_state_new();
    for (size_t i = 0; i < world->count; i++) {
        world->guests[i].adopted = true;
        world->guests[i].boots = 0;
    }
    settings->presumed = true;
    run_with_limits(world, 2);
    settings->presumed = settings->managed = false;
    run_with_limits(world, 120);
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    assert_false(world->guests[0].limits.set);
    world_free(world);
    (void)state;
}

/* What was worked out for it was only shown, so nothing was taken that it is owed. */
static void
a_guest_that_was_only_observed_is_owed_nothing(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB);
    world_add(world, GIB, 8 * GIB, 4 * GIB, 5 * GIB);
    world->fake[0].settings.mode = GUEST_MODE_OBSERVE;
    world->fake[0].settings.startup_kib = 4 * GIB;
    world_run(world, 30);
    world->fake[0].settings.managed = false;
    for (unsigned t = 0; t < 10; t++) {
        world_tick(world);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_UNMANAGED);
    }
    assert_int_equal(world->fake[0].changes, 0);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_squeezed_guest_that_is_let_go_gets_its_startup_back),
        cmocka_unit_test(a_guest_that_is_let_go_only_grows_and_is_limited_until_it_has_grown),
        cmocka_unit_test(a_guest_that_is_let_go_where_no_limits_are_kept_grows_without_one),
        cmocka_unit_test(the_limit_of_a_guest_that_is_let_go_comes_down_with_its_balloon),
        cmocka_unit_test(a_guest_that_is_let_go_is_given_what_those_of_low_priority_have),
        cmocka_unit_test(a_guest_that_is_let_go_may_be_on_its_way_to_more),
        cmocka_unit_test(a_guest_that_is_let_go_keeps_its_limit_while_there_is_no_room_for_all_it_could_have),
        cmocka_unit_test(what_a_stuck_guest_has_is_tried_for_when_somebody_claims_it),
        cmocka_unit_test(a_guest_that_is_let_go_is_told_nothing_less_than_it_has),
        cmocka_unit_test(a_guest_that_was_only_presumed_to_be_managed_is_owed_nothing),
        cmocka_unit_test(a_guest_that_is_let_go_while_it_boots_is_told_its_startup),
        cmocka_unit_test(what_a_guest_does_not_see_is_on_top_of_its_minimum),
        cmocka_unit_test(what_a_guest_that_is_let_go_does_not_see_is_granted_to_it_as_it_comes_free),
        cmocka_unit_test(a_guest_that_is_let_go_does_not_die_of_what_it_does_not_see),
        cmocka_unit_test(a_guest_with_all_its_memory_is_let_go_whatever_it_does_not_see),
        cmocka_unit_test(a_guest_that_dies_when_it_is_squeezed_is_let_be_for_ten_minutes),
        cmocka_unit_test(a_guest_without_a_balloon_keeps_no_limit_once_it_is_nobodys),
        cmocka_unit_test(a_squeezed_guest_that_a_new_daemon_takes_for_managed_at_first_is_let_go),
        cmocka_unit_test(a_guest_that_was_only_observed_is_owed_nothing),
    };

    return cmocka_run_group_tests_name("decide_let_go", tests, NULL, NULL);
}
