/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of earlier runs after restarts of the daemon and of the host. */
#include "cmocka_all.h"

#include "units.h"
#include "watch/runs.h"

#include <glib/gstdio.h>

#define A "aaaaaaaa-1111-1111-1111-111111111111"
#define B "bbbbbbbb-1111-1111-1111-111111111111"
#define C "cccccccc-1111-1111-1111-111111111111"

typedef struct Fixture {
    char *directory;
    Keep *keep;
    Runs *runs;
} Fixture;

/* The daemon starts, in the boot of the host that has this id. */
static void
begin(Fixture *fixture, const char *boot_id, uint64_t now_sec)
{
    g_autofree char *problem = NULL;

    fixture->keep = keep_open(fixture->directory, boot_id, &problem);
    assert_null(problem);
    fixture->runs = runs_new(fixture->keep, now_sec * USEC_PER_SEC);
}

/* The daemon is gone, killed where end_sec is 0. What was said before has been written. */
static void
end(Fixture *fixture, uint64_t end_sec)
{
    if (end_sec != 0)
        runs_note_end(fixture->runs, end_sec * USEC_PER_SEC);
    g_clear_pointer(&fixture->runs, runs_free);
    g_clear_pointer(&fixture->keep, keep_free);
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->directory = g_dir_make_tmp("dynmem-runs-XXXXXX", NULL);
    assert_non_null(fixture->directory);
    begin(fixture, "boot-1", 1000);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *file = g_build_filename(fixture->directory, "state", NULL);

    if (fixture->runs != NULL)
        end(fixture, 0);
    g_unlink(file);
    g_rmdir(fixture->directory);
    g_free(fixture->directory);
    g_free(fixture);
    return 0;
}

static void
who_ran_is_known_to_the_next_daemon(void **state)
{
    Fixture *fixture = *state;

    runs_note_running(fixture->runs, A, "a");
    runs_note_running(fixture->runs, B, "b");
    runs_note_off(fixture->runs, B, "b", 1500 * USEC_PER_SEC);
    end(fixture, 0);
    begin(fixture, "boot-1", 1510);
    assert_true(runs_is_running(fixture->runs, A));
    assert_false(runs_is_running(fixture->runs, B));
    assert_false(runs_ran_at_host_down(fixture->runs, A));
    assert_int_equal(runs_stop_usec(fixture->runs, B, 1510 * USEC_PER_SEC), 1500 * USEC_PER_SEC);
    assert_int_equal(runs_stop_usec(fixture->runs, A, 1510 * USEC_PER_SEC), 0);
}

static void
stop_of_an_earlier_host_boot_is_none(void **state)
{
    Fixture *fixture = *state;

    runs_note_off(fixture->runs, A, "a", 20 * USEC_PER_SEC);
    end(fixture, 5000);
    begin(fixture, "boot-2", 30);
    assert_int_equal(runs_stop_usec(fixture->runs, A, 30 * USEC_PER_SEC), 0);
}

static void
who_ran_when_the_power_failed_ran_at_host_down(void **state)
{
    Fixture *fixture = *state;

    runs_note_running(fixture->runs, A, "a");
    runs_note_off(fixture->runs, B, "b", 1999 * USEC_PER_SEC);
    end(fixture, 0);
    begin(fixture, "boot-2", 10);
    assert_true(runs_ran_at_host_down(fixture->runs, A));
    assert_false(runs_is_running(fixture->runs, A));
    /* Nobody told that the host was about to go down: it was switched off before, for its own reasons. */
    assert_false(runs_ran_at_host_down(fixture->runs, B));
}

static void
orderly_shutdown_ends_guests_before_the_daemon(void **state)
{
    Fixture *fixture = *state;

    runs_note_off(fixture->runs, A, "a", 1400 * USEC_PER_SEC);
    runs_note_off(fixture->runs, B, "b", 1990 * USEC_PER_SEC);
    runs_note_off(fixture->runs, C, "c", 0); /* saved: it will be restored */
    end(fixture, 2001);
    begin(fixture, "boot-2", 10);
    assert_false(runs_ran_at_host_down(fixture->runs, A)); /* ten minutes and a second */
    assert_true(runs_ran_at_host_down(fixture->runs, B));
    assert_false(runs_ran_at_host_down(fixture->runs, C));
}

/* The end that counts is the one before the host went down. */
static void
restarted_daemon_is_not_a_host_going_down(void **state)
{
    Fixture *fixture = *state;

    runs_note_off(fixture->runs, A, "a", 1990 * USEC_PER_SEC);
    end(fixture, 2000);
    begin(fixture, "boot-1", 2001);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
    assert_int_equal(runs_stop_usec(fixture->runs, A, 2001 * USEC_PER_SEC), 1990 * USEC_PER_SEC);
    end(fixture, 0);
    begin(fixture, "boot-2", 10);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
}

static void
first_start_is_one_start(void **state)
{
    Fixture *fixture = *state;

    runs_note_running(fixture->runs, A, "a");
    end(fixture, 0);
    begin(fixture, "boot-2", 10);
    runs_note_started(fixture->runs, A);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
    end(fixture, 0);
    begin(fixture, "boot-2", 20);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
}

/* The power may fail again before libvirt is up. */
static void
host_boot_without_libvirt_is_none(void **state)
{
    Fixture *fixture = *state;

    runs_note_running(fixture->runs, A, "a");
    runs_note_listed(fixture->runs);
    end(fixture, 0);
    begin(fixture, "boot-2", 10);
    end(fixture, 0);
    begin(fixture, "boot-3", 10);
    assert_true(runs_ran_at_host_down(fixture->runs, A));
    runs_note_listed(fixture->runs);
    end(fixture, 0);
    begin(fixture, "boot-4", 10);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
}

static void
old_stops_are_forgotten(void **state)
{
    Fixture *fixture = *state;
    g_auto(GStrv) keys = NULL;

    runs_note_off(fixture->runs, A, "a", 1100 * USEC_PER_SEC);
    runs_note_off(fixture->runs, B, "b", 4800 * USEC_PER_SEC);
    keys = keep_keys(fixture->keep, KEEP_STOPPED);
    assert_int_equal(g_strv_length(keys), 1);
    assert_string_equal(keys[0], B);
    assert_int_equal(runs_stop_usec(fixture->runs, B, 4700 * USEC_PER_SEC), 0); /* that is yet to come */
}

static void
damaged_entries_tell_nothing(void **state)
{
    Fixture *fixture = *state;

    keep_set(fixture->keep, KEEP_STOPPED, A, "soon");
    keep_set(fixture->keep, KEEP_STOPPED, B, "");
    assert_int_equal(runs_stop_usec(fixture->runs, A, 2000 * USEC_PER_SEC), 0);
    end(fixture, 2000);
    begin(fixture, "boot-2", 10);
    assert_false(runs_ran_at_host_down(fixture->runs, A));
    assert_false(runs_ran_at_host_down(fixture->runs, B));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_ran_is_known_to_the_next_daemon, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_of_an_earlier_host_boot_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(who_ran_when_the_power_failed_ran_at_host_down, setup, teardown),
        cmocka_unit_test_setup_teardown(orderly_shutdown_ends_guests_before_the_daemon, setup, teardown),
        cmocka_unit_test_setup_teardown(restarted_daemon_is_not_a_host_going_down, setup, teardown),
        cmocka_unit_test_setup_teardown(first_start_is_one_start, setup, teardown),
        cmocka_unit_test_setup_teardown(host_boot_without_libvirt_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(old_stops_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_entries_tell_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
