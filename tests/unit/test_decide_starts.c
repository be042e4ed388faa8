/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts in the whole of the decision: memory is made free for them, booked, and kept from everybody else meanwhile. */

#include "calm_table.h"
#include "decide/ledger.h"
#include "test_decide_world.h"

#define STARTS_MAX 6
#define TIMEOUT (60 * SEC)

typedef struct Fixture {
    FakeWorld *world;
    StartRequest requests[STARTS_MAX];
    const StartRequest *list[STARTS_MAX];
    bool gone[STARTS_MAX];               /* refused */
    unsigned admitted_after[STARTS_MAX]; /* seconds, from 1; 0: not */
} Fixture;

/* The guest that starts is number i, and off. Requests stand in the order of guests, so sorted by uuid. */
static void
ask(Fixture *fixture, size_t i, uint32_t priority)
{
    FakeWorld *world = fixture->world;
    size_t slot = world->snapshot.start_count++;

    world->guests[i].life = GUEST_LIFE_OFF;
    world->guests[i].target_known = false;
    fixture->requests[slot] = (StartRequest){.name = world->fake[i].name,
                                             .settings = world->fake[i].settings,
                                             .need_kib = world->fake[i].settings.startup_kib,
                                             .asked_usec = world->snapshot.now_usec,
                                             .deadline_usec = world->snapshot.now_usec + TIMEOUT,
                                             .waiting = true};
    fixture->requests[slot].settings.priority = priority;
    g_strlcpy(fixture->requests[slot].uuid, world->fake[i].uuid, sizeof fixture->requests[slot].uuid);
    fixture->list[slot] = &fixture->requests[slot];
    world->snapshot.starts = fixture->list;
}

/* One second, and the answers are taken over as admit/ does it. */
static void
tick(Fixture *fixture, unsigned second)
{
    FakeWorld *world = fixture->world;

    world_tick(world);
    for (size_t i = 0; i < world->snapshot.start_count; i++) {
        const StartPlan *plan = &world->plan.starts[i];
        StartRequest *request = &fixture->requests[i];

        assert_ptr_equal(plan->request, request);
        if (request->waiting && plan->verdict == START_ADMITTED) {
            request->waiting = false;
            fixture->admitted_after[i] = second;
        }
        fixture->gone[i] |= plan->verdict == START_REFUSED;
        request->booked_kib = plan->booked_kib;
    }
}

static void
run(Fixture *fixture, unsigned seconds)
{
    for (unsigned i = 1; i <= seconds; i++)
        tick(fixture, i);
}

static Fixture *
fixture_new(FakeWorld *world, Fault fault)
{
    Fixture *fixture = g_new0(Fixture, 1);

    rules_break(fault);
    fixture->world = world;
    return fixture;
}

static void
fixture_free(Fixture *fixture)
{
    world_free(fixture->world);
    g_free(fixture);
}

/*
 * A host with 12 GiB for guests that hold about all of it: one of 6 GiB that needs 3, one of 6 GiB that needs 5. A third
 * of 2 GiB startup is off.
 */
static Fixture *
full_host(Fault fault)
{
    FakeWorld *world = world_new(14 * GIB, 2 * GIB);
    Fixture *fixture;

    world_add(world, GIB, 8 * GIB, 6 * GIB, 3 * GIB)->settings.buffer_percent = 100;
    world_add(world, GIB, 8 * GIB, 5800 * MIB, 4800 * MIB);
    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    world->guests[2].life = GUEST_LIFE_OFF;
    fixture = fixture_new(world, fault);
    run(fixture, 40);
    return fixture;
}

/* ---- admitted ---- */

