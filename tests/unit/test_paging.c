/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paging files on a host of plain files: made, kept for their guests alone, ended, found again. */

#include "act/swaps.h"
#include "cmocka_all.h"
#include "fake_host.h"
#include "units.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

static int
setup(void **state)
{
    *state = fake_host_new();
    fake_host_start(*state);
    return 0;
}

static int
teardown(void **state)
{
    fake_host_free(*state);
    return 0;
}

/* ---- the life of a file ---- */

static void
a_file_is_for_its_guest_alone_and_leaves_no_trace(void **state)
{
    FakeHost *host = *state;
    g_autofree char *path = g_strconcat(host->root, FAKE_WEB_FILE, NULL);
    const PagingRecord *record;
    struct stat facts;

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->stage, PAGING_STAGE_MAKING);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    assert_true(fake_host_swaps_to(host, FAKE_WEB_FILE));
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(facts.st_size, (65536 + 4) * 1024); /* its header comes on top */
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "67108864");
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0"); /* what it has swapped out stays where it is */
    fake_host_expect(host, "/user.slice", "memory.swap.max", "0");
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "0");
    fake_host_expect(host, "/machine.slice/machine-qemu\\x2d2\\x2ddb.scope", "memory.swap.max", "max");
    fake_host_expect(host, "/machine.slice", "memory.swap.max", "max");
    fake_host_expect(host, "/system.slice/cron.service", "memory.swap.max", "max");

    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "1048576\n");
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 1024);
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "4096\n");
    record = fake_host_file(host, FAKE_WEB);
    assert_int_equal(record->used_kib, 4);
    assert_int_equal(record->peak_kib, 1024);
    assert_false(record->found);

    fake_host_end(host, FAKE_WEB);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->stage, PAGING_STAGE_EMPTYING);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
the_last_of_two_files_puts_all_limits_back(void **state)
{
    FakeHost *host = *state;

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "67108864");
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "67108864");
    fake_host_end(host, FAKE_DB);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_GONE);
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "0"); /* the other file is not for it */
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_expect_clean(host);
}

static void
an_end_while_it_is_made_leaves_nothing(void **state)
{
    FakeHost *host = *state;

    for (int i = 0; i < 20; i++) { /* at whatever it is */
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
        g_usleep((gulong)i * 200);
        fake_host_end(host, FAKE_WEB);
        fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
        fake_host_await_none(host);
        fake_host_expect_clean(host);
    }
}

static void
a_guest_that_is_gone_gives_up_its_part(void **state)
{
    FakeHost *host = *state;

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_remove(host, "/sys/fs/cgroup/machine.slice/machine-qemu\\x2d1\\x2dweb.scope");
    fake_host_remove(host, "/proc/1001");
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_false(fake_host_exists(host, FAKE_WEB_FILE));
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "max");
}

static bool
swap_max_is(FakeHost *host, void *data)
{
    const char *const *what = data;

    return fake_host_says(host, what[0], "memory.swap.max", what[1]);
}

static void
limits_that_are_written_anew_are_set_again_and_new_groups_too(void **state)
{
    FakeHost *host = *state;
    const char *reloaded[] = {"/system.slice", "0"};
    const char *changed[] = {"/user.slice", "0"};
    const char *new_guest[] = {"/machine.slice/machine-qemu\\x2d3\\x2dnew.scope/libvirt", "0"};

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_write(host, "/sys/fs/cgroup/system.slice/memory.swap.max", "max\n");
    fake_host_write(host, "/sys/fs/cgroup/user.slice/memory.swap.max",
                    "1048576\n"); /* what its owner wants from now on */
    fake_host_add_group(host, "/machine.slice/machine-qemu\\x2d3\\x2dnew.scope", 0);
    fake_host_add_group(host, "/machine.slice/machine-qemu\\x2d3\\x2dnew.scope/libvirt", 0);
    fake_host_until(host, swap_max_is, reloaded);
    fake_host_until(host, swap_max_is, changed);
    fake_host_until(host, swap_max_is, new_guest);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    fake_host_expect(host, "/user.slice", "memory.swap.max", "1048576");
    fake_host_expect(host, "/machine.slice/machine-qemu\\x2d3\\x2dnew.scope/libvirt", "memory.swap.max", "max");
}

static void
a_swapoff_that_fails_is_tried_again(void **state)
{
    FakeHost *host = *state;
    bool told = false;

    fake_faults.swap_off[0] = ENOMEM;
    fake_faults.swap_off[1] = -SIGKILL;
    fake_faults.swap_off[2] = EINTR;
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_end(host, FAKE_WEB);
    for (;;) {
        const PagingRecord *record = fake_host_file(host, FAKE_WEB);

        told = told || (record->error != NULL && strstr(record->error, "not enough memory") != NULL);
        if (record->stage == PAGING_STAGE_GONE)
            break;
        assert_int_equal(record->stage, PAGING_STAGE_EMPTYING);
        g_main_context_iteration(NULL, FALSE);
    }
    assert_true(told);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->failures, 3);
    assert_int_equal(fake_faults.swap_off_calls, 4);
    fake_host_expect_clean(host);
}

