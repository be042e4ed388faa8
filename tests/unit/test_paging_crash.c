/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon, or the host, dies at any step of a paging file's life, and the next daemon finishes it. Each life is a process
 * of its own, this program again, on the same host of plain files; it ends at the step it is told.
 */

#include "cmocka_all.h"
#include "fake_host.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a life ended. */
#define LIFE_DONE 0
#define LIFE_CRASHED 77

/* ---- in the process ---- */

static bool
is_clean(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, "/var/lib/dynmem/held");

    return !fake_host_exists(host, FAKE_WEB_FILE) && fake_host_says(host, "/system.slice", "memory.swap.max", "max") &&
           (held == NULL || (strstr(held, "swap.max") == NULL && strstr(held, FAKE_WEB) == NULL));
}

/* Makes a file, or takes over what it finds, and ends it. */
static void
life_of_a_file(FakeHost *host)
{
    if (fake_host_file(host, FAKE_WEB) == NULL) {
        fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
        fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    }
    fake_host_end(host, FAKE_WEB);
    fake_host_await_none(host);
}

/* Whatever it finds it finishes, and then there is nothing left. */
static void
life_that_finishes(FakeHost *host)
{
    const PagingRecord *found = fake_host_file(host, FAKE_WEB);
    int left = 1;

    if (found != NULL) {
        assert_true(found->found);
        assert_int_equal(found->size_kib, 65536);
        assert_true(found->since_usec > 0);
        fake_host_end(host, FAKE_WEB);
        fake_host_await_none(host);
    }
    fake_host_until(host, is_clean, NULL);
    fake_host_expect_clean(host);
    limits_stop(host->limits, 5 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.high", "max");
}

static void
life_after_a_boot(FakeHost *host)
{
    assert_null(fake_host_file(host, FAKE_WEB));
    fake_host_until(host, is_clean, NULL);
    fake_host_expect_clean(host);
}

static const struct {
    const char *name;
    void (*live)(FakeHost *host);
} lives[] = {
    {"file", life_of_a_file},
    {"finish", life_that_finishes},
    {"boot", life_after_a_boot},
};

static _Noreturn void
run_life(const char *name, const char *root, const char *crash_at)
{
    FakeHost *host = fake_host_at(root);

    fake_faults.crash_at = (unsigned)atoi(crash_at);
    alarm(30);
    fake_host_start(host);
    for (size_t i = 0; i < G_N_ELEMENTS(lives); i++)
        if (strcmp(lives[i].name, name) == 0)
            lives[i].live(host);
    _exit(LIFE_DONE); /* no life is tidied up after */
}

/* ---- in the tests ---- */

/* Returns whether it died at that step. */
static bool
live(const FakeHost *host, const char *name, unsigned crash_at)
{
    g_autofree char *step = g_strdup_printf("%u", crash_at);
    char *argv[] = {(char *)"test_paging_crash", (char *)name, host->root, step, NULL};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        execv("/proc/self/exe", argv);
        _exit(126);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != LIFE_DONE && WEXITSTATUS(status) != LIFE_CRASHED))
        fail_msg("life \"%s\", to end at step %u, ended with %#x", name, crash_at, status);
    return WEXITSTATUS(status) == LIFE_CRASHED;
}

static void
a_daemon_that_dies_at_any_step_is_finished_by_the_next(void **state)
{
    unsigned steps = 0;

    for (bool died = true; died; steps++) {
        g_autoptr(FakeHost) host = fake_host_new();

        died = live(host, "file", steps + 1);
        live(host, "finish", 0);
    }
    assert_true(steps > 15); /* the steps are really gone through */
}

static void
two_deaths_in_a_row_are_finished_too(void **state)
{
    for (unsigned first = 2; first < 30; first += 3) {
        for (unsigned second = 1; second < 12; second += 2) {
            g_autoptr(FakeHost) host = fake_host_new();

            live(host, "file", first);
            live(host, "file", second);
            live(host, "finish", 0);
        }
    }
}

static void
after_a_power_cut_at_any_step_nothing_is_left(void **state)
{
    for (unsigned step = 1;; step++) {
        g_autoptr(FakeHost) host = fake_host_new();
        bool died = live(host, "file", step);

        fake_host_boot(host);
        live(host, "boot", 0);
        if (!died)
            break;
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_that_dies_at_any_step_is_finished_by_the_next),
        cmocka_unit_test(two_deaths_in_a_row_are_finished_too),
        cmocka_unit_test(after_a_power_cut_at_any_step_nothing_is_left),
    };

    if (argc == 4)
        run_life(argv[1], argv[2], argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