/* Two looks at one moment, of which the second is not its first: a limit holds it at what it was let in with. */
static void
what_a_guest_was_let_in_with_stays_its_own_in_a_second_look_at_once(void **state)
{
    FakeWorld *world = world_of(2, GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    ask(fixture, 1, 50);
    fixture->requests[0].need_kib = 3 * GIB;
    run(fixture, 2);
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->guests[1].stop_usec = world->snapshot.now_usec;
    world->guests[1].driver_up = world->guests[1].fresh = false;
    world->guests[1].limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
    world->snapshot.start_count = 0;
    tick(fixture, 3);
    assert_int_equal(world->plan.guests[1].committed_kib, 3 * GIB);
    decide(world->state, &world->snapshot, world->settings, false, &world->plan);
    assert_int_equal(world->plan.guests[1].committed_kib, 3 * GIB);
    fixture_free(fixture);
    (void)state;
}

/*
 * Both guests start with 3 GiB of huge pages, of which 4 GiB are free; a hook makes the rest while they start. What is made for
 * the second is ordinary memory until it is in the pool.
 */
static void
huge_pages_that_a_pool_lacks_are_found_in_ordinary_memory(void **state)
{
    FakeWorld *world = world_of(2, 10 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);
    HostPool *pool = &world->snapshot.host.figures.pools[1];

    world->snapshot.host.figures.pools[0].page_kib = GIB;
    *pool = (HostPool){.page_kib = 2 * MIB, .total_kib = 8 * GIB, .free_kib = 4 * GIB};
    for (size_t i = 0; i < 2; i++) {
        ask(fixture, i, 50);
        fixture->requests[i].need_kib = 0;
        fixture->requests[i].pool_kib = 3 * GIB;
        fixture->requests[i].pool_page_kib = 2 * MIB;
    }
    tick(fixture, 1);
    assert_int_equal(world->plan.starts[0].pool_kib, 0);
    assert_int_equal(world->plan.starts[1].pool_kib, 2 * GIB);
    assert_int_equal(fixture->admitted_after[0], 1);
    assert_int_equal(fixture->admitted_after[1], 1);
    assert_int_equal(fixture->requests[1].booked_kib, 2 * GIB);
    tick(fixture, 2);
    assert_int_equal(world->plan.committed_kib, 2 * GIB);
    pool->total_kib += 2 * GIB;
    pool->free_kib += 2 * GIB;
    tick(fixture, 3);
    assert_int_equal(world->plan.committed_kib, 0);
    fixture_free(fixture);
}

/* The host has 32 GiB, and it needs 64 of huge pages. */
static void
start_whose_huge_pages_nobody_can_make_is_refused_and_told_why(void **state)
{
    FakeWorld *world = world_of(2, 4 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);
    g_autofree char *text = NULL;

    world->snapshot.host.figures.pools[0] = (HostPool){.page_kib = GIB};
    ask(fixture, 0, 50);
    fixture->requests[0].need_kib = 0;
    fixture->requests[0].pool_kib = 64 * GIB;
    fixture->requests[0].pool_page_kib = GIB;
    tick(fixture, 1);
    assert_true(fixture->gone[0]);
    text = start_plan_text(&world->plan.starts[0]);
    assert_non_null(strstr(text, ", 64 GiB of huge pages that their pool lacks and "));
    fixture_free(fixture);
}

/* Of the first node, to which both are bound, 6 GiB are left, and each starts with 4. */
static void
starts_on_one_node_are_not_promised_the_same_memory(void **state)
{
    FakeWorld *world = world_of(2, 4 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    world->snapshot.host.figures.nodes[0] = (HostNode){.total_kib = 16 * GIB, .available_kib = 6 * GIB};
    world->snapshot.host.figures.nodes[1] = (HostNode){.total_kib = 16 * GIB, .available_kib = 16 * GIB};
    for (size_t i = 0; i < 2; i++) {
        world->fake[i].settings.strict_nodes = 1;
        ask(fixture, i, 50);
    }
    for (unsigned second = 1; second <= 5; second++) {
        tick(fixture, second);
        assert_int_equal((fixture->admitted_after[0] != 0) + (fixture->admitted_after[1] != 0), 1);
        assert_true(fixture->gone[0] || fixture->gone[1]);
    }
    assert_false(fixture->gone[0] && fixture->gone[1]);
    fixture_free(fixture);
}

static void
start_that_fits_is_admitted_and_booked_at_once(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);
    uint64_t free_before;
    uint64_t overhead;

    world->guests[2].life = GUEST_LIFE_OFF;
    run(fixture, 30);
    free_before = world->plan.free_kib;
    ask(fixture, 2, 50);
    tick(fixture, 1);
    overhead = world->plan.starts[0].overhead_kib;
    assert_int_equal(world->plan.starts[0].verdict, START_ADMITTED);
    assert_int_equal(world->plan.starts[0].booked_kib, 2 * GIB);
    assert_int_equal(world->plan.reserved_kib, 2 * GIB);
    assert_int_equal(world->plan.guests[2].state, GUEST_STATE_RESERVED);
    assert_int_equal(world->plan.guests[2].rule, PLAN_RULE_RESERVED);
    assert_int_equal(world->plan.guests[2].committed_kib, 2 * GIB);
    assert_int_equal(world->plan.free_kib, free_before - 2 * GIB - overhead);
    /* and it stays that way */
    for (unsigned i = 0; i < 30; i++) {
        tick(fixture, 2);
        assert_int_equal(world->plan.reserved_kib, 2 * GIB);
        assert_int_equal(world->plan.free_kib, free_before - 2 * GIB - overhead);
    }
    fixture_free(fixture);
}

/* What starts is another XML than the one that was asked for before, and needs more. */
static void
start_that_is_let_in_with_more_keeps_what_its_qemu_costs(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    world->guests[2].life = GUEST_LIFE_OFF;
    run(fixture, 30);
    ask(fixture, 2, 50);
    run(fixture, 2);
    fixture->requests[0].need_kib += GIB;
    fixture->requests[0].waiting = true;
    tick(fixture, 3);
    assert_int_equal(world->plan.starts[0].verdict, START_ADMITTED);
    assert_int_equal(world->plan.reserved_kib, 3 * GIB);
    assert_int_not_equal(world->plan.starts[0].overhead_kib, 0);
    assert_int_equal(world->plan.guests[2].overhead_kib, world->plan.starts[0].overhead_kib);
    fixture_free(fixture);
}

static void
reservation_counts_once_whether_its_guest_is_known_or_not(void **state)
{
    uint64_t committed[2];

    for (unsigned known = 0; known < 2; known++) {
        FakeWorld *world = world_of(3, 2 * GIB, GIB);
        Fixture *fixture = fixture_new(world, 0);

        ask(fixture, 2, 50);
        if (!known)
            world->count = world->snapshot.guest_count = 2;
        run(fixture, 10);
        assert_int_equal(fixture->admitted_after[0], 1);
        committed[known] = world->plan.committed_kib;
        assert_int_equal(world->plan.reserved_kib, 2 * GIB);
        fixture_free(fixture);
    }
    assert_int_equal(committed[0], committed[1]);
}

/*
 * A guest of 8 GiB that boots under a limit of 2 beside one that has 10 of 13 ends and is started anew, with all its memory, before
 * it is seen off. Its group is gone by then, and with it all that is known of it.
 */
static void
start_is_not_let_in_on_what_its_last_run_never_had(void **state)
{
    FakeWorld *world = world_new(14 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    world_add(world, 10 * GIB, 10 * GIB, 10 * GIB, 9 * GIB);
    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB)->mute = true;
    world->lazy = true;
    world->guests[1].driver_up = world->guests[1].fresh = false;
    world->guests[1].boot_usec = world->snapshot.now_usec;
    world->guests[1].limits = (GuestLimits){.usable = true, .set = true, .high_kib = 2 * GIB};
    run(fixture, 10);
    assert_in_range(world->plan.guests[1].committed_kib, GIB, 2 * GIB);
    ask(fixture, 1, 50);
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].limits = (GuestLimits){0};
    world->fake[1].settings.immediate = true;
    fixture->requests[0].need_kib = 8 * GIB;
    tick(fixture, 1);
    assert_int_equal(world->plan.guests[1].committed_kib, 8 * GIB);
    assert_true(fixture->gone[0]);
    world->guests[1].life = GUEST_LIFE_OFF;
    tick(fixture, 2);
    assert_false(world->plan.over_budget);
    fixture_free(fixture);
}

