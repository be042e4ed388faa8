/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Passing moments of a guest or its host, and what is done and said in them. */

#include "decide/budget.h"
#include "test_limited_world.h"

static void
adopt(FakeWorld *world, size_t i)
{
    world->guests[i].adopted = true;
    world->guests[i].boots = 0;
    world->guests[i].boot_usec = world->snapshot.now_usec;
    world->guests[i].driver_up = false;
    world->guests[i].fresh = false;
    world->guests[i].target_known = false;
    world->fake[i].mute = true;
}

static void
a_guest_that_is_only_looked_at_is_observed_from_the_first_second(void **state)
{
    FakeWorld *world = world_of(3, 3 * GIB, 2 * GIB);

    adopt(world, 0);
    adopt(world, 1);
    world->fake[0].settings.mode = GUEST_MODE_OBSERVE;
    world_tick(world);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_OBSERVED);
    assert_int_equal(world->plan.guests[1].state, GUEST_STATE_ACTIVE);
    world->dry = true;
    world_tick(world);
    assert_int_equal(world->plan.guests[1].state, GUEST_STATE_OBSERVED);
    world_free(world);
}

static void
a_driver_that_reported_once_is_a_driver(void **state)
{
    FakeWorld *world = world_of(2, 8 * GIB, 2 * GIB);

    adopt(world, 0);
    adopt(world, 1);
    world->guests[0].driver_known = true;
    world_run(world, 30);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_STATISTICS);
    assert_int_equal(world->plan.guests[1].rule, PLAN_RULE_NO_DRIVER);
    assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    world_free(world);
}

static void
a_guest_that_settles_is_brought_to_startup_and_not_below(void **state)
{
    FakeWorld *world = world_of(4, 7 * GIB, 9 * GIB);

    world_run(world, 60);
    world->fake[3].settings.startup_kib = 4 * GIB;
    world->fake[3].actual = 8 * GIB;
    world->fake[3].need = GIB;
    world->guests[3].boots++;
    world->guests[3].boot_usec = world->guests[3].driver_usec = world->snapshot.now_usec;
    world->guests[3].target_known = false;
    for (unsigned t = 0; t < 8; t++) {
        world_tick(world);
        assert_true(world->guests[3].target_kib >= 4 * GIB);
    }
    assert_true(world->guests[3].target_kib < 8 * GIB);
    world_run(world, 600);
    assert_true(world->guests[3].target_kib < 4 * GIB);
    world_free(world);
}

static void
a_guest_that_started_goes_to_its_startup_also_where_there_is_room(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, GIB);

    world->fake[1].settings.startup_kib = 2 * GIB;
    world->fake[1].actual = 8 * GIB;
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->guests[1].driver_usec = world->snapshot.now_usec;
    world->guests[1].target_known = false;
    world_tick(world);
    assert_int_equal(world->plan.guests[1].target_kib, 2 * GIB);
    world_run(world, 20);
    assert_int_equal(world->fake[1].actual, 2 * GIB);
    world->fake[1].need = 4 * GIB;
    world_run(world, 20);
    assert_true(world->fake[1].actual > 4 * GIB);
    world_free(world);
}

/* The slack of a limit is an eighth at most of what its guest is booked at, and it was booked at more in the run before. */
static void
a_run_that_begins_has_no_slack_of_the_run_before(void **state)
{
    FakeWorld *world = world_of(2, 6 * GIB, 5 * GIB);
    uint64_t booked;

    world->fake[1].settings.startup_kib = GIB;
    booked = GIB + overhead_estimate(&world->fake[1].settings);
    make_limited(world, 1);
    run_with_limits(world, 60);
    world->guests[1].limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->snapshot.now_usec;
    world->guests[1].driver_up = world->guests[1].target_known = world->guests[1].fresh = false;
    world->fake[1].mute = true;
    world->fake[1].resident = 0;
    world_tick(world);
    assert_true(world->plan.guests[1].limit_tell);
    assert_in_range(world->plan.guests[1].limit_kib, booked + 1, booked + booked / 8 + 4);
    world_free(world);
}

