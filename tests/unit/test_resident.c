/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What guests hold of their host's memory, on hosts as they were found, and on hosts of files that are made up. */

#include "host_files_fixture.h"

#include "units.h"

#include <dirent.h>

#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB

/* Of a guest with 8 GiB whose memory lies in source. */
static bool
resident_in(Fixture *f, pid_t pid, MemorySource source, GuestResident *resident)
{
    GuestRecord record = {.life = GUEST_LIFE_RUNNING, .pid = pid};
    GuestSettings settings = {.maximum_kib = 8 * GIB, .source = source};

    return f->world.resident(f->world.self, &record, &settings, resident);
}

static bool
resident(Fixture *f, pid_t pid, GuestResident *r)
{
    return resident_in(f, pid, MEMORY_ANONYMOUS, r);
}

static void
resident_memory_is_that_of_the_guests_own_cgroup(void **state)
{
    g_auto(Fixture) f = host("modern");
    GuestResident r = {0};

    for (int i = 0; i < 3; i++) {
        /* anonymous and kernel memory of .../libvirt, the first group upwards that is not threaded */
        assert_true(resident(&f, 4242, &r));
        assert_int_equal(r.memory_kib, (UINT64_C(2151677952) + 12910592) / 1024);
        assert_int_equal(r.other_kib, 8);
    }
}

static void
kernel_memory_is_summed_where_the_kernel_does_not(void **state)
{
    g_auto(Fixture) f = host("rhel9");
    GuestResident r = {0};

    assert_true(resident(&f, 77, &r));
    assert_int_equal(r.memory_kib, (UINT64_C(1073741824) + 294912 + 6123520 + 12096 + 4096 + 40960 + 2160912) / 1024);
}

static void
a_group_that_others_share_is_not_taken_for_the_guests(void **state)
{
    g_auto(Fixture) f = host("modern");
    GuestResident r = {0};

    assert_true(resident(&f, 4243, &r)); /* of a user's session: from the process */
    assert_int_equal(r.memory_kib, 1048576);
    assert_int_equal(r.other_kib, 20480);
    assert_true(resident(&f, 4244, &r)); /* its group is gone */
    assert_int_equal(r.memory_kib, 524288);
}

static void
on_cgroup_v1_resident_memory_is_that_of_the_process(void **state)
{
    g_auto(Fixture) old = host("old");
    g_auto(Fixture) hybrid = host("hybrid");
    GuestResident r = {0};

    assert_true(resident(&old, 900, &r));
    assert_int_equal(r.memory_kib, 4194304);
    assert_int_equal(r.other_kib, 1024);
    assert_true(resident_in(&old, 900, MEMORY_SHARED, &r));
    assert_int_equal(r.memory_kib, 4194304 + 1024);
    assert_int_equal(r.other_kib, 0);
    assert_true(resident_in(&old, 900, MEMORY_FILE, &r));
    assert_int_equal(r.memory_kib, 4194304 + 1024 + 30000);
    assert_int_equal(r.other_kib, 0);
    assert_true(resident(&hybrid, 55, &r));
    assert_int_equal(r.memory_kib, 700);
}

static void
a_process_that_is_not_there_or_has_ended_is_no_error_and_tells_nothing(void **state)
{
    g_auto(Fixture) f = host("hybrid");
    GuestResident r = {.memory_kib = 99, .other_kib = 98};

    assert_false(resident(&f, 0, &r));
    assert_false(resident(&f, 12345, &r));
    assert_false(resident(&f, 56, &r)); /* ended, not waited for: it has no memory any more */
    assert_int_equal(r.memory_kib, 99);
    assert_int_equal(r.other_kib, 98);
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
    GuestResident r;

    assert_true(f.world.read(f.world.self, &f.figures, NULL));
    before = open_files();
    assert_true(resident(&f, 4242, &r));
    assert_int_equal(open_files(), before + 1);
    for (int i = 0; i < 100; i++) {
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_true(resident(&f, 4242, &r));
    }
    assert_int_equal(open_files(), before + 1);
    for (int i = 0; i < 30; i++)
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
    assert_int_equal(open_files(), before);
}

static void
a_guest_that_moves_to_a_group_of_its_own_is_found_there_later(void **state)
{
    g_auto(Fixture) f = made_host();
    GuestResident r = {0};

    put("proc/meminfo", "MemTotal: 10 kB\nMemAvailable: 5 kB\n");
    put("proc/5/status", "RssAnon:\t 100 kB\nRssShmem:\t 1 kB\n");
    put("proc/5/cgroup", "0::/\n");
    put("sys/fs/cgroup/qemu-1-a.libvirt-qemu/memory.stat", "anon 2048\nkernel 1024\nshmem 0\n");
    assert_true(resident(&f, 5, &r));
    assert_int_equal(r.memory_kib, 100);
    put("proc/5/cgroup", "0::/qemu-1-a.libvirt-qemu\n");
    for (int i = 0; i < 120; i++) {
        assert_true(f.world.read(f.world.self, &f.figures, NULL));
        assert_true(resident(&f, 5, &r));
    }
    assert_int_equal(r.memory_kib, 3);
}