/* ---- room is made ---- */

/* It waits until the memory is seen free: at no time is more committed than there is. */
static bool
start_goes_on_when_memory_is_seen_free(Fault fault)
{
    Fixture *fixture = full_host(fault);
    FakeWorld *world = fixture->world;
    bool good;

    world->violations = 0;
    ask(fixture, 2, 50);
    run(fixture, 30);
    good = fixture->admitted_after[0] >= 3 && fixture->admitted_after[0] <= 12 && world->violations == 0;
    fixture_free(fixture);
    return good;
}

static void
others_are_squeezed_from_the_first_second_on(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;

    ask(fixture, 2, 50);
    tick(fixture, 1);
    assert_true(world->plan.guests[0].tell);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_MAKE_ROOM);
    assert_int_equal(world->plan.starts[0].verdict, START_WAITS);
    fixture_free(fixture);
}

/* Also a small step, also when all targets together fit: the claim counts on it. */
static bool
who_is_squeezed_for_a_claim_shrinks_at_once(Fault fault)
{
    CalmTable table = {.guests = {{.held_kib = 1000 * MIB,
                                   .actual_kib = 1000 * MIB,
                                   .ideal_kib = 980 * MIB,
                                   .need_kib = 500 * MIB,
                                   .want_kib = 980 * MIB,
                                   .minimum_kib = 500 * MIB,
                                   .maximum_kib = 2000 * MIB,
                                   .cap_kib = 980 * MIB}},
                       .count = 1,
                       .budget_kib = UINT64_MAX,
                       .now_usec = 1000 * SEC};

    rules_break(fault);
    calm_table_settle(&table);
    return table.guests[0].target_kib == 980 * MIB;
}

