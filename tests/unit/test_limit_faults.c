/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * memory.high of guests when things go wrong: files that can't be read or written, groups and guests that go, threads that hang, an
 * end that does not wait. On a host of plain files.
 */

#include "limit_fixture.h"

#include "error.h"
#include "fake_calls.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define GROUP_FILES "/sys/fs/cgroup" FAKE_WEB_GROUP
#define HIGH GROUP_FILES "/memory.high"
#define CURRENT GROUP_FILES "/memory.current"
#define EVENTS GROUP_FILES "/memory.events"
#define MIB KIB_PER_MIB

static int high_writes;
static int renames;

static int
judge(const char *call, const char *path)
{
    if (strcmp(call, "write") == 0 && g_str_has_suffix(path, "/memory.high"))
        g_atomic_int_inc(&high_writes);
    if (strcmp(call, "rename") == 0 && g_str_has_suffix(path, FAKE_STATE "/held")) {
        g_atomic_int_inc(&renames);
        fake_gate_pass("rename");
    }
    return 0;
}

static bool
glance(Fixture *f, const char *uuid, pid_t pid, GuestGlance *seen)
{
    GuestRecord guest = fake_guest(uuid, pid);

    return f->host->limit_world.glance(f->host->limit_world.self, &guest, seen);
}

static void
expect_high(Fixture *f, const char *text)
{
    fake_host_expect(f->host, FAKE_WEB_GROUP, "memory.high", text);
}

static void
begin_stop(Fixture *f, uint64_t deadline_usec)
{
    f->left = 1;
    limits_stop(f->host->limits, deadline_usec, fake_count_down, &f->left);
}

static void
stop(Fixture *f)
{
    begin_stop(f, 5 * USEC_PER_SEC);
    fake_host_until(f->host, fake_is_zero, &f->left);
}

static int
setup_judged(void **state)
{
    fake_calls_judge = judge;
    return setup(state);
}

/* ---- reading ---- */

static void
a_group_that_can_not_be_read_is_told_and_looked_up_anew(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    assert_true(look(f).usable);
    fake_host_write(f->host, HIGH, "nonsense\n");
    limits = look(f);
    assert_false(limits.usable);
    assert_non_null(strstr(limits.bar, "can't be read"));
    /* it has another one by now: at the next look, not in a minute */
    fake_host_remove(f->host, "/proc/1001/cgroup");
    fake_host_write(f->host, "/proc/1001/cgroup", "0::" FAKE_DB_GROUP "\n");
    assert_true(look(f).usable);
}

static void
a_file_of_a_group_that_is_gone_is_opened_again(void **state)
{
    Fixture *f = *state;

    assert_int_equal(look(f).charged_kib, 800 * MIB);
    fake_calls_fail("pread", "/memory.current", 1, ENODEV);
    assert_int_equal(look(f).charged_kib, 800 * MIB);
    fake_calls_fail("pread", "/memory.current", 2, ENODEV);
    assert_false(look(f).usable); /* what it has is not known, and not nothing */
    assert_true(look(f).usable);
    assert_int_equal(look(f).charged_kib, 800 * MIB);
}

static void
a_guest_is_looked_up_again_after_a_minute(void **state)
{
    Fixture *f = *state;

    look(f);
    fake_host_write(f->host, "/proc/1001/cgroup", "0::" FAKE_DB_GROUP "\n");
    fake_host_write(f->host, "/sys/fs/cgroup" FAKE_DB_GROUP "/memory.current", "4096\n");
    fake_clock_ahead_usec += 59 * USEC_PER_SEC;
    assert_int_equal(look(f).charged_kib, 800 * MIB);
    fake_clock_ahead_usec += USEC_PER_SEC;
    assert_int_equal(look(f).charged_kib, 4);
}

