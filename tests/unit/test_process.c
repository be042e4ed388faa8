/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of processes, and where their ids are read. */
#include "cmocka_all.h"

#include "watch/process.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned ended_count;
static ProcessWatch *other;

static pid_t
start_child(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

static void
end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void
on_ended(void *user_data)
{
    ended_count++;
    g_clear_pointer(&other, process_watch_free);
}

static gboolean
set_flag(void *data)
{
    *(bool *)data = true;
    return G_SOURCE_REMOVE;
}

static void
run_loop(void)
{
    bool over = false;

    g_timeout_add(50, set_flag, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
}

static void
end_is_told_once(void **state)
{
    g_autoptr(ProcessSet) set = process_set_new();
    pid_t pid = start_child();
    ProcessWatch *watch = process_watch_new(set, pid, on_ended, NULL);

    if (watch == NULL) {
        end_child(pid);
        return; /* a kernel without pidfd: everybody gets NULL, and that is all there is to say */
    }
    ended_count = 0;
    run_loop();
    assert_int_equal(ended_count, 0);
    end_child(pid);
    run_loop();
    assert_int_equal(ended_count, 1);
    assert_null(process_watch_new(set, pid, on_ended, NULL));
    process_watch_free(watch);
}

static void
watch_can_go_while_another_end_is_told(void **state)
{
    g_autoptr(ProcessSet) set = process_set_new();
    pid_t a = start_child(), b = start_child();
    ProcessWatch *watch = process_watch_new(set, a, on_ended, NULL);

    other = process_watch_new(set, b, on_ended, NULL);
    ended_count = 0;
    end_child(a);
    end_child(b);
    run_loop();
    if (watch != NULL)
        assert_in_range(ended_count, 1, 2);
    process_watch_free(watch);
    g_clear_pointer(&other, process_watch_free);
}

static void
pid_is_read_by_name(void **state)
{
    g_autofree char *directory = g_dir_make_tmp("dynmem-process-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "web.pid", NULL);

    assert_non_null(directory);
    assert_true(g_file_set_contents(path, "4711\n", -1, NULL));
    assert_int_equal(process_read_pid(directory, "web"), 4711);
    assert_int_equal(process_read_pid(directory, "other"), 0);
    assert_int_equal(process_read_pid(directory, "../web"), 0);
    assert_int_equal(process_read_pid(NULL, "web"), 0);
    assert_true(g_file_set_contents(path, "-1", -1, NULL));
    assert_int_equal(process_read_pid(directory, "web"), 0);
    assert_true(g_file_set_contents(path, "99999999999999", -1, NULL));
    assert_int_equal(process_read_pid(directory, "web"), 0);
    g_remove(path);
    g_rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_is_told_once),
        cmocka_unit_test(watch_can_go_while_another_end_is_told),
        cmocka_unit_test(pid_is_read_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
