/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose hook waits, for how long at most, and whose start it told of. */
#include "cmocka_all.h"

#include "heap.h"
#include "units.h"
#include "watch/hooks.h"

#define A "aaaaaaaa-1111-1111-1111-111111111111"
#define B "bbbbbbbb-1111-1111-1111-111111111111"
#define PATIENCE_USEC (50 * USEC_PER_MSEC)

static unsigned times_over;

static void
on_over(void *user_data)
{
    times_over++;
}

static int
setup(void **state)
{
    times_over = 0;
    *state = hook_notes_new(PATIENCE_USEC, on_over, NULL);
    return 0;
}

static int
teardown(void **state)
{
    hook_notes_free(*state);
    return 0;
}

static void
waits_until_it_is_answered(void **state)
{
    HookNotes *notes = *state;

    assert_false(hook_notes_any_waits(notes));
    hook_notes_note(notes, A, HOOK_WAITS, 0);
    hook_notes_note(notes, B, HOOK_WAITS, 0);
    assert_true(hook_notes_waits(notes, A));
    hook_notes_note(notes, A, HOOK_ANSWERED, 0);
    assert_int_equal(times_over, 1);
    assert_false(hook_notes_waits(notes, A));
    assert_true(hook_notes_waits(notes, B));
    assert_true(hook_notes_any_waits(notes));
    hook_notes_note(notes, B, HOOK_STOPPED, 0); /* whoever waited is dead */
    assert_false(hook_notes_any_waits(notes));
    assert_int_equal(times_over, 2);
}

static void
told_twice_waits_once(void **state)
{
    HookNotes *notes = *state;

    hook_notes_note(notes, A, HOOK_WAITS, 0);
    hook_notes_note(notes, A, HOOK_WAITS, 0);
    hook_notes_note(notes, A, HOOK_ANSWERED, 0);
    assert_false(hook_notes_any_waits(notes));
    hook_notes_note(notes, A, HOOK_ANSWERED, 0);
    assert_false(hook_notes_any_waits(notes));
    assert_int_equal(times_over, 1);
}

static void
lost_answer_is_not_waited_for_for_ever(void **state)
{
    HookNotes *notes = *state;

    hook_notes_note(notes, A, HOOK_WAITS, 0);
    while (times_over == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_false(hook_notes_waits(notes, A));
    assert_false(hook_notes_any_waits(notes));
}

static void
start_is_told_once_and_only_if_it_stands(void **state)
{
    HookNotes *notes = *state;
    uint64_t before_usec = (uint64_t)g_get_monotonic_time();

    assert_int_equal(hook_notes_take_start(notes, A), 0);
    hook_notes_note(notes, A, HOOK_WAITS, 0);
    hook_notes_note(notes, A, HOOK_ANSWERED, 0);
    assert_int_equal(hook_notes_take_start(notes, A), 0);
    hook_notes_note(notes, A, HOOK_STARTED, 0);
    assert_true(hook_notes_take_start(notes, A) >= before_usec);
    assert_int_equal(hook_notes_take_start(notes, A), 0);
    hook_notes_note(notes, A, HOOK_STARTED, 0);
    hook_notes_note(notes, A, HOOK_STOPPED, 0);
    assert_int_equal(hook_notes_take_start(notes, A), 0);
}

/* Guests come and go: who is not heard of again leaves nothing behind. */
static void
nothing_is_kept_of_lost_answers(void **state)
{
    HookNotes *notes = hook_notes_new(1, on_over, NULL);
    size_t before = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 10000; i++) {
            g_autofree char *uuid = g_strdup_printf("aaaaaaaa-1111-1111-1111-%u%011u", round, i);

            hook_notes_note(notes, uuid, HOOK_WAITS, 0);
        }
        while (hook_notes_any_waits(notes))
            g_main_context_iteration(NULL, TRUE);
        if (round == 0)
            before = heap_bytes();
    }
    assert_true(heap_bytes() < before + 100000);
    hook_notes_free(notes);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_until_it_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(told_twice_waits_once, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_answer_is_not_waited_for_for_ever, setup, teardown),
        cmocka_unit_test(nothing_is_kept_of_lost_answers),
        cmocka_unit_test_setup_teardown(start_is_told_once_and_only_if_it_stands, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
