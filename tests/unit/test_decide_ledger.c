/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What guests may hold of the host at worst, against what they are booked at: worked out here from what was told to each, what
 * its balloon has, and the limit in force, not from the ledger.
 */

#include "decide/budget.h"
#include "decide/limit.h"
#include "test_limited_world.h"

/* 10 GiB, of which one is kept, and two guests under limits that need nearly all of it. */
static FakeWorld *
full_host(void)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    for (size_t i = 0; i < 2; i++) {
        world_add(world, GIB, 8 * GIB, 4200 * MIB, 3900 * MIB);
        make_limited(world, i);
    }
    world->lazy = true;
    run_with_limits(world, 60);
    return world;
}

/* ---- targets under way ---- */

/* Calls to guest 0 stay open: its balloon stands, and may go to any of the targets that it was told. */
static void
tick_with_open_calls(FakeWorld *world)
{
    const GuestSnapshot before = world->guests[0];

    world_tick(world);
    if (!world->plan.guests[0].tell)
        return;
    world->guests[0].target_known = false;
    world->guests[0].target_pending = true;
    world->guests[0].target_kib = MAX(before.target_kib, world->plan.guests[0].target_kib);
}

/* A host of 7 GiB, of which 1 GiB is kept, and 72 MiB each for two QEMUs: 6000 MiB are for the guests. */
static FakeWorld *
host_of_7_gib(void)
{
    FakeWorld *world = world_new(7 * GIB, GIB);

    for (size_t i = 0; i < 2; i++) {
        world_add(world, GIB, 8 * GIB, i == 0 ? 3 * GIB / 2 : 2 * GIB, GIB);
        world->guests[i].adopted = true;
        world->guests[i].boots = 0;
    }
    world->fake[0].need = 3 * GIB;
    world->fake[0].inflate = world->fake[0].deflate = 0;
    return world;
}

static bool
nobody_is_promised_what_is_under_way(Fault fault)
{
    FakeWorld *world = host_of_7_gib();
    bool whole = true;

    rules_break(fault);
    for (unsigned t = 0; t < 30; t++) {
        uint64_t may = 0;

        tick_with_open_calls(world);
        world->fake[1].need = 5 * GIB; /* from the second tick on */
        for (size_t i = 0; i < 2; i++)
            may += MAX(world->fake[i].actual, world->guests[i].target_kib);
        whole = whole && may <= 6000 * MIB;
    }
    /* it was a raise that hung, and the other one went for what was left */
    assert_true(world->guests[0].target_kib > 2 * GIB);
    assert_true(world->guests[1].target_kib > 2 * GIB);
    rules_break(FAULT_NONE);
    world_free(world);
    return whole;
}

static void
a_target_under_way_is_booked(void **state)
{
    assert_true(nobody_is_promised_what_is_under_way(0));
    assert_false(nobody_is_promised_what_is_under_way(FAULT_TARGET_UNDER_WAY));
    (void)state;
}

static void
a_target_of_unknown_fate_is_booked(void **state)
{
    FakeWorld *world = host_of_7_gib();
    uint64_t told;

    tick_with_open_calls(world);
    told = world->guests[0].target_kib;
    assert_true(told > 2 * GIB);
    world->fake[1].need = 5 * GIB;
    for (unsigned t = 0; t < 20; t++) {
        world->guests[0].target_pending = false; /* it failed, or did not: nobody knows */
        tick_with_open_calls(world);
        assert_true(world->plan.guests[0].committed_kib >= told);
        assert_true(world->guests[1].target_kib <= 6000 * MIB - told);
    }
    world_free(world);
    (void)state;
}

static void
what_it_may_have_been_told_is_booked(bool migrating, GuestLife life, bool answering)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    make_limited(world, 0);
    world->guests[0].limits.set = true;
    world->guests[0].limits.high_kib = 5 * GIB;
    world->guests[0].adopted = true;
    world->guests[0].migrating = migrating;
    world->guests[0].answering = answering;
    world->guests[0].life = life;
    world->guests[0].boots = 0;
    world->guests[0].target_known = false;
    world->guests[0].target_unbounded = true;
    world_tick(world);
    assert_int_equal(world->plan.guests[0].rule, answering ? PLAN_RULE_FROZEN : PLAN_RULE_UNRESPONSIVE);
    assert_in_range(world->plan.guests[0].committed_kib, 5 * GIB - 512 * MIB, 5 * GIB);
    world_free(world);
}