/* Somebody is in need, and the memory that is being freed is not for it: it is weighed anew when the start is through. */
static bool
nobody_is_raised_into_what_a_start_waits_for(Fault fault)
{
    Fixture *fixture = full_host(fault);
    FakeWorld *world = fixture->world;
    uint64_t before;
    bool good = true;

    ask(fixture, 2, 90);
    tick(fixture, 1);
    before = world->guests[1].target_kib;
    world->fake[1].need = 8 * GIB;
    for (unsigned i = 2; i < 30 && fixture->admitted_after[0] == 0; i++) {
        tick(fixture, i);
        good &= world->guests[1].target_kib <= before || fixture->admitted_after[0] != 0;
    }
    good &= fixture->admitted_after[0] != 0;
    fixture_free(fixture);
    return good;
}

static void
nobody_is_raised_again_while_it_gives_up_memory_for_a_start(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;
    uint64_t before = world->guests[0].target_kib;

    ask(fixture, 2, 50);
    for (unsigned i = 1; i < 30 && fixture->admitted_after[0] == 0; i++) {
        tick(fixture, i);
        assert_true(world->guests[0].target_kib <= before);
        before = world->guests[0].target_kib;
    }
    assert_true(fixture->admitted_after[0] > 0);
    fixture_free(fixture);
}

static void
start_of_low_priority_is_refused_at_once_what_others_need(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;
    const StartPlan *plan;

    world->fake[2].settings.startup_kib = 6 * GIB;
    ask(fixture, 2, 10);
    tick(fixture, 1);
    plan = &world->plan.starts[0];
    assert_int_equal(plan->verdict, START_REFUSED);
    assert_false(plan->timed_out);
    assert_true(plan->missing_kib > 0);
    assert_int_equal(plan->missing_kib, plan->needed_kib - plan->free_kib - plan->reclaimable_kib);
    assert_int_equal(plan->blockers[0].rule, START_BLOCK_PRIORITY);
    assert_int_equal(world->plan.reserved_kib, 0);
    /* nobody was squeezed for it */
    assert_int_equal(world->plan.guests[0].tell, false);
    assert_int_equal(world->plan.guests[1].tell, false);
    fixture_free(fixture);
}

/* ... and one of the same priority squeezes them to their minimum. */
static void
start_of_equal_priority_squeezes_to_the_minimum(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;

    world->fake[2].settings.startup_kib = 8 * GIB;
    ask(fixture, 2, 50);
    run(fixture, 58);
    assert_true(fixture->admitted_after[0] > 0);
    assert_int_equal(world->violations, 0);
    for (size_t i = 0; i < 2; i++)
        assert_true(world->guests[i].target_kib >= GIB);
    fixture_free(fixture);
}

static void
starting_guests_are_left_alone(void **state)
{
    FakeWorld *world = world_new(10 * GIB, 2 * GIB);
    Fixture *fixture = fixture_new(world, 0);

    world_add(world, 512 * MIB, 2 * GIB, 2 * GIB, 300 * MIB);
    world_add(world, 512 * MIB, 3 * GIB, 3 * GIB, 300 * MIB);
    world_add(world, 512 * MIB, 3 * GIB, 3 * GIB, 300 * MIB);
    world_add(world, GIB, 4 * GIB, 3 * GIB, GIB);
    /* the first has no driver yet, the second has had one for a moment */
    world->guests[0].driver_up = world->guests[0].fresh = false;
    world->guests[0].boot_usec = world->snapshot.now_usec;
    world->fake[0].mute = true;
    world->guests[1].driver_usec = world->snapshot.now_usec;
    ask(fixture, 3, 90);
    for (unsigned i = 1; i < 8; i++) {
        tick(fixture, i);
        assert_false(world->plan.guests[0].tell);
        assert_true(world->guests[1].target_kib == 3 * GIB);
    }
    assert_true(world->guests[2].target_kib < 3 * GIB);
    fixture_free(fixture);
}

/* ---- several at once ---- */