/* A limit that is let be is not lowered when others come, so what it lets in is booked as if they were there. */
static void
a_limit_that_is_let_be_does_not_book_more_when_others_come(void **state)
{
    for (unsigned why = 0; why < 3; why++) {
        FakeWorld *world = world_of(4, 4 * GIB, 3 * GIB);
        uint64_t booked;

        for (size_t i = 1; i < 4; i++)
            world->guests[i].life = GUEST_LIFE_OFF;
        world->guests[0].unseen_kib = GIB; /* which its limit keeps it from, and its balloon does not */
        make_limited(world, 0);
        run_with_limits(world, 30);
        world->guests[0].life = why == 0 ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
        world->guests[0].migrating = why == 1;
        world->snapshot.host.link = why == 2 ? WORLD_LINK_DOWN : WORLD_LINK_READ_WRITE;
        tick_with_limits(world);
        booked = world->plan.guests[0].committed_kib;
        for (size_t i = 1; i < 4; i++)
            world->guests[i].life = GUEST_LIFE_RUNNING;
        for (unsigned t = 0; t < 10; t++) {
            tick_with_limits(world);
            assert_in_range(world->plan.guests[0].committed_kib, 4 * GIB, booked + 4 * MIB); /* parts are rounded */
        }
        world_free(world);
    }
    (void)state;
}

/*
 * ... nor less when guests come that are not known: while libvirt is away, or before it has told of all. What they hold seems to be others'
 * use of the host then, of which less is left for guests; and its limit lets in what it did.
 */
static void
a_limit_that_is_let_be_does_not_book_less_when_others_come_that_are_not_known(void **state)
{
    for (unsigned unread = 0; unread < 2; unread++) {
        FakeWorld *world = world_of(1, 4 * GIB, 3 * GIB);
        uint64_t booked;

        world->guests[0].unseen_kib = GIB;
        make_limited(world, 0);
        run_with_limits(world, 30);
        world->guests[0].life = GUEST_LIFE_PAUSED;
        tick_with_limits(world);
        booked = world->plan.guests[0].committed_kib;
        assert_true(booked > 4 * GIB - GIB / 2);
        world->snapshot.host.unread = unread != 0;
        world->snapshot.host.link = unread ? WORLD_LINK_READ_WRITE : WORLD_LINK_DOWN;
        world->other = 22 * GIB;
        for (unsigned t = 0; t < 10; t++) {
            tick_with_limits(world);
            assert_in_range(world->plan.guests[0].committed_kib, booked - 4 * MIB, booked + 4 * MIB);
        }
        world_free(world);
    }
    (void)state;
}

/*
 * 9 GiB for guests, of which g1 needs 5: g0 had 4 GiB, was told less, and gives the rest back slowly, or not at all, when others
 * take 2 GiB: more is booked than there is.
 */
static FakeWorld *
host_that_owes_what_a_balloon_takes(uint64_t inflate_kib, uint64_t *target)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, 1500 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 5 * GIB);
    world_run(world, 3);
    world->fake[0].inflate = inflate_kib;
    world_run(world, 1);
    *target = world->guests[0].target_kib;
    world->other = 2 * GIB;
    assert_true(world->fake[0].actual >= *target + 300 * MIB);
    return world;
}

static void
what_a_balloon_is_giving_back_is_owed_first(void **state)
{
    uint64_t target;
    FakeWorld *world = host_that_owes_what_a_balloon_takes(100 * MIB, &target);
    unsigned owed = 0;

    world->fake[0].need = 4 * GIB;
    for (unsigned t = 0; t < 10; t++) {
        world_tick(world);
        if (!world->plan.over_budget)
            break;
        owed++;
        assert_true(world->guests[0].target_kib <= target);
    }
    assert_true(owed > 2);
    world_free(world);
}

