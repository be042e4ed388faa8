/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits of others: memory.max of a guest and of the slice that it stands in, and the NUMA nodes that it is bound to. */

#include "decide/bounds.h"
#include "test_limited_world.h"

#include <sys/wait.h>
#include <unistd.h>

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

/* A dimm of 1 GiB, which it does not see, is in its size: with less than that and its minimum it dies, and touches no more by it. */
static void
memory_max_leaves_a_guest_what_it_does_not_see(void **state)
{
    FakeWorld *world = world_of(1, 2 * GIB, 900 * MIB);
    uint64_t least = UINT64_MAX;

    world->guests[0].limits.max_kib = 2 * GIB;
    for (unsigned t = 0; t < 60; t++) {
        world->guests[0].unseen_kib = t >= 20 ? GIB : 0;
        if (t == 20)
            world->fake[0].actual += GIB;
        world_tick(world);
        if (t > 22)
            least = MIN(least, world->guests[0].target_kib);
    }
    assert_true(least >= 2 * GIB);
    assert_true(world->guests[0].target_kib <= 3 * GIB);
    world_free(world);
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
            world->guests[i].limits.above.group[0] = (LimitAbove){
                .id = 7, .limit_kib = 5 * GIB, .charged_kib = world->fake[0].actual + world->fake[1].actual};
        world_tick(world);
        for (size_t i = 0; i < 2; i++) {
            may += MAX(world->fake[i].actual, world->guests[i].target_kib);
            bound |= world->plan.guests[i].rule == PLAN_RULE_BOUND;
        }
        assert_true(may <= 5 * GIB);
    }
    assert_true(bound);
    assert_true(world->guests[0].target_kib + world->guests[1].target_kib >= 4600 * MIB);
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

/*
 * Of four nodes of 8 GiB g0 may have the first, g1 the second, and g2 both. They have touched nothing of what they are given, so both
 * nodes look free all the time.
 */
static void
who_is_bound_to_two_nodes_leaves_each_what_is_promised_there(void **state)
{
    FakeWorld *world = world_of(3, GIB, 12 * GIB);
    HostNode *nodes = world->snapshot.host.figures.nodes;
    uint64_t may = 0;

    world->lazy = true;
    for (size_t i = 0; i < 4; i++)
        nodes[i] = (HostNode){.total_kib = 8 * GIB, .available_kib = 8 * GIB - 64 * MIB};
    for (size_t i = 0; i < 3; i++) {
        world->fake[i].settings.maximum_kib = 12 * GIB;
        world->fake[i].settings.strict_nodes = i + 1;
    }
    for (unsigned t = 0; t < 60; t++) {
        world_tick(world);
        may = 0;
        for (size_t i = 0; i < 3; i++)
            may += MAX(world->fake[i].actual, world->guests[i].target_kib);
        assert_true(may <= 15 * GIB);
        assert_true(MAX(world->fake[0].actual, world->guests[0].target_kib) <= 7680 * MIB);
    }
    assert_true(may >= 14 * GIB);
    world_free(world);
    (void)state;
}

/* Group 7 may hold limit_kib, and holds what its guests do. Returns what a start comes into there. */
static GroupsAbove
stand_in_group(FakeWorld *world, size_t count, uint64_t limit_kib)
{
    GroupsAbove group = {0};
    uint64_t held = 0;

    for (size_t i = 0; i < count; i++) {
        const FakeGuest *fake = &world->fake[i];

        if (world->guests[i].life != GUEST_LIFE_OFF)
            held += fake->inhibited ? MAX(fake->resident, fake->actual) : fake->actual;
    }
    group.group[0] = (LimitAbove){.id = 7, .limit_kib = limit_kib, .charged_kib = held};
    for (size_t i = 0; i < count; i++)
        world->guests[i].limits.above = world->guests[i].life != GUEST_LIFE_OFF ? group : (GroupsAbove){0};
    return group;
}

