/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is remembered of changes to the host: never lost, never taken for what it is not, whatever the disk and the kernel say. */

#include "act/held.h"
#include "cmocka_all.h"
#include "fake_calls.h"
#include "fake_host.h"

#include <errno.h>
#include <string.h>

#define STATE_FILE FAKE_STATE "/held"
#define SLICE "/system.slice"
#define SWAP_MAX "/memory.swap.max"
#define HIGH FAKE_WEB_GROUP "/memory.high"
#define DIRECTORY "/sys/fs/cgroup"

static Held *
open_held(const FakeHost *host)
{
    g_autofree char *problem = NULL;
    Held *held = held_open(&host->system, host->state, &problem);

    assert_null(problem);
    return held;
}

static int
setup(void **state)
{
    *state = fake_host_new();
    return 0;
}

static int
teardown(void **state)
{
    fake_calls_judge = NULL;
    fake_calls_fail("", "", 0, 0);
    fake_host_free(*state);
    return 0;
}

static const HeldValue slice = {.file = SLICE SWAP_MAX, .value = "0"};
static const HeldValue users = {.file = "/user.slice" SWAP_MAX, .value = "0"};

static bool
release(Held *held, const char *file, GError **error)
{
    return held_release(held, &file, 1, error);
}

/* ---- the file ---- */

static void
damaged_parts_are_passed_over_and_the_others_kept(void **state)
{
    FakeHost *host = *state;
    g_autoptr(Held) held = NULL;
    g_autoptr(GPtrArray) files = NULL;
    g_auto(GStrv) listed = NULL;
    g_autofree char *inode = NULL;
    g_autofree char *text = NULL;
    g_autofree char *saved = NULL;

    inode =
        g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)group_file_inode(&host->system, "/user.slice/memory.swap.max"));
    text = g_strdup_printf("[host]\nboot-id=boot-1\n"
                           "[values]\n"
                           "relative/memory.swap.max=1;max;0;max;\n"
                           "memory.swap.max=1;max;0;max;\n"
                           "%%zz=1;max;0;max;\n"
                           "/init.scope/memory.swap.max=1;max\n"
                           "/system.slice/memory.swap.max=1;max;0;max;\n" /* of another group of that name */
                           "/user.slice/memory.swap.max=%s;1048576;0;max;\n"
                           "/user.slice/memory.high=%s;max;0;max;\n"
                           "[file not-a-uuid]\ndirectory=/srv\n"
                           "[file 33333333-3333-4333-8333-333333333333]\nsize-kib=1\n"
                           "[file " FAKE_DB "]\ndirectory=/srv\nsize-kib=many\ngroup=relative\nending=perhaps\n",
                           inode, inode);
    fake_host_write(host, STATE_FILE, text);
    fake_host_write(host, DIRECTORY SLICE SWAP_MAX, "0\n");
    fake_host_write(host, DIRECTORY "/init.scope" SWAP_MAX, "0\n");
    fake_host_write(host, DIRECTORY "/user.slice" SWAP_MAX, "0\n");
    held = open_held(host);

    files = held_files(held);
    assert_int_equal(files->len, 1);
    assert_string_equal(((HeldFile *)g_ptr_array_index(files, 0))->uuid, FAKE_DB);
    assert_int_equal(((HeldFile *)g_ptr_array_index(files, 0))->size_kib, 0);
    assert_null(((HeldFile *)g_ptr_array_index(files, 0))->group);
    assert_false(((HeldFile *)g_ptr_array_index(files, 0))->ending);
    assert_null(held_get_file(held, "not-a-uuid"));
    assert_null(held_get_file(held, FAKE_WEB));
    assert_false(held_has(held, SLICE SWAP_MAX));
    assert_false(held_has(held, "/init.scope" SWAP_MAX));
    assert_true(held_has(held, "/user.slice" SWAP_MAX));

    listed = held_list(held, SWAP_MAX);
    assert_int_equal(g_strv_length(listed), 3);
    assert_true(held_release(held, (const char *const *)listed, g_strv_length(listed), NULL));
    fake_host_expect(host, "/user.slice", "memory.swap.max", "1048576");
    fake_host_expect(host, SLICE, "memory.swap.max", "0"); /* whose that is nobody knows */
    fake_host_expect(host, "/init.scope", "memory.swap.max", "0");
    saved = fake_host_read(host, STATE_FILE);
    assert_null(strstr(saved, "relative/"));
    assert_null(strstr(saved, "%zz"));
    assert_null(strstr(saved, "memory.swap.max"));
    assert_non_null(strstr(saved, "memory.high"));
}