static void
a_stuck_guest_is_drawn_back_to_no_more_than_there_is(void **state)
{
    uint64_t target;
    FakeWorld *world = host_that_owes_what_a_balloon_takes(0, &target);
    uint64_t has = world->fake[0].actual;
    unsigned stuck = 0;

    world->fake[1].inflate = 0;
    for (unsigned t = 0; t < 60 && stuck < 5; t++) {
        world_tick(world);
        stuck += world->plan.guests[0].rule == PLAN_RULE_STUCK;
        assert_true(world->plan.over_budget);
        assert_true(world->guests[0].target_kib <= target);
    }
    assert_int_equal(stuck, 5);
    world->guests[1].life = GUEST_LIFE_OFF;
    world_run(world, 3);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_STUCK);
    assert_in_range(world->guests[0].target_kib, has - 50 * MIB, has);
    world_free(world);
}

static void
a_guest_that_is_let_go_keeps_no_more_than_there_is(void **state)
{
    uint64_t target;
    FakeWorld *world = host_that_owes_what_a_balloon_takes(100 * MIB, &target);

    world->fake[0].settings.startup_kib = 4 * GIB;
    world_tick(world);
    target = world->guests[0].target_kib;
    world->fake[0].settings.managed = false;
    world_tick(world);
    assert_true(world->plan.over_budget);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LET_GO);
    assert_true(world->guests[0].target_kib <= target);
    world->other = 0;
    world_run(world, 30);
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    world_free(world);
}

static void
a_surplus_does_not_wait_while_the_host_suffers(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 2500 * MIB);
    uint64_t before;

    world->snapshot.host.figures.has_pressure = true;
    world_run(world, 120);
    before = world->fake[0].actual;
    /* the ledger has no objection, and yet 300 MiB of 32 GiB are little */
    world->settings->reserve_kib = 100 * MIB;
    world->other = 32 * GIB - world->fake[0].actual - world->fake[1].actual - 300 * MIB;
    world->snapshot.host.figures.pressure_some_centi = 4000;
    world->snapshot.host.pressure_event = true;
    world_run(world, 20);
    assert_true(world->plan.host_pressure);
    assert_true(world->fake[0].actual < before);
    assert_true(world->fake[0].actual >= 2500 * MIB);
    world_free(world);
}

static void
a_lack_in_a_shortage_is_not_called_a_small_change(void **state)
{
    FakeWorld *world = world_of(8, 3 * GIB, 5 * GIB);

    /* one guest's need moves a little, and with it what is left for the others */
    for (unsigned t = 0; t < 180; t++) {
        world->fake[7].need = (2000 + t * 7 % 80) * MIB;
        world_tick(world);
        for (size_t i = 0; t > 60 && i < 7; i++)
            assert_int_equal(world->plan.guests[i].rule, PLAN_RULE_SHORTAGE);
    }
    world_free(world);
}

/* There is plenty of memory, so that it is left alone is for its own sake, and not for others'. */
static void
a_small_change_without_a_shortage_is_called_one(void **state)
{
    FakeWorld *world = world_of(1, 3764 * MIB, 3 * GIB);
    const GuestPlan *plan;

    world_run(world, 60);
    plan = &world->plan.guests[0];
    world->fake[0].need += 30 * MIB;
    world_run(world, 2);
    assert_int_equal(world->fake[0].changes, 0);
    assert_true(plan->target_kib < plan->want_kib);
    assert_true(plan->ideal_kib == plan->want_kib);
    assert_int_equal(plan->rule, PLAN_RULE_SMALL);
    world_free(world);
    (void)state;
}

static bool
targets_are_whole(Fault fault)
{
    FakeWorld *world = world_of(7, 3 * GIB, 5 * GIB);
    bool whole = true;

    rules_break(fault);
    for (unsigned t = 0; t < 60; t++) {
        world->fake[0].need = 4 * GIB + t * 1001 % 4096;
        world_tick(world);
        for (size_t i = 0; i < 7; i++)
            whole = whole && world->plan.guests[i].target_kib % 4 == 0;
    }
    world_free(world);
    return whole;
}

static void
targets_are_whole_pages_of_the_balloon(void **state)
{
    assert_true(targets_are_whole(0));
    assert_false(targets_are_whole(FAULT_PART_PAGES));
}