/* What the guests of a group may hold by their balloons and their limits. */
static uint64_t
may_hold(const FakeWorld *world, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += world->guests[i].limits.set ? world->guests[i].limits.high_kib
                                           : world->plan.guests[i].committed_kib + world->plan.guests[i].overhead_kib;
    return sum;
}

/* g0, or g1 with it, is reset, claims its startup of 4 GiB, and is held back at what it has. The host has more than enough. */
static void
restarts_are_granted_what_their_group_has_left(void **state)
{
    for (size_t resets = 1; resets <= 2; resets++) {
        FakeWorld *world = world_of(3, 2 * GIB, GIB);
        uint64_t granted = 0;

        world->fake[0].settings.startup_kib = world->fake[1].settings.startup_kib = 4 * GIB;
        for (size_t i = 0; i < world->count; i++)
            make_limited(world, i);
        for (unsigned t = 0; t < 60; t++) {
            stand_in_group(world, 2, 5632 * MIB);
            for (size_t i = 0; t >= 30 && i < resets; i++) {
                if (t == 30)
                    world_reset(world, i);
                world->guests[i].limits.held_back++;
                world->guests[i].limits.charged_kib = world->guests[i].limits.high_kib;
            }
            tick_with_limits(world);
            assert_true(may_hold(world, 2) <= 5632 * MIB);
        }
        for (size_t i = 0; i < resets; i++)
            granted += world->plan.guests[i].granted_kib;
        assert_in_range(granted, resets * 2 * GIB + 500 * MIB, resets * 2 * GIB + 1200 * MIB);
        world_free(world);
    }
    (void)state;
}

/* The host is full, and g0's group has 800 MiB for it: what g2, which is in another one, has beyond that is of no use to it. */
static void
nobody_is_squeezed_for_what_a_group_does_not_have(void **state)
{
    FakeWorld *world = world_new(8400 * MIB, GIB);

    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB)->settings.startup_kib = 4 * GIB;
    world_add(world, 2 * GIB, 2 * GIB, 2 * GIB, GIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, 2800 * MIB);
    for (size_t i = 0; i < world->count; i++)
        make_limited(world, i);
    for (unsigned t = 0; t < 60; t++) {
        stand_in_group(world, 2, 5 * GIB);
        if (t == 30)
            world_reset(world, 0);
        tick_with_limits(world);
        assert_true(world->guests[2].target_kib >= 2 * GIB);
    }
    assert_true(world->plan.guests[0].granted_kib > 2 * GIB);
    world_free(world);
    (void)state;
}

/* It has its startup memory, and boots with more: what nobody needs is the host's to give, and not its group's. */
static void
a_boot_takes_no_spare_memory_that_its_group_does_not_have(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, GIB);

    for (size_t i = 0; i < world->count; i++)
        make_limited(world, i);
    for (unsigned t = 0; t < 60; t++) {
        stand_in_group(world, 2, 5632 * MIB);
        if (t == 30) {
            world_reset(world, 0);
            world->guests[0].boot_in_place = false; /* a new QEMU, in which there is nothing of before */
        }
        if (t >= 30) {
            world->guests[0].limits.held_back++;
            world->guests[0].limits.charged_kib = world->fake[0].resident = world->guests[0].limits.high_kib;
            world->fake[0].inhibited = true; /* it holds what it touches, whatever its balloon was */
        }
        tick_with_limits(world);
        assert_true(may_hold(world, 2) <= 5632 * MIB);
    }
    assert_true(world->plan.guests[0].granted_kib > 2 * GIB + 500 * MIB);
    world_free(world);
    (void)state;
}

/* Its balloon frees nothing, so it holds 1 GiB more than it is booked at: that is not there for the other one in its group. */
static void
what_a_guest_holds_beyond_its_booking_is_not_left_to_others(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, 6 * GIB);

    world->fake[0].need = 1900 * MIB;
    world->fake[0].settings.buffer_percent = 0;
    world->fake[0].inhibited = true;
    world->fake[0].resident = 3 * GIB;
    for (unsigned t = 0; t < 3; t++) {
        stand_in_group(world, 2, 6 * GIB);
        world_tick(world);
        assert_int_equal(world->plan.guests[0].committed_kib, 2 * GIB);
        assert_true(3 * GIB + world->guests[1].target_kib <= 6 * GIB);
    }
    assert_true(world->guests[1].target_kib > 2 * GIB);
    world_free(world);
    (void)state;
}