/* Room for two of four: the two of highest priority, whatever the order in which they are asked for and placed. */
static void
several_starts_queue_by_priority(void **state)
{
    static const uint32_t orders[][4] = {{10, 30, 50, 70}, {70, 50, 30, 10}, {30, 70, 10, 50}, {50, 10, 70, 30}};

    for (size_t order = 0; order < G_N_ELEMENTS(orders); order++) {
        FakeWorld *world = world_new(14 * GIB, 2 * GIB);
        Fixture *fixture = fixture_new(world, 0);
        unsigned higher = 0;

        world_add(world, GIB, 8 * GIB, 8 * GIB, 3 * GIB)->settings.priority = 5;
        for (size_t i = 1; i < 5; i++)
            world_add(world, GIB, 4 * GIB, 4 * GIB, 3 * GIB);
        for (size_t i = 1; i < 5; i++)
            ask(fixture, i, orders[order][i - 1]);
        run(fixture, 60);
        for (size_t i = 0; i < 4; i++) {
            bool first = orders[order][i] >= 50;

            assert_int_equal(fixture->admitted_after[i] > 0, first);
            assert_int_equal(fixture->gone[i], !first);
            if (orders[order][i] == 70)
                higher = fixture->admitted_after[i];
        }
        for (size_t i = 0; i < 4; i++)
            if (orders[order][i] == 50)
                assert_true(fixture->admitted_after[i] >= higher);
        assert_int_equal(world->violations, 0);
        fixture_free(fixture);
    }
}

/* A start that comes later and stands before takes what was kept for the other, which then gets it back. */
static void
later_start_of_higher_priority_goes_first(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;

    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    world->guests[3].life = GUEST_LIFE_OFF;
    ask(fixture, 2, 50);
    tick(fixture, 1);
    tick(fixture, 2);
    ask(fixture, 3, 90);
    run(fixture, 50);
    assert_true(fixture->admitted_after[1] > 0);
    assert_true(fixture->admitted_after[0] >= fixture->admitted_after[1]);
    assert_int_equal(world->violations, 0);
    fixture_free(fixture);
}

/* ---- what is booked is there ---- */

/* While it is booked and not seen running nobody else is given its memory. */
static bool
what_is_booked_is_given_to_nobody(Fault fault)
{
    FakeWorld *world = world_new(12 * GIB, 2 * GIB);
    Fixture *fixture = fixture_new(world, fault);
    bool good;

    world_add(world, GIB, 12 * GIB, 3 * GIB, 2 * GIB);
    world_add(world, GIB, 4 * GIB, 4 * GIB, GIB);
    ask(fixture, 1, 50);
    run(fixture, 5);
    world->fake[0].need = 12 * GIB;
    run(fixture, 30);
    good = fixture->admitted_after[0] == 1 && world->guests[0].target_kib + 4 * GIB <= 10 * GIB;
    fixture_free(fixture);
    return good;
}

static bool
overhead_of_a_start_is_booked(Fault fault)
{
    Fixture *fixture = fixture_new(world_of(3, 2 * GIB, GIB), fault);
    FakeWorld *world = fixture->world;
    uint64_t budget;
    uint64_t overhead;
    bool good;

    world->guests[2].life = GUEST_LIFE_OFF;
    run(fixture, 30);
    budget = world->plan.budget_kib;
    overhead = world->plan.overhead_kib;
    ask(fixture, 2, 50);
    tick(fixture, 1);
    good = world->plan.budget_kib == budget - world->plan.starts[0].overhead_kib;
    tick(fixture, 2);
    good &= world->plan.overhead_kib == overhead + world->plan.starts[0].overhead_kib;
    good &= world->plan.budget_kib == budget - world->plan.starts[0].overhead_kib;
    fixture_free(fixture);
    return good;
}

/* It starts: what was booked for it becomes what it has, and the budget does not even twitch. */
static void
booking_passes_over_to_the_guest(void **state)
{
    FakeWorld *world = world_new(12 * GIB, 2 * GIB);
    Fixture *fixture = fixture_new(world, 0);
    uint64_t budget;
    uint64_t committed;

    world_add(world, GIB, 4 * GIB, 3 * GIB, 2 * GIB);
    world_add(world, GIB, 4 * GIB, 4 * GIB, GIB);
    ask(fixture, 1, 50);
    run(fixture, 20);
    budget = world->plan.budget_kib;
    committed = world->plan.committed_kib;
    world->snapshot.start_count = 0;
    world->guests[1].life = GUEST_LIFE_RUNNING;
    world->guests[1].boots++;
    world->guests[1].boot_usec = world->snapshot.now_usec;
    world->guests[1].driver_up = world->guests[1].fresh = false;
    world->fake[1].mute = true;
    run(fixture, 5);
    assert_int_equal(world->plan.budget_kib, budget);
    assert_int_equal(world->plan.committed_kib, committed);
    assert_int_equal(world->plan.reserved_kib, 0);
    fixture_free(fixture);
}