/* An earlier daemon may have told it all that its limit lets in, and nobody can tell it where to stop. */
static void
what_a_guest_that_leaves_is_paused_or_hangs_may_have_been_told_is_booked(void **state)
{
    what_it_may_have_been_told_is_booked(true, GUEST_LIFE_RUNNING, true);
    what_it_may_have_been_told_is_booked(false, GUEST_LIFE_PAUSED, true);
    what_it_may_have_been_told_is_booked(false, GUEST_LIFE_RUNNING, false);
    (void)state;
}

/* ---- guests that are started paused ---- */

/* Guest 1 is started paused: libvirt has given it all its 8 GiB, and 2 are its startup. */
static FakeWorld *
started_paused(bool limits)
{
    FakeWorld *world = world_new(16 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, 3 * GIB);
    world_add(world, GIB, 8 * GIB, 8 * GIB, 0);
    world->lazy = true;
    if (limits)
        make_limited(world, 1);
    world->guests[1].life = GUEST_LIFE_OFF;
    world_run(world, 30);
    world->fake[1].settings.startup_kib = 2 * GIB;
    world->fake[1].mute = true;
    world->guests[1].life = GUEST_LIFE_PAUSED;
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->snapshot.now_usec;
    world->guests[1].driver_up = world->guests[1].fresh = world->guests[1].target_known = false;
    world->guests[1].has_usable = false;
    return world;
}

static void
a_guest_that_was_started_paused_is_booked_at_its_startup(void **state)
{
    for (unsigned limits = 0; limits < 2; limits++) {
        FakeWorld *world = started_paused(limits != 0);

        for (unsigned t = 0; t < 60; t++) {
            tick_with_limits(world);
            assert_int_equal(world->plan.guests[1].committed_kib, 2 * GIB);
        }
        assert_int_equal(world->guests[1].limits.set, limits != 0);
        world_free(world);
    }
    (void)state;
}

/* What is known of it is its definition, which has lost its element, and not the XML that it was started with. */
static void
a_guest_is_granted_no_more_than_its_startup_before_its_xml_is_read(void **state)
{
    FakeWorld *world = started_paused(true);

    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->fake[1].settings.managed = false;
    world->fake[1].settings.presumed = true;
    tick_with_limits(world);
    world->fake[1].settings.managed = true;
    world->fake[1].settings.presumed = false;
    for (unsigned t = 0; t < 10; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[1].committed_kib, 2 * GIB);
    }
    world_free(world);
    (void)state;
}

/* It was reverted in place to a snapshot with more than it was granted, and leaves before there is a report of it. */
static void
what_a_guest_brought_is_booked_also_while_it_leaves(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    world->lazy = true;
    world_run(world, 10);
    world->guests[0].boots++;
    world->guests[0].boot_usec = world->snapshot.now_usec;
    world->guests[0].boot_resumed = true;
    world->guests[0].driver_up = world->guests[0].fresh = world->guests[0].has_usable = false;
    world->fake[0].mute = true;
    world->fake[0].actual = 5 * GIB;
    world->fake[0].inflate = 0;
    world_run(world, 2);
    assert_int_equal(world->plan.guests[0].committed_kib, 5 * GIB);
    world->guests[0].migrating = true;
    world_run(world, 2);
    assert_int_equal(world->plan.guests[0].committed_kib, 5 * GIB);
    world_free(world);
    (void)state;
}

/*
 * Guest 1 was let in with 2 GiB, or nobody was asked: what is booked once its XML is read, with devices of that size, or presumed_kib
 * before; anew: it was another run before.
 */
