/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Paging files when things go wrong: what is asked for at the wrong time, a host that does not answer, an end that does not wait, a daemon
 * that is gone before its work is done. On a host of plain files.
 */

#include "act/paging_work.h"
#include "cmocka_all.h"
#include "fake_calls.h"
#include "fake_gate.h"
#include "fake_host.h"
#include "units.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWAPS "/proc/swaps"
#define HELD FAKE_STATE "/held"

static int
setup(void **state)
{
    FakeHost *host = fake_host_new();

    host->system.step = fake_gate_pass;
    fake_clock_ahead_usec = 0;
    fake_host_start(host);
    *state = host;
    return 0;
}

static int
teardown(void **state)
{
    fake_gate_set(NULL);
    fake_calls_fail("", "", 0, 0);
    g_atomic_pointer_set(&fake_calls_judge, NULL);
    fake_host_free(*state);
    return 0;
}

static void
make_file(FakeHost *host)
{
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
}

static bool
tells(FakeHost *host, void *text)
{
    const PagingRecord *record = fake_host_file(host, FAKE_WEB);

    return record != NULL && record->error != NULL && strstr(record->error, text) != NULL;
}

static bool
is_forgotten(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, HELD);

    return held == NULL || strstr(held, FAKE_WEB) == NULL;
}

static bool
tells_nothing(FakeHost *host, void *data)
{
    return fake_host_file(host, FAKE_WEB)->error == NULL;
}

static bool
has_no_trace(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, HELD);

    return !fake_host_exists(host, FAKE_WEB_FILE) && (held == NULL || strstr(held, FAKE_WEB) == NULL);
}

/* As when the process ends: nothing is waited for. */
static void
drop_daemon(FakeHost *host)
{
    g_clear_pointer(&host->paging, paging_free);
    g_clear_pointer(&host->limits, limits_free);
    g_clear_pointer(&host->held, held_unref);
}

/* ---- at the wrong time ---- */

static void
one_that_is_there_already_is_not_made_again(void **state)
{
    FakeHost *host = *state;
    PagingRequest request = fake_request(FAKE_WEB, FAKE_WEB_PID);
    const PagingRecord *record;

    make_file(host);
    request.directory = "/srv/other";
    host->paging_world.make(host->paging_world.self, &request);
    fake_run_loop();
    record = fake_host_file(host, FAKE_WEB);
    assert_int_equal(record->stage, PAGING_STAGE_ON);
    assert_string_equal(record->directory, FAKE_PAGING);
    fake_host_end(host, FAKE_DB); /* there is none */
    fake_host_end(host, FAKE_WEB);
    fake_host_end(host, FAKE_WEB);
    host->paging_world.make(host->paging_world.self, &request); /* nor while it ends */
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(fake_faults.swap_off_calls, 1);
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
one_that_is_called_off_stops_at_its_next_step(void **state)
{
    static const char *const steps[] = {"file noted",     "file made",     "file allocated",
                                        "header written", "others frozen", "guest allowed"};
    FakeHost *host = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        fake_gate_set(steps[i]);
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
        fake_gate_await(1);
        fake_host_end(host, FAKE_WEB);
        fake_gate_set(NULL);
        fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
        assert_non_null(strstr(fake_host_file(host, FAKE_WEB)->error, "called off"));
        fake_host_await_none(host);
        fake_host_expect_clean(host);
    }
    fake_gate_set("switched on"); /* too late: it is ended as any other */
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    fake_host_end(host, FAKE_WEB);
    fake_gate_set(NULL);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(fake_faults.swap_off_calls, 1);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
nothing_is_begun_any_more_when_the_daemon_ends(void **state)
{
    FakeHost *host = *state;
    int left = 1;

    make_file(host);
    paging_stop(host->paging, 60 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, fake_is_zero, &left);
    fake_run_loop();
    assert_null(fake_host_file(host, FAKE_DB));
    assert_int_equal(fake_host_file(host, FAKE_WEB)->stage, PAGING_STAGE_ON);
    assert_int_equal(fake_faults.swap_off_calls, 0);
    assert_int_equal(left, 0);
}

/* Whose steps could come between those of the next one. */
static void
nothing_is_tried_again_when_the_daemon_ends(void **state)
{
    FakeHost *host = *state;
    unsigned calls;
    int left = 1;

    make_file(host);
    for (size_t i = 0; i < G_N_ELEMENTS(fake_faults.swap_off); i++)
        fake_faults.swap_off[i] = ENOMEM;
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"not enough memory"});
    paging_stop(host->paging, 60 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
    calls = fake_faults.swap_off_calls;
    fake_run_loop();
    assert_int_equal(fake_faults.swap_off_calls, calls);
    assert_int_equal(left, 0);
    memset(fake_faults.swap_off, 0, sizeof fake_faults.swap_off);
}

