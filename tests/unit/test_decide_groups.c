/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who stands in which groups and on which nodes: none of them is promised twice, whoever else is there, and however many there are. */

#include "decide/faults.h"
#include "test_limited_world.h"

#define SLICE 7

/* In the slice of that size, in which others hold others_kib besides what its guests are seen to hold; all guests but the last stand there. */
static void
stand_in_slice(FakeWorld *world, uint64_t limit_kib, uint64_t others_kib)
{
    uint64_t charged = others_kib;

    for (size_t i = 0; i + 1 < world->count; i++)
        charged += world->lazy ? 64 * MIB : world->fake[i].actual;
    for (size_t i = 0; i + 1 < world->count; i++)
        world->guests[i].limits.above.group[0] =
            (LimitAbove){.id = SLICE, .limit_kib = limit_kib, .charged_kib = MIN(charged, limit_kib)};
}

/* What all guests but the last may hold. */
static uint64_t
may_hold(const FakeWorld *world)
{
    uint64_t sum = 0;

    for (size_t i = 0; i + 1 < world->count; i++)
        sum += world->plan.guests[i].committed_kib + world->plan.guests[i].lent_kib;
    return sum;
}

/* Two guests that are off ask for 3 GiB each, in a slice or on a node of 5 GiB where nobody is yet. The host has ten times as much. */
static unsigned
let_in(bool by_node)
{
    FakeWorld *world = world_new(64 * GIB, 2 * GIB);
    StartRequest requests[2];
    const StartRequest *list[] = {&requests[0], &requests[1]};
    unsigned admitted = 0;

    if (by_node) {
        world->snapshot.host.figures.nodes[0] = (HostNode){.total_kib = 5 * GIB, .available_kib = 5 * GIB};
        world->snapshot.host.figures.nodes[1] = (HostNode){.total_kib = 59 * GIB, .available_kib = 59 * GIB};
    }
    for (size_t i = 0; i < 2; i++) {
        world_add(world, GIB, 3 * GIB, 3 * GIB, GIB);
        world->guests[i].life = GUEST_LIFE_OFF;
        requests[i] = (StartRequest){.name = world->fake[i].name,
                                     .settings = world->fake[i].settings,
                                     .need_kib = 3 * GIB,
                                     .asked_usec = world->snapshot.now_usec,
                                     .deadline_usec = world->snapshot.now_usec + 60 * SEC,
                                     .waiting = true};
        if (by_node)
            requests[i].settings.strict_nodes = 1;
        else
            requests[i].above.group[0] = (LimitAbove){.id = SLICE, .limit_kib = 5 * GIB};
        g_strlcpy(requests[i].uuid, world->fake[i].uuid, sizeof requests[i].uuid);
    }
    world->snapshot.starts = list;
    world->snapshot.start_count = 2;
    world_tick(world);
    for (size_t i = 0; i < 2; i++)
        admitted += world->plan.starts[i].verdict == START_ADMITTED;
    world_free(world);
    return admitted;
}

static void
two_starts_are_not_promised_the_same_where_nobody_stands_yet(void **state)
{
    assert_int_equal(let_in(false), 1);
    assert_int_equal(let_in(true), 1);
    (void)state;
}

/* The slice has room for all that it wants, and the node that it is bound to has not. */
static void
a_guest_in_a_slice_stays_within_its_node_too(void **state)
{
    FakeWorld *world = world_new(32 * GIB, 2 * GIB);
    HostNode *nodes = world->snapshot.host.figures.nodes;

    world_add(world, GIB, 12 * GIB, 2 * GIB, 9 * GIB);
    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    world->lazy = true;
    world->fake[0].settings.strict_nodes = 1;
    nodes[0] = (HostNode){.total_kib = 6 * GIB, .available_kib = 6 * GIB};
    nodes[1] = (HostNode){.total_kib = 26 * GIB, .available_kib = 26 * GIB};
    for (unsigned t = 0; t < 60; t++) {
        stand_in_slice(world, 16 * GIB, 0);
        world_tick(world);
        assert_true(may_hold(world) <= 6 * GIB);
    }
    assert_true(may_hold(world) >= 4 * GIB);
    world_free(world);
    (void)state;
}

/* Bound to nodes, on a host that does not say what its nodes have. */
static void
nodes_of_which_nothing_is_known_keep_nobody_from_anything(void **state)
{
    FakeWorld *world = world_of(1, 2 * GIB, 5 * GIB);

    world->fake[0].settings.strict_nodes = 1;
    world_run(world, 60);
    assert_true(world->guests[0].target_kib >= 5 * GIB);
    world_free(world);
    (void)state;
}

/* 3 GiB of the 8 of a slice are not its guests', who have touched next to nothing of what they may have. */
static void
what_others_hold_in_a_slice_is_not_promised_to_guests_that_have_touched_nothing_yet(void **state)
{
    FakeWorld *world = world_of(3, GIB, 6 * GIB);

    world->lazy = true;
    for (unsigned t = 0; t < 60; t++) {
        stand_in_slice(world, 8 * GIB, 3 * GIB);
        world_tick(world);
        assert_true(may_hold(world) <= 5 * GIB);
    }
    assert_true(may_hold(world) >= 4 * GIB);
    world_free(world);
    (void)state;
}

