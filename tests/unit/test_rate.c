/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How well a guest would fit: stars, figures, who would be squeezed and who is in the way; and that asking changes nothing. */

#include "decide/ledger.h"
#include "test_decide_world.h"

/*
 * 12 GiB for guests, of which 3 GiB are free: db needs 4 GiB and has 6, with priority 40, mail needs 2 GiB and has 3, with
 * priority 80. Both may be squeezed to 1 GiB.
 */
static FakeWorld *
settled_world(void)
{
    FakeWorld *world = world_new(14 * GIB, 2 * GIB);

    world_add(world, GIB, 8 * GIB, 6 * GIB, 4 * GIB)->settings.buffer_percent = 50;
    world->fake[0].settings.priority = 40;
    world_add(world, GIB, 4 * GIB, 3 * GIB, 2 * GIB)->settings.buffer_percent = 50;
    world->fake[1].settings.priority = 80;
    world_run(world, 30);
    return world;
}

static uint64_t
overhead_of(uint64_t startup_kib)
{
    const GuestSettings settings = {.maximum_kib = startup_kib, .vcpus = 1};

    return overhead_estimate(&settings);
}

/* What would be needed to fill the host's free memory and so much of what others have. */
static uint64_t
startup_for(const FakeWorld *world, uint64_t beyond_free_kib)
{
    uint64_t kib = world->plan.free_kib + beyond_free_kib;

    return kib - overhead_of(kib);
}

static void
stars_say_from_where_the_memory_would_come(void **state)
{
    static const struct {
        uint64_t beyond_free;
        uint32_t priority;
        unsigned stars;
        size_t squeezed;
    } cases[] = {
        {0, 0, 4, 0},                     /* all of what is free */
        {GIB, 0, 3, 1},                   /* a part of db's buffer */
        {2800 * MIB, 0, 3, 2},            /* nearly all that nobody needs */
        {2800 * MIB + GIB, 40, 2, 2},     /* a fifth of what db needs */
        {2800 * MIB + 3 * GIB, 40, 1, 2}, /* most of it */
        {2800 * MIB + GIB, 39, 0, 0},     /* its priority does not suffice */
        {9 * GIB, 100, 0, 0},             /* nobody can be squeezed that far */
    };
    FakeWorld *world = settled_world();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(StartRating) rating = {0};
        uint64_t startup = startup_for(world, cases[i].beyond_free);

        decide_rate(world->state, &world->plan, startup, cases[i].priority, &rating);
        assert_int_equal(rating.stars, cases[i].stars);
        assert_int_equal(rating.startup_kib, startup);
        assert_int_equal(rating.needed_kib, startup + overhead_of(startup));
        assert_int_equal(rating.free_kib, world->plan.free_kib);
        assert_int_equal(rating.missing_kib,
                         saturating_sub(rating.needed_kib, rating.free_kib + rating.buffers_kib + rating.demand_kib));
        assert_int_equal(rating.stars == 0, rating.missing_kib > 0);
        if (cases[i].stars > 0)
            assert_int_equal(rating.squeezes != NULL ? rating.squeezes->len : 0, cases[i].squeezed);
        assert_int_equal(rating.blocker_count > 0, cases[i].stars == 0);
    }
    world_free(world);
}

static void
five_stars_are_for_who_has_a_buffer_too(void **state)
{
    FakeWorld *world = settled_world();
    g_auto(StartRating) rating = {0};

    decide_rate(world->state, &world->plan, startup_for(world, 0) * 4 / 5, 0, &rating);
    assert_int_equal(rating.stars, 5);
    start_rating_clear(&rating);
    decide_rate(world->state, &world->plan, startup_for(world, 0) * 9 / 10, 0, &rating);
    assert_int_equal(rating.stars, 4);
    world_free(world);
}