/* ---- a host that does not answer ---- */

static void
what_bars_files_is_looked_up_every_few_seconds(void **state)
{
    FakeHost *host = *state;

    assert_null(host->paging_world.bar(host->paging_world.self));
    fake_host_write(host, "/proc/sys/vm/swappiness", "0\n");
    fake_clock_ahead_usec += 4 * USEC_PER_SEC;
    assert_null(host->paging_world.bar(host->paging_world.self));
    fake_clock_ahead_usec += USEC_PER_SEC;
    assert_non_null(host->paging_world.bar(host->paging_world.self));
}

static void
what_is_used_stays_what_it_was_while_nobody_can_tell(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "1048576\n");
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 1024);
    fake_calls_fail("open", SWAPS, 1, ENFILE);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 1024); /* its group tells */
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "nonsense\n");
    fake_calls_fail("open", SWAPS, 1, ENFILE);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 1024);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 65536); /* what the kernel has for the file */
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current", "0\n");
    assert_int_equal(fake_host_file(host, FAKE_WEB)->used_kib, 0);
}

static void
without_a_list_of_swap_areas_nothing_is_made_and_nothing_ended(void **state)
{
    FakeHost *host = *state;

    fake_host_remove(host, SWAPS);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    assert_true(tells(host, (char[]){"/proc/swaps"}));
    fake_host_await_none(host);
    fake_host_write(host, SWAPS, "Filename Type Size Used Priority\n");
    fake_host_expect_clean(host);

    make_file(host);
    fake_faults.swap_off[0] = ENOMEM;
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"not enough memory"});
    fake_calls_fail("open", SWAPS, 40, ENFILE);
    fake_run_loop();
    fake_calls_fail("", "", 0, 0);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
