/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small files of the kernel, and the group of a guest, when calls are cut short or fail and files say what they should not. */

#include "cmocka_all.h"
#include "fake_calls.h"
#include "fake_host.h"
#include "kernel/guest_group.h"
#include "kernel/proc_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_PATH "/proc/some"

typedef struct Fixture {
    FakeHost *host;
    char *path;
    int fd;
} Fixture;

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->host = fake_host_new();
    f->path = g_strconcat(f->host->root, FILE_PATH, NULL);
    f->fd = -1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    fake_calls_fail("", "", 0, 0);
    if (f->fd >= 0)
        close(f->fd);
    g_free(f->path);
    fake_host_free(f->host);
    g_free(f);
    return 0;
}

static gssize
read_it(Fixture *f, char *buffer, size_t size)
{
    memset(buffer, 'x', size);
    return proc_file_read(f->path, &f->fd, buffer, size);
}

static void
a_read_that_is_cut_short_or_interrupted_is_gone_on_with(void **state)
{
    Fixture *f = *state;
    char buffer[64];

    fake_host_write(f->host, FILE_PATH, "1234567\n");
    fake_calls_fail("pread", FILE_PATH, 3, FAKE_CALL_SHORT);
    assert_int_equal(read_it(f, buffer, sizeof buffer), 8);
    assert_string_equal(buffer, "1234567\n");
    fake_calls_fail("pread", FILE_PATH, 3, EINTR);
    assert_int_equal(read_it(f, buffer, sizeof buffer), 8);
    assert_string_equal(buffer, "1234567\n");
    fake_host_write(f->host, FILE_PATH, "no line");
    assert_int_equal(read_it(f, buffer, sizeof buffer), 7);
    assert_string_equal(buffer, "no line");
    fake_host_write(f->host, FILE_PATH, "");
    assert_int_equal(read_it(f, buffer, sizeof buffer), 0);
    assert_string_equal(buffer, "");
}

static void
what_does_not_fit_is_cut_off(void **state)
{
    Fixture *f = *state;
    char buffer[5];

    fake_host_write(f->host, FILE_PATH, "123\n567\n");
    assert_int_equal(read_it(f, buffer, sizeof buffer), 4);
    assert_string_equal(buffer, "123\n");
    assert_int_equal(proc_file_read_records(f->path, &f->fd, buffer, sizeof buffer), 4);
    assert_string_equal(buffer, "123\n");
    assert_int_equal(proc_file_read_records(f->path, &f->fd, buffer, 1), 0);
    assert_string_equal(buffer, "");
}

static void
a_file_that_fails_is_opened_anew_once_and_then_told(void **state)
{
    Fixture *f = *state;
    char buffer[64];

    fake_host_write(f->host, FILE_PATH, "1\n");
    assert_int_equal(read_it(f, buffer, sizeof buffer), 2);
    fake_calls_fail("pread", FILE_PATH, 1, ENODEV);
    assert_int_equal(read_it(f, buffer, sizeof buffer), 2);
    fake_calls_fail("pread", FILE_PATH, 2, ENODEV);
    assert_int_equal(read_it(f, buffer, sizeof buffer), -1);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(f->fd, -1);
    fake_calls_fail("open", FILE_PATH, 1, EMFILE);
    assert_int_equal(read_it(f, buffer, sizeof buffer), -1);
    assert_int_equal(errno, EMFILE);
}

static void
figures_are_found_or_not(void **state)
{
    uint64_t value = 7;

    assert_true(proc_file_find("low 1\nhigh 22\nmax 3\n", "high ", &value));
    assert_int_equal(value, 22);
    assert_true(proc_file_find("low 1\nhigh\t 23", "high", &value));
    assert_int_equal(value, 23);
    assert_false(proc_file_find("low 1\nmax 3", "high ", &value)); /* cut off, without it */
    assert_false(proc_file_find("", "high ", &value));
    assert_false(proc_file_find("high none\n", "high ", &value));
    assert_int_equal(value, 23);
    assert_null(proc_file_number("18446744073709551616", &value));
    assert_null(proc_file_number("-1", &value));
    assert_int_equal(value, 23);
}

/* ---- the group of a guest ---- */

static char *
find(Fixture *f, const char *line, const char **bar)
{
    *bar = NULL;
    fake_host_write(f->host, "/proc/1009/cgroup", line);
    return guest_group_find(f->host->system.root, 1009, bar);
}

static void
only_a_group_of_its_own_is_a_guests(void **state)
{
    static const char *const none[] = {
        "0::/../../other/machine-qemu-1.scope\n", /* above the root of this namespace */
        "0::/machine.slice/machine-qemu-1.scope/emulator (deleted)\n",
        "0::/machine.slice/machine-qemu.scop\n",
        "0::/machine.slice/machine-qemu-1.slice\n",
        "0::/machine.slice/.libvirt-qemu\n",
        "0::\n",
        "4:memory:/machine/qemu-1.libvirt-qemu\n",
        "",
    };
    Fixture *f = *state;
    const char *bar;

    for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
        g_autofree char *group = find(f, none[i], &bar);

        if (group != NULL)
            fail_msg("%s gives %s", none[i], group);
        assert_non_null(strstr(bar, "no control group of its own"));
    }
    for (int i = 0; i < 2; i++) { /* at the root of the tree, too, where every part is threaded */
        g_autofree char *group = find(f, "4:cpu:/\n0::/qemu-1-web.libvirt-qemu/emulator\n", &bar);

        if (i == 0) {
            assert_string_equal(group, "/qemu-1-web.libvirt-qemu/emulator");
            fake_host_write(f->host, "/sys/fs/cgroup/qemu-1-web.libvirt-qemu/emulator/cgroup.type", "threaded\n");
            fake_host_write(f->host, "/sys/fs/cgroup/qemu-1-web.libvirt-qemu/cgroup.type", "threaded\n");
        } else {
            assert_null(group);
        }
    }
    assert_null(guest_group_find(f->host->system.root, 0, NULL));
    assert_null(guest_group_find(f->host->system.root, 4711, &bar));
    assert_null(bar);
    assert_null(guest_group_old_limit(f->host->system.root, 0));
    assert_null(guest_group_old_limit(f->host->system.root, 4711));
    fake_host_write(f->host, "/proc/1009/cgroup", "4:memory:/user.slice\n");
    assert_null(guest_group_old_limit(f->host->system.root, 1009));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_read_that_is_cut_short_or_interrupted_is_gone_on_with),
        TEST(what_does_not_fit_is_cut_off),
        TEST(a_file_that_fails_is_opened_anew_once_and_then_told),
        TEST(figures_are_found_or_not),
        TEST(only_a_group_of_its_own_is_a_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
