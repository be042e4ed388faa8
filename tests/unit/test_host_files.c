/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hosts as they were found, below tests/unit/data/hosts: only what is read of them is kept. */

#include "host_files_fixture.h"

#include "error.h"
#include "units.h"

#include <unistd.h>

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

static HostPool
pool_of(const HostFigures *figures, uint64_t page_kib)
{
    for (size_t i = 0; i < HOST_POOLS_MAX; i++) {
        if (figures->pools[i].page_kib == page_kib)
            return figures->pools[i];
    }
    return (HostPool){0};
}

static void
pools_of_huge_pages_are_told_by_size_with_what_is_free(void **state)
{
    g_auto(Fixture) modern = host("modern");
    g_auto(Fixture) old = host("old");
    HostPool small, large;

    for (int i = 0; i < 3; i++) {
        modern.figures = (HostFigures){0};
        assert_true(modern.world.read(modern.world.self, &modern.figures, NULL));
        small = pool_of(&modern.figures, 2 * KIB_PER_MIB);
        large = pool_of(&modern.figures, KIB_PER_GIB);
        assert_int_equal(small.total_kib, 4 * KIB_PER_GIB);
        assert_int_equal(small.free_kib, 2 * KIB_PER_GIB);
        assert_int_equal(large.total_kib, 4 * KIB_PER_GIB);
        assert_int_equal(large.free_kib, 2 * KIB_PER_GIB); /* three pages are free, one of them is promised */
    }
    assert_true(old.world.read(old.world.self, &old.figures, NULL));
    assert_int_equal(pool_of(&old.figures, KIB_PER_GIB).total_kib, 4 * KIB_PER_GIB);
    assert_int_equal(pool_of(&old.figures, KIB_PER_GIB).free_kib, 0); /* it does not tell */
}

static void
what_zfs_gives_back_is_available(void **state)
{
    g_auto(Fixture) f = host("zfs");

    for (int i = 0; i < 3; i++) {
        f.figures = (HostFigures){0};
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        /* 31,744 MiB of cache, of which ZFS never goes below 2,007 */
        assert_int_equal(f.figures.arc_kib, 30450624);
        assert_int_equal(f.figures.available_kib, UINT64_C(4081) * 1024 + 30450624);
        assert_int_equal(f.figures.total_kib, UINT64_C(64226) * 1024);
    }
}

/* A host of 16 GiB with 2 GiB available and these figures of ZFS. */
static HostFigures
with_zfs(const char *arcstats)
{
    g_auto(Fixture) f = {0};

    put("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 2097152 kB\n");
    put("proc/spl/kstat/zfs/arcstats", arcstats);
    f = made_host();
    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    return f.figures;
}

static void
what_zfs_can_not_give_back_is_not_available(void **state)
{
    /* of 8 GiB it keeps 5: only 3 are clean and unused, and its minimum is 1 */
    HostFigures figures = with_zfs("c_min    4 1073741824\nsize    4 8589934592\n"
                                   "mru_evictable_data    4 1073741824\nmru_evictable_metadata    4 0\n"
                                   "mfu_evictable_data    4 2147483648\nmfu_evictable_metadata    4 0\n");

    assert_int_equal(figures.arc_kib, 3 * KIB_PER_GIB);
    assert_int_equal(figures.available_kib, 5 * KIB_PER_GIB);
    /* below its minimum */
    assert_int_equal(with_zfs("c_min    4 1073741824\nsize    4 1000\n").arc_kib, 0);
}

static void
figures_of_zfs_that_cannot_be_are_bounded(void **state)
{
    static const char *const senseless[] = {"",
                                            "size",
                                            "size 4",
                                            "size 4 x\nc_min 4 1\n",
                                            "size 4 8589934592\n",
                                            "c_min 4 1\nsizes 4 8589934592\n",
                                            "size 4 99999999999999999999999\nc_min 4 1\n"};
    HostFigures figures = with_zfs("size 4 9000000000000000000\nc_min 4 0\n");

    assert_int_equal(figures.available_kib, 16 * KIB_PER_GIB);
    assert_int_equal(figures.arc_kib, 14 * KIB_PER_GIB);
    for (size_t i = 0; i < G_N_ELEMENTS(senseless); i++) {
        figures = with_zfs(senseless[i]);
        assert_int_equal(figures.arc_kib, 0);
        assert_int_equal(figures.available_kib, 2 * KIB_PER_GIB);
    }
}