a_file_that_is_on_is_found_as_soon_as_swap_areas_can_be_listed(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_host_kill(host);
    fake_calls_fail("open", SWAPS, 4, EMFILE);
    fake_host_start(host);
    assert_null(fake_host_file(host, FAKE_WEB));
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    assert_true(fake_host_file(host, FAKE_WEB)->found);
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
without_a_thread_a_file_comes_later(void **state)
{
    FakeHost *host = *state;

    fake_host_kill(host);
    g_thread_pool_set_max_unused_threads(0);
    g_thread_pool_stop_unused_threads();
    fake_run_loop();
    fake_calls_fail("pthread_create", "", 6, EAGAIN);
    fake_host_start(host);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static bool
is_on_when_asked_for(FakeHost *host, void *data)
{
    const PagingRecord *record = fake_host_file(host, FAKE_WEB);

    if (record == NULL)
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    return record != NULL && record->stage == PAGING_STAGE_ON;
}

/* One that is just being made would be taken for one of an earlier daemon. */
static void
nothing_is_made_before_it_is_known_what_is_on(void **state)
{
    FakeHost *host = *state;

    fake_host_kill(host);
    host->system.retry_msec = 20;
    fake_calls_fail("open", SWAPS, 1, EMFILE);
    fake_host_start(host);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    g_usleep(100 * 1000); /* its thread would be done, and the next attempt is due */
    fake_host_until(host, is_on_when_asked_for, NULL);
    assert_false(fake_host_file(host, FAKE_WEB)->found);
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
others_who_can_not_be_kept_from_a_file_are_told_of(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_calls_fail("write", "/system.slice/memory.swap.max", 1 << 20, EIO);
    fake_host_write(host, "/sys/fs/cgroup/system.slice/memory.swap.max", "max\n");
    fake_host_until(host, tells, (char[]){"others may swap to it"});
    assert_true(tells(host, (char[]){"/system.slice/memory.swap.max can't be set to 0: Input/output error"}));
    assert_int_equal(fake_host_file(host, FAKE_WEB)->failures, 0);
    fake_calls_fail("", "", 0, 0);
    fake_host_until(host, tells_nothing, NULL);
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
    fake_calls_fail("opendir", "/sys/fs/cgroup/machine.slice", 1 << 20, EMFILE);
    fake_host_until(host, tells, (char[]){"/sys/fs/cgroup/machine.slice can't be listed: Too many open files"});
}

static bool
is_closed(FakeHost *host, void *data)
{
    return fake_host_says(host, "/system.slice", "memory.swap.max", "0");
}

/* ---- an end that fails ---- */

static void
an_end_that_can_not_be_noted_is_told_and_gone_on_with(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_calls_fail("rename", HELD, 2, ENOSPC);
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"can't be remembered"});
    assert_int_equal(fake_host_file(host, FAKE_WEB)->stage, PAGING_STAGE_EMPTYING);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->failures, 1);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static const char *on_full_disk; /* the file that takes the room */

static int
judge_full_disk(const char *call, const char *path)
{
    return strcmp(call, "rename") == 0 && g_str_has_suffix(path, HELD) && access(on_full_disk, F_OK) == 0 ? ENOSPC : 0;
}

static int
judge_read_only(const char *call, const char *path)
{
    bool changes = (strcmp(call, "rename") == 0 && g_str_has_suffix(path, HELD)) ||
                   (strcmp(call, "unlinkat") == 0 && g_str_has_suffix(path, ".dynmem-paging"));

    return changes ? EROFS : 0;
}

static void
a_full_disk_has_room_again_without_the_file(void **state)
{
    FakeHost *host = *state;
    g_autofree char *path = g_strconcat(host->root, FAKE_WEB_FILE, NULL);

    make_file(host);
    on_full_disk = path;
    g_atomic_pointer_set(&fake_calls_judge, judge_full_disk);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* As ext4 makes it after an error: what is remembered is on it as well. */
static void
a_file_on_a_disk_that_is_read_only_by_now_is_ended(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    host->system.retry_msec = 60000;
    g_atomic_pointer_set(&fake_calls_judge, judge_read_only);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_true(tells(host, (char[]){"can't be deleted: Read-only file system"}));
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "max");
    fake_host_await_none(host);
    host->system.retry_msec = 1;
    fake_host_kill(host);
    g_atomic_pointer_set(&fake_calls_judge, NULL); /* it is mended, and mounted anew */
    fake_host_start(host);
    fake_host_until(host, has_no_trace, NULL);
    fake_host_expect_clean(host);
}

/* It is off, and its guest goes on without it. */
static void
a_file_that_can_not_be_deleted_is_told_and_tried_again(void **state)
{
    static const struct {
        const char *call;
        const char *path;
        const char *error;
    } cases[] = {
        {"unlinkat", FAKE_WEB_FILE, ".dynmem-paging can't be deleted: Read-only file system"},
        {"fsync", FAKE_PAGING, ".dynmem-paging can't be deleted for good: Read-only file system"},
        {"openat", FAKE_PAGING "/.", ".dynmem-paging can't be deleted for good: Read-only file system"},
    };
    FakeHost *host = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        make_file(host);
        fake_calls_fail(cases[i].call, cases[i].path, 2, EROFS);
        fake_host_end(host, FAKE_WEB);
        fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
        assert_true(tells(host, (void *)cases[i].error));
        fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
        fake_host_await_none(host);
        fake_host_until(host, is_forgotten, NULL);
        fake_host_expect_clean(host);
    }
}