static void
who_would_be_squeezed_is_told_with_how_far(void **state)
{
    FakeWorld *world = settled_world();
    g_auto(StartRating) rating = {0};
    uint64_t given = 0;

    decide_rate(world->state, &world->plan, startup_for(world, 4 * GIB), 40, &rating);
    assert_int_equal(rating.squeezes->len, 2);
    for (guint i = 0; i < 2; i++) {
        const StartSqueeze *squeeze = &g_array_index(rating.squeezes, StartSqueeze, i);
        size_t guest = i; /* who gives most comes first, and that is db */

        assert_string_equal(squeeze->name, world->fake[guest].name);
        assert_string_equal(squeeze->uuid, world->fake[guest].uuid);
        assert_int_equal(squeeze->assigned_kib, world->fake[guest].actual);
        assert_int_equal(squeeze->below_demand, guest == 0);
        given += squeeze->assigned_kib - squeeze->target_kib;
    }
    assert_int_equal(given, rating.needed_kib - rating.free_kib);
    world_free(world);
}

/* Guests are forgotten by libvirt between two ticks: what their names were is still known. */
static void
rating_needs_nothing_of_the_snapshot(void **state)
{
    FakeWorld *world = settled_world();
    g_auto(StartRating) rating = {0};

    memset(world->guests, 0xff, sizeof world->guests);
    memset(world->fake, 0xff, sizeof world->fake);
    decide_rate(world->state, &world->plan, startup_for(world, 4 * GIB), 40, &rating);
    assert_string_equal(g_array_index(rating.squeezes, StartSqueeze, 0).name, "g0");
    start_rating_clear(&rating);
    decide_rate(world->state, &world->plan, 64 * GIB, 40, &rating);
    assert_string_equal(rating.blockers[0].name, "g1");
    assert_int_equal(rating.blockers[0].rule, START_BLOCK_PRIORITY);
    assert_string_equal(rating.blockers[1].name, "");
    assert_int_equal(rating.blockers[1].rule, START_BLOCK_HOST);
    world_free(world);
}

static void
starts_that_are_booked_are_in_the_way(void **state)
{
    FakeWorld *world = settled_world();
    Plan plan = world->plan;
    g_auto(StartRating) rating = {0};

    plan.reserved_kib = 20 * GIB;
    decide_rate(world->state, &plan, 64 * GIB, 40, &rating);
    assert_string_equal(rating.blockers[0].name, "");
    assert_int_equal(rating.blockers[0].kept_kib, 20 * GIB);
    assert_int_equal(rating.blockers[0].rule, START_BLOCK_AHEAD);
    world_free(world);
}

static void
asking_changes_nothing(void **state)
{
    FakeWorld *asked = settled_world();
    FakeWorld *left = settled_world();

    for (unsigned i = 0; i < 20; i++) {
        g_auto(StartRating) rating = {0};
        g_auto(StartRating) again = {0};

        decide_rate(asked->state, &asked->plan, i * GIB / 2, i * 5, &rating);
        decide_rate(asked->state, &asked->plan, i * GIB / 2, i * 5, &again);
        assert_int_equal(rating.stars, again.stars);
        world_tick(asked);
        world_tick(left);
        for (size_t guest = 0; guest < 2; guest++)
            assert_int_equal(asked->plan.guests[guest].target_kib, left->plan.guests[guest].target_kib);
        assert_int_equal(asked->plan.budget_kib, left->plan.budget_kib);
    }
    world_free(asked);
    world_free(left);
}

static void
before_the_first_plan_nothing_is_free(void **state)
{
    DecideState *fresh = decide_state_new();
    const Plan plan = {0};
    g_auto(StartRating) rating = {0};

    decide_rate(fresh, &plan, GIB, 50, &rating);
    assert_int_equal(rating.stars, 0);
    assert_int_equal(rating.free_kib, 0);
    assert_int_equal(rating.missing_kib, rating.needed_kib);
    decide_state_free(fresh);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_say_from_where_the_memory_would_come),
        cmocka_unit_test(five_stars_are_for_who_has_a_buffer_too),
        cmocka_unit_test(who_would_be_squeezed_is_told_with_how_far),
        cmocka_unit_test(rating_needs_nothing_of_the_snapshot),
        cmocka_unit_test(starts_that_are_booked_are_in_the_way),
        cmocka_unit_test(asking_changes_nothing),
        cmocka_unit_test(before_the_first_plan_nothing_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