static uint64_t
booked_with_devices(bool asked, uint64_t startup_kib, uint64_t presumed_kib, uint64_t devices_kib, bool anew)
{
    FakeWorld *world = started_paused(true);
    StartRequest start = {.name = (char *)"g1", .need_kib = 2 * GIB, .booked_kib = 2 * GIB, .begun = true};
    const StartRequest *starts[] = {&start};
    uint64_t booked;

    g_strlcpy(start.uuid, world->fake[1].uuid, sizeof start.uuid);
    world->fake[1].settings.startup_kib = startup_kib;
    world->guests[1].life = GUEST_LIFE_OFF;
    world->snapshot.starts = starts;
    world->snapshot.start_count = asked ? 1 : 0;
    tick_with_limits(world);
    world->snapshot.start_count = 0;
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->fake[1].settings.presumed = true;
    world->fake[1].settings.fixed_kib = presumed_kib;
    tick_with_limits(world);
    world->guests[1].serial += anew;
    world->fake[1].settings.presumed = false;
    world->fake[1].settings.fixed_kib = devices_kib;
    run_with_limits(world, 5);
    booked = world->plan.guests[1].committed_kib;
    world_free(world);
    return booked;
}

static void
what_was_booked_for_a_start_stays_booked_whatever_devices_its_xml_has(void **state)
{
    assert_int_equal(booked_with_devices(true, GIB, GIB, 0, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, GIB, 0, GIB, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, GIB, GIB, GIB, false), 2 * GIB);
    assert_int_equal(booked_with_devices(false, GIB, GIB, 0, false), GIB);
    assert_int_equal(booked_with_devices(false, GIB, 0, GIB, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, GIB, GIB, 0, true), 2 * GIB);
    /* what was presumed may be more than was booked, or a claim have made up for it */
    assert_int_equal(booked_with_devices(true, GIB, 3 * GIB, 0, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, GIB, 3 * GIB, GIB, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, 2 * GIB, GIB, 0, false), 2 * GIB);
    assert_int_equal(booked_with_devices(true, 2 * GIB, 6 * GIB, 0, false), 2 * GIB);
    (void)state;
}

/* It is sent to another host at once, and may be reset on the way. */
static void
a_guest_that_migrates_while_it_boots_is_held_at_its_startup(void **state)
{
    FakeWorld *world = started_paused(true);

    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].migrating = true;
    for (unsigned t = 0; t < 30; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[1].committed_kib, 2 * GIB);
        assert_in_range(world->guests[1].limits.high_kib, 2 * GIB, 3 * GIB);
    }
    world_free(world);
    (void)state;
}

/* Its QEMU has touched all of it before it runs (<allocation mode='immediate'/>), and no limit with its slack is there. */
static void
a_guest_that_holds_all_from_its_first_moment_is_booked_at_it(void **state)
{
    for (unsigned limits = 0; limits < 2; limits++) {
        FakeWorld *world = started_paused(limits != 0);

        world->lazy = false;
        for (unsigned t = 0; t < 60; t++) {
            const GuestPlan *plan = &world->plan.guests[1];
            uint64_t slack =
                world->guests[1].limits.set ? 160 * MIB : 0; /* half as much again as its share of the reserve */

            tick_with_limits(world);
            assert_in_range(plan->committed_kib + plan->overhead_kib, 8 * GIB - slack, 8 * GIB);
        }
        world_free(world);
    }
    (void)state;
}

static void
a_guest_that_was_started_paused_is_held_when_it_is_resumed_or_booked_in_full(void **state)
{
    for (unsigned limits = 0; limits < 2; limits++) {
        FakeWorld *world = started_paused(limits != 0);

        run_with_limits(world, 60);
        world->guests[1].life = GUEST_LIFE_RUNNING;
        for (unsigned t = 0; t < 30; t++) {
            tick_with_limits(world);
            assert_int_equal(world->plan.guests[1].committed_kib, limits != 0 ? 2 * GIB : 8 * GIB);
        }
        world_free(world);
    }
    (void)state;
}

/* ---- balloons that move by themselves ---- */

static void
a_balloon_that_emptied_by_itself_is_booked_at_its_size(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 2500 * MIB);

    world_run(world, 60);
    world->fake[0].lower = 8 * GIB;
    world->fake[0].deflate = 8 * GIB;
    world_run(world, 2);
    assert_int_equal(world->fake[0].actual, 8 * GIB);
    for (unsigned t = 0; t < 10; t++) {
        world_tick(world);
        assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    }
    world_free(world);
    (void)state;
}