static void
a_swapoff_that_can_not_be_begun_or_is_killed_is_told_and_tried_again(void **state)
{
    FakeHost *host = *state;

    fake_faults.swap_off[0] = FAKE_NO_PROCESS;
    fake_faults.swap_off[1] = -SIGTERM;
    make_file(host);
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"no process can be made; it is tried again"});
    fake_host_until(host, tells, (char[]){"killed by signal 15; it is tried again"});
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->failures, 2);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
what_is_left_on_a_disk_with_errors_keeps_nobody_from_swap(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_calls_fail("unlinkat", FAKE_WEB_FILE, 3,
                    EIO); /* at its end, and when it is tidied at once: as its and as nobody's */
    host->system.retry_msec = 60000;
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_run_loop();
    assert_true(fake_host_exists(host, FAKE_WEB_FILE));
    fake_host_end(host, FAKE_DB);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_GONE);
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    fake_host_kill(host);
    fake_host_start(host);
    fake_host_until(host, is_forgotten, NULL);
    fake_host_expect_clean(host);
}

/* Its file system is taken away to be checked, and comes back with the file. */
static void
what_is_left_on_a_disk_with_errors_is_deleted_when_that_is_back(void **state)
{
    FakeHost *host = *state;
    g_autofree char *path = g_strconcat(host->root, FAKE_PAGING, NULL);
    g_autofree char *away = g_strconcat(path, ".away", NULL);

    make_file(host);
    fake_calls_fail("unlinkat", FAKE_WEB_FILE, INT_MAX, EIO);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_int_equal(rename(path, away), 0);
    fake_run_loop();
    assert_int_equal(rename(away, path), 0);
    fake_calls_fail("", "", 0, 0);
    fake_host_until(host, is_forgotten, NULL);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* Its directory, with all that was in it. */
static void
a_directory_that_is_gone_is_no_obstacle(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_host_remove(host, FAKE_PAGING);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
a_directory_that_others_can_change_by_now_is_not_touched(void **state)
{
    FakeHost *host = *state;
    g_autofree char *path = g_strconcat(host->root, FAKE_PAGING, NULL);

    make_file(host);
    assert_int_equal(chmod(path, 0777), 0);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    assert_true(tells(host, (char[]){"can be written by others than root"}));
    assert_true(fake_host_exists(host, FAKE_WEB_FILE));
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max"); /* nobody else waits for it */
    fake_run_loop();
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    assert_int_equal(chmod(path, 0700), 0);
    fake_host_await_none(host);
    fake_host_until(host, is_forgotten, NULL);
    fake_host_expect_clean(host);
}

static void
several_things_that_are_left_are_all_tidied(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_host_kill(host);
    fake_host_write(host, SWAPS, "Filename Type Size Used Priority\n"); /* somebody has switched them off */
    fake_calls_fail("unlinkat", ".dynmem-paging", 6, EIO);
    fake_host_start(host);
    fake_host_until(host, has_no_trace, NULL);
    while (fake_host_exists(host, FAKE_DB_FILE))
        g_main_context_iteration(NULL, FALSE);
    fake_run_loop();
    fake_host_expect_clean(host);
}

static void
a_guest_whose_file_fails_gets_no_page_of_anothers(void **state)
{
    FakeHost *host = *state;

    fake_host_kill(host);
    host->system.hold_msec = 60000;
    fake_host_start(host);
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_faults.swap_on = EPERM;
    fake_calls_fail("unlinkat", FAKE_WEB_FILE, 1, EIO);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "0");
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "67108864");
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_host_until(host, has_no_trace, NULL);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "0");
    fake_host_end(host, FAKE_DB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static bool
is_put_back(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, HELD);

    return strstr(held, "memory.swap.max") == NULL;
}

static void
limits_whose_file_is_gone_without_a_trace_are_put_back(void **state)
{
    FakeHost *host = *state;
    g_autofree char *held = NULL;
    g_autofree char *lost = NULL;
    g_auto(GStrv) parts = NULL;

    make_file(host);
    fake_host_kill(host);
    held = fake_host_read(host, HELD);
    parts = g_strsplit(strchr(held, '\n') + 1, FAKE_WEB, -1); /* behind its sum */
    lost = g_strjoinv("?", parts);                            /* whose file it was */
    fake_host_write(host, HELD, lost);
    fake_host_write(host, SWAPS, "Filename Type Size Used Priority\n");
    fake_host_remove(host, FAKE_WEB_FILE);
    fake_host_start(host);
    fake_host_until(host, is_put_back, NULL);
    fake_host_expect_clean(host);
}