/* All guests stand in it: g1, which needs 1 GiB of the 4 that it has, gives up what g0 needs to boot. */
static void
a_restart_in_the_group_of_all_guests_gets_what_others_give_up(void **state)
{
    FakeWorld *world = world_new(32 * GIB, 2 * GIB);

    world_add(world, GIB, 8 * GIB, GIB, 700 * MIB);
    world_add(world, GIB, 8 * GIB, 4 * GIB, 900 * MIB);
    world->fake[0].settings.startup_kib = 3 * GIB;
    for (size_t i = 0; i < world->count; i++)
        make_limited(world, i);
    for (unsigned t = 0; t < 60; t++) {
        stand_in_group(world, 2, 6656 * MIB);
        if (t == 30)
            world_reset(world, 0);
        tick_with_limits(world);
        assert_true(world->fake[1].actual + (t >= 30 ? world->plan.guests[0].granted_kib : GIB) <= 6656 * MIB);
    }
    assert_int_equal(world->plan.guests[0].granted_kib, 3 * GIB);
    world_free(world);
    (void)state;
}

/* memory.max of its own lets it hold less than its memory devices have; its group is full, or has a little left. */
static void
a_grant_never_takes_away_what_was_granted(void **state)
{
    for (uint64_t left = 0; left < 2 * GIB; left += 512 * MIB) {
        Bound bound = {.above_id = 7, .total_kib = 8 * GIB, .has_kib = 8 * GIB, .reserve_kib = 1};
        Bounds bounds = {.bounds = &bound, .count = 1, .capacity = 1};
        LedgerEntry entry = {.bounds = {0, 1}, .granted_kib = 2 * GIB, .fixed_kib = 4 * GIB, .booked_kib = 3 * GIB};

        bound.members_kib = 8 * GIB - 1 - left;
        bounds_grant(&bounds, &entry, GIB);
        assert_int_equal(entry.granted_kib, 2 * GIB + MIN(left, GIB));
        assert_int_equal(bounds_room(&bounds, &entry), left - MIN(left, GIB));
    }
    (void)state;
}

/*
 * g0 stands in a partition of 6 GiB within a slice of 10, g1 in the slice alone, g2 elsewhere. They have touched nothing of what they
 * are given: which of the two is the tighter one for g0 tells nothing of what is promised in the other.
 */
static void
each_of_two_groups_above_a_guest_is_kept(void **state)
{
    const LimitAbove groups[] = {{.id = 7, .limit_kib = 10 * GIB, .charged_kib = 128 * MIB},
                                 {.id = 8, .limit_kib = 6 * GIB, .charged_kib = 64 * MIB}};

    for (unsigned tight = 0; tight < 2; tight++) {
        FakeWorld *world = world_of(3, GIB, 8 * GIB);

        world->lazy = true;
        world->guests[0].limits.above = (GroupsAbove){.group = {groups[tight], groups[1 - tight]}};
        world->guests[1].limits.above = (GroupsAbove){.group = {groups[0]}};
        for (unsigned t = 0; t < 60; t++) {
            world_tick(world);
            assert_true(may_hold(world, 1) <= 6 * GIB);
            assert_true(may_hold(world, 2) <= 10 * GIB);
        }
        assert_true(may_hold(world, 2) >= 9 * GIB);
        assert_true(world->guests[2].target_kib >= 7 * GIB);
        world_free(world);
    }
    (void)state;
}