/* Two guests that need all there is, of which one is given a dimm of 2 GiB that its kernel leaves offline. */
static FakeWorld *
full_host_with_limits(void)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4200 * MIB, 3900 * MIB);
    world_add(world, GIB, 8 * GIB, 4200 * MIB, 3900 * MIB);
    world->lazy = true;
    for (size_t i = 0; i < world->count; i++)
        world->guests[i].limits = (GuestLimits){.usable = true, .set = true, .high_kib = 4600 * MIB};
    run_with_limits(world, 60);
    return world;
}

static void
plug_unseen(FakeWorld *world, size_t i, uint64_t kib)
{
    world->fake[i].actual += kib;
    world->fake[i].need += kib; /* size less usable */
    world->guests[i].unseen_kib = kib;
}

static void
a_dimm_that_is_not_online_costs_neither_its_guest_nor_others(void **state)
{
    FakeWorld *world = full_host_with_limits();
    uint64_t before = world->plan.committed_kib;

    plug_unseen(world, 0, 2 * GIB);
    world->fake[0].settings.maximum_kib += 2 * GIB;
    for (unsigned i = 0; i < 60; i++) {
        tick_with_limits(world);
        assert_true(world->guests[0].target_kib >= 2 * GIB + 3900 * MIB);
        assert_true(world->guests[1].target_kib >= 3900 * MIB);
        assert_true(world->plan.committed_kib <= before + 64 * MIB);
    }
    assert_int_equal(world->violations, 0);
    world_free(world);
}

/* Its balloon has taken most of what it sees. */
static void
who_sees_less_than_its_minimum_is_told_again_at_once_where_a_call_fails(void **state)
{
    FakeWorld *world = full_host_with_limits();
    GuestSnapshot *guest = &world->guests[0];
    uint64_t before = guest->target_kib;

    guest->unseen_kib = guest->actual_kib - 600 * MIB;
    world->fake[0].settings.maximum_kib = GIB + guest->unseen_kib; /* so that it is told the same again */
    for (unsigned t = 0; t < 4; t++) {
        tick_with_limits(world);
        assert_true(world->plan.guests[0].tell);
        assert_true(world->plan.guests[0].target_kib >= GIB + guest->unseen_kib);
        guest->target_kib = before; /* it failed */
        world->fake[0].actual = guest->actual_kib;
    }
    world_free(world);
}

/* Its XML says yet that it can have no more than 1 GiB, its minimum, and it has 3 of which it does not see 2. */
static void
no_target_takes_what_is_not_seen_while_the_xml_is_older_than_the_dimm(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, GIB, GIB, 900 * MIB);
    world_run(world, 30);
    plug_unseen(world, 0, 2 * GIB);
    world->guests[0].actual_kib = GIB; /* bounded by what the XML says */
    world->guests[0].doubts = DOUBT_ACTUAL_ABOVE_MAXIMUM;
    world->fake[0].actual = GIB;
    world->guests[0].target_kib = 900 * MIB;
    for (unsigned i = 0; i < 5; i++) {
        world_observe(world);
        world->snapshot.now_usec += SEC;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        assert_false(world->plan.guests[0].tell);
    }
    world_free(world);
}

/* The XML of the dimm is there, which makes the target unknown, and no size with it. */
static void
nothing_is_told_before_the_size_has_what_was_plugged(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, GIB, 900 * MIB);
    world_run(world, 30);
    world->fake[0].settings.maximum_kib += 2 * GIB;
    for (unsigned i = 0; i < 2; i++) {
        world_observe(world);
        world->guests[0].target_known = false;
        world->guests[0].target_kib += 2 * GIB;
        world->guests[0].announced_kib = i == 0 ? 2 * GIB : 0;
        world->snapshot.now_usec += SEC;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        assert_int_equal(world->plan.guests[0].tell, i == 1);
    }
    world_free(world);
}

/* It was told where to stop a moment ago, and its size was asked for before that: it may have gone on since. */
static void
what_a_balloon_may_have_followed_counts_until_its_size_is_asked_for_again(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, GIB, 4 * GIB, 2 * GIB, 1700 * MIB);
    world_run(world, 20);
    for (unsigned i = 0; i < 3; i++) {
        world_observe(world);
        world->snapshot.now_usec += SEC;
        guest->target_unbounded = i == 0;
        if (i == 1)
            guest->target_usec = guest->asked_usec + SEC / 2;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        assert_int_equal(world->plan.guests[0].committed_kib, i < 2 ? 4 * GIB : guest->target_kib);
    }
    world_free(world);
    (void)state;
}

