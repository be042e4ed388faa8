/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can't wait for the next report or the next tick, and how often that may be so. */

#include "test_decide_world.h"

#define MSEC USEC_PER_MSEC

/* Guests that need 3 GiB of 4 and have settled: with 20 % of buffer each has some 3.7. */
static FakeWorld *
settled(size_t count)
{
    FakeWorld *world = world_of(count, 4 * GIB, 3 * GIB);

    world->settings->reserve_kib = 0;
    world->snapshot.host.figures.total_kib = world->snapshot.host.figures.available_kib = 256 * GIB;
    world_run(world, 400);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(world->plan.guests[i].status, GUEST_STATUS_OK);
    return world;
}

static Alarm
look_at(FakeWorld *world, size_t i, uint64_t grown_kib, uint64_t after_usec)
{
    const GuestMoment moment = {.grown_kib = grown_kib, .held_back = world->guests[i].limits.held_back};

    return decide_alarm(world->state, &world->plan, i, &moment, world->snapshot.now_usec + after_usec);
}

/* How much it must have grown by to be asked, to 1 MiB. */
static uint64_t
edge_of(FakeWorld *world, size_t i)
{
    uint64_t grown = 0;

    while (grown < 8 * GIB && look_at(world, i, grown, 0) == ALARM_NONE)
        grown += MIB;
    return grown;
}

static void
half_of_the_buffer_is_what_may_be_taken_unasked(void **state)
{
    FakeWorld *world = settled(2);
    const GuestPlan *plan = &world->plan.guests[0];
    uint64_t buffer = plan->target_kib - plan->demand_kib;

    assert_in_range(buffer, 500 * MIB, 800 * MIB);
    assert_in_range(edge_of(world, 0), buffer / 2 - 20 * MIB, buffer / 2 + 20 * MIB);
    /* one that holds a GiB more than it wants has that to take first */
    world->plan.guests[1].target_kib += GIB;
    assert_in_range(edge_of(world, 1), GIB + buffer / 2 - 20 * MIB, GIB + buffer / 2 + 20 * MIB);
    world_free(world);
}

static void
who_lacks_something_is_asked_when_half_of_what_it_has_left_is_gone(void **state)
{
    FakeWorld *world = settled(1);

    world->plan.guests[0].status = GUEST_STATUS_LOW;
    world->guests[0].usable_kib = 200 * MIB;
    assert_in_range(edge_of(world, 0), 100 * MIB, 102 * MIB);
    world_free(world);
    /* ... and not for what is nobody's lack */
    world = settled(1);
    world->plan.guests[0].starved = true;
    world->guests[0].usable_kib = 2 * MIB;
    assert_in_range(edge_of(world, 0), 28 * MIB, 32 * MIB);
    world_free(world);
}

static void
who_grows_again_and_again_is_asked_at_once_now_and_then(void **state)
{
    for (unsigned broken = 0; broken < 2; broken++) {
        FakeWorld *world = settled(1);
        unsigned asked = 0, useful = 0;

        rules_break(broken != 0 ? FAULT_ALWAYS_ASKING : 0);
        /* nothing comes of it: 3, 6, 12, 24, 48, then 60 s */
        for (uint64_t msec = 0; msec < 120 * 1000; msec += 100)
            asked += look_at(world, 0, GIB, msec * MSEC) == ALARM_ASK;
        if (broken == 0)
            assert_int_equal(asked, 6);
        else
            assert_int_equal(asked, 1200);
        /* it needs more each time */
        for (uint64_t msec = 300 * 1000; msec < 360 * 1000; msec += 100) {
            if (msec % 1000 == 0)
                world->plan.guests[0].want_kib += MIB;
            useful += look_at(world, 0, 2 * GIB, msec * MSEC) == ALARM_ASK;
        }
        if (broken == 0)
            assert_int_equal(useful, 20);
        rules_break(FAULT_NONE);
        world_free(world);
    }
}

static void
no_more_than_a_few_are_asked_at_once(void **state)
{
    for (unsigned broken = 0; broken < 2; broken++) {
        FakeWorld *world = settled(32);
        unsigned in_second[8] = {0}, all = 0;

        rules_break(broken != 0 ? FAULT_ALWAYS_ASKING : 0);
        for (uint64_t msec = 0; msec < G_N_ELEMENTS(in_second) * 1000; msec += 100)
            for (size_t i = 0; i < 32; i++)
                in_second[msec / 1000] += look_at(world, i, GIB, msec * MSEC) == ALARM_ASK;
        for (unsigned i = 0; i < G_N_ELEMENTS(in_second); i++) {
            if (broken == 0)
                assert_true(in_second[i] <= 4);
            all += in_second[i];
        }
        if (broken == 0)
            assert_int_equal(all, 32); /* each has its turn */
        else
            assert_int_equal(all, 32 * 80);
        rules_break(FAULT_NONE);
        world_free(world);
    }
}

static void
who_is_not_followed_is_not_asked(void **state)
{
    FakeWorld *world = settled(8);

    world->guests[0].fresh = false;
    world->guests[1].answering = false;
    world->guests[2].migrating = true;
    world->guests[3].life = GUEST_LIFE_PAUSED;
    world->guests[4].has_usable = false;
    world->plan.guests[5].state = GUEST_STATE_OBSERVED;
    world->plan.guests[6].weight = 0;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(look_at(world, i, GIB, 0), ALARM_NONE);
    rules_break(FAULT_NO_ASKING);
    assert_int_equal(look_at(world, 7, GIB, 0), ALARM_NONE);
    rules_break(FAULT_NONE);
    assert_int_equal(look_at(world, 7, GIB, 0), ALARM_ASK);
    world_free(world);
}

static void
who_is_held_back_is_a_tick_now_and_then(void **state)
{
    FakeWorld *world = settled(2);
    GuestLimits *limits = &world->guests[0].limits;
    GuestMoment moment = {.held_back = 5};
    unsigned ticks = 0;

    *limits = (GuestLimits){.usable = true, .set = true, .high_kib = 4 * GIB, .held_back = 5};
    assert_int_equal(decide_alarm(world->state, &world->plan, 0, &moment, world->snapshot.now_usec), ALARM_NONE);
    moment.held_back = 6;
    assert_int_equal(decide_alarm(world->state, &world->plan, 1, &moment, world->snapshot.now_usec), ALARM_NONE);
    rules_break(FAULT_NO_CROSSING);
    assert_int_equal(decide_alarm(world->state, &world->plan, 0, &moment, world->snapshot.now_usec), ALARM_NONE);
    rules_break(FAULT_NONE);
    for (uint64_t msec = 0; msec < 120 * 1000; msec += 100)
        ticks +=
            decide_alarm(world->state, &world->plan, 0, &moment, world->snapshot.now_usec + msec * MSEC) == ALARM_TICK;
    assert_int_equal(ticks, 6);
    /* one that nobody limits is none of ours */
    limits->set = false;
    assert_int_equal(decide_alarm(world->state, &world->plan, 0, &moment, world->snapshot.now_usec + 400 * SEC),
                     ALARM_NONE);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_the_buffer_is_what_may_be_taken_unasked),
        cmocka_unit_test(who_lacks_something_is_asked_when_half_of_what_it_has_left_is_gone),
        cmocka_unit_test(who_grows_again_and_again_is_asked_at_once_now_and_then),
        cmocka_unit_test(no_more_than_a_few_are_asked_at_once),
        cmocka_unit_test(who_is_not_followed_is_not_asked),
        cmocka_unit_test(who_is_held_back_is_a_tick_now_and_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