/* Its limit was lowered below what its guests hold: that is nobody's to be shared once more. */
static void
a_group_that_holds_more_than_it_may_has_nothing_left(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, 2 * GIB);

    for (unsigned t = 0; t < 30; t++) {
        stand_in_group(world, 2, 3 * GIB);
        world_tick(world);
        assert_true(world->guests[0].target_kib <= 2 * GIB);
        assert_true(world->guests[1].target_kib <= 2 * GIB);
    }
    assert_true(world->guests[2].target_kib > 2 * GIB);
    world_free(world);
    (void)state;
}

/* Of what two guests hold half is the same, and charged once (KSM). */
static void
a_group_never_has_more_than_its_limit(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, 6 * GIB);

    for (unsigned t = 0; t < 60; t++) {
        stand_in_group(world, 2, 6 * GIB);
        for (size_t i = 0; i < 2; i++)
            world->guests[i].limits.above.group[0].charged_kib /= 2;
        world_tick(world);
        assert_true(may_hold(world, 2) <= 6 * GIB);
    }
    assert_true(may_hold(world, 2) >= 5500 * MIB);
    world_free(world);
    (void)state;
}

/* g2 asks for so much, and comes into these groups. */
static void
ask_for(FakeWorld *world, StartRequest *request, GroupsAbove above, uint64_t need_kib)
{
    static const StartRequest *list[1];

    *request = (StartRequest){.name = world->fake[2].name,
                              .settings = world->fake[2].settings,
                              .need_kib = need_kib,
                              .asked_usec = world->snapshot.now_usec,
                              .deadline_usec = world->snapshot.now_usec + 60 * SEC,
                              .waiting = true,
                              .above = above};
    g_strlcpy(request->uuid, world->fake[2].uuid, sizeof request->uuid);
    list[0] = request;
    world->snapshot.starts = list;
    world->snapshot.start_count = 1;
}

static StartPlan
start_of(FakeWorld *world, StartRequest *request, GroupsAbove above, uint64_t need_kib)
{
    ask_for(world, request, above, need_kib);
    world_tick(world);
    return world->plan.starts[0];
}

/* In group 7, in which g0 and g1 stand. */
static StartPlan
start_in(FakeWorld *world, StartRequest *request, uint64_t limit_kib, uint64_t need_kib)
{
    return start_of(world, request, stand_in_group(world, 2, limit_kib), need_kib);
}

/* The host has room for ten such guests, and group 7 for half of one. g3 stands in another. */
static void
a_start_in_a_group_that_is_full_is_refused(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    StartRequest request;
    StartPlan plan;

    world->guests[2].life = GUEST_LIFE_OFF;
    plan = start_in(world, &request, 5 * GIB, 2 * GIB);
    assert_int_equal(plan.verdict, START_REFUSED);
    assert_int_equal(plan.blocker_count, 1);
    assert_int_equal(plan.blockers[0].rule, START_BLOCK_GROUP);
    assert_in_range(plan.blockers[0].kept_kib, 4 * GIB, 5 * GIB);
    assert_int_equal(start_of(world, &request, (GroupsAbove){0}, 2 * GIB).verdict, START_ADMITTED);
    world_free(world);
    (void)state;
}

/* Host and group 7 are full: what g3, which stands elsewhere, could give up is of no use. */
static void
nobody_is_squeezed_for_a_start_that_its_group_has_no_room_for(void **state)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    StartRequest request;

    for (unsigned i = 0; i < 2; i++)
        world_add(world, 2 * GIB, 4 * GIB, 2 * GIB, 1500 * MIB);
    world_add(world, 2 * GIB, 8 * GIB, 2 * GIB, GIB);
    world_add(world, GIB, 12 * GIB, 6 * GIB, 2 * GIB);
    world->guests[2].life = GUEST_LIFE_OFF;
    for (unsigned t = 0; t < 5; t++) {
        stand_in_group(world, 2, 5 * GIB);
        world_tick(world);
    }
    assert_true(world->plan.free_kib < 2 * GIB);
    assert_int_equal(start_in(world, &request, 5 * GIB, 2 * GIB).verdict, START_REFUSED);
    assert_int_equal(world->plan.starts[0].blockers[0].rule, START_BLOCK_GROUP);
    assert_int_equal(world->guests[3].target_kib, 6 * GIB);
    /* in no group it has what g3 gives up */
    assert_int_equal(start_of(world, &request, (GroupsAbove){0}, 2 * GIB).verdict, START_WAITS);
    assert_true(world->guests[3].target_kib < 6 * GIB);
    world_free(world);
    (void)state;
}