/* A group with this memory.stat, of a guest with 8 GiB. */
static GuestResident
of_stat(MemorySource source, const char *stat)
{
    g_auto(Fixture) f = made_host();
    GuestResident r = {0};

    put("proc/5/cgroup", "0::/qemu-1-a.libvirt-qemu\n");
    put("sys/fs/cgroup/qemu-1-a.libvirt-qemu/memory.stat", stat);
    assert_true(resident_in(&f, 5, source, &r));
    return r;
}

#define ANON_90_MIB "anon 94371840\n"
#define FILE_3174_MIB "file 3328180224\n"
#define KERNEL_4_MIB "kernel 4194304\n"
#define NO_SHMEM "shmem 0\n"

static void
the_memory_of_a_guest_in_a_file_is_the_file_of_its_group(void **state)
{
    GuestResident r = of_stat(MEMORY_FILE, ANON_90_MIB FILE_3174_MIB KERNEL_4_MIB NO_SHMEM);

    assert_int_equal(r.memory_kib, (90 + 3174 + 4) * MIB);
    assert_int_equal(r.other_kib, 0);
    /* of an ordinary guest it is page cache of its disks, which is given back */
    r = of_stat(MEMORY_ANONYMOUS, ANON_90_MIB FILE_3174_MIB KERNEL_4_MIB NO_SHMEM);
    assert_int_equal(r.memory_kib, (90 + 4) * MIB);
    assert_int_equal(r.other_kib, 0);
}

static void
page_cache_beyond_all_its_memory_is_not_that_of_a_guest_in_a_file(void **state)
{
    /* 20 GiB of files: 8 GiB of memory, and the disks */
    GuestResident r = of_stat(MEMORY_FILE, ANON_90_MIB "file 21474836480\n" KERNEL_4_MIB NO_SHMEM);

    assert_int_equal(r.memory_kib, 8 * GIB + (90 + 4) * MIB);
    assert_int_equal(r.other_kib, 0);
}

static void
a_memory_file_on_tmpfs_is_the_guests_memory_once(void **state)
{
    /* the kernel counts shared memory among the files as well */
    GuestResident r = of_stat(MEMORY_FILE, ANON_90_MIB FILE_3174_MIB KERNEL_4_MIB "shmem 3328180224\n");

    assert_int_equal(r.memory_kib, (90 + 3174 + 4) * MIB);
    assert_int_equal(r.other_kib, 0);
}

static void
a_disk_image_on_tmpfs_is_not_the_guests_memory_and_is_not_lost(void **state)
{
    /* it has 2 GiB of memory and has written 3 GiB of its image */
    GuestResident r = of_stat(MEMORY_ANONYMOUS, "anon 2147483648\nfile 3221225472\n" KERNEL_4_MIB "shmem 3221225472\n");

    assert_int_equal(r.memory_kib, 2 * GIB + 4 * MIB);
    assert_int_equal(r.other_kib, 3 * GIB);
    /* the same, of a guest whose memory is shared: what is more than all its memory is not its memory */
    r = of_stat(MEMORY_SHARED, ANON_90_MIB "file 11811160064\n" KERNEL_4_MIB "shmem 11811160064\n");
    assert_int_equal(r.memory_kib, 8 * GIB + (90 + 4) * MIB);
    assert_int_equal(r.other_kib, 3 * GIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_memory_is_that_of_the_guests_own_cgroup),
        cmocka_unit_test(kernel_memory_is_summed_where_the_kernel_does_not),
        cmocka_unit_test(a_group_that_others_share_is_not_taken_for_the_guests),
        cmocka_unit_test(on_cgroup_v1_resident_memory_is_that_of_the_process),
        cmocka_unit_test(a_process_that_is_not_there_or_has_ended_is_no_error_and_tells_nothing),
        cmocka_unit_test(files_of_guests_that_are_gone_are_let_go),
        cmocka_unit_test_setup_teardown(a_guest_that_moves_to_a_group_of_its_own_is_found_there_later, remove_work,
                                        remove_work),
        cmocka_unit_test_teardown(the_memory_of_a_guest_in_a_file_is_the_file_of_its_group, remove_work),
        cmocka_unit_test_teardown(page_cache_beyond_all_its_memory_is_not_that_of_a_guest_in_a_file, remove_work),
        cmocka_unit_test_teardown(a_memory_file_on_tmpfs_is_the_guests_memory_once, remove_work),
        cmocka_unit_test_teardown(a_disk_image_on_tmpfs_is_not_the_guests_memory_and_is_not_lost, remove_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