/* What the host uses wobbles: a start that just fits is not refused for that, and not taken back. */
static void
noise_of_the_host_does_not_make_a_start_flicker(void **state)
{
    uint64_t seed = 42;

    for (int off = -30; off <= 30; off += 2) {
        Fixture *fixture = full_host(0);
        FakeWorld *world = fixture->world;
        unsigned answers = 0;

        for (unsigned i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            world->other = 100 * MIB + (seed >> 33) % (20 * MIB);
            tick(fixture, 1);
        }
        world->fake[2].settings.startup_kib = world->plan.free_kib + 2 * GIB + (uint64_t)(40 + off) * MIB - 40 * MIB -
                                              overhead_estimate(&world->fake[2].settings);
        world->fake[2].settings.minimum_kib = GIB;
        ask(fixture, 2, 10);
        for (unsigned i = 1; i < 60; i++) {
            bool waited = fixture->requests[0].waiting;

            seed = seed * 6364136223846793005 + 1442695040888963407;
            world->other = 100 * MIB + (seed >> 33) % (20 * MIB);
            tick(fixture, i);
            answers += waited != fixture->requests[0].waiting || fixture->gone[0];
            if (fixture->gone[0])
                break;
            if (fixture->admitted_after[0] != 0)
                assert_int_equal(world->plan.reserved_kib, fixture->requests[0].need_kib);
        }
        assert_int_equal(answers, 1);
        fixture_free(fixture);
    }
}

/* ---- when little is known ---- */

static void
starts_are_answered_without_libvirt(void **state)
{
    for (unsigned fits = 0; fits < 2; fits++) {
        FakeWorld *world = world_of(1, 2 * GIB, GIB);
        Fixture *fixture = fixture_new(world, 0);

        world->fake[0].settings.startup_kib = world->fake[0].settings.maximum_kib = fits ? 8 * GIB : 64 * GIB;
        ask(fixture, 0, 50);
        world->count = world->snapshot.guest_count = 0;
        world->snapshot.host.link = WORLD_LINK_DOWN;
        tick(fixture, 1);
        assert_int_equal(world->plan.starts[0].verdict, fits ? START_ADMITTED : START_REFUSED);
        fixture_free(fixture);
    }
}