/* Likewise: a restart is let in with what its group has left, and g3 gives up no more than that. */
static void
nobody_is_squeezed_for_what_the_group_of_a_restart_does_not_have(void **state)
{
    FakeWorld *world = world_new(12 * GIB, GIB);
    StartRequest request;
    unsigned t;

    for (unsigned i = 0; i < 2; i++)
        world_add(world, 2 * GIB, 4 * GIB, 2 * GIB, 1500 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, GIB);
    world_add(world, GIB, 12 * GIB, 6500 * MIB, 2 * GIB);
    for (size_t i = 0; i < 4; i++)
        make_limited(world, i);
    world->guests[2].life = GUEST_LIFE_OFF;
    for (t = 0; t < 5; t++) {
        stand_in_group(world, 2, 5 * GIB);
        tick_with_limits(world);
    }
    assert_true(world->plan.free_kib < GIB);
    ask_for(world, &request, stand_in_group(world, 2, 5 * GIB), 3 * GIB);
    request.restart = RESTART_SOON;
    for (t = 0; t < 20 && request.waiting; t++) {
        request.above = stand_in_group(world, 2, 5 * GIB);
        tick_with_limits(world);
        request.waiting = world->plan.starts[0].verdict == START_WAITS;
        assert_true(world->guests[3].target_kib >= 6500 * MIB - GIB);
    }
    assert_true(t <= 5);
    assert_in_range(world->plan.starts[0].booked_kib, 200 * MIB, GIB);
    world_free(world);
    (void)state;
}

/* 7 of 9 GiB are free; a guest of 6 GiB has a limit with 200 MiB of slack on this host, of which a half is 1 GiB. */
static void
a_start_in_a_group_is_kept_from_no_more_than_its_slack(void **state)
{
    FakeWorld *world = world_of(4, GIB, 700 * MIB);
    StartRequest request;

    world->guests[2].life = GUEST_LIFE_OFF;
    assert_int_equal(start_in(world, &request, 9 * GIB, 6 * GIB).verdict, START_ADMITTED);
    assert_int_equal(start_in(world, &request, 9 * GIB, 6700 * MIB).verdict, START_REFUSED);
    world_free(world);
    (void)state;
}

/* Its QEMU is gone, or about to be, and was booked at more than its group may hold: that was not there to be had. */
static void
a_start_gets_nothing_of_its_last_run_that_its_group_did_not_have(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, GIB);
    StartRequest request;

    world->fake[2].settings.managed = false;
    for (unsigned t = 0; t < 5; t++) {
        stand_in_group(world, 3, 5 * GIB);
        world_tick(world);
    }
    assert_int_equal(world->plan.guests[2].committed_kib, 8 * GIB);
    assert_int_equal(start_in(world, &request, 5 * GIB, 8 * GIB).verdict, START_REFUSED);
    world_free(world);
    (void)state;
}

/* It is never refused: what its group does not have comes from its paging file. */
static void
a_restart_into_a_group_that_is_full_is_let_in_with_what_is_left(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    StartRequest request;
    const StartPlan *plan;

    world->guests[2].life = GUEST_LIFE_OFF;
    ask_for(world, &request, (GroupsAbove){0}, 2 * GIB);
    request.restart = RESTART_SOON;
    request.settings.smart_paging = true;
    for (unsigned t = 0; t < 20 && request.waiting; t++) {
        request.above = stand_in_group(world, 2, 5 * GIB);
        world_tick(world);
        request.waiting = world->plan.starts[0].verdict == START_WAITS;
    }
    plan = &world->plan.starts[0];
    assert_int_equal(plan->verdict, START_ADMITTED);
    assert_in_range(plan->booked_kib, 256 * MIB, GIB);
    assert_int_equal(plan->shortfall_kib, 2 * GIB - plan->booked_kib);
    world_free(world);
    (void)state;
}

