/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever byte of a state file is another than was written: the daemon starts, says so, and goes on without the file. */

#include "sealed.h"

#include "act/held.h"
#include "cmocka_all.h"
#include "keep/keep.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct Place {
    char *directory;
    char *file; /* the one that is looked at */
    ActSystem system;
} Place;

static int
set_up(void **state)
{
    Place *place = g_new0(Place, 1);
    g_autofree char *boot = NULL;

    place->directory = g_dir_make_tmp("sealed-XXXXXX", NULL);
    place->system = (ActSystem){.root = place->directory, .boot_file = "/boot", .page_bytes = 4096};
    boot = g_build_filename(place->directory, "boot", NULL);
    g_assert_true(g_file_set_contents(boot, "one", -1, NULL));
    *state = place;
    return 0;
}

static int
tear_down(void **state)
{
    static const char *const names[] = {"boot", "state", "state.bad", "held", "held.bad", "other"};
    Place *place = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(place->directory, names[i], NULL);

        g_unlink(path);
    }
    g_rmdir(place->directory);
    g_free(place->directory);
    g_free(place->file);
    g_free(place);
    return 0;
}

/* Opens what looks at the file. Returns the problem that is told; caller frees. */
typedef char *(*Open)(Place *place);

static void
no_damage_goes_unnoticed(Place *place, Open open)
{
    static const unsigned char masks[] = {0x01, 0x20, 0xff};
    g_autofree char *good = NULL;
    gsize length;

    assert_true(g_file_get_contents(place->file, &good, &length, NULL));
    for (size_t at = 0; at <= length; at++) {
        for (unsigned way = 0; way < G_N_ELEMENTS(masks) + 3; way++) {
            g_autofree char *bad = g_memdup2(good, length + 1);
            gsize bad_length = length;
            g_autofree char *problem = NULL;

            if (way < G_N_ELEMENTS(masks))
                bad[at] = (char)((unsigned char)bad[at] ^ masks[way]);
            else if (way == G_N_ELEMENTS(masks))
                bad[at] = bad[at] == '\n' ? ' ' : '\n';
            else if (way == G_N_ELEMENTS(masks) + 1)
                bad[at] = bad[at] == '\0' ? ' ' : '\0';
            else
                bad_length = at; /* the rest was never written */
            if (way < G_N_ELEMENTS(masks) + 2 && at == length)
                bad_length++;
            if (bad_length == length && memcmp(bad, good, length) == 0)
                continue;
            assert_true(g_file_set_contents(place->file, bad, (gssize)bad_length, NULL));
            problem = open(place);
            if (problem == NULL)
                fail_msg("byte %zu of %zu of %s, damaged in way %u, is not noticed", at, length, place->file, way);
            assert_non_null(strstr(problem, place->file));
        }
    }
    assert_true(g_file_set_contents(place->file, good, (gssize)length, NULL));
    assert_null(open(place));
}

static char *
open_keep(Place *place)
{
    char *problem = NULL;
    Keep *keep = keep_open(place->directory, "one", &problem);
    g_autofree char *name = keep_get(keep, KEEP_RUNNING, "aaaaaaaa-0000-0000-0000-000000000001");

    if (problem == NULL)
        assert_string_equal(name, "web");
    else
        assert_null(name); /* nothing is learnt from it */
    keep_free(keep);
    return problem;
}

static void
of_the_state_of_starts_and_runs(void **state)
{
    Place *place = *state;
    char *problem = NULL;
    Keep *keep = keep_open(place->directory, "one", &problem);

    keep_set(keep, KEEP_RUNNING, "aaaaaaaa-0000-0000-0000-000000000001", "web");
    keep_free(keep);
    place->file = g_build_filename(place->directory, "state", NULL);
    no_damage_goes_unnoticed(place, open_keep);
}

static char *
open_held(Place *place)
{
    char *problem = NULL;
    g_autoptr(Held) held = held_open(&place->system, place->directory, &problem);
    g_autoptr(GPtrArray) files = held_files(held);

    assert_int_equal(files->len, problem == NULL ? 1 : 0);
    return problem;
}

static void
of_what_is_to_be_put_back(void **state)
{
    Place *place = *state;
    char *problem = NULL;
    char directory[] = "/var/lib/dynmem/paging";
    const HeldFile file = {.uuid = "aaaaaaaa-0000-0000-0000-000000000001", .directory = directory, .size_kib = 1024};
    g_autoptr(Held) held = held_open(&place->system, place->directory, &problem);

    assert_null(problem);
    assert_true(held_put_file(held, &file, NULL));
    place->file = g_build_filename(place->directory, "held", NULL);
    no_damage_goes_unnoticed(place, open_held);
}

static void
a_file_of_an_earlier_version_is_taken_as_it_is(void **state)
{
    Place *place = *state;

    place->file = g_build_filename(place->directory, "state", NULL);
    assert_true(g_file_set_contents(
        place->file, "[host]\nboot-id=one\n[running]\naaaaaaaa-0000-0000-0000-000000000001=web\n", -1, NULL));
    assert_null(open_keep(place));
}

static void
what_stands_there_twice_is_there_once(void **state)
{
    Place *place = *state;
    g_autofree char *path = g_build_filename(place->directory, "other", NULL);
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_auto(GStrv) names = NULL;
    gsize count;

    assert_true(g_file_set_contents(path, "[a]\nx=1\ny=2\n[a]\nx=3\n", -1, NULL));
    assert_true(sealed_load(keys, path, NULL));
    names = g_key_file_get_keys(keys, "a", &count, NULL);
    assert_int_equal(count, 2);
}

static void
a_file_that_is_not_there_is_told_apart(void **state)
{
    Place *place = *state;
    g_autofree char *path = g_build_filename(place->directory, "other", NULL);
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) error = NULL;

    assert_false(sealed_load(keys, path, &error));
    assert_true(g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_the_state_of_starts_and_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_what_is_to_be_put_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_an_earlier_version_is_taken_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_stands_there_twice_is_there_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_told_apart, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