/* Guests that an earlier daemon knew are being read: what they hold is booked nowhere yet, and there is time to wait for them. */
static void
nothing_is_given_away_before_all_guests_are_known(void **state)
{
    FakeWorld *world = world_of(2, 2 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    ask(fixture, 0, 50);
    world->snapshot.host.unread = true;
    run(fixture, 5);
    assert_true(fixture->requests[0].waiting);
    assert_false(fixture->gone[0]);
    world->snapshot.host.unread = false;
    run(fixture, 1);
    assert_int_equal(fixture->admitted_after[0], 1);
    fixture_free(fixture);
}

static void
nothing_is_admitted_on_figures_that_are_not_valid(void **state)
{
    FakeWorld *world = world_of(2, 2 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    run(fixture, 5);
    ask(fixture, 0, 50);
    ask(fixture, 1, 50);
    fixture->requests[1].forced = true;
    world->snapshot.host.figures_valid = false;
    run(fixture, 50);
    assert_true(fixture->requests[0].waiting);
    assert_true(fixture->requests[1].waiting);
    run(fixture, 15);
    assert_true(fixture->gone[0]);
    assert_true(fixture->admitted_after[1] > 0);
    fixture_free(fixture);
}

static void
dry_run_refuses_nobody_and_squeezes_nobody(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;

    world->dry = true;
    world->fake[2].settings.startup_kib = 7 * GIB;
    ask(fixture, 2, 100);
    tick(fixture, 1);
    assert_int_equal(world->plan.starts[0].verdict, START_ADMITTED);
    for (size_t i = 0; i < 2; i++)
        assert_false(world->plan.guests[i].tell);
    fixture_free(fixture);
}

/* What guests have that ran before the daemon is not known yet. */
static void
nobody_is_refused_before_the_guests_are_known(void **state)
{
    FakeWorld *world = world_new(12 * GIB, 2 * GIB);
    Fixture *fixture = fixture_new(world, 0);

    world_add(world, GIB, 8 * GIB, 2 * GIB, GIB);
    world_add(world, GIB, 4 * GIB, 4 * GIB, GIB);
    world->guests[0].adopted = true;
    world->guests[0].boot_usec = world->snapshot.now_usec;
    world->guests[0].driver_up = world->guests[0].fresh = false;
    world->fake[0].mute = true;
    ask(fixture, 1, 50);
    run(fixture, 2);
    assert_true(fixture->requests[0].waiting);
    assert_false(fixture->gone[0]);
    world_driver_up(world, 0);
    world->fake[0].actual = 2 * GIB;
    run(fixture, 20);
    assert_true(fixture->admitted_after[0] > 0);
    fixture_free(fixture);
}

/* A QEMU that does not answer for a moment is no reason to refuse a start, one that never does is. */
static void
guest_out_of_reach_for_a_moment_is_waited_for(void **state)
{
    for (unsigned back = 0; back < 2; back++) {
        Fixture *fixture = full_host(0);
        FakeWorld *world = fixture->world;
        unsigned second = 0;

        world->fake[2].settings.startup_kib = 3 * GIB;
        world->guests[0].answering = false;
        ask(fixture, 2, 10);
        while (second < 5)
            tick(fixture, ++second);
        assert_int_equal(world->plan.starts[0].verdict, START_WAITS);
        world->guests[0].answering = back != 0;
        while (second < 30 && fixture->requests[0].waiting && !fixture->gone[0])
            tick(fixture, ++second);
        assert_int_equal(fixture->admitted_after[0] > 0, back);
        assert_int_equal(fixture->gone[0], !back);
        assert_true(second >= 9 && second < 25);
        fixture_free(fixture);
    }
}

/* Budget= is what the guests may have together; their QEMUs' overheads come from what the host has besides. */
static void
budget_setting_is_filled_to_the_brim(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, GIB);
    Fixture *fixture = fixture_new(world, 0);

    world->settings->budget_kib = 6 * GIB;
    for (size_t i = 0; i < 3; i++)
        ask(fixture, i, 50);
    run(fixture, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture->admitted_after[i], 1);
    assert_int_equal(world->plan.free_kib, 0);
    assert_int_equal(world->violations, 0);
    fixture_free(fixture);
}

/* ---- restarts ---- */

static void
restart_takes_what_comes_in_time_and_pages_the_rest(void **state)
{
    Fixture *fixture = full_host(0);
    FakeWorld *world = fixture->world;
    uint64_t booked;

    for (size_t i = 0; i < 2; i++)
        world->fake[i].inflate = 20 * MIB;
    run(fixture, 10);
    world->fake[2].settings.startup_kib = 4 * GIB;
    world->fake[2].settings.smart_paging = true;
    ask(fixture, 2, 50);
    fixture->requests[0].restart = RESTART_SOON;
    run(fixture, 20);
    assert_true(fixture->admitted_after[0] > 0 && fixture->admitted_after[0] <= 11);
    booked = world->plan.starts[0].booked_kib;
    assert_true(booked > 0 && booked < 4 * GIB);
    assert_int_equal(world->plan.starts[0].shortfall_kib, 4 * GIB - booked);
    assert_int_equal(world->violations, 0);
    /* memory that comes free goes to it first */
    world->fake[1].need = 8 * GIB;
    run(fixture, 5);
    assert_true(world->plan.starts[0].booked_kib > booked);
    fixture_free(fixture);
}

/* From its first moment on it may touch all of it: what keeps it to a part of that is a limit, where there can be one. */
static void
restart_that_no_limit_will_hold_is_booked_in_full(void **state)
{
    for (unsigned way = 0; way < 3; way++) {
        Fixture *fixture = full_host(0);
        FakeWorld *world = fixture->world;

        for (size_t i = 0; i < 2; i++)
            world->fake[i].inflate = 20 * MIB; /* they free too little in time */
        run(fixture, 10);
        world->fake[2].settings.startup_kib = 4 * GIB;
        if (way == 0)
            world->snapshot.limit_bar = "this host has cgroup v1";
        else if (way == 1)
            world->settings->memory_high = false;
        else
            world->fake[2].settings.managed = false;
        ask(fixture, 2, 50);
        fixture->requests[0].restart = RESTART_SOON;
        fixture->requests[0].deadline_usec = world->snapshot.now_usec + 10 * SEC;
        run(fixture, 12);
        assert_true(fixture->admitted_after[0] > 0);
        assert_int_equal(world->plan.starts[0].booked_kib, 4 * GIB);
        assert_true(world->plan.over_budget);
        fixture_free(fixture);
    }
    (void)state;
}

/* ---- rules that can be broken ---- */

static const struct {
    const char *name;
    bool (*holds)(Fault fault);
    Fault fault;
} rules[] = {
    {"a start goes on when memory is seen free", start_goes_on_when_memory_is_seen_free, FAULT_START_BEFORE_FREE},
    {"who is squeezed for a claim shrinks at once", who_is_squeezed_for_a_claim_shrinks_at_once, FAULT_CLAIM_PATIENT},
    {"nobody is raised into what a start waits for", nobody_is_raised_into_what_a_start_waits_for, FAULT_CLAIM_OUTBID},
    {"what is booked is given to nobody", what_is_booked_is_given_to_nobody, FAULT_RESERVED_NOT_BOOKED},
    {"the overhead of a start is booked", overhead_of_a_start_is_booked, FAULT_RESERVED_BARE},
};

static void
rules_hold_and_can_be_broken(void **state)
{
    bool good = true;

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        bool holds = rules[i].holds(0);
        bool caught = !rules[i].holds(rules[i].fault);

        rules_break(FAULT_NONE);

        if (!holds || !caught)
            printf("# %s: %s\n", rules[i].name, holds ? "holds with the fault, too" : "does not hold");
        good &= holds && caught;
    }
    assert_true(good);
}

