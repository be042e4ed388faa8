/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Several starts at once: who comes first, what each gets, and what an answer that was given holds. */

#include "test_limited_world.h"

#define TIMEOUT (60 * SEC)

typedef struct Line {
    FakeWorld *world;
    StartRequest requests[2];
    const StartRequest *list[2];
} Line;

/* A host where so much is free beside one guest that needs all it has, and two that are off and ask for 3 GiB each. */
static Line *
line_new(uint64_t free_kib)
{
    Line *line = g_new0(Line, 1);
    FakeWorld *world = line->world = world_new(8 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, GIB, 700 * MIB);
    world_add(world, GIB, 4 * GIB, GIB, 700 * MIB);
    world_add(world, 7 * GIB - free_kib, 7 * GIB - free_kib, 7 * GIB - free_kib, 7 * GIB - free_kib);
    for (size_t i = 0; i < 2; i++) {
        world->guests[i].life = GUEST_LIFE_OFF;
        world->fake[i].settings.startup_kib = 3 * GIB;
        world->fake[i].settings.smart_paging = true;
    }
    world_run(world, 30);
    for (size_t i = 0; i < 2; i++) {
        line->requests[i] = (StartRequest){.name = world->fake[i].name,
                                           .settings = world->fake[i].settings,
                                           .need_kib = 3 * GIB,
                                           .asked_usec = world->snapshot.now_usec,
                                           .deadline_usec = world->snapshot.now_usec + TIMEOUT,
                                           .waiting = true};
        g_strlcpy(line->requests[i].uuid, world->fake[i].uuid, sizeof line->requests[i].uuid);
        line->list[i] = &line->requests[i];
    }
    world->snapshot.starts = line->list;
    world->snapshot.start_count = 2;
    return line;
}

static void
line_free(Line *line)
{
    world_free(line->world);
    g_free(line);
}

static void
line_tick(Line *line)
{
    world_tick(line->world);
    for (size_t i = 0; i < 2; i++) {
        const StartPlan *plan = &line->world->plan.starts[i];

        if (plan->verdict == START_ADMITTED)
            line->requests[i].waiting = false;
        line->requests[i].booked_kib = plan->booked_kib;
    }
}

/* There is room for one of two that are alike. */
static void
of_two_starts_the_one_that_was_asked_for_first_is_let_in(void **state)
{
    for (size_t first = 0; first < 2; first++) {
        Line *line = line_new(4 * GIB);

        line->requests[first].asked_usec -= 5 * SEC;
        line_tick(line);
        assert_int_equal(line->world->plan.starts[first].verdict, START_ADMITTED);
        assert_int_not_equal(line->world->plan.starts[1 - first].verdict, START_ADMITTED);
        line_free(line);
    }
    (void)state;
}

/* libvirt has its answer: the XML that it starts needs more than was asked for, and there is no more. */
static void
a_start_that_was_let_in_stays_let_in_with_what_was_booked(void **state)
{
    Line *line = line_new(4 * GIB);

    line->requests[0].asked_usec -= 5 * SEC;
    line_tick(line);
    assert_false(line->requests[0].waiting);
    line->requests[0].need_kib = 4 * GIB + 512 * MIB;
    for (unsigned t = 0; t < 90; t++) {
        line_tick(line);
        assert_int_equal(line->world->plan.starts[0].verdict, START_ADMITTED);
        assert_true(line->world->plan.starts[0].booked_kib >= 3 * GIB);
        assert_false(line->world->plan.over_budget);
    }
    /* ... and what is free of it */
    assert_true(line->world->plan.starts[0].booked_kib >= 3 * GIB + 700 * MIB);
    line_free(line);
    (void)state;
}

/* Both restart, and page for what they lack. One is of higher priority, and there is enough for the minimum of both, and little more. */
static void
each_of_two_restarts_has_its_minimum_before_one_has_more(void **state)
{
    Line *line = line_new(3 * GIB);

    line->world->settings->paging_enabled = true;
    for (size_t i = 0; i < 2; i++)
        line->requests[i].restart = RESTART_SOON;
    line->requests[0].settings.priority = 90;
    for (unsigned t = 0; t < 61; t++)
        line_tick(line);
    for (size_t i = 0; i < 2; i++) {
        assert_false(line->requests[i].waiting);
        assert_true(line->requests[i].booked_kib >= GIB);
    }
    assert_true(line->requests[0].booked_kib > line->requests[1].booked_kib);
    line_free(line);
    (void)state;
}

/* What is free is booked with the answer, not after it: what it lacks comes from its paging file, and no more than that. */
static void
a_restart_that_pages_is_let_in_with_all_that_is_free(void **state)
{
    Line *line = line_new(2 * GIB);

    line->world->settings->paging_enabled = true;
    line->requests[0].restart = RESTART_SOON;
    line->world->snapshot.start_count = 1;
    for (unsigned t = 0; t < 61 && line->requests[0].waiting; t++) {
        world_tick(line->world);
        line->requests[0].waiting = line->world->plan.starts[0].verdict == START_WAITS;
    }
    assert_int_equal(line->world->plan.starts[0].verdict, START_ADMITTED);
    assert_in_range(line->world->plan.starts[0].booked_kib, 1800 * MIB, 2 * GIB);
    assert_int_equal(line->world->plan.starts[0].shortfall_kib, 3 * GIB - line->world->plan.starts[0].booked_kib);
    line_free(line);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_two_starts_the_one_that_was_asked_for_first_is_let_in),
        cmocka_unit_test(a_start_that_was_let_in_stays_let_in_with_what_was_booked),
        cmocka_unit_test(each_of_two_restarts_has_its_minimum_before_one_has_more),
        cmocka_unit_test(a_restart_that_pages_is_let_in_with_all_that_is_free),
    };

    return cmocka_run_group_tests_name("decide_line", tests, NULL, NULL);
}