static bool
a_balloon_that_emptied_costs_nobody_else(Fault fault)
{
    FakeWorld *world = full_host();
    uint64_t before = world->plan.guests[0].committed_kib;
    bool holds = true;

    rules_break(fault);
    assert_in_range(before, 3900 * MIB, 5 * GIB);
    world->fake[0].lower = 8 * GIB;
    world->fake[0].deflate = 8 * GIB;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        holds = holds && world->plan.guests[0].committed_kib <= before + 64 * MIB && !world->plan.over_budget &&
                world->guests[0].limits.high_kib < before + GIB && world->guests[1].target_kib >= 3900 * MIB;
    }
    assert_int_equal(world->fake[0].actual, 8 * GIB);
    rules_break(FAULT_NONE);
    world_free(world);
    return holds;
}

static void
a_balloon_that_emptied_under_a_limit_is_booked_at_what_it_was_granted(void **state)
{
    assert_true(a_balloon_that_emptied_costs_nobody_else(0));
    assert_false(a_balloon_that_emptied_costs_nobody_else(FAULT_FOLLOW_BALLOON));
    (void)state;
}

/* A guest that says it has given up what its limit still lets it have may take that again at any moment. */
static bool
nobody_is_given_what_a_limit_still_lets_another_have(Fault fault)
{
    FakeWorld *world = full_host();
    uint64_t limit = world->guests[0].limits.high_kib;
    bool holds = true;

    rules_break(fault);
    world->fake[0].need = GIB;
    world->fake[1].need = 7 * GIB;
    for (unsigned t = 0; t < 60; t++) {
        tick_with_limits(world);
        world->guests[0].limits.high_kib = limit; /* it can't be lowered */
        holds = holds && limit + world->guests[1].limits.high_kib <= 10 * GIB;
    }
    assert_true(world->fake[0].actual < 2 * GIB);
    run_with_limits(world, 30);
    assert_true(world->fake[1].actual > 6 * GIB);
    rules_break(FAULT_NONE);
    world_free(world);
    return holds;
}

static void
a_guest_is_booked_at_what_its_limit_still_lets_it_have(void **state)
{
    assert_true(nobody_is_given_what_a_limit_still_lets_another_have(0));
    assert_false(nobody_is_given_what_a_limit_still_lets_another_have(FAULT_TAKE_ITS_WORD));
    (void)state;
}

static void
a_balloon_that_somebody_else_moved_is_told_again_and_not_called_stuck(void **state)
{
    static const uint64_t sizes[] = {6 * GIB, GIB};

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        FakeWorld *world = full_host();
        unsigned moved = 0;

        world->fake[0].actual = sizes[s];
        for (unsigned t = 0; t < 60; t++) {
            unsigned changes = world->fake[0].changes;

            tick_with_limits(world);
            assert_int_equal(world->plan.guests[0].moved, t == 0);
            moved += world->plan.guests[0].moved;
            if (t == 0)
                assert_int_equal(world->fake[0].changes, changes + 1);
            assert_int_not_equal(world->plan.guests[0].state, GUEST_STATE_STUCK);
            assert_true(world->guests[1].target_kib >= 3900 * MIB);
        }
        assert_int_equal(moved, 1);
        assert_in_range(world->fake[0].actual, 3900 * MIB, 5 * GIB);
        assert_int_equal(world->violations, 0);
        world_free(world);
    }
    (void)state;
}

/* ---- paging files ---- */

/* 500 MiB of a guest of 1 GiB are in its file. It was granted 1.5, which is all there is, and its balloon is on its way to so much. */
static FakeWorld *
with_file(PagingRecord *file, uint64_t target_kib)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    GuestSnapshot *guest;

    world_add(world, 2 * GIB, 4 * GIB, GIB, GIB)->deflate = 0;
    world_add(world, 9 * GIB, 12 * GIB, 9 * GIB, 9 * GIB);
    guest = &world->guests[0];
    guest->target_kib = target_kib;
    guest->adopted = true;
    guest->paging = file;
    guest->limits = (GuestLimits){.usable = true, .set = true, .swapped_kib = 500 * MIB};
    guest->limits.high_kib = 1536 * MIB + overhead_estimate(guest->settings);
    file->since_usec = world->snapshot.now_usec;
    return world;
}