static void
a_swapoff_that_an_earlier_daemon_began_is_waited_for(void **state)
{
    FakeHost *host = *state;

    fake_faults.swap_off[0] = fake_faults.swap_off[1] = EINVAL; /* what the kernel says to the second caller */
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->failures, 0);
    assert_int_equal(fake_faults.swap_off_calls, 3);
    fake_host_expect_clean(host);
}

#define OWN_SWAP "Filename Type Size Used Priority\n/dev/sda2 partition 8388604 1048576 -2\n"

static void
swap_of_the_host_is_left_to_others_and_the_file_to_its_guest(void **state)
{
    FakeHost *host = *state;
    const char *allowed[] = {FAKE_WEB_GROUP, "102760448"}; /* its file, and what it has already */

    fake_host_write(host, "/proc/swaps", OWN_SWAP);
    fake_host_write(host, "/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\n");
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "35651584\n");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_until(host, swap_max_is, allowed);
    /* with 8 MiB in swap it could swap out as much again, and to the file */
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
    /* 34 MiB of it are in the host's own swap, or not: no more than the file holds is to come back */
    fake_host_write(host, "/proc/swaps", OWN_SWAP "/" FAKE_WEB ".dynmem-paging file 65536 4096 32767\n");
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 4096);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_expect_clean(host);
}

static void
no_file_is_made_where_what_others_swapped_out_could_not_come_back(void **state)
{
    FakeHost *host = *state;

    fake_host_write(host, "/proc/swaps", OWN_SWAP);
    fake_host_write(host, "/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 2097151 kB\n");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    assert_non_null(strstr(fake_host_file(host, FAKE_WEB)->error, "the host's own swap holds 1 GiB"));
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
paths_in_proc_swaps_are_read_as_they_are_meant(void **state)
{
    FakeHost *host = *state;
    g_autoptr(GPtrArray) areas = NULL;

    fake_host_write(host, "/proc/swaps",
                    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
                    "/dev/sda2                               partition\t8388604\t\t12\t\t-2\n"
                    "/srv/my\\040guests/a\\134b\\011c file\t\t65536\t\t300\t\t32767\n"
                    "/cut file\n");
    areas = swaps_read(host->root, NULL);
    assert_int_equal(areas->len, 2);
    assert_non_null(swaps_find(areas, "/dev/sda2"));
    assert_int_equal(swaps_find(areas, "/dev/sda2")->size_kib, 8388604);
    assert_non_null(swaps_find(areas, "/srv/my guests/a\\b\tc"));
    assert_int_equal(swaps_find(areas, "/srv/my guests/a\\b\tc")->used_kib, 300);
    assert_null(swaps_find(areas, "/srv/my"));
    fake_host_write(host, "/proc/swaps", "");
}

static void
find_forgotten_file(FakeHost *host)
{
    const PagingRecord *record;

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_kill(host);
    fake_host_remove(host, "/var/lib/dynmem/held");
    fake_host_start(host);
    record = fake_host_file(host, FAKE_WEB);
    assert_non_null(record);
    assert_true(record->found);
    assert_int_equal(record->stage, PAGING_STAGE_ON);
    assert_string_equal(record->directory, FAKE_PAGING);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_false(fake_host_exists(host, FAKE_WEB_FILE));
}

static void
a_file_is_found_though_nothing_is_remembered(void **state)
{
    find_forgotten_file(*state);
}

static void
a_file_is_found_by_its_whole_path_too(void **state)
{
    fake_faults.whole_paths = true;
    find_forgotten_file(*state);
}

static void
a_swap_file_of_somebody_else_is_not_taken_over(void **state)
{
    FakeHost *host = *state;
    g_autofree char *path = g_strconcat(host->root, FAKE_WEB_FILE, NULL);
    g_autofree char *swaps = g_strdup_printf("Filename Type Size Used Priority\n%s file 1000 0 -2\n", path);

    fake_host_kill(host);
    fake_host_write(host, FAKE_WEB_FILE, "no header of ours");
    fake_host_write(host, "/proc/swaps", swaps);
    fake_host_start(host);
    assert_null(fake_host_file(host, FAKE_WEB));
    fake_host_kill(host);
    assert_true(fake_host_exists(host, FAKE_WEB_FILE));
}

/* ---- groups above ---- */

#define WEB_SLICE "/machine.slice/machine-web.slice"
#define DB_SLICE "/machine.slice/machine-db.slice"
#define DB_SCOPE DB_SLICE "/machine-qemu\\x2d2\\x2ddb.scope"
#define BESIDE_DB DB_SLICE "/machine-qemu\\x2d3\\x2dbeside.scope/libvirt"

/* A guest lives in this group, in a slice of its own: as with <partition>. */
static void
move_guest(const FakeHost *host, pid_t pid, const char *slice, const char *scope)
{
    g_autofree char *group = g_strconcat(scope, "/libvirt", NULL);
    g_autofree char *inner = g_strconcat("/sys/fs/cgroup", group, "/emulator/cgroup.type", NULL);
    g_autofree char *process = g_strdup_printf("/proc/%d/cgroup", (int)pid);
    g_autofree char *line = g_strdup_printf("0::%s/emulator\n", group);

    fake_host_add_group(host, slice, 0);
    fake_host_add_group(host, scope, 0);
    fake_host_add_group(host, group, 0);
    fake_host_write(host, inner, "threaded\n");
    fake_host_write(host, process, line);
}

static void
guests_with_files_in_different_slices_can_all_use_theirs(void **state)
{
    FakeHost *host = *state;
    const char *closed[] = {DB_SLICE, "0"};

    move_guest(host, FAKE_WEB_PID, WEB_SLICE, WEB_SLICE "/machine-qemu\\x2d1\\x2dweb.scope");
    move_guest(host, FAKE_DB_PID, DB_SLICE, DB_SCOPE);
    fake_host_add_group(host, BESIDE_DB, 0);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_expect(host, DB_SLICE, "memory.swap.max", "0");
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_host_expect(host, DB_SLICE, "memory.swap.max", "max"); /* else it could not swap out a page */
    fake_host_expect(host, DB_SCOPE, "memory.swap.max", "max");
    fake_host_expect(host, DB_SCOPE "/libvirt", "memory.swap.max", "67108864");
    fake_host_expect(host, BESIDE_DB, "memory.swap.max", "0");
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
    fake_host_end(host, FAKE_DB);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_GONE);
    fake_host_until(host, swap_max_is, closed);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_expect(host, DB_SLICE, "memory.swap.max", "max");
    fake_host_expect(host, DB_SCOPE "/libvirt", "memory.swap.max", "max");
    fake_host_expect(host, BESIDE_DB, "memory.swap.max", "max");
    fake_host_expect_clean(host);
}