/* It is asked for while its guest is seen to run yet, or runs: what that has comes free, and is counted once. */
static void
a_start_of_a_guest_that_is_seen_yet_has_what_that_has(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    StartRequest request;

    for (unsigned t = 0; t < 3; t++) {
        stand_in_group(world, 3, 7 * GIB);
        world_tick(world);
    }
    ask_for(world, &request, stand_in_group(world, 3, 7 * GIB), 2 * GIB);
    world_tick(world);
    assert_int_equal(world->plan.starts[0].verdict, START_ADMITTED);
    world_free(world);
    (void)state;
}

/* The QEMU of g0 is gone, and that is not heard yet: what it held is not charged to its group any more, and not left beside that. */
static void
what_a_qemu_held_that_is_gone_is_not_left_twice(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    StartRequest request;
    StartPlan plan;

    world->guests[2].life = GUEST_LIFE_OFF;
    for (unsigned t = 0; t < 3; t++) {
        stand_in_group(world, 2, 5 * GIB);
        world_tick(world);
    }
    world->fake[0].mute = true;
    for (size_t i = 0; i < 2; i++)
        world->guests[i].limits.above.group[0].charged_kib = world->fake[1].actual;
    plan = start_of(world, &request, world->guests[1].limits.above, 2 * GIB);
    assert_int_equal(plan.verdict, START_REFUSED);
    assert_int_equal(plan.blockers[0].rule, START_BLOCK_GROUP);
    world_free(world);
    (void)state;
}

/*
 * The same of a node of 16 GiB that keeps 1: others have 8, g1 has 2, and so has g0, until its QEMU is gone. What others have is not
 * seen while that counts as free and as held.
 */
static void
what_others_hold_of_a_node_is_not_left_to_a_start(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    HostNode *nodes = world->snapshot.host.figures.nodes;
    StartRequest request;
    StartPlan plan;

    world->guests[2].life = GUEST_LIFE_OFF;
    nodes[0] = nodes[1] = (HostNode){.total_kib = 16 * GIB, .available_kib = 16 * GIB};
    for (size_t i = 0; i < 3; i++)
        world->fake[i].settings.strict_nodes = 1;
    for (unsigned t = 0; t < 3; t++) {
        nodes[0].available_kib = 8 * GIB - world->fake[0].actual - world->fake[1].actual;
        world_tick(world);
    }
    world->fake[0].mute = true;
    nodes[0].available_kib += world->fake[0].actual;
    plan = start_of(world, &request, (GroupsAbove){0}, 4 * GIB);
    assert_int_equal(plan.verdict, START_REFUSED);
    assert_int_equal(plan.blockers[0].rule, START_BLOCK_NODE);
    world_free(world);
    (void)state;
}

/* Runs g0 in group 7, into which g1 comes, whose start was let in. For three seconds its QEMU is there, and is not seen. */
static void
bring_in_unseen(FakeWorld *world, StartRequest *request)
{
    world->guests[1].life = world->guests[2].life = GUEST_LIFE_OFF;
    for (unsigned t = 0; t < 3; t++) {
        stand_in_group(world, 2, 8 * GIB);
        world_tick(world);
    }
    ask_for(world, request, (GroupsAbove){0}, 2 * GIB);
    g_strlcpy(request->uuid, world->fake[1].uuid, sizeof request->uuid);
    request->waiting = false;
    request->begun = true;
    request->booked_kib = 2 * GIB;
    for (unsigned t = 0; t < 3; t++) {
        request->above = stand_in_group(world, 2, 8 * GIB);
        request->above.group[0].charged_kib += world->fake[1].actual;
        world->guests[0].limits.above = request->above;
        world_tick(world);
    }
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->snapshot.now_usec;
    world->snapshot.start_count = 0;
}