/* What is in its file comes back whatever its limit is; also where that alone keeps it from memory that it does not see yet. */
static void
a_limit_leaves_room_for_a_file_while_its_balloon_may_leave_more(void **state)
{
    for (uint64_t unseen = 0; unseen <= 512 * MIB; unseen += 512 * MIB) {
        PagingRecord file = {.stage = PAGING_STAGE_EMPTYING, .size_kib = GIB, .used_kib = 500 * MIB};
        FakeWorld *world = with_file(&file, 2 * GIB);

        world->guests[0].unseen_kib = unseen;
        world->fake[0].settings.minimum_kib -= 2 * unseen;
        world_tick(world);
        assert_int_equal(world->plan.guests[0].state, GUEST_STATE_PAGING);
        assert_true(world->plan.guests[0].committed_kib >= 1500 * MIB);
        assert_true(world->plan.guests[0].limit_tell);
        assert_true(world->plan.guests[0].limit_kib <=
                    world->plan.guests[0].granted_kib - 400 * MIB + overhead_estimate(&world->fake[0].settings));
        world_free(world);
    }
    (void)state;
}

static void
a_file_is_not_emptied_before_the_limit_leaves_room_for_it(void **state)
{
    PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB, .used_kib = 500 * MIB};
    FakeWorld *world = with_file(&file, 2 * GIB);
    const GuestPlan *plan;
    uint64_t high;

    for (unsigned t = 0; t < 40; t++) {
        high = world->guests[0].limits.high_kib;
        tick_with_limits(world);
        plan = &world->plan.guests[0];
        if (plan->paging_order == PAGING_ORDER_END)
            break;
    }
    assert_int_equal(plan->paging_order, PAGING_ORDER_END);
    assert_true(high + 500 * MIB <= plan->granted_kib + plan->overhead_kib + 32 * MIB);
    world_free(world);
    (void)state;
}

/* The second in which the file is emptied; its minimum is raised in the second before. */
static unsigned
emptied_in(unsigned raised)
{
    PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB, .used_kib = 500 * MIB};
    FakeWorld *world = with_file(&file, GIB);
    unsigned t;

    world->fake[0].settings.minimum_kib = GIB;
    for (t = 0; t < 40; t++) {
        if (t == raised)
            world->fake[0].settings.minimum_kib = world->fake[0].settings.startup_kib = 2 * GIB;
        tick_with_limits(world);
        if (world->plan.guests[0].paging_order == PAGING_ORDER_END)
            break;
    }
    world_free(world);
    return t;
}

/* What it is told in the same tick it may touch while what is in its file comes back: the limit has to leave room for that first. */
static void
a_file_is_not_emptied_in_the_tick_that_tells_its_guest_more_than_it_is_granted(void **state)
{
    unsigned emptied = emptied_in(UINT_MAX);

    assert_in_range(emptied, 0, 39);
    assert_true(emptied_in(emptied) > emptied);
    (void)state;
}

/* Its balloon stops a little above what it was granted, as a guest that lacks memory gives up no more. */
static void
a_guest_with_a_file_is_given_what_is_free_once_its_driver_is_back(void **state)
{
    for (unsigned up = 0; up < 2; up++) {
        PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB, .used_kib = 500 * MIB};
        FakeWorld *world = with_file(&file, GIB);
        unsigned t;

        world->guests[1].life = GUEST_LIFE_OFF;
        world->guests[0].driver_up = up == 1;
        world->fake[0].settings.minimum_kib = world->fake[0].settings.startup_kib = GIB;
        world->fake[0].lower = world->fake[0].actual = 1545 * MIB;
        world->lazy = true;
        tick_with_limits(world);
        for (t = 1; t < 15 && world->plan.guests[0].paging_order != PAGING_ORDER_END; t++)
            tick_with_limits(world);
        assert_int_equal(t < 15, up == 1);
        assert_int_equal(world->plan.guests[0].granted_kib >= 1545 * MIB, up == 1);
        world_free(world);
    }
    (void)state;
}

