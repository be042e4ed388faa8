/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hosts as they were found, below tests/unit/data/hosts: only what is read of them is kept. */

#include "cmocka_all.h"
#include "error.h"
#include "observe/host_files.h"
#include "units.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
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

static bool
resident(Fixture *f, pid_t pid, uint64_t *kib)
{
    GuestRecord record = {.life = GUEST_LIFE_RUNNING, .pid = pid};

    return f->world.resident(f->world.self, &record, kib);
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
    uint64_t kib = 99;

    f.figures.total_kib = 5;
    assert_false(f.world.read(f.world.self, &f.figures, &error));
    assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED));
    assert_int_equal(f.figures.total_kib, 5);
    assert_false(resident(&f, 1, &kib));
    assert_int_equal(kib, 99);
}

static void
resident_memory_is_that_of_the_guests_own_cgroup(void **state)
{
    g_auto(Fixture) f = host("modern");
    uint64_t kib = 0;

    for (int i = 0; i < 3; i++) {
        /* anonymous, shared and kernel memory of .../libvirt, the first group upwards that is not threaded */
        assert_true(resident(&f, 4242, &kib));
        assert_int_equal(kib, (UINT64_C(2151677952) + 8192 + 12910592) / 1024);
    }
}

static void
kernel_memory_is_summed_where_the_kernel_does_not(void **state)
{
    g_auto(Fixture) f = host("rhel9");
    uint64_t kib = 0;

    assert_true(resident(&f, 77, &kib));
    assert_int_equal(kib, (UINT64_C(1073741824) + 1048576 + 294912 + 6123520 + 12096 + 4096 + 40960 + 2160912) / 1024);
}

static void
a_group_that_others_share_is_not_taken_for_the_guests(void **state)
{
    g_auto(Fixture) f = host("modern");
    uint64_t kib = 0;

    assert_true(resident(&f, 4243, &kib)); /* of a user's session: from the process */
    assert_int_equal(kib, 1048576 + 20480);
    assert_true(resident(&f, 4244, &kib)); /* its group is gone */
    assert_int_equal(kib, 524288);
}

static void
on_cgroup_v1_resident_memory_is_that_of_the_process(void **state)
{
    g_auto(Fixture) old = host("old");
    g_auto(Fixture) hybrid = host("hybrid");
    uint64_t kib = 0;

    assert_true(resident(&old, 900, &kib));
    assert_int_equal(kib, 4194304 + 1024);
    assert_true(resident(&hybrid, 55, &kib));
    assert_int_equal(kib, 701);
}

static void
a_process_that_is_not_there_or_has_ended_is_no_error_and_tells_nothing(void **state)
{
    g_auto(Fixture) f = host("hybrid");
    uint64_t kib = 99;

    assert_false(resident(&f, 0, &kib));
    assert_false(resident(&f, 12345, &kib));
    assert_false(resident(&f, 56, &kib)); /* ended, not waited for: it has no memory any more */
    assert_int_equal(kib, 99);
}

static unsigned
open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void
files_of_guests_that_are_gone_are_let_go(void **state)
{
    g_auto(Fixture) f = host("modern");
    unsigned before;
    uint64_t kib;

    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    before = open_files();
    assert_true(resident(&f, 4242, &kib));
    assert_int_equal(open_files(), before + 1);
    for (int i = 0; i < 100; i++) {
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_true(resident(&f, 4242, &kib));
    }
    assert_int_equal(open_files(), before + 1);
    for (int i = 0; i < 30; i++)
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(open_files(), before);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int
remove_work(void **state)
{
    nftw(TEST_WORK, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void
put(const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(TEST_WORK, path, NULL);
    g_autofree char *directory = g_path_get_dirname(full);

    g_mkdir_with_parents(directory, 0700);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
a_guest_that_moves_to_a_group_of_its_own_is_found_there_later(void **state)
{
    g_auto(Fixture) f = {.files = host_files_new(TEST_WORK)};
    uint64_t kib = 0;

    f.world = host_files_world(f.files);
    put("proc/meminfo", "MemTotal: 10 kB\nMemAvailable: 5 kB\n");
    put("proc/5/status", "RssAnon:\t 100 kB\nRssShmem:\t 1 kB\n");
    put("proc/5/cgroup", "0::/\n");
    put("sys/fs/cgroup/qemu-1-a.libvirt-qemu/memory.stat", "anon 2048\nkernel 1024\nshmem 0\n");
    assert_true(resident(&f, 5, &kib));
    assert_int_equal(kib, 101);
    put("proc/5/cgroup", "0::/qemu-1-a.libvirt-qemu\n");
    for (int i = 0; i < 120; i++) {
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_true(resident(&f, 5, &kib));
    }
    assert_int_equal(kib, 3);
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
    HostFigures figures;
    uint64_t kib = 0;
    g_autoptr(GError) error = NULL;

    assert_true(world.read(world.self, &figures, NULL));
    assert_true(figures.total_kib > figures.available_kib);
    assert_true(world.resident(world.self, &self, &kib));
    assert_true(kib > 0 && kib < figures.total_kib);
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
        cmocka_unit_test(resident_memory_is_that_of_the_guests_own_cgroup),
        cmocka_unit_test(kernel_memory_is_summed_where_the_kernel_does_not),
        cmocka_unit_test(a_group_that_others_share_is_not_taken_for_the_guests),
        cmocka_unit_test(on_cgroup_v1_resident_memory_is_that_of_the_process),
        cmocka_unit_test(a_process_that_is_not_there_or_has_ended_is_no_error_and_tells_nothing),
        cmocka_unit_test(files_of_guests_that_are_gone_are_let_go),
        cmocka_unit_test_setup_teardown(a_guest_that_moves_to_a_group_of_its_own_is_found_there_later, remove_work,
                                        remove_work),
        cmocka_unit_test(a_recorded_pressure_file_is_not_watched),
        cmocka_unit_test(this_host_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