/* The first is lent what nobody is booked at, for the page cache of its disks; then the second lacks memory. What the limit
   of the first lets in is not there for it before that limit is down. */
static void
what_is_lent_in_a_slice_is_promised_to_nobody_else_in_it(void **state)
{
    FakeWorld *world = world_of(3, GIB, 700 * MIB);
    bool lent = false;

    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    for (unsigned t = 0; t < 60; t++) {
        uint64_t high = world->guests[0].limits.high_kib;

        if (t == 30)
            world->fake[1].need = 5 * GIB;
        stand_in_slice(world, 8 * GIB, 0);
        world->guests[0].limits.charged_kib = world->fake[0].actual + (t < 30 ? 2 * GIB : GIB);
        world->guests[1].limits.charged_kib = world->fake[1].actual;
        tick_with_limits(world);
        if (t > 30 && t < 40)
            world->guests[0].limits.high_kib = MAX(high, world->guests[0].limits.high_kib); /* it does not come down */
        lent |= world->plan.guests[0].lent_kib > GIB;
        assert_true(may_hold(world) <= 8 * GIB);
    }
    assert_true(lent);
    world_free(world);
    (void)state;
}

/* A guest fills a slice of 8 GiB with page cache. The host has three times as much that is free. */
static FakeWorld *
fill_slice_with_cache(Fault wrong)
{
    FakeWorld *world = world_of(3, GIB, 700 * MIB);

    rules_break(wrong);
    for (size_t i = 0; i < 2; i++)
        make_limited(world, i);
    return world;
}

static void
tick_with_cache(FakeWorld *world)
{
    uint64_t high = world->guests[0].limits.high_kib, limit_kib = 8 * GIB;

    world->guests[0].limits.charged_kib = high == LIMIT_NONE ? world->fake[0].actual : high;
    world->guests[1].limits.charged_kib = world->fake[1].actual;
    for (size_t i = 0; i < 2; i++)
        world->guests[i].limits.above.group[0] =
            (LimitAbove){.id = SLICE,
                         .limit_kib = limit_kib,
                         .charged_kib = MIN(world->guests[0].limits.charged_kib + world->fake[1].actual, limit_kib)};
    tick_with_limits(world);
}

static void
a_guest_gets_what_is_lent_in_its_slice(void **state)
{
    static const Fault wrongs[] = {FAULT_NONE, FAULT_BOUND_LEND_ON};

    for (size_t i = 0; i < G_N_ELEMENTS(wrongs); i++) {
        FakeWorld *world = fill_slice_with_cache(wrongs[i]);
        uint64_t most = 0;

        for (unsigned t = 0; t < 60; t++) {
            tick_with_cache(world);
            most = MAX(most, world->plan.guests[0].lent_kib);
        }
        assert_true(most > 2 * GIB);
        world->fake[1].need = 5 * GIB;
        for (unsigned t = 0; t < 60; t++) {
            tick_with_cache(world);
            assert_true(may_hold(world) <= 8 * GIB);
        }
        assert_int_equal(world->guests[1].target_kib >= 5 * GIB, wrongs[i] == FAULT_NONE);
        world_free(world);
    }
    rules_break(FAULT_NONE);
    (void)state;
}

static void
a_start_waits_for_what_is_lent_in_its_slice(void **state)
{
    FakeWorld *world = fill_slice_with_cache(FAULT_NONE);
    StartRequest request;
    const StartRequest *list[] = {&request};
    StartVerdict verdict = START_WAITS;

    for (unsigned t = 0; t < 60; t++)
        tick_with_cache(world);
    request = (StartRequest){.name = (char *)"new",
                             .settings = world->fake[2].settings,
                             .need_kib = 3 * GIB,
                             .asked_usec = world->snapshot.now_usec,
                             .deadline_usec = world->snapshot.now_usec + 30 * SEC,
                             .waiting = true};
    g_strlcpy(request.uuid, "00000000-0000-4000-8000-00000000ffff", sizeof request.uuid);
    world->snapshot.starts = list;
    world->snapshot.start_count = 1;
    for (unsigned t = 0; t < 10 && verdict == START_WAITS; t++) {
        request.above = world->guests[0].limits.above;
        tick_with_cache(world);
        verdict = world->plan.starts[0].verdict;
        assert_true(t > 0 || verdict == START_WAITS);
    }
    assert_int_equal(verdict, START_ADMITTED);
    world_free(world);
    (void)state;
}

/* Twenty guests, each in a slice of its own with 2 GiB, and each needs more. */
static void
many_slices_are_kept_each_by_itself(void **state)
{
    FakeWorld *world = world_new(128 * GIB, 2 * GIB);

    for (size_t i = 0; i < 20; i++)
        world_add(world, GIB, 8 * GIB, GIB, 4 * GIB);
    world->lazy = true;
    for (unsigned t = 0; t < 30; t++) {
        for (size_t i = 0; i < world->count; i++)
            world->guests[i].limits.above.group[0] =
                (LimitAbove){.id = 100 + i, .limit_kib = 2 * GIB, .charged_kib = 64 * MIB};
        world_tick(world);
        for (size_t i = 0; i < world->count; i++)
            assert_true(world->plan.guests[i].committed_kib <= 2 * GIB);
    }
    for (size_t i = 0; i < world->count; i++)
        assert_true(world->guests[i].target_kib > 1500 * MIB);
    world_free(world);
    (void)state;
}