static void
a_file_that_a_slice_lets_nobody_use_is_not_made(void **state)
{
    static const struct {
        const char *max, *current, *left;
        PagingStage stage;
    } cases[] = {
        {"0\n", "0\n", "0 KiB", PAGING_STAGE_FAILED},
        {"67108864\n", "33554432\n", "32 MiB", PAGING_STAGE_FAILED},
        {"67108864\n", "0\n", NULL, PAGING_STAGE_ON},
        {"max\n", "1073741824\n", NULL, PAGING_STAGE_ON},
    };
    FakeHost *host = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        fake_host_write(host, "/sys/fs/cgroup/machine.slice/memory.swap.max", cases[i].max);
        fake_host_write(host, "/sys/fs/cgroup/machine.slice/memory.swap.current", cases[i].current);
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
        fake_host_await(host, FAKE_WEB, cases[i].stage);
        if (cases[i].left != NULL) {
            assert_non_null(strstr(fake_host_file(host, FAKE_WEB)->error, "/machine.slice"));
            assert_non_null(strstr(fake_host_file(host, FAKE_WEB)->error, cases[i].left));
        }
        fake_host_end(host, FAKE_WEB);
        fake_host_await_none(host);
        fake_host_expect_clean(host);
    }
}

static bool
high_is_set(FakeHost *host, void *data)
{
    return fake_host_says(host, FAKE_WEB_GROUP, "memory.high", data);
}

static void
limit_is_set(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    assert_null(error);
}

static void
an_orderly_stop_leaves_a_file_that_is_on_with_its_limits(void **state)
{
    FakeHost *host = *state;
    GuestRecord guest = fake_guest(FAKE_WEB, FAKE_WEB_PID);
    int left = 1;

    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    host->limit_world.set(host->limit_world.self, &guest, 307200, limit_is_set, NULL);
    fake_host_until(host, high_is_set, (void *)"314572800");
    limits_stop(host->limits, 5 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
    fake_host_kill(host);
    assert_true(fake_host_swaps_to(host, FAKE_WEB_FILE));
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.high", "314572800");
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "0");
    fake_host_start(host);
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_for_its_guest_alone_and_leaves_no_trace),
        TEST(the_last_of_two_files_puts_all_limits_back),
        TEST(an_end_while_it_is_made_leaves_nothing),
        TEST(a_guest_that_is_gone_gives_up_its_part),
        TEST(limits_that_are_written_anew_are_set_again_and_new_groups_too),
        TEST(a_swapoff_that_fails_is_tried_again),
        TEST(a_swapoff_that_an_earlier_daemon_began_is_waited_for),
        TEST(swap_of_the_host_is_left_to_others_and_the_file_to_its_guest),
        TEST(no_file_is_made_where_what_others_swapped_out_could_not_come_back),
        TEST(paths_in_proc_swaps_are_read_as_they_are_meant),
        TEST(a_file_is_found_though_nothing_is_remembered),
        TEST(a_file_is_found_by_its_whole_path_too),
        TEST(a_swap_file_of_somebody_else_is_not_taken_over),
        TEST(guests_with_files_in_different_slices_can_all_use_theirs),
        TEST(a_file_that_a_slice_lets_nobody_use_is_not_made),
        TEST(an_orderly_stop_leaves_a_file_that_is_on_with_its_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