/* <hard_limit> of 2 GiB, below the minimum of 4: who outgrows it is killed, whatever the minimum is. */
static void
no_minimum_brings_a_guest_to_its_hard_limit(void **state)
{
    FakeWorld *world = world_new(20 * GIB, GIB);
    FakeGuest *fake = world_add(world, 4 * GIB, 8 * GIB, GIB, 6 * GIB);

    fake->settings.hard_limit_kib = 2 * GIB;
    world_run(world, 30);
    assert_true(fake->largest < 2 * GIB - 48 * MIB);
    assert_true(world->guests[0].target_kib > GIB);
    /* nor does what its QEMU has cost so far, which is nothing here */
    world_run(world, 1800);
    assert_true(world->plan.guests[0].overhead_kib < 16 * MIB);
    assert_true(fake->largest < 2 * GIB - 48 * MIB);
    world_free(world);
}

/* Somebody tells it 2 GiB while it grows to 6, slowly: it is not stuck, and told again as soon as that shows. */
static void
a_balloon_that_is_moved_on_its_way_is_told_again(void **state)
{
    FakeWorld *world = world_new(20 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, 4 * GIB, 3 * GIB);
    unsigned told;

    fake->deflate = 100 * MIB;
    world_run(world, 30);
    fake->need = 6 * GIB;
    world_run(world, 5);
    assert_true(world->guests[0].target_kib > fake->actual + GIB / 2);
    fake->need = 3 * GIB + GIB / 2; /* the same target from now on */
    world_run(world, 1);
    told = fake->changes;
    fake->deflate = 0; /* it stays where that other one told it to be, until it is told again */
    fake->actual = 2 * GIB;
    world_run(world, 1);
    assert_true(world->plan.guests[0].moved);
    world_run(world, 5);
    assert_true(fake->changes > told);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_is_only_looked_at_is_observed_from_the_first_second),
        cmocka_unit_test(a_driver_that_reported_once_is_a_driver),
        cmocka_unit_test(a_guest_that_settles_is_brought_to_startup_and_not_below),
        cmocka_unit_test(a_guest_that_started_goes_to_its_startup_also_where_there_is_room),
        cmocka_unit_test(a_run_that_begins_has_no_slack_of_the_run_before),
        cmocka_unit_test(a_limit_that_is_let_be_does_not_book_more_when_others_come),
        cmocka_unit_test(what_a_balloon_is_giving_back_is_owed_first),
        cmocka_unit_test(a_stuck_guest_is_drawn_back_to_no_more_than_there_is),
        cmocka_unit_test(a_guest_that_is_let_go_keeps_no_more_than_there_is),
        cmocka_unit_test(a_surplus_does_not_wait_while_the_host_suffers),
        cmocka_unit_test(targets_are_whole_pages_of_the_balloon),
        cmocka_unit_test(a_lack_in_a_shortage_is_not_called_a_small_change),
        cmocka_unit_test(a_limit_that_is_let_be_does_not_book_less_when_others_come_that_are_not_known),
        cmocka_unit_test(a_small_change_without_a_shortage_is_called_one),
        cmocka_unit_test(a_dimm_that_is_not_online_costs_neither_its_guest_nor_others),
        cmocka_unit_test(who_sees_less_than_its_minimum_is_told_again_at_once_where_a_call_fails),
        cmocka_unit_test(no_target_takes_what_is_not_seen_while_the_xml_is_older_than_the_dimm),
        cmocka_unit_test(nothing_is_told_before_the_size_has_what_was_plugged),
        cmocka_unit_test(what_a_balloon_may_have_followed_counts_until_its_size_is_asked_for_again),
        cmocka_unit_test(no_minimum_brings_a_guest_to_its_hard_limit),
        cmocka_unit_test(a_balloon_that_is_moved_on_its_way_is_told_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
