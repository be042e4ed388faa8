/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is named as in the way of a start that can't be had, and why nothing can be taken from it. */

#include "test_limited_world.h"

typedef struct Blocked {
    FakeWorld *world;
    StartRequest requests[2];
    const StartRequest *starts[2];
} Blocked;

static void
ask(Blocked *blocked, size_t i)
{
    FakeWorld *world = blocked->world;
    size_t slot = world->snapshot.start_count++;
    StartRequest *request = &blocked->requests[slot];

    *request = (StartRequest){.name = world->fake[i].name,
                              .settings = world->fake[i].settings,
                              .need_kib = 6 * GIB,
                              .asked_usec = world->snapshot.now_usec,
                              .deadline_usec = world->snapshot.now_usec + 60 * SEC,
                              .waiting = true};
    g_strlcpy(request->uuid, world->fake[i].uuid, sizeof request->uuid);
    blocked->starts[slot] = request;
    world->snapshot.starts = blocked->starts;
}

/* 9 GiB for guests: g0 has 6 of them, and needs 5, and g1 starts with 6. */
static Blocked *
blocked_new(void)
{
    Blocked *blocked = g_new0(Blocked, 1);
    FakeWorld *world = blocked->world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 8 * GIB, 6 * GIB, 5 * GIB);
    world_add(world, GIB, 8 * GIB, 6 * GIB, GIB);
    world->guests[1].life = GUEST_LIFE_OFF;
    world->guests[1].target_known = false;
    world_run(world, 5);
    return blocked;
}

static void
blocked_free(Blocked *blocked)
{
    world_free(blocked->world);
    g_free(blocked);
}

static void
needs_all(Blocked *blocked)
{
    blocked->world->fake[0].settings.minimum_kib = 6 * GIB;
}

static void
tells_nothing_new(Blocked *blocked)
{
    blocked->world->fake[0].mute = true;
    blocked->world->guests[0].fresh = false;
}

static void
is_nobodys(Blocked *blocked)
{
    blocked->world->fake[0].settings.managed = false;
}

static void
goes_away(Blocked *blocked)
{
    blocked->world->guests[0].migrating = true;
}

static void
loses_libvirt(Blocked *blocked)
{
    blocked->world->snapshot.host.link = WORLD_LINK_DOWN;
}

static void
only_looks_on(Blocked *blocked)
{
    blocked->world->dry = true;
}

/* Its next run is asked for before this one is seen to have ended. */
static void
starts_anew(Blocked *blocked)
{
    ask(blocked, 0);
}

/*
 * What lasts longest is the reason: a guest that can never be squeezed is not in the way because libvirt is away. Of one that is about to
 * start again what it has goes to that start, whatever else is the matter with it.
 */
static void
the_reason_is_what_would_have_to_change(void **state)
{
    static const struct {
        const char *what;
        void (*first)(Blocked *blocked);
        void (*second)(Blocked *blocked);
        int rule;
    } rows[] = {
        {"it is at its minimum", needs_all, NULL, PLAN_RULE_AT_MINIMUM},
        {"its reports are old", tells_nothing_new, NULL, PLAN_RULE_STALE},
        {"it is not managed", is_nobodys, NULL, PLAN_RULE_UNMANAGED},
        {"it migrates", goes_away, NULL, PLAN_RULE_FROZEN},
        {"libvirt is away", loses_libvirt, NULL, PLAN_RULE_LINK_DOWN},
        {"nobody is told anything", only_looks_on, NULL, PLAN_RULE_OBSERVE},
        {"nobody is told anything, and libvirt is away", only_looks_on, loses_libvirt, PLAN_RULE_LINK_DOWN},
        {"it is not managed, and libvirt is away", is_nobodys, loses_libvirt, PLAN_RULE_UNMANAGED},
        {"it is not managed, and nobody is told anything", is_nobodys, only_looks_on, PLAN_RULE_UNMANAGED},
        {"it is about to start", starts_anew, NULL, START_BLOCK_AHEAD},
        {"it is about to start, and is not managed", is_nobodys, starts_anew, START_BLOCK_AHEAD},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Blocked *blocked = blocked_new();
        const StartPlan *plan;
        int rule = -1;

        rows[i].first(blocked);
        if (rows[i].second != NULL)
            rows[i].second(blocked);
        ask(blocked, 1);
        world_tick(blocked->world);
        plan = &blocked->world->plan.starts[blocked->world->snapshot.start_count - 1];
        assert_true(plan->missing_kib > 0);
        for (unsigned b = 0; b < plan->blocker_count; b++)
            if (strcmp(plan->blockers[b].name, "g0") == 0)
                rule = plan->blockers[b].rule;
        if (rule != rows[i].rule)
            fail_msg("%s: %d instead of %d", rows[i].what, rule, rows[i].rule);
        blocked_free(blocked);
    }
    (void)state;
}

/* What it is booked at it has once: its next start is to have that, and nothing besides. */
static void
a_guest_that_is_about_to_start_again_is_in_the_way_once(void **state)
{
    Blocked *blocked = blocked_new();
    const StartPlan *plan;
    uint64_t kept = 0;

    ask(blocked, 0);
    ask(blocked, 1);
    world_tick(blocked->world);
    plan = &blocked->world->plan.starts[1];
    assert_true(plan->missing_kib > 0);
    for (unsigned b = 0; b < plan->blocker_count; b++)
        if (strcmp(plan->blockers[b].name, "g0") == 0)
            kept += plan->blockers[b].kept_kib;
    assert_int_equal(kept, 6 * GIB);
    blocked_free(blocked);
    (void)state;
}

/*
 * g0 is booked at 5 GiB that it sees, and can be left with 1; of a higher priority it keeps the 3 that it needs. What it does not see is
 * booked nowhere, and what a memory device holds can't be had.
 */
static void
what_can_be_had_of_a_guest_is_what_it_sees_and_can_do_without(void **state)
{
    for (unsigned device = 0; device < 2; device++)
        for (unsigned higher = 0; higher < 2; higher++) {
            Blocked *blocked = blocked_new();
            FakeWorld *world = blocked->world;
            FakeGuest *fake = &world->fake[0];
            uint64_t booked, needed;

            make_limited(world, 0);
            fake->need = 3 * GIB;
            fake->settings.priority = higher ? 90 : 50;
            world->guests[0].unseen_kib = device ? 0 : GIB;
            fake->settings.fixed_kib = device ? GIB : 0;
            fake->actual = world->guests[0].target_kib = device ? 5 * GIB : 6 * GIB;
            run_with_limits(world, 30);
            booked = world->plan.guests[0].committed_kib - (device ? GIB : 0);
            assert_in_range(booked, 5 * GIB, 5 * GIB + 640 * MIB); /* its limit is allowed to stand a little higher */
            ask(blocked, 1);
            world_tick(world);
            needed = world->plan.guests[0].demand_kib - world->guests[0].unseen_kib;
            assert_in_range(needed, 3 * GIB, 3 * GIB + 128 * MIB);
            assert_int_equal(world->plan.starts[0].reclaimable_kib, booked - (higher ? needed : GIB));
            blocked_free(blocked);
        }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_had_of_a_guest_is_what_it_sees_and_can_do_without),
        cmocka_unit_test(a_guest_that_is_about_to_start_again_is_in_the_way_once),
        cmocka_unit_test(the_reason_is_what_would_have_to_change),
    };

    return cmocka_run_group_tests_name("decide_blockers", tests, NULL, NULL);
}