/* ---- limits on their way ---- */

/* Its memory is being taken back, which takes seconds, as it is reverted to a snapshot that needs it again. */
static void
a_limit_rises_after_a_revert_though_a_lower_one_is_on_its_way(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];
    const GuestPlan *plan;
    uint64_t high, lower = 0, most = 0;

    world_add(world, GIB, 8 * GIB, 6 * GIB, 5 * GIB);
    world_add(world, GIB, 8 * GIB, GIB, 900 * MIB);
    make_limited(world, 0);
    run_with_limits(world, 30);
    high = guest->limits.high_kib;
    world->fake[0].need = GIB;
    world->fake[1].need = 6 * GIB;
    for (unsigned t = 0; t < 30 && lower == 0; t++) {
        world_tick(world);
        plan = &world->plan.guests[0];
        lower = plan->limit_tell && plan->limit_kib < high ? plan->limit_kib : 0;
    }
    assert_int_not_equal(lower, 0);
    guest->limits.pending = true;
    guest->boots++;
    guest->boot_usec = world->snapshot.now_usec;
    guest->boot_resumed = true;
    guest->driver_up = guest->fresh = guest->has_usable = guest->has_actual = guest->target_known = false;
    world->fake[0].mute = true;
    world->fake[0].actual = 6 * GIB;
    for (unsigned t = 0; t < 3; t++) {
        world_tick(world);
        if (world->plan.guests[0].limit_tell)
            most = MAX(most, world->plan.guests[0].limit_kib);
    }
    assert_true(most > lower);
    world_free(world);
    (void)state;
}

/*
 * Restored, and nobody was asked for it; nothing is seen of it yet. It is booked at all that it may have brought, but nobody is squeezed
 * before it has said more.
 */
static void
what_is_not_known_of_a_guest_that_came_is_booked_and_taken_from_nobody(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    for (size_t i = 0; i < 2; i++)
        world_add(world, GIB, 8 * GIB, 4 * GIB, 2 * GIB);
    world->guests[1].life = GUEST_LIFE_OFF;
    world_run(world, 30);
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].boots++;
    world->guests[1].boot_resumed = true;
    world->guests[1].has_actual = world->guests[1].has_usable = world->guests[1].fresh = false;
    world->guests[1].driver_up = world->guests[1].target_known = false;
    world->guests[1].target_kib = world->guests[1].resident_kib = 0;
    decide(world->state, &world->snapshot, world->settings, false, &world->plan);
    assert_int_equal(world->plan.guests[1].committed_kib, 8 * GIB);
    assert_false(world->plan.guests[0].tell);
    world_free(world);
    (void)state;
}

/* A limit of 4 GiB is in force on a guest that was granted more, and whose balloon leaves it less from one moment to the next, with 2 GiB that
   it does not see. What is booked less than that limit lets in is the slack of so much, and not of what was granted. */
static void
slack_is_a_part_of_what_a_limit_lets_in(void **state)
{
    FakeWorld *world = world_new(16 * GIB, 4 * GIB);
    const GuestPlan *plan;
    uint64_t slack;

    world_add(world, 2 * GIB, 8 * GIB, 8 * GIB, GIB);
    world_add(world, 2 * GIB, 12 * GIB, 3 * GIB, 11 * GIB);
    world->lazy = true;
    world->fake[0].inflate = 8 * GIB;
    make_limited(world, 0);
    run_with_limits(world, 3);
    plan = &world->plan.guests[0];
    assert_true(plan->committed_kib > 5 * GIB && world->fake[0].actual < 3 * GIB);
    world->guests[0].limits.high_kib = 4 * GIB;
    world->guests[0].unseen_kib = 2 * GIB;
    world_tick(world);
    slack = limit_slack(&world->snapshot.host.figures, 4 * GIB, 4 * GIB);
    assert_true(plan->committed_kib + plan->overhead_kib + slack + slack / 2 >= 4 * GIB);
    world_free(world);
    (void)state;
}