/* ---- a daemon that ends in the middle ---- */

static void
an_end_that_was_begun_is_gone_on_with_by_the_next_daemon(void **state)
{
    FakeHost *host = *state;

    make_file(host);
    for (size_t i = 0; i < G_N_ELEMENTS(fake_faults.swap_off); i++)
        fake_faults.swap_off[i] = ENOMEM;
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"not enough memory"});
    fake_host_kill(host);
    memset(fake_faults.swap_off, 0, sizeof fake_faults.swap_off);
    fake_host_start(host);
    assert_true(fake_host_file(host, FAKE_WEB)->found);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE); /* nobody has asked for it again */
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
an_end_of_the_daemon_does_not_wait_for_a_disk_that_hangs(void **state)
{
    FakeHost *host = *state;
    int left = 1;

    fake_gate_set("file allocated");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    paging_stop(host->paging, 30 * USEC_PER_MSEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
    fake_gate_set(NULL);
    fake_host_until(host, has_no_trace, NULL); /* it is called off, and undone when the disk answers */
    fake_run_loop();
    assert_int_equal(left, 0);
    assert_int_equal(fake_host_file(host, FAKE_WEB)->stage, PAGING_STAGE_FAILED);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* Each leaves what the next one finishes. */
static void
what_is_under_way_when_all_is_freed_harms_nobody(void **state)
{
    static const char *const steps[] = {"file allocated", "end noted"};
    FakeHost *host = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) { /* a thread at work */
        fake_gate_set(steps[i]);
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
        if (i == 1) {
            fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
            fake_host_end(host, FAKE_WEB);
        }
        fake_gate_await(1);
        drop_daemon(host);
        fake_gate_set(NULL);
        fake_run_loop();
        fake_host_start(host);
        fake_host_await_none(host);
        fake_host_until(host, has_no_trace, NULL);
        fake_host_expect_clean(host);
    }

    make_file(host); /* swapoff under way */
    fake_faults.swap_off_calls = 0;
    fake_faults.swap_off[0] = ENOMEM;
    fake_host_end(host, FAKE_WEB);
    while (fake_faults.swap_off_calls == 0)
        g_main_context_iteration(NULL, FALSE);
    drop_daemon(host);
    fake_host_start(host);
    fake_host_await_none(host);

    host->system.retry_msec = 1000; /* another attempt to come, of an end and of tidying */
    make_file(host);
    fake_faults.swap_off_calls = 0;
    fake_host_end(host, FAKE_WEB);
    fake_host_until(host, tells, (char[]){"not enough memory"});
    drop_daemon(host);
    fake_calls_fail("open", SWAPS, 2, EMFILE);
    fake_host_start(host);
    fake_run_loop();
    host->system.retry_msec = 1;
    drop_daemon(host);
    fake_host_start(host);
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    drop_daemon(host); /* how it ended was looked at just now */
    fake_run_loop();
    fake_host_start(host);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* As where its directory is on another disk. */
static void
another_file_does_not_wait_for_a_disk_that_hangs(void **state)
{
    FakeHost *host = *state;

    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_gate_set("file allocated");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    fake_host_write(host, "/sys/fs/cgroup/system.slice/memory.swap.max", "max\n");
    fake_host_until(host, is_closed, NULL); /* nobody else gets a page of it */
    fake_host_end(host, FAKE_DB);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_GONE);
    assert_false(fake_host_exists(host, FAKE_DB_FILE));
    fake_host_expect(host, "/system.slice", "memory.swap.max", "max"); /* another one may never come */
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "max");
    fake_gate_set(NULL);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "0");
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* Each still counts for the other as one that others are to be kept from. */
static void
of_two_files_that_go_together_the_last_puts_all_back(void **state)
{
    FakeHost *host = *state;

    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_faults.swap_on = EPERM;
    fake_gate_set("file deleted");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    fake_host_end(host, FAKE_DB);
    while (fake_host_swaps_to(host, FAKE_DB_FILE))
        fake_run_loop();
    for (unsigned i = 0; i < 5; i++)
        fake_run_loop(); /* its process has ended */
    fake_gate_await(2);
    fake_gate_set(NULL);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* Its disk may hang, and a host that needs the file is short of memory. */
static void
nobody_is_kept_from_swapping_for_a_file_that_is_being_made(void **state)
{
    FakeHost *host = *state;

    fake_gate_set("file allocated");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    for (unsigned i = 0; i < 5; i++) {
        fake_run_loop();
        fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    }
    fake_gate_set(NULL);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

/* While it is deleted it still counts as one that others are to be kept from. */
static void
nor_for_one_that_could_not_be_switched_on(void **state)
{
    FakeHost *host = *state;

    fake_faults.swap_on = EPERM;
    fake_gate_set("file deleted");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    for (unsigned i = 0; i < 5; i++) {
        fake_run_loop();
        fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
    }
    fake_gate_set(NULL);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    fake_host_await_none(host);
    fake_host_expect_clean(host);
}

static void
a_stop_that_nobody_waits_for_to_the_end_is_forgotten(void **state)
{
    FakeHost *host = *state;
    int left = 1;

    fake_gate_set("file allocated");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_gate_await(1);
    paging_stop(host->paging, 30 * USEC_PER_MSEC, fake_count_down, &left);
    drop_daemon(host);
    fake_gate_set(NULL);
    fake_run_loop();
    assert_int_equal(left, 1);
    fake_host_start(host);
    fake_host_until(host, has_no_trace, NULL);
    fake_host_expect_clean(host);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_there_already_is_not_made_again),
        TEST(one_that_is_called_off_stops_at_its_next_step),
        TEST(nothing_is_begun_any_more_when_the_daemon_ends),
        TEST(nothing_is_tried_again_when_the_daemon_ends),
        TEST(what_bars_files_is_looked_up_every_few_seconds),
        TEST(what_is_used_stays_what_it_was_while_nobody_can_tell),
        TEST(without_a_list_of_swap_areas_nothing_is_made_and_nothing_ended),
        TEST(a_file_that_is_on_is_found_as_soon_as_swap_areas_can_be_listed),
        TEST(without_a_thread_a_file_comes_later),
        TEST(nothing_is_made_before_it_is_known_what_is_on),
        TEST(others_who_can_not_be_kept_from_a_file_are_told_of),
        TEST(an_end_that_can_not_be_noted_is_told_and_gone_on_with),
        TEST(a_full_disk_has_room_again_without_the_file),
        TEST(a_file_on_a_disk_that_is_read_only_by_now_is_ended),
        TEST(a_file_that_can_not_be_deleted_is_told_and_tried_again),
        TEST(a_swapoff_that_can_not_be_begun_or_is_killed_is_told_and_tried_again),
        TEST(what_is_left_on_a_disk_with_errors_keeps_nobody_from_swap),
        TEST(what_is_left_on_a_disk_with_errors_is_deleted_when_that_is_back),
        TEST(a_directory_that_is_gone_is_no_obstacle),
        TEST(a_directory_that_others_can_change_by_now_is_not_touched),
        TEST(several_things_that_are_left_are_all_tidied),
        TEST(a_guest_whose_file_fails_gets_no_page_of_anothers),
        TEST(limits_whose_file_is_gone_without_a_trace_are_put_back),
        TEST(an_end_that_was_begun_is_gone_on_with_by_the_next_daemon),
        TEST(an_end_of_the_daemon_does_not_wait_for_a_disk_that_hangs),
        TEST(what_is_under_way_when_all_is_freed_harms_nobody),
        TEST(another_file_does_not_wait_for_a_disk_that_hangs),
        TEST(of_two_files_that_go_together_the_last_puts_all_back),
        TEST(nobody_is_kept_from_swapping_for_a_file_that_is_being_made),
        TEST(nor_for_one_that_could_not_be_switched_on),
        TEST(a_stop_that_nobody_waits_for_to_the_end_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
