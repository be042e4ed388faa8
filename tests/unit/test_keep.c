/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What must outlive the daemon, and what becomes of it when the file is bad, old or can't be written. */

#include "cmocka_all.h"
#include "fake_calls.h"
#include "keep/keep.h"

#include <errno.h>
#include <glib/gstdio.h>

typedef struct Place {
    char *directory;
    char *file;
    char *problem;
} Place;

static int
set_up(void **state)
{
    Place *place = g_new0(Place, 1);

    place->directory = g_dir_make_tmp("keep-XXXXXX", NULL);
    place->file = g_build_filename(place->directory, "state", NULL);
    *state = place;
    return 0;
}

static int
tear_down(void **state)
{
    Place *place = *state;
    g_autofree char *bad = g_strconcat(place->file, ".bad", NULL);

    g_unlink(place->file);
    g_unlink(bad);
    g_rmdir(place->directory);
    g_free(place->directory);
    g_free(place->file);
    g_free(place->problem);
    g_free(place);
    return 0;
}

static Keep *
open_at(Place *place, const char *boot_id)
{
    Keep *keep;

    g_clear_pointer(&place->problem, g_free);
    keep = keep_open(place->directory, boot_id, &place->problem);
    return keep;
}

static void
what_was_set_is_there_after_a_restart(void **state)
{
    Place *place = *state;
    Keep *keep = open_at(place, "one");
    g_autofree char *value = NULL;
    g_auto(GStrv) keys = NULL;

    keep_set(keep, "running", "a", "web = \"1\"\n[x]");
    keep_set(keep, "running", "b", "db");
    keep_set(keep, "running", "b", NULL);
    keep_free(keep);

    keep = open_at(place, "one");
    assert_null(place->problem);
    assert_false(keep_host_was_down(keep));
    value = keep_get(keep, "running", "a");
    assert_string_equal(value, "web = \"1\"\n[x]");
    keys = keep_keys(keep, "running");
    assert_int_equal(g_strv_length(keys), 1);
    keep_free(keep);
}

static void
another_boot_of_the_host_is_noticed_once(void **state)
{
    Place *place = *state;
    Keep *keep = open_at(place, "one");

    assert_true(keep_host_was_down(keep));
    keep_free(keep);
    keep = open_at(place, "two");
    assert_true(keep_host_was_down(keep));
    keep_free(keep);
    keep = open_at(place, "two");
    assert_false(keep_host_was_down(keep));
    keep_free(keep);
}

static void
it_is_written_while_the_loop_runs(void **state)
{
    Place *place = *state;
    Keep *keep = open_at(place, "one");
    Keep *other;
    g_autofree char *value = NULL;

    for (int round = 0; round < 3; round++) {
        g_autofree char *text = g_strdup_printf("%d", round);
        gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        keep_set(keep, "g", "k", text);
        do {
            g_clear_pointer(&value, g_free);
            g_main_context_iteration(NULL, FALSE);
            g_usleep(1000);
            other = open_at(place, "one");
            value = keep_get(other, "g", "k");
            keep_free(other);
        } while (g_strcmp0(value, text) != 0 && g_get_monotonic_time() < end);
        assert_string_equal(value, text);
    }
    keep_free(keep);
}

static void
a_bad_file_is_set_aside_and_told(void **state)
{
    Place *place = *state;
    g_autofree char *bad = g_strconcat(place->file, ".bad", NULL);
    Keep *keep;

    assert_true(g_file_set_contents(place->file, "no key \xff file at all", -1, NULL));
    keep = open_at(place, "one");
    assert_non_null(place->problem);
    assert_true(g_utf8_validate(place->problem, -1, NULL));
    assert_non_null(strstr(place->problem, place->file));
    assert_true(g_file_test(bad, G_FILE_TEST_EXISTS));
    assert_true(keep_host_was_down(keep));
    keep_set(keep, "g", "k", "v");
    keep_free(keep);
    keep = open_at(place, "one");
    assert_null(place->problem);
    keep_free(keep);
}

static void
what_cant_be_written_is_said_and_does_no_harm(void **state)
{
    Place *place = *state;
    g_autofree char *no_directory = g_build_filename(place->file, "below-a-file", NULL);
    g_autofree char *problem = NULL;
    Keep *keep;

    assert_true(g_file_set_contents(place->file, "", -1, NULL));
    keep = keep_open(no_directory, "one", &problem);
    assert_non_null(problem);
    keep_set(keep, "g", "k", "v");
    for (int i = 0; i < 1000 && keep_problem(keep) == NULL; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    assert_non_null(keep_problem(keep));
    keep_free(keep);
}

static bool
is_on_disk(const Place *place, const char *text)
{
    g_autofree char *present = NULL;

    return g_file_get_contents(place->file, &present, NULL, NULL) && strstr(present, text) != NULL;
}

static void
run_until_on_disk(const Place *place, const char *text)
{
    for (int i = 0; i < 6000 && !is_on_disk(place, text); i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    assert_true(is_on_disk(place, text));
}

static void
what_could_not_be_written_is_written_when_there_is_room(void **state)
{
    Place *place = *state;
    Keep *keep = open_at(place, "one");

    fake_calls_fail("rename", "/state", 1, ENOSPC);
    keep_set(keep, KEEP_RUNNING, "a-guest", "web");
    for (int i = 0; i < 1000 && keep_problem(keep) == NULL; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    assert_non_null(keep_problem(keep));
    run_until_on_disk(place, "a-guest"); /* nothing else has changed */
    g_main_context_iteration(NULL, FALSE);
    for (int i = 0; i < 1000 && keep_problem(keep) != NULL; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    assert_null(keep_problem(keep));
    keep_free(keep);
}

static void
without_a_thread_it_is_written_later(void **state)
{
    Place *place = *state;
    Keep *keep = open_at(place, "one");

    fake_calls_fail("pthread_create", "", 1, EAGAIN);
    keep_set(keep, KEEP_RUNNING, "a-guest", "web");
    run_until_on_disk(place, "a-guest");
    keep_set(keep, KEEP_RUNNING, "another", "db");
    fake_calls_fail("pthread_create", "", 1, EAGAIN);
    keep_free(keep);
    assert_true(is_on_disk(place, "another"));
}

static void
without_a_directory_it_lives_in_memory(void **state)
{
    char *problem = NULL;
    Keep *keep = keep_open(NULL, "one", &problem);
    g_autofree char *value = NULL;

    assert_null(problem);
    keep_set(keep, "g", "k", "v");
    value = keep_get(keep, "g", "k");
    assert_string_equal(value, "v");
    keep_clear_group(keep, "g");
    assert_null(keep_get(keep, "g", "k"));
    keep_free(keep);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_set_is_there_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_boot_of_the_host_is_noticed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_written_while_the_loop_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_file_is_set_aside_and_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cant_be_written_is_said_and_does_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_could_not_be_written_is_written_when_there_is_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_thread_it_is_written_later, set_up, tear_down),
        cmocka_unit_test(without_a_directory_it_lives_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
