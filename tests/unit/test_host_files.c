/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hosts as they were found, below tests/unit/data/hosts: only what is read of them is kept. */

#include "cmocka_all.h"
#include "error.h"
#include "observe/host_files.h"
#include "units.h"

#include <unistd.h>

typedef struct Fixture {
    HostFiles *files;
    HostWorld world;
    HostFigures figures;
} Fixture;

static void
clear(Fixture *f)
{
    host_files_free(f->files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, clear)

static Fixture
host(const char *name)
{
    g_autofree char *root = g_build_filename(TEST_DATA, "hosts", name, NULL);
    Fixture f = {.files = host_files_new(root)};

    f.world = host_files_world(f.files);
    return f;
}

static void
a_modern_host_is_read(void **state)
{
    g_auto(Fixture) f = host("modern");

    for (int i = 0; i < 3; i++) { /* the files are kept open: again is the same */
        f.figures = (HostFigures){0};
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_int_equal(f.figures.total_kib, 65714676);
        assert_int_equal(f.figures.available_kib, 30311900);
        assert_int_equal(f.figures.hugepages_kib, 8 * KIB_PER_GIB); /* of two sizes, so not HugePages_Total alone */
        assert_int_equal(f.figures.swap_total_kib, 8388604);
        assert_int_equal(f.figures.swap_free_kib, 8380668);
        assert_true(f.figures.has_pressure);
        assert_int_equal(f.figures.pressure_some_centi, 127);
        assert_int_equal(f.figures.pressure_full_centi, 83);
    }
}

static void
a_host_without_pressure_or_swap_is_read(void **state)
{
    g_auto(Fixture) f = host("rhel9");

    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(f.figures.total_kib, 16166208);
    assert_int_equal(f.figures.hugepages_kib, 0);
    assert_int_equal(f.figures.swap_total_kib, 0);
    assert_false(f.figures.has_pressure);
}

static void
huge_pages_of_all_sizes_are_counted_where_the_kernel_does_not_sum_them(void **state)
{
    g_auto(Fixture) f = host("old");

    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(f.figures.hugepages_kib, 6 * KIB_PER_GIB);
    assert_int_equal(f.figures.swap_free_kib, 1048574);
}

static void
figures_that_cannot_be_are_bounded(void **state)
{
    g_auto(Fixture) f = host("hybrid");

    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(f.figures.available_kib, 8000000); /* the file says more than there is */
    assert_int_equal(f.figures.hugepages_kib, 20480);
    assert_int_equal(f.figures.pressure_some_centi, 10000);
    assert_int_equal(f.figures.pressure_full_centi, 0);
}

static void
a_host_that_cannot_be_read_is_an_error_and_leaves_the_figures_alone(void **state)
{
    g_auto(Fixture) f = host("no-such-host");
    g_autoptr(GError) error = NULL;

    f.figures.total_kib = 5;
    assert_false(f.world.read(f.world.self, &f.figures, &error));
    assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED));
    assert_int_equal(f.figures.total_kib, 5);
}

static void
not_pressed(void *user_data)
{
    assert_true(false);
}

static void
a_recorded_pressure_file_is_not_watched(void **state)
{
    g_auto(Fixture) f = host("modern");
    g_auto(Fixture) none = host("rhel9");
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) none_error = NULL;

    assert_false(host_files_watch_pressure(f.files, not_pressed, NULL, &error));
    assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_UNSUPPORTED));
    assert_false(host_files_watch_pressure(none.files, not_pressed, NULL, &none_error));
    assert_true(g_error_matches(none_error, DYNMEM_ERROR, DYNMEM_ERROR_UNSUPPORTED));
}

/* Whatever this machine is: it can be read, and a trigger is either taken or refused with a reason. */
static void
this_host_is_read(void **state)
{
    g_autoptr(HostFiles) files = host_files_new("");
    HostWorld world = host_files_world(files);
    GuestRecord self = {.life = GUEST_LIFE_RUNNING, .pid = getpid()};
    GuestSettings settings = {.maximum_kib = KIB_PER_GIB};
    GuestResident resident = {0};
    HostFigures figures;
    g_autoptr(GError) error = NULL;

    assert_true(world.read(world.self, &figures, NULL));
    assert_true(figures.total_kib > figures.available_kib);
    assert_true(world.resident(world.self, &self, &settings, &resident));
    assert_true(resident.memory_kib > 0 && resident.memory_kib < figures.total_kib);
    if (host_files_watch_pressure(files, not_pressed, NULL, &error))
        g_main_context_iteration(NULL, FALSE);
    else
        assert_non_null(error);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_modern_host_is_read),
        cmocka_unit_test(a_host_without_pressure_or_swap_is_read),
        cmocka_unit_test(huge_pages_of_all_sizes_are_counted_where_the_kernel_does_not_sum_them),
        cmocka_unit_test(figures_that_cannot_be_are_bounded),
        cmocka_unit_test(a_host_that_cannot_be_read_is_an_error_and_leaves_the_figures_alone),
        cmocka_unit_test(a_recorded_pressure_file_is_not_watched),
        cmocka_unit_test(this_host_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