static void
a_file_that_can_not_be_read_is_set_aside_and_told(void **state)
{
    FakeHost *host = *state;

    for (int barred = 0; barred < 2; barred++) {
        g_autofree char *problem = NULL;
        g_autoptr(Held) held = NULL;

        fake_host_write(host, STATE_FILE, "\xff nonsense");
        if (barred != 0)
            fake_calls_fail("rename", "/held.bad", 1, EROFS);
        held = held_open(&host->system, host->state, &problem);
        assert_non_null(problem);
        assert_true(g_utf8_validate(problem, -1, NULL));
        assert_int_equal(strstr(problem, "set aside") != NULL, barred == 0);
        assert_int_equal(fake_host_exists(host, STATE_FILE ".bad"), barred == 0);
        assert_int_equal(fake_host_exists(host, STATE_FILE), barred != 0);
        assert_true(held_set(held, &slice, 1, NULL)); /* and what is remembered from here on takes its place */
        g_clear_pointer(&held, held_unref);
        held = open_held(host);
        assert_true(held_has(held, slice.file));
        assert_true(release(held, slice.file, NULL));
        fake_host_remove(host, STATE_FILE ".bad");
    }
}

static void
without_a_directory_nothing_is_changed(void **state)
{
    FakeHost *host = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *problem = NULL;
    g_autoptr(Held) held = NULL;

    fake_host_write(host, "/var/lib/dynmem", "a file is in its place");
    held = held_open(&host->system, host->state, &problem);
    assert_non_null(strstr(problem, "/var/lib/dynmem can't be made: "));
    assert_false(held_set(held, &slice, 1, &error));
    assert_non_null(strstr(error->message, "can't be remembered in "));
    fake_host_expect(host, SLICE, "memory.swap.max", "max");
}

static void
where_nobody_knows_which_boot_this_is_nothing_is_ours(void **state)
{
    FakeHost *host = *state;
    g_autoptr(Held) held = open_held(host);

    assert_true(held_set(held, &slice, 1, NULL));
    g_clear_pointer(&held, held_unref);
    fake_host_remove(host, "/proc/sys/kernel/random/boot_id");
    held = open_held(host);
    assert_false(held_has(held, slice.file));
}

/* ---- groups that go ---- */

static void
another_group_of_the_same_name_is_another_group(void **state)
{
    FakeHost *host = *state;
    g_autoptr(Held) held = open_held(host);

    assert_true(held_claim(held, HIGH, NULL));
    fake_host_write(host, DIRECTORY HIGH, "1048576\n");
    assert_true(held_has(held, HIGH));
    fake_host_remove(host, DIRECTORY FAKE_WEB_GROUP);
    fake_host_add_group(host, FAKE_WEB_GROUP, 0);
    fake_host_write(host, DIRECTORY HIGH, "1048576\n");
    assert_false(held_has(held, HIGH));
    assert_true(release(held, HIGH, NULL));
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.high", "1048576");
}

static FakeHost *present_host;

static int
remove_slice_at_write(const char *call, const char *path)
{
    if (strcmp(call, "write") != 0 || !g_str_has_suffix(path, SLICE SWAP_MAX))
        return 0;
    fake_host_remove(present_host, DIRECTORY SLICE);
    return ENODEV;
}

static void
a_group_that_goes_while_it_is_written_to_is_no_error(void **state)
{
    FakeHost *host = *state;
    const HeldValue both[] = {slice, users};
    g_autoptr(GError) error = NULL;
    g_autoptr(Held) held = open_held(host);

    present_host = host;
    fake_calls_judge = remove_slice_at_write;
    assert_true(held_set(held, both, 2, &error));
    assert_null(error);
    fake_host_expect(host, "/user.slice", "memory.swap.max", "0");
    assert_true(held_set(held, &slice, 1, &error)); /* nor is one that went before */
    assert_true(release(held, users.file, &error));

    fake_calls_judge = NULL;
    fake_host_add_group(host, SLICE, 0);
    assert_true(held_set(held, &slice, 1, &error));
    fake_calls_judge = remove_slice_at_write;
    assert_true(release(held, slice.file, &error));
    assert_null(error);
}

/* ---- what fails ---- */

