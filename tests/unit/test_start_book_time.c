/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The book of starts: for how long a start that nobody hears of keeps its memory, and what ends sooner. */

#include "start_book_fixture.h"

static void
a_start_waits_for_as_long_as_is_set(void **state)
{
    World *world = *state;

    world->settings->admission_timeout_usec = 600 * SECOND;
    ask(world, A, false, 0);
    for (unsigned i = 0; i < 10; i++) {
        settle(world, START_WAITS, 0);
        world->now_usec += 30 * SECOND;
    }
    assert_int_equal(world->answers[0].calls, 0);
    look(world);
    assert_int_equal(world->count, 1);
}

/* Each tick decides anew of a start that was let in, and finds that it still is. */
static void
a_start_that_is_not_begun_is_not_let_in_anew_in_each_tick(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    for (unsigned t = 0; t <= 70; t++) {
        settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
        world->now_usec += SECOND;
    }
    look(world);
    assert_int_equal(world->count, 0);
    assert_int_equal(world->answers[0].calls, 1);
}

/* While libvirt is away nobody sees the guest of a start that it has told of. Of one that it has not, there may be none. */
static void
only_a_started_guest_is_waited_for_while_libvirt_is_away(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    ask(world, B, false, 1);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    start_book_note(world->book, A, START_NOTE_STARTED, world->now_usec);
    world->link = WORLD_LINK_DOWN;
    world->now_usec += 61 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    assert_string_equal(world->requests[0]->uuid, A);
    world->now_usec += 300 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    /* it is not among those that libvirt lists, for a minute */
    world->link = WORLD_LINK_READ_WRITE;
    for (unsigned t = 0; t < 60; t++) {
        look(world);
        assert_int_equal(world->count, 1);
        world->now_usec += SECOND;
    }
    world->now_usec += SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

/* A transient guest has no record before it runs, and a slow host takes minutes to get there. */
static void
a_start_of_a_guest_that_is_not_known_yet_has_not_ended(void **state)
{
    World *world = *state;

    hook_asks(world, START_BOOT, "1024", NULL, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    for (unsigned t = 0; t < 290; t += 10) {
        look(world);
        assert_int_equal(world->count, 1);
        world->now_usec += 10 * SECOND;
    }
}

/* libvirt was away, and what it says of a guest since then is news: that it is there, or for a minute that it is not. */
static void
a_start_in_doubt_has_ended_when_its_guest_has_not_been_there_for_a_minute(void **state)
{
    World *world = *state;

    hook_asks(world, START_BOOT, "1024", NULL, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    world->link = WORLD_LINK_DOWN;
    look(world);
    world->link = WORLD_LINK_READ_WRITE;
    for (unsigned t = 0; t < 60; t += 10) {
        look(world);
        assert_int_equal(world->count, 1);
        world->now_usec += 10 * SECOND;
    }
    look(world);
    assert_int_equal(world->count, 0);
}

static void
a_start_that_was_let_in_can_be_called_off_before_it_is_begun(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    assert_true(start_book_release(world->book, A, "called off"));
    look(world);
    assert_int_equal(world->count, 0);
}

/* ---- the next daemon ---- */

/* A start of A was let in, begun by its hook or not yet; then there is another daemon, which has read that the guest is off. */
static void
let_in_before(World *world, bool hook)
{
    ask(world, A, hook, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    start_book_free(world->book);
    open_book(world);
    world->records[0] = (GuestRecord){
        .uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_OFF, .read_usec = world->now_usec};
    world->record_count = 1;
}

/* It is off because nobody has started it: who has asked for it comes back in a moment. */
static void
a_start_that_nobody_has_begun_outlives_the_daemon_though_its_guest_is_off(void **state)
{
    World *world = *state;

    let_in_before(world, false);
    look(world);
    assert_int_equal(world->count, 1);
    assert_int_equal(world->requests[0]->booked_kib, 512 * KIB_PER_MIB);
}

/* That its guest is off tells nothing any more: its hook is being answered now. */
static void
a_start_that_was_kept_and_is_asked_for_anew_is_not_in_doubt(void **state)
{
    World *world = *state;

    let_in_before(world, true);
    assert_false(hook_asks(world, START_BOOT, "1024", &world->records[0], 1));
    look(world);
    assert_int_equal(world->count, 1);
}

/* Handed to libvirt is not started: the next daemon has nothing to tell of a guest that started. */
static void
a_start_that_was_only_handed_on_is_kept_as_that(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    start_book_note(world->book, A, START_NOTE_HANDED, world->now_usec);
    start_book_free(world->book);
    open_book(world);
    assert_string_equal(world->moments->str, "");
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_start_waits_for_as_long_as_is_set),
        TEST(a_start_that_is_not_begun_is_not_let_in_anew_in_each_tick),
        TEST(only_a_started_guest_is_waited_for_while_libvirt_is_away),
        TEST(a_start_of_a_guest_that_is_not_known_yet_has_not_ended),
        TEST(a_start_in_doubt_has_ended_when_its_guest_has_not_been_there_for_a_minute),
        TEST(a_start_that_was_let_in_can_be_called_off_before_it_is_begun),
        TEST(a_start_that_nobody_has_begun_outlives_the_daemon_though_its_guest_is_off),
        TEST(a_start_that_was_kept_and_is_asked_for_anew_is_not_in_doubt),
        TEST(a_start_that_was_only_handed_on_is_kept_as_that),
    };

    return cmocka_run_group_tests_name("start_book_time", tests, NULL, NULL);
}