/* Both guests stand in two groups, one within the other. The smaller one is what they share: what one does not need the other gets. */
static void
guests_share_the_smaller_of_two_groups_that_all_of_them_stand_in(void **state)
{
    const LimitAbove groups[] = {{.id = 8, .limit_kib = 6 * GIB, .charged_kib = 128 * MIB},
                                 {.id = 9, .limit_kib = 24 * GIB, .charged_kib = 128 * MIB}};

    for (size_t first = 0; first < 2; first++) {
        FakeWorld *world = world_new(32 * GIB, 2 * GIB);

        world_add(world, GIB, 8 * GIB, 3 * GIB, 900 * MIB);
        world_add(world, GIB, 8 * GIB, 1536 * MIB, 3 * GIB);
        world->lazy = true;
        for (size_t i = 0; i < 2; i++)
            world->guests[i].limits.above = (GroupsAbove){.group = {groups[first], groups[1 - first]}};
        world_run(world, 120);
        assert_true(world->guests[1].target_kib >= 3 * GIB);
        assert_true(world->plan.committed_kib <= 6 * GIB);
        world_free(world);
    }
    (void)state;
}

/* The kernel kills who outgrows a slice, so what the limits of its guests let in together is no more than it has, with all their slack. */
static void
limits_of_guests_in_a_slice_let_in_no_more_than_it_has(void **state)
{
    FakeWorld *world = world_new(64 * GIB, 8 * GIB);

    for (size_t i = 0; i < 5; i++)
        world_add(world, GIB, 8 * GIB, GIB, 700 * MIB);
    for (size_t i = 0; i < 4; i++)
        make_limited(world, i);
    world->lazy = true;
    for (unsigned t = 0; t < 60; t++) {
        uint64_t sum = 0;

        for (size_t i = 0; t == 20 && i < 4; i++)
            world->fake[i].need = 6 * GIB;
        stand_in_slice(world, 12 * GIB, 0);
        tick_with_limits(world);
        for (size_t i = 0; i < 4; i++)
            sum += world->guests[i].limits.high_kib;
        assert_true(sum <= 12 * GIB);
    }
    assert_true(may_hold(world) > 9 * GIB);
    world_free(world);
    (void)state;
}

/* Libvirt is away, so nothing is certain; its hook waits for an answer all the same, and gets it before its time is over. */
static void
a_start_that_its_slice_has_no_room_for_is_answered_in_time(void **state)
{
    FakeWorld *world = world_of(2, 2 * GIB, GIB);
    StartRequest request = {.name = (char *)"g0", .need_kib = 6 * GIB, .waiting = true};
    const StartRequest *list[] = {&request};
    unsigned t;

    world->guests[0].life = GUEST_LIFE_OFF;
    world_run(world, 10);
    request.settings = world->fake[0].settings;
    request.asked_usec = world->snapshot.now_usec;
    request.deadline_usec = world->snapshot.now_usec + 60 * SEC;
    request.above.group[0] = (LimitAbove){.id = SLICE, .limit_kib = 5 * GIB};
    g_strlcpy(request.uuid, world->fake[0].uuid, sizeof request.uuid);
    world->snapshot.host.link = WORLD_LINK_DOWN;
    world->snapshot.starts = list;
    world->snapshot.start_count = 1;
    for (t = 1; t < 90; t++) {
        world_tick(world);
        if (world->plan.starts[0].verdict != START_WAITS)
            break;
    }
    assert_in_range(t, 50, 60);
    assert_int_equal(world->plan.starts[0].verdict, START_REFUSED);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_starts_are_not_promised_the_same_where_nobody_stands_yet),
        cmocka_unit_test(a_guest_in_a_slice_stays_within_its_node_too),
        cmocka_unit_test(nodes_of_which_nothing_is_known_keep_nobody_from_anything),
        cmocka_unit_test(what_others_hold_in_a_slice_is_not_promised_to_guests_that_have_touched_nothing_yet),
        cmocka_unit_test(what_is_lent_in_a_slice_is_promised_to_nobody_else_in_it),
        cmocka_unit_test(a_guest_gets_what_is_lent_in_its_slice),
        cmocka_unit_test(a_start_waits_for_what_is_lent_in_its_slice),
        cmocka_unit_test(many_slices_are_kept_each_by_itself),
        cmocka_unit_test(guests_share_the_smaller_of_two_groups_that_all_of_them_stand_in),
        cmocka_unit_test(limits_of_guests_in_a_slice_let_in_no_more_than_it_has),
        cmocka_unit_test(a_start_that_its_slice_has_no_room_for_is_answered_in_time),
    };

    return cmocka_run_group_tests_name("decide_groups", tests, NULL, NULL);
}