/* It is booked already: once it is seen it has that, and nobody else. 4 of 8 GiB are left, of which g2 asks for 3. */
static void
what_a_qemu_held_before_it_was_seen_is_not_what_others_hold(void **state)
{
    FakeWorld *world = world_of(4, 2 * GIB, 1500 * MIB);
    StartRequest request;

    bring_in_unseen(world, &request);
    for (unsigned t = 0; t < 2; t++) {
        stand_in_group(world, 2, 8 * GIB);
        world_tick(world);
    }
    assert_int_equal(world->plan.guests[1].committed_kib, 2 * GIB);
    assert_int_equal(start_in(world, &request, 8 * GIB, 3 * GIB).verdict, START_ADMITTED);
    world_free(world);
    (void)state;
}

/* It was let in, and has no control group yet: those who run in the one that it comes into may have the rest. */
static void
a_start_that_was_let_in_is_booked_in_its_group(void **state)
{
    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        FakeWorld *world = world_of(4, 1500 * MIB, 4 * GIB);
        StartRequest request;

        world->guests[2].life = GUEST_LIFE_OFF;
        assert_int_equal(start_in(world, &request, 5 * GIB, GIB).verdict, START_ADMITTED);
        request.waiting = false;
        request.booked_kib = GIB;
        for (unsigned t = 0; t < 60; t++) {
            GroupsAbove group = stand_in_group(world, 2, 5 * GIB);

            request.above = elsewhere ? (GroupsAbove){0} : group;
            world_tick(world);
        }
        if (elsewhere)
            assert_true(may_hold(world, 2) + GIB > 5 * GIB);
        else
            assert_true(may_hold(world, 2) + GIB <= 5 * GIB);
        world_free(world);
    }
    (void)state;
}

/* All guests stand in it, so it is what they share: g0 and g1 give up for the start what they do not need. */
static void
a_start_in_the_group_of_all_guests_waits_for_what_they_give_up(void **state)
{
    FakeWorld *world = world_of(3, 2200 * MIB, GIB);
    StartRequest request;
    unsigned t;

    world->guests[2].life = GUEST_LIFE_OFF;
    assert_int_equal(start_in(world, &request, 6 * GIB, 2 * GIB).verdict, START_WAITS);
    for (t = 0; t < 30 && world->plan.starts[0].verdict == START_WAITS; t++) {
        request.above = stand_in_group(world, 2, 6 * GIB);
        world_tick(world);
    }
    assert_int_equal(world->plan.starts[0].verdict, START_ADMITTED);
    assert_true(world->fake[0].actual + world->fake[1].actual + 2 * GIB <= 6 * GIB);
    world_free(world);
    (void)state;
}