static void
zfs_that_comes_later_is_seen(void **state)
{
    g_auto(Fixture) f = {0};

    put("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 2097152 kB\n");
    f = made_host();
    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(f.figures.arc_kib, 0);
    put("proc/spl/kstat/zfs/arcstats", "size 4 2147483648\nc_min 4 1073741824\n");
    for (int i = 0; i < 120; i++)
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(f.figures.arc_kib, KIB_PER_GIB);
}

static void
what_each_numa_node_has_left_is_told(void **state)
{
    g_auto(Fixture) f = host("numa");
    g_auto(Fixture) single = host("rhel9");

    for (int i = 0; i < 130; i++) {
        f.figures = (HostFigures){0};
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_int_equal(f.figures.nodes[0].total_kib, 16 * KIB_PER_GIB);
        assert_int_equal(f.figures.nodes[1].total_kib, 16 * KIB_PER_GIB);
        /* 1,300 MiB free or given back, 15,500 in the other; the kernel keeps 400 of both together */
        assert_int_equal(f.figures.nodes[0].available_kib, 1100 * KIB_PER_MIB);
        assert_int_equal(f.figures.nodes[1].available_kib, 15300 * KIB_PER_MIB);
        assert_int_equal(f.figures.nodes[2].total_kib, 0);
    }
    /* of one node there is nothing to tell that the host does not */
    assert_true(single.world.read(single.world.self, &single.figures, NULL));
    assert_int_equal(single.figures.nodes[0].total_kib, 0);
}

static void
lists_of_nodes_are_read_as_the_kernel_writes_them(void **state)
{
    static const struct {
        const char *list;
        uint64_t nodes; /* bits */
    } cases[] = {{"0-1,3\n", 0xb}, {"0,2-3\n", 0xd}, {"1-2\n", 0x6},           {"\n", 0},
                 {"0-\n", 0},      {"3-1\n", 0},     {"0-99999999999\n", 0xf}, {"0,1,x\n", 0}};

    for (size_t c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_auto(Fixture) f = {0};

        put("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 2097152 kB\n");
        put("sys/devices/system/node/has_memory", cases[c].list);
        for (int node = 0; node < 4; node++) {
            g_autofree char *path = g_strdup_printf("sys/devices/system/node/node%d/meminfo", node);
            g_autofree char *text =
                g_strdup_printf("Node %d MemTotal: 1048576 kB\nNode %d MemFree: 1024 kB\n", node, node);

            put(path, text);
        }
        f = made_host();
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        for (int node = 0; node < 4; node++)
            assert_int_equal(f.figures.nodes[node].total_kib, (cases[c].nodes >> node & 1) != 0 ? KIB_PER_GIB : 0);
    }
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
the_size_of_huge_pages_is_the_kernels(void **state)
{
    g_auto(Fixture) modern = host("modern");
    g_auto(Fixture) none = host("no-such-host");
    g_auto(Fixture) f = {0};

    put("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\nHugepagesize: 1048576 kB\n");
    f = made_host();
    assert_int_equal(host_files_hugepage_kib(f.files), KIB_PER_GIB);
    assert_int_equal(host_files_hugepage_kib(modern.files), 2048);
    assert_int_equal(host_files_hugepage_kib(none.files), 0);
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
        cmocka_unit_test(pools_of_huge_pages_are_told_by_size_with_what_is_free),
        cmocka_unit_test(what_zfs_gives_back_is_available),
        cmocka_unit_test_teardown(what_zfs_can_not_give_back_is_not_available, remove_work),
        cmocka_unit_test_teardown(figures_of_zfs_that_cannot_be_are_bounded, remove_work),
        cmocka_unit_test_setup_teardown(zfs_that_comes_later_is_seen, remove_work, remove_work),
        cmocka_unit_test(what_each_numa_node_has_left_is_told),
        cmocka_unit_test_setup_teardown(lists_of_nodes_are_read_as_the_kernel_writes_them, remove_work, remove_work),
        cmocka_unit_test(huge_pages_of_all_sizes_are_counted_where_the_kernel_does_not_sum_them),
        cmocka_unit_test(figures_that_cannot_be_are_bounded),
        cmocka_unit_test_setup_teardown(the_size_of_huge_pages_is_the_kernels, remove_work, remove_work),
        cmocka_unit_test(a_host_that_cannot_be_read_is_an_error_and_leaves_the_figures_alone),
        cmocka_unit_test(a_recorded_pressure_file_is_not_watched),
        cmocka_unit_test(this_host_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