/*
 * A guest of 8 GiB boots without a limit, and will give up 7 when its driver is up: who lacks no more than that waits for it, and nobody
 * else does.
 */
static void
guest_that_boots_without_a_limit_holds_up_nobody_that_can_not_fit(void **state)
{
    static const struct {
        uint64_t startup_kib;
        bool forced, fits;
    } rows[] = {{1024 * GIB, false, false}, {6 * GIB, false, true}, {1024 * GIB, true, false}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        FakeWorld *world = world_new(10 * GIB, GIB);
        Fixture *fixture;
        unsigned s = 0;

        world_add(world, GIB, 8 * GIB, 8 * GIB, 3 * GIB)->settings.startup_kib = GIB;
        world_add(world, GIB, rows[i].startup_kib, GIB, GIB)->settings.startup_kib = rows[i].startup_kib;
        world->guests[1].life = GUEST_LIFE_OFF;
        fixture = fixture_new(world, 0);
        run(fixture, 40);
        world->fake[0].actual = 8 * GIB;
        world->fake[0].mute = true;
        world->fake[0].inflate = world->fake[0].deflate = 0;
        world->guests[0].boots++;
        world->guests[0].boot_usec = world->snapshot.now_usec;
        world->guests[0].driver_up = world->guests[0].fresh = world->guests[0].target_known = false;
        world->guests[0].has_usable = false;
        ask(fixture, 1, 50);
        fixture->requests[0].forced = rows[i].forced;
        while (s < 20 && fixture->requests[0].waiting && !fixture->gone[0])
            tick(fixture, ++s);
        assert_in_range(s, rows[i].fits ? 20 : 1, rows[i].fits ? 20 : 2);
        fixture_free(fixture);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_guest_was_let_in_with_stays_its_own_in_a_second_look_at_once),
        cmocka_unit_test(guest_that_boots_without_a_limit_holds_up_nobody_that_can_not_fit),
        cmocka_unit_test(huge_pages_that_a_pool_lacks_are_found_in_ordinary_memory),
        cmocka_unit_test(start_whose_huge_pages_nobody_can_make_is_refused_and_told_why),
        cmocka_unit_test(starts_on_one_node_are_not_promised_the_same_memory),
        cmocka_unit_test(start_that_fits_is_admitted_and_booked_at_once),
        cmocka_unit_test(start_that_is_let_in_with_more_keeps_what_its_qemu_costs),
        cmocka_unit_test(reservation_counts_once_whether_its_guest_is_known_or_not),
        cmocka_unit_test(rules_hold_and_can_be_broken),
        cmocka_unit_test(start_is_not_let_in_on_what_its_last_run_never_had),
        cmocka_unit_test(others_are_squeezed_from_the_first_second_on),
        cmocka_unit_test(nobody_is_raised_again_while_it_gives_up_memory_for_a_start),
        cmocka_unit_test(start_of_low_priority_is_refused_at_once_what_others_need),
        cmocka_unit_test(start_of_equal_priority_squeezes_to_the_minimum),
        cmocka_unit_test(starting_guests_are_left_alone),
        cmocka_unit_test(several_starts_queue_by_priority),
        cmocka_unit_test(later_start_of_higher_priority_goes_first),
        cmocka_unit_test(booking_passes_over_to_the_guest),
        cmocka_unit_test(noise_of_the_host_does_not_make_a_start_flicker),
        cmocka_unit_test(starts_are_answered_without_libvirt),
        cmocka_unit_test(nothing_is_given_away_before_all_guests_are_known),
        cmocka_unit_test(nothing_is_admitted_on_figures_that_are_not_valid),
        cmocka_unit_test(dry_run_refuses_nobody_and_squeezes_nobody),
        cmocka_unit_test(nobody_is_refused_before_the_guests_are_known),
        cmocka_unit_test(guest_out_of_reach_for_a_moment_is_waited_for),
        cmocka_unit_test(budget_setting_is_filled_to_the_brim),
        cmocka_unit_test(restart_takes_what_comes_in_time_and_pages_the_rest),
        cmocka_unit_test(restart_that_no_limit_will_hold_is_booked_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