/* Each rule is needed: broken by its switch, the test beside it fails, in a process of its own. */
static void
without_its_rule_each_of_these_fails(void **state)
{
    static const struct {
        Fault fault;
        const char *name;
        void (*test)(void **state);
    } needs[] = {
        {FAULT_BOUND_NO_GATE, "gate", the_limit_of_a_slice_is_not_exceeded_by_those_in_it},
        {FAULT_BOUND_TAKEN_TWICE, "taken", the_limit_of_a_slice_is_not_exceeded_by_those_in_it},
        {FAULT_BOUND_GRANT_ALL, "grant", restarts_are_granted_what_their_group_has_left},
        {FAULT_BOUND_CLAIM_ALL, "claim", nobody_is_squeezed_for_what_a_group_does_not_have},
        {FAULT_BOUND_NOT_OWED, "owed", a_start_gets_nothing_of_its_last_run_that_its_group_did_not_have},
        {FAULT_BOUND_NOT_SHARED, "shared", a_restart_in_the_group_of_all_guests_gets_what_others_give_up},
        {FAULT_BOUND_STARTS_FREE, "start", a_start_in_a_group_that_is_full_is_refused},
        {FAULT_BOUND_FIRST_ALONE, "groups", each_of_two_groups_above_a_guest_is_kept},
        {FAULT_BOUND_NODES_ALONE, "nodes", who_is_bound_to_two_nodes_leaves_each_what_is_promised_there},
        {FAULT_BOUND_ALL_OURS, "others", what_a_guest_holds_beyond_its_booking_is_not_left_to_others},
        {FAULT_BOUND_NO_SLACK, "slack", restarts_are_granted_what_their_group_has_left},
        {FAULT_BOUND_NODES_WHOLE, "reserve", nodes_that_guests_are_bound_to_are_not_promised_twice},
        {FAULT_BOUND_OTHERS_NOW, "recent", what_others_hold_of_a_node_is_not_left_to_a_start},
    };
    unsigned passed = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
            const struct CMUnitTest tests[] = {{.name = needs[i].name, .test_func = needs[i].test}};

            rules_break(needs[i].fault);
            if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
                _exit(0);
            _exit(cmocka_run_group_tests_name("broken", tests, NULL, NULL));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 0) {
            print_error("without the rule of %s its test passes, or ends otherwise\n", needs[i].name);
            passed++;
        }
    }
    assert_int_equal(passed, 0);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_max_bounds_a_guest),
        cmocka_unit_test(memory_max_leaves_a_guest_what_it_does_not_see),
        cmocka_unit_test(memory_max_that_was_taken_away_bounds_nobody),
        cmocka_unit_test(memory_max_bounds_what_a_guest_without_a_balloon_is_booked_at),
        cmocka_unit_test(the_limit_of_a_slice_is_not_exceeded_by_those_in_it),
        cmocka_unit_test(nodes_that_guests_are_bound_to_are_not_promised_twice),
        cmocka_unit_test(restarts_are_granted_what_their_group_has_left),
        cmocka_unit_test(nobody_is_squeezed_for_what_a_group_does_not_have),
        cmocka_unit_test(a_boot_takes_no_spare_memory_that_its_group_does_not_have),
        cmocka_unit_test(what_a_guest_holds_beyond_its_booking_is_not_left_to_others),
        cmocka_unit_test(who_is_bound_to_two_nodes_leaves_each_what_is_promised_there),
        cmocka_unit_test(a_restart_in_the_group_of_all_guests_gets_what_others_give_up),
        cmocka_unit_test(a_grant_never_takes_away_what_was_granted),
        cmocka_unit_test(each_of_two_groups_above_a_guest_is_kept),
        cmocka_unit_test(a_group_that_holds_more_than_it_may_has_nothing_left),
        cmocka_unit_test(a_group_never_has_more_than_its_limit),
        cmocka_unit_test(a_start_in_a_group_that_is_full_is_refused),
        cmocka_unit_test(nobody_is_squeezed_for_a_start_that_its_group_has_no_room_for),
        cmocka_unit_test(nobody_is_squeezed_for_what_the_group_of_a_restart_does_not_have),
        cmocka_unit_test(a_start_in_a_group_is_kept_from_no_more_than_its_slack),
        cmocka_unit_test(a_start_gets_nothing_of_its_last_run_that_its_group_did_not_have),
        cmocka_unit_test(a_restart_into_a_group_that_is_full_is_let_in_with_what_is_left),
        cmocka_unit_test(a_start_of_a_guest_that_is_seen_yet_has_what_that_has),
        cmocka_unit_test(what_a_qemu_held_that_is_gone_is_not_left_twice),
        cmocka_unit_test(what_others_hold_of_a_node_is_not_left_to_a_start),
        cmocka_unit_test(what_a_qemu_held_before_it_was_seen_is_not_what_others_hold),
        cmocka_unit_test(a_start_that_was_let_in_is_booked_in_its_group),
        cmocka_unit_test(a_start_in_the_group_of_all_guests_waits_for_what_they_give_up),
        cmocka_unit_test(without_its_rule_each_of_these_fails),
    };

    return cmocka_run_group_tests_name("decide_bounds", tests, NULL, NULL);
}