static void
what_can_not_be_looked_at_is_not_taken_for_gone(void **state)
{
    static const char *const calls[] = {"stat", "open", "pread"};
    FakeHost *host = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        const char *path = strcmp(calls[i], "stat") == 0 ? SLICE : SLICE SWAP_MAX;
        g_autoptr(GError) error = NULL;
        g_autoptr(Held) held = open_held(host);

        fake_calls_fail(calls[i], path, 1, ENOMEM);
        assert_false(held_set(held, &slice, 1, &error)); /* who is not frozen is told of */
        assert_non_null(strstr(error->message, SLICE SWAP_MAX));
        assert_non_null(strstr(error->message, "read: Cannot allocate memory"));
        g_clear_error(&error);
        assert_true(held_set(held, &slice, 1, &error));

        fake_calls_fail(calls[i], path, 1, ENOMEM);
        assert_false(release(held, slice.file, &error));
        assert_non_null(error);
        fake_host_expect(host, SLICE, "memory.swap.max", "0");
        fake_calls_fail("stat", SLICE, 1, ENOMEM);
        assert_true(held_set(held, &users, 1, NULL)); /* what is remembered is swept */
        assert_true(release(held, users.file, NULL));
        assert_true(release(held, slice.file, NULL)); /* the value before is still known */
        fake_host_expect(host, SLICE, "memory.swap.max", "max");
    }
}

static void
the_first_of_several_errors_is_told_and_the_others_are_done(void **state)
{
    FakeHost *host = *state;
    const HeldValue init = {.file = "/init.scope" SWAP_MAX, .value = "0"};
    const HeldValue all[] = {slice, users, init};
    const char *files[] = {slice.file, users.file, init.file};
    g_autoptr(GError) error = NULL;
    g_autoptr(Held) held = open_held(host);

    fake_calls_fail("write", "slice" SWAP_MAX, 2, FAKE_CALL_SHORT);
    assert_false(held_set(held, all, 3, &error));
    assert_non_null(strstr(error->message, SLICE SWAP_MAX " can't be set to 0: written in part"));
    g_clear_error(&error);
    fake_host_expect(host, "/init.scope", "memory.swap.max", "0");

    fake_calls_fail("open", "slice" SWAP_MAX, 3,
                    EIO); /* one can't be read, the other, read with that, not be written */
    assert_false(held_release(held, files, 3, &error));
    assert_non_null(strstr(error->message, SLICE SWAP_MAX));
    fake_host_expect(host, "/init.scope", "memory.swap.max", "max");
    assert_false(held_has(held, init.file));
    assert_true(held_has(held, users.file));
    fake_calls_fail("", "", 0, 0);
    assert_true(held_release(held, files, 3, NULL));
}

static void
what_is_not_on_disk_is_not_claimed(void **state)
{
    FakeHost *host = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Held) held = open_held(host);

    fake_calls_fail("rename", STATE_FILE, 1, EROFS);
    assert_false(held_claim(held, HIGH, &error));
    assert_non_null(strstr(error->message, "Read-only file system"));
    assert_false(held_has(held, HIGH));
    g_clear_error(&error);
    fake_calls_fail("pread", HIGH, 1, EIO);
    assert_false(held_claim(held, HIGH, &error));
    assert_non_null(error);
    assert_false(held_has(held, HIGH));
    assert_true(held_claim(held, HIGH, NULL));
    assert_true(held_claim(held, HIGH, NULL));
    assert_true(held_has(held, HIGH));
}

static void
a_release_that_can_not_be_remembered_is_told(void **state)
{
    FakeHost *host = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Held) held = open_held(host);

    assert_true(held_set(held, &slice, 1, NULL));
    fake_calls_fail("rename", STATE_FILE, 1, ENOSPC);
    assert_false(release(held, slice.file, &error));
    assert_non_null(strstr(error->message, "No space left"));
    fake_host_expect(host, SLICE, "memory.swap.max", "max"); /* that much could be done */
    g_clear_pointer(&held, held_unref);
    held = open_held(host);
    assert_true(release(held, slice.file, NULL)); /* the next daemon finds nothing of its own there */
    fake_host_expect(host, SLICE, "memory.swap.max", "max");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(damaged_parts_are_passed_over_and_the_others_kept),
        TEST(a_file_that_can_not_be_read_is_set_aside_and_told),
        TEST(without_a_directory_nothing_is_changed),
        TEST(where_nobody_knows_which_boot_this_is_nothing_is_ours),
        TEST(another_group_of_the_same_name_is_another_group),
        TEST(a_group_that_goes_while_it_is_written_to_is_no_error),
        TEST(what_can_not_be_looked_at_is_not_taken_for_gone),
        TEST(the_first_of_several_errors_is_told_and_the_others_are_done),
        TEST(what_is_not_on_disk_is_not_claimed),
        TEST(a_release_that_can_not_be_remembered_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