static void
a_glance_tells_nothing_that_it_did_not_read(void **state)
{
    Fixture *f = *state;
    GuestGlance seen = {0};

    fake_host_write(f->host, "/proc/1003/cgroup", "0::/user.slice/session.scope\n");
    look_at(f, "a-user's", 1003);
    assert_false(glance(f, "a-user's", 1003, &seen));
    look(f);
    fake_host_write(f->host, CURRENT, "nonsense\n");
    assert_false(glance(f, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_false(look(f).usable);

    fake_host_write(f->host, CURRENT, "838860800\n");
    set(f, 800);
    await_ends(f, "800 ");
    fake_host_write(f->host, EVENTS, "low 0\nhigh 9\n");
    fake_calls_fail("pread", "/memory.events", 2, EIO);
    assert_true(glance(f, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_int_equal(seen.held_back, 3); /* as it was */
    assert_true(glance(f, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_int_equal(seen.held_back, 9);
}

static void
files_are_kept_open_only_as_far_as_there_are_enough(void **state)
{
    Fixture *f = *state;
    struct rlimit before, few;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (pid_t pid = 2000; pid < 2020; pid++) { /* six files each */
        g_autofree char *group = g_strdup_printf("/machine.slice/machine-qemu-%d.scope", (int)pid);
        g_autofree char *proc = g_strdup_printf("/proc/%d/cgroup", (int)pid);
        g_autofree char *line = g_strdup_printf("0::%s\n", group);
        g_autofree char *uuid = g_strdup_printf("guest-%d", (int)pid);

        fake_host_add_group(f->host, group, 0);
        fake_host_write(f->host, proc, line);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(look_at(f, uuid, pid).charged_kib, 800 * MIB);
            assert_int_equal(look_at(f, uuid, pid).held_back, 3);
        }
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
a_guest_is_forgotten_a_minute_after_it_went_but_not_what_is_written_for_it(void **state)
{
    Fixture *f = *state;
    GuestGlance seen;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    look_at(f, FAKE_DB, FAKE_DB_PID);
    for (int minute = 0; minute < 3; minute++) {
        fake_clock_ahead_usec += 61 * USEC_PER_SEC;
        look_at(f, FAKE_DB, FAKE_DB_PID);
        assert_true(glance(f, FAKE_WEB, FAKE_WEB_PID, &seen));
    }
    fake_gate_set(NULL);
    await_ends(f, "800 400 ");
    fake_clock_ahead_usec += 61 * USEC_PER_SEC;
    look_at(f, FAKE_DB, FAKE_DB_PID);
    assert_false(glance(f, FAKE_WEB, FAKE_WEB_PID, &seen));
    assert_true(glance(f, FAKE_DB, FAKE_DB_PID, &seen));
}

/* ---- writing ---- */

static void
a_guest_without_a_group_gets_no_limit_and_the_reason(void **state)
{
    Fixture *f = *state;

    set_of(f, FAKE_DB, 4711, 400);
    assert_string_equal(f->ends->str, "400! ");
    assert_non_null(strstr(f->why->str, "does not run"));
    fake_host_write(f->host, "/proc/1003/cgroup", "0::/user.slice/session.scope\n");
    set_of(f, "a-user's", 1003, 500);
    assert_string_equal(f->ends->str, "400! 500! ");
    assert_non_null(strstr(f->why->str, "no control group of its own"));
}

static void
a_lowering_that_fails_on_its_way_is_told_and_still_ours(void **state)
{
    Fixture *f = *state;
    GuestLimits limits;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    fake_calls_fail("write", "/memory.high", 1, EIO);
    fake_gate_set(NULL);
    await_ends(f, "800 400! ");
    assert_non_null(strstr(f->why->str, "memory.high can't be set to 704643072: Input/output error"));
    expect_high(f, "771751936"); /* one step of 64 MiB */
    limits = look(f);
    assert_true(limits.usable && limits.set && !limits.pending);
    assert_int_equal(limits.high_kib, 736 * MIB);
    stop(f);
    expect_high(f, "max");
}

static void
what_somebody_else_sets_after_a_write_that_failed_is_theirs(void **state)
{
    Fixture *f = *state;

    look(f);
    fake_calls_fail("write", "/memory.high", 1, EBUSY);
    set(f, 400);
    await_ends(f, "400! ");
    assert_false(look(f).set);
    fake_host_write(f->host, HIGH, "524288000\n");
    for (int i = 0; i < 3; i++)
        assert_false(look(f).usable);
    stop(f);
    expect_high(f, "524288000");
}

static void
a_raise_that_fails_is_told_while_a_lowering_hangs(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    fake_calls_fail("write", "/memory.high", 1, EIO);
    set(f, 780);
    await_ends(f, "800 780! ");
    expect_high(f, "771751936");
    fake_gate_set(NULL);
    await_ends(f, "800 780! 400! "); /* it was overtaken */
    assert_true(look(f).set);
    fake_run_loop();
    expect_high(f, "771751936"); /* nobody tries it by himself */
    set(f, 600);
    await_ends(f, "800 780! 400! 600 ");
    expect_high(f, "629145600");
}

static void
a_lowering_that_ends_while_a_raise_is_written_changes_nothing(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered, limit raised");
    set(f, 400);
    fake_gate_await(1);
    set(f, 780);
    fake_gate_await(2);
    fake_gate_set("limit raised");
    await_ends(f, "800 400! ");
    assert_true(look(f).pending);
    set(f, 790); /* waits for the one that hangs */
    fake_gate_set(NULL);
    await_ends(f, "800 400! 780 790 ");
    expect_high(f, "828375040");
    assert_false(look(f).pending);
}

static void
a_limit_that_is_open_already_waits_to_be_given_back(void **state)
{
    Fixture *f = *state;
    int writes;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    set(f, LIMIT_NONE);
    fake_host_until(f->host, web_has, (char[]){"max"});
    writes = g_atomic_int_get(&high_writes);
    fake_run_loop();
    look(f);
    fake_run_loop();
    assert_int_equal(g_atomic_int_get(&high_writes), writes);
    assert_string_equal(f->ends->str, "800 ");
    assert_true(look(f).pending);
    fake_gate_set(NULL);
    await_ends(f, "800 400! none ");
    expect_high(f, "max");
}

/* ---- the end ---- */

static void
an_end_waits_for_both_writes_of_a_guest(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered, limit raised");
    set(f, 400);
    fake_gate_await(1);
    set(f, 780);
    fake_gate_await(2);
    begin_stop(f, 60 * USEC_PER_SEC);
    fake_gate_set(NULL);
    fake_host_until(f->host, fake_is_zero, &f->left);
    expect_high(f, "max");
}

static void
an_end_does_not_wait_for_a_lowering_that_hangs(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered");
    set(f, 400);
    fake_gate_await(1);
    begin_stop(f, 4 * USEC_PER_SEC); /* a half of it for what is given back */
    fake_host_until(f->host, fake_is_zero, &f->left);
    expect_high(f, "max");
    fake_gate_set(NULL);
    await_ends(f, "800 400! ");
    assert_int_equal(f->left, 0); /* and is told once */
    expect_high(f, "max");
}

static void
an_end_does_not_wait_for_the_disk(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("rename");
    begin_stop(f, 100 * USEC_PER_MSEC);
    fake_gate_await(1);
    fake_host_until(f->host, fake_is_zero, &f->left);
    expect_high(f, "max"); /* it is not remembered, but done */
    fake_gate_set(NULL);
    fake_run_loop();
    assert_int_equal(f->left, 0);
}

static void
limits_of_guests_without_a_group_stop_nobody(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    look_at(f, FAKE_DB, 4711);
    limits_keep(f->host->limits, FAKE_WEB_GROUP, true);
    stop(f);
    expect_high(f, "838860800");
    limits_keep(f->host->limits, FAKE_WEB_GROUP, false);
}

/* Whoever asked is told; threads end by themselves, with nobody to tell. */
static void
what_is_under_way_when_all_is_freed_is_told_and_harms_nobody(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("limit lowered, limit raised");
    set(f, 400);
    fake_gate_await(1);
    set(f, 780);
    fake_gate_await(2);
    set(f, 500);
    begin_stop(f, 60 * USEC_PER_SEC);
    assert_string_equal(f->ends->str, "800 500! ");
    g_clear_pointer(&f->host->paging, paging_free);
    g_clear_pointer(&f->host->limits, limits_free);
    assert_string_equal(f->ends->str, "800 500! 400! 780! ");
    assert_non_null(strstr(f->why->str, "about to end"));
    fake_gate_set(NULL);
    fake_run_loop();
    assert_string_equal(f->ends->str, "800 500! 400! 780! ");
    assert_int_equal(f->left, 1);
    g_clear_pointer(&f->host->held, held_unref);
}

static void
what_is_given_back_when_all_is_freed_is_given_back(void **state)
{
    Fixture *f = *state;

    set(f, 800);
    await_ends(f, "800 ");
    fake_gate_set("rename");
    begin_stop(f, 60 * USEC_PER_SEC);
    fake_gate_await(1);
    g_clear_pointer(&f->host->paging, paging_free);
    g_clear_pointer(&f->host->limits, limits_free);
    fake_gate_set(NULL);
    fake_host_until(f->host, web_has, (char[]){"max"});
    fake_run_loop();
    assert_int_equal(f->left, 1); /* nobody is there to be told */
    g_clear_pointer(&f->host->held, held_unref);
}

/* As with no file descriptor left for a moment: the daemon would go without limits until its end. */
static void
a_host_that_can_not_be_read_is_not_taken_for_one_without_limits(void **state)
{
    Fixture *f = *state;

    fake_host_kill(f->host);
    fake_calls_fail("open", "/cgroup.controllers", 1, EMFILE);
    fake_host_start(f->host);
    assert_null(f->host->limit_world.bar(f->host->limit_world.self));
    fake_calls_fail("open", "/cgroup.type", 1, EMFILE);
    assert_null(look(f).bar); /* nor is a group that is not its guest's taken for its */
    fake_clock_ahead_usec += 2 * USEC_PER_SEC;
    assert_true(look(f).usable);
    fake_host_kill(f->host);
    fake_host_remove(f->host, "/sys/fs/cgroup/cgroup.controllers");
    fake_host_start(f->host);
    assert_non_null(f->host->limit_world.bar(f->host->limit_world.self));
}

/* ---- many guests ---- */

#define MANY 12

static bool
all_ended(FakeHost *host, void *data)
{
    const Fixture *f = data;
    unsigned count = 0;

    for (const char *p = f->ends->str; (p = strstr(p, "600 ")) != NULL; p++)
        count++;
    return count == MANY;
}

/* All of them are about to write, or wait for the one that does. */
static bool
all_claimed(FakeHost *host, void *data)
{
    g_auto(GStrv) files = held_list(host->held, "/memory.high");

    (void)data;
    return g_strv_length(files) == MANY;
}

/* When a daemon begins each guest gets its first limit, and a disk may take its time for each write. */
static void
what_many_guests_wait_for_is_remembered_in_one_write(void **state)
{
    Fixture *f = *state;

    fake_gate_set("rename");
    g_atomic_int_set(&renames, 0);
    for (int i = 0; i < MANY; i++) {
        g_autofree char *uuid = g_uuid_string_random();
        g_autofree char *group = g_strdup_printf("/machine.slice/machine-qemu\\x2d%d\\x2dx.scope", 10 + i);
        g_autofree char *process = g_strdup_printf("/proc/%d/cgroup", 2000 + i);
        g_autofree char *line = g_strdup_printf("0::%s\n", group);

        fake_host_add_group(f->host, group, 0);
        fake_host_write(f->host, process, line);
        set_of(f, uuid, 2000 + i, 600);
    }
    fake_gate_await(1);
    fake_host_until(f->host, all_claimed, f);
    fake_gate_set(NULL);
    fake_host_until(f->host, all_ended, f);
    assert_true(g_atomic_int_get(&renames) <= 3);
}

/* ---- guests that go ---- */

typedef struct End {
    bool told;
    bool refused;
} End;

static void
note_end(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    End *end = user_data;

    end->told = true;
    end->refused = g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED);
}

static bool
is_told(FakeHost *host, void *data)
{
    return ((const End *)data)->told;
}

/* What ends so is told to nobody as a failure. */
static void
a_limit_of_a_guest_that_went_meanwhile_has_not_failed(void **state)
{
    static const bool on_the_way[] = {false, true};
    Fixture *f = *state;
    GuestRecord guest = fake_guest(FAKE_WEB, FAKE_WEB_PID);

    for (size_t i = 0; i < G_N_ELEMENTS(on_the_way); i++) {
        End end = {0};

        assert_true(look(f).usable);
        if (on_the_way[i])
            fake_gate_set("limit lowered");
        else
            fake_host_remove(f->host, GROUP_FILES);
        f->host->limit_world.set(f->host->limit_world.self, &guest, 600 * MIB, note_end, &end);
        if (on_the_way[i]) {
            fake_gate_await(1);
            fake_host_remove(f->host, GROUP_FILES);
            fake_gate_set(NULL);
        }
        fake_host_until(f->host, is_told, &end);
        assert_true(end.refused);
        fake_host_add_group(f->host, FAKE_WEB_GROUP, 0); /* another guest's */
    }
}

/* ---- threads that can't be had ---- */

static void
a_limit_for_which_there_is_no_thread_is_set_when_there_is_one(void **state)
{
    Fixture *f = *state;

    g_thread_pool_set_max_unused_threads(0);
    g_thread_pool_stop_unused_threads();
    fake_run_loop();
    fake_calls_fail("pthread_create", "", 1, EAGAIN);
    set(f, 600);
    await_ends(f, "600 ");
    fake_calls_fail("pthread_create", "", 1, EAGAIN);
    set(f, 700);
    await_ends(f, "600 700 ");
    fake_calls_fail("pthread_create", "", 1, EAGAIN);
    stop(f);
    expect_high(f, "max");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_judged, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_group_that_can_not_be_read_is_told_and_looked_up_anew),
        TEST(a_file_of_a_group_that_is_gone_is_opened_again),
        TEST(a_guest_is_looked_up_again_after_a_minute),
        TEST(a_glance_tells_nothing_that_it_did_not_read),
        TEST(files_are_kept_open_only_as_far_as_there_are_enough),
        TEST(a_guest_is_forgotten_a_minute_after_it_went_but_not_what_is_written_for_it),
        TEST(a_guest_without_a_group_gets_no_limit_and_the_reason),
        TEST(a_lowering_that_fails_on_its_way_is_told_and_still_ours),
        TEST(what_somebody_else_sets_after_a_write_that_failed_is_theirs),
        TEST(a_raise_that_fails_is_told_while_a_lowering_hangs),
        TEST(a_lowering_that_ends_while_a_raise_is_written_changes_nothing),
        TEST(a_limit_that_is_open_already_waits_to_be_given_back),
        TEST(an_end_waits_for_both_writes_of_a_guest),
        TEST(an_end_does_not_wait_for_a_lowering_that_hangs),
        TEST(an_end_does_not_wait_for_the_disk),
        TEST(limits_of_guests_without_a_group_stop_nobody),
        TEST(what_is_under_way_when_all_is_freed_is_told_and_harms_nobody),
        TEST(what_is_given_back_when_all_is_freed_is_given_back),
        TEST(a_host_that_can_not_be_read_is_not_taken_for_one_without_limits),
        TEST(what_many_guests_wait_for_is_remembered_in_one_write),
        TEST(a_limit_of_a_guest_that_went_meanwhile_has_not_failed),
        TEST(a_limit_for_which_there_is_no_thread_is_set_when_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
