/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One call to the file system fails, each in its turn, or several in a row, while a paging file is made, used and ended. Either there is no file, for a
 * reason that is told, or it is one that nobody else can get a page of; and in the end, by the next daemon at the latest, the host is as
 * it was.
 */

#include "cmocka_all.h"
#include "fake_calls.h"
#include "fake_host.h"

#include <errno.h>
#include <string.h>

/* A daemon that could not undo something tries again; so long is waited for that. */
#define PATIENCE_USEC (50 * 1000)

static int calls_left; /* the last of these fails, and some after it; 0: none does */
static int failures;   /* how many do */
static int failed_with;
static const char *root;   /* what is written elsewhere is none of the daemon's */
static GThread *test_self; /* what it looks at is there */

/* The files of the kernel's own are written by the fake host, which never fails by itself. */
static bool
is_the_daemons(const char *path)
{
    return strncmp(path, root, strlen(root)) == 0 && strncmp(path + strlen(root), "/proc/", strlen("/proc/")) != 0 &&
           g_thread_self() != test_self;
}

static int
judge(const char *call, const char *path)
{
    int left = g_atomic_int_get(&calls_left);

    if (left == 0 || !is_the_daemons(path))
        return 0;
    if (left > 1) {
        g_atomic_int_add(&calls_left, -1);
        return 0;
    }
    if (g_atomic_int_dec_and_test(&failures))
        g_atomic_int_set(&calls_left, 0);
    return failed_with;
}

/* ---- a life ---- */

static bool
is_made_or_not(FakeHost *host, void *data)
{
    const PagingRecord *record = fake_host_file(host, FAKE_WEB);

    return record == NULL || record->stage == PAGING_STAGE_ON || record->stage == PAGING_STAGE_FAILED;
}

static bool
is_ended(FakeHost *host, void *data)
{
    const PagingRecord *record = fake_host_file(host, FAKE_WEB);

    return record == NULL || record->stage == PAGING_STAGE_GONE || record->stage == PAGING_STAGE_FAILED ||
           g_get_monotonic_time() > *(const gint64 *)data;
}

static bool
is_clean(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, FAKE_STATE "/held");

    return !fake_host_exists(host, FAKE_WEB_FILE) && fake_host_says(host, "/system.slice", "memory.swap.max", "max") &&
           (held == NULL || (strstr(held, "swap.max") == NULL && strstr(held, FAKE_WEB) == NULL));
}

/* Returns whether there was a call to fail. */
static bool
live(int call, int row, int number, unsigned *refused)
{
    g_autoptr(FakeHost) host = fake_host_new();
    const PagingRecord *record;
    gint64 end_usec;
    bool reached;

    fake_host_write(host, "/sys/module/zswap/parameters/enabled", "Y\n");
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.zswap.max", "max\n");
    fake_host_start(host);
    root = host->root;
    failed_with = number;
    failures = row;
    g_atomic_int_set(&calls_left, call);
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_until(host, is_made_or_not, NULL);
    record = fake_host_file(host, FAKE_WEB);
    if (record != NULL && record->stage == PAGING_STAGE_ON) {
        fake_host_expect(host, FAKE_DB_GROUP, "memory.swap.max", "0");
        fake_host_expect(host, "/system.slice", "memory.swap.max", "0");
        fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", "0");
    } else {
        assert_false(fake_host_swaps_to(host, FAKE_WEB_FILE));
        assert_true(record == NULL || record->error[0] != '\0');
        ++*refused;
    }
    fake_host_end(host, FAKE_WEB);
    end_usec = g_get_monotonic_time() + PATIENCE_USEC;
    fake_host_until(host, is_ended, &end_usec);
    reached = g_atomic_int_get(&failures) < row;
    g_atomic_int_set(&calls_left, 0);

    fake_host_kill(host);
    fake_host_start(host);
    if (fake_host_file(host, FAKE_WEB) != NULL)
        fake_host_end(host, FAKE_WEB);
    fake_host_until(host, is_clean, NULL);
    fake_host_expect_clean(host);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", "max");
    return reached;
}

static void
whatever_call_fails_the_host_is_in_the_end_as_it_was(void **state)
{
    static const struct {
        int row, number;
    } faults[] = {{1, EIO}, {3, EIO}, {8, ENOSPC}};

    test_self = g_thread_self();
    fake_calls_judge = judge;
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        unsigned refused = 0;
        int call = 1;

        while (live(call, faults[i].row, faults[i].number, &refused))
            call += faults[i].row;
        print_message("%d calls, with some failing there was no file %u times\n", call - 1, refused);
        assert_true(call > 20 && refused > 5); /* they are really gone through */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_fails_the_host_is_in_the_end_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