/* It has 2 GiB and memory devices of 1, and is reverted in place: in the XML that is presumed then there are none. */
static void
who_goes_on_is_booked_with_its_memory_devices_before_its_xml_is_read(void **state)
{
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        FakeWorld *world = world_new(16 * GIB, GIB);
        GuestSnapshot *guest = &world->guests[0];

        rules_break(wrong ? FAULT_FORGET_DEVICES : FAULT_NONE);
        world_add(world, GIB, 8 * GIB, 2 * GIB, 1800 * MIB)->settings.fixed_kib = GIB;
        make_limited(world, 0);
        run_with_limits(world, 30);
        assert_in_range(world->plan.guests[0].committed_kib, 3 * GIB, 3300 * MIB);
        guest->boots++;
        guest->boot_usec = world->snapshot.now_usec;
        guest->boot_resumed = true;
        guest->driver_up = guest->fresh = guest->has_usable = guest->has_actual = guest->target_known = false;
        guest->target_kib = guest->resident_kib = 0;
        guest->limits = (GuestLimits){.high_kib = LIMIT_NONE};
        world->fake[0].settings.fixed_kib = 0;
        world->fake[0].settings.presumed = true;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        assert_in_range(world->plan.guests[0].committed_kib, (wrong ? 2 : 3) * GIB, (wrong ? 2300 : 3300) * MIB);
        world->fake[0].settings.fixed_kib = GIB;
        world->fake[0].settings.presumed = false;
        decide(world->state, &world->snapshot, world->settings, false, &world->plan);
        assert_in_range(world->plan.guests[0].committed_kib, (wrong ? 2 : 3) * GIB, 3300 * MIB);
        world_free(world);
    }
    rules_break(FAULT_NONE);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_of_a_guest_that_came_is_booked_and_taken_from_nobody),
        cmocka_unit_test(a_target_under_way_is_booked),
        cmocka_unit_test(a_target_of_unknown_fate_is_booked),
        cmocka_unit_test(what_a_guest_that_leaves_is_paused_or_hangs_may_have_been_told_is_booked),
        cmocka_unit_test(a_guest_that_was_started_paused_is_booked_at_its_startup),
        cmocka_unit_test(a_guest_is_granted_no_more_than_its_startup_before_its_xml_is_read),
        cmocka_unit_test(what_a_guest_brought_is_booked_also_while_it_leaves),
        cmocka_unit_test(what_was_booked_for_a_start_stays_booked_whatever_devices_its_xml_has),
        cmocka_unit_test(a_guest_that_migrates_while_it_boots_is_held_at_its_startup),
        cmocka_unit_test(a_guest_that_holds_all_from_its_first_moment_is_booked_at_it),
        cmocka_unit_test(a_guest_that_was_started_paused_is_held_when_it_is_resumed_or_booked_in_full),
        cmocka_unit_test(a_balloon_that_emptied_by_itself_is_booked_at_its_size),
        cmocka_unit_test(a_balloon_that_emptied_under_a_limit_is_booked_at_what_it_was_granted),
        cmocka_unit_test(a_guest_is_booked_at_what_its_limit_still_lets_it_have),
        cmocka_unit_test(a_balloon_that_somebody_else_moved_is_told_again_and_not_called_stuck),
        cmocka_unit_test(a_limit_leaves_room_for_a_file_while_its_balloon_may_leave_more),
        cmocka_unit_test(a_file_is_not_emptied_before_the_limit_leaves_room_for_it),
        cmocka_unit_test(a_file_is_not_emptied_in_the_tick_that_tells_its_guest_more_than_it_is_granted),
        cmocka_unit_test(a_guest_with_a_file_is_given_what_is_free_once_its_driver_is_back),
        cmocka_unit_test(a_limit_rises_after_a_revert_though_a_lower_one_is_on_its_way),
        cmocka_unit_test(slack_is_a_part_of_what_a_limit_lets_in),
        cmocka_unit_test(who_goes_on_is_booked_with_its_memory_devices_before_its_xml_is_read),
    };

    return cmocka_run_group_tests_name("decide_ledger", tests, NULL, NULL);
}
