/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One paging file and its directory, call by call: what is ours, what is made, what is refused, and what is left when a call fails. */

#include "act/isolate.h"
#include "act/paging_file.h"
#include "act/paging_place.h"
#include "act/paging_work.h"
#include "act/swaps.h"
#include "cmocka_all.h"
#include "error.h"
#include "fake_calls.h"
#include "fake_host.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_KIB 1024
#define NAME FAKE_WEB ".dynmem-paging"
#define SUFFIX ".dynmem-paging"

typedef struct Fixture {
    FakeHost *host;
    int directory;
    int stop;
    GError *error;
    Held *held; /* work_of */
} Fixture;

static const HeldFile web_file = {
    .uuid = FAKE_WEB, .directory = (char *)FAKE_PAGING, .size_kib = SIZE_KIB, .group = (char *)FAKE_WEB_GROUP};
/* It was not to be deleted, on a file system that is not mounted now. */
static const HeldFile web_left = {
    .uuid = FAKE_WEB, .directory = (char *)FAKE_PAGING, .size_kib = SIZE_KIB, .off = true, .device = 1};

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->host = fake_host_new();
    f->directory = paging_place_open(&f->host->system, FAKE_PAGING, true, &f->error);
    assert_true(f->directory >= 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    fake_calls_judge = NULL;
    fake_calls_fail("", "", 0, 0);
    close(f->directory);
    g_clear_pointer(&f->held, held_unref);
    g_clear_error(&f->error);
    fake_host_free(f->host);
    g_free(f);
    return 0;
}

/* What a daemon that has just come works with. Valid until the next one. */
static PagingWork
work_of(Fixture *f)
{
    g_autofree char *problem = NULL;

    g_clear_pointer(&f->held, held_unref);
    f->held = held_open(&f->host->system, f->host->state, &problem);
    return (PagingWork){.system = &f->host->system, .held = f->held, .own_directory = (char *)FAKE_PAGING};
}

static int
make(Fixture *f, bool nocow)
{
    return paging_file_make(&f->host->system, f->directory, FAKE_PAGING, FAKE_WEB, SIZE_KIB, nocow, &f->stop,
                            &f->error);
}

static bool delete (Fixture *f, bool check)
{
    return paging_file_delete(&f->host->system, f->directory, FAKE_PAGING, FAKE_WEB, check, &f->error);
}

static bool
is_ours(Fixture *f)
{
    g_autofree char *path = g_strconcat(f->host->root, FAKE_WEB_FILE, NULL);

    return paging_file_is_ours(&f->host->system, path);
}

static void
expect_error(Fixture *f, const char *text)
{
    assert_non_null(f->error);
    if (strstr(f->error->message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->error->message, text);
    g_clear_error(&f->error);
}

/* ---- whose it is ---- */

static void
only_the_name_of_a_guests_file_is_one(void **state)
{
    char uuid[37] = "untouched";

    assert_false(paging_file_uuid("/srv/" FAKE_WEB, uuid));
    assert_false(paging_file_uuid("/srv/" FAKE_WEB ".dynmem-pagers", uuid));
    assert_false(paging_file_uuid("/srv/" FAKE_WEB SUFFIX "x", uuid));
    assert_false(paging_file_uuid("/srv/1111111111111-1111-4111-8111-11111111" SUFFIX, uuid));
    assert_string_equal(uuid, "untouched");
    assert_true(paging_file_uuid("/srv/" NAME, uuid));
    assert_string_equal(uuid, FAKE_WEB);
    assert_true(paging_file_uuid(NAME, uuid));
}

static void
a_file_is_ours_by_its_whole_header(void **state)
{
    Fixture *f = *state;
    g_autofree char *path = g_strconcat(f->host->root, FAKE_WEB_FILE, NULL);
    int fd = make(f, false);

    assert_true(fd >= 0);
    assert_true(is_ours(f));
    assert_int_equal(pwrite(fd, "somebody's", 10, 1052), 10); /* the label, as mkswap -L sets it */
    assert_false(is_ours(f));
    assert_false(delete (f, true));
    expect_error(f, "is not a paging file that dynmem made, and is not touched; move it away");
    assert_true(delete (f, false));
    close(fd);

    fd = make(f, false);
    assert_int_equal(ftruncate(fd, 2000), 0); /* the header without the signature */
    assert_false(is_ours(f));
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_false(is_ours(f));
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_false(is_ours(f));
}

static void
nothing_but_a_plain_file_of_root_with_one_name_is_deleted(void **state)
{
    Fixture *f = *state;
    g_autofree char *path = g_strconcat(f->host->root, FAKE_WEB_FILE, NULL);
    g_autofree char *second = g_strconcat(f->host->root, FAKE_SECOND_NAME, NULL);
    int fd = make(f, false);

    close(fd);
    assert_int_equal(link(path, second), 0); /* it would be emptied under its other name too */
    assert_false(delete (f, true));
    expect_error(f, "is not touched");
    assert_int_equal(unlink(second), 0);
    f->host->system.owner++;
    assert_false(delete (f, true));
    expect_error(f, "is not touched");
    f->host->system.owner--;
    assert_true(delete (f, true));

    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(delete (f, false));
    expect_error(f, "is not touched");
    assert_int_equal(rmdir(path), 0);
    assert_true(delete (f, true)); /* one that is not there is fine */
}

static void
a_file_that_can_not_be_deleted_says_why(void **state)
{
    Fixture *f = *state;

    close(make(f, false));
    fake_calls_fail("openat", NAME, 1, ETXTBSY); /* as the kernel says of one that is on */
    assert_false(delete (f, true));
    expect_error(f, "can't be opened: Text file busy");
    fake_calls_fail("fstatat", NAME, 1, EIO);
    assert_false(delete (f, true));
    expect_error(f, "can't be looked at: Input/output error");
    fake_calls_fail("unlinkat", NAME, 1, EROFS);
    assert_false(delete (f, true));
    expect_error(f, "can't be deleted: Read-only file system");
    fake_calls_fail("unlinkat", NAME, 1, ENOENT); /* somebody else has done it */
    assert_true(delete (f, true));
    assert_true(delete (f, true));
}

/* ---- making ---- */

static void
a_file_that_can_not_be_made_says_why_and_is_not_there(void **state)
{
    static const struct {
        const char *call;
        const char *path;
        int why;
        bool nocow;
        const char *says;
    } faults[] = {
        {"openat", NAME, EROFS, false, "can't be made: Read-only file system"},
        {"ioctl", NAME, ENOTTY, true, "can't be kept from copying on write: Inappropriate ioctl"},
        {"fchmod", NAME, EPERM, false, "can't be closed to others: Operation not permitted"},
        {"pwrite", NAME, EIO, false, "can't be written: Input/output error"},
        {"pwrite", NAME, FAKE_CALL_SHORT, false, "can't be written"},
        {"fsync", NAME, EDQUOT, false, "can't be written: Disk quota exceeded"},
        {"fsync", "/paging", EIO, false, "can't be written: Input/output error"},
    };
    Fixture *f = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        fake_calls_fail(faults[i].call, faults[i].path, 1, faults[i].why);
        assert_int_equal(make(f, faults[i].nocow), -1);
        expect_error(f, faults[i].says);
        assert_false(fake_host_exists(f->host, FAKE_WEB_FILE));
    }
    f->stop = 1;
    assert_int_equal(make(f, false), -1);
    expect_error(f, "called off");
    assert_false(fake_host_exists(f->host, FAKE_WEB_FILE));
    f->stop = 0;
    assert_int_equal(paging_file_make(&f->host->system, f->directory, FAKE_PAGING, FAKE_WEB, 16 * 1024 * KIB_PER_GIB,
                                      false, &f->stop, &f->error),
                     -1);
    expect_error(f, "a paging file of 16 TiB is larger than swap files can be");
    assert_false(fake_host_exists(f->host, FAKE_WEB_FILE));
}

static void
a_file_that_is_there_already_is_not_made_and_not_touched(void **state)
{
    Fixture *f = *state;
    g_autofree char *text = NULL;

    fake_host_write(f->host, FAKE_WEB_FILE, "somebody's thesis");
    assert_int_equal(make(f, false), -1);
    expect_error(f, "File exists");
    text = fake_host_read(f->host, FAKE_WEB_FILE);
    assert_string_equal(text, "somebody's thesis");
}

static int nocow_calls;

static int
mark_works(const char *call, const char *path)
{
    if (strcmp(call, "ioctl") == 0)
        nocow_calls++;
    return 0;
}

static void
a_file_on_btrfs_is_marked_before_it_has_anything(void **state)
{
    Fixture *f = *state;
    int fd;

    fake_calls_judge = mark_works;
    nocow_calls = 0;
    fd = make(f, true); /* whether it is made depends on what the test runs on */
    assert_int_equal(nocow_calls, fd >= 0 ? 2 : nocow_calls);
    assert_true(nocow_calls >= 1);
    if (fd >= 0)
        close(fd);
    else
        g_clear_error(&f->error);
}

/* It only tells areas apart for people. */
static void
a_file_without_an_id_is_made_all_the_same(void **state)
{
    Fixture *f = *state;
    char id[16];
    static const char none[16];
    int fd;

    fake_calls_fail("getrandom", "", 1, EAGAIN);
    fd = make(f, false);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, id, sizeof id, 1036), sizeof id);
    assert_memory_equal(id, none, sizeof id);
    assert_true(is_ours(f));
    close(fd);
}

/* ---- where ---- */

static void
expect_closed(Fixture *f, const char *directory, bool make_it, const char *says)
{
    assert_int_equal(paging_place_open(&f->host->system, directory, make_it, &f->error), -1);
    expect_error(f, says);
}

static int
make_before(const char *call, const char *path)
{
    if (strcmp(call, "mkdirat") == 0 && g_str_has_suffix(path, "/race"))
        return mkdir(path, 0700) == 0 ? EEXIST : 0;
    return 0;
}

static void
a_directory_is_made_and_opened_or_the_reason_told(void **state)
{
    Fixture *f = *state;
    const char *root = f->host->system.root;
    int fd;

    fake_calls_fail("mkdirat", "/new", 1, EROFS);
    expect_closed(f, "/srv/new", true, "/srv/new can't be made: Read-only file system");
    fake_calls_judge = make_before; /* somebody else is quicker */
    fd = paging_place_open(&f->host->system, "/srv/race", true, &f->error);
    assert_true(fd >= 0);
    close(fd);
    fake_calls_judge = NULL;
    expect_closed(f, "/srv/./race", false, "must not have . or ..");
    fake_calls_fail("fstat", "/race", 1, EIO);
    expect_closed(f, "/srv/race", false, "/srv/race can't be looked at: Input/output error");
    fake_host_write(f->host, "/srv/plain", "a file");
    expect_closed(f, "/srv/plain", false, "/srv/plain can't be opened: Not a directory");
    fake_faults.file_system = EIO; /* then it is an ordinary one */
    fd = paging_place_open(&f->host->system, "/srv/another", true, &f->error);
    assert_true(fd >= 0);
    close(fd);
    fake_faults.file_system = 0;
    f->host->system.root = "/no-such-root";
    expect_closed(f, "/srv", false, "/ can't be opened: No such file");
    f->host->system.root = "";
    f->host->system.owner = 0;
    expect_closed(f, "/no-such-directory-of-dynmem", false, "/no-such-directory-of-dynmem does not exist; make it");
    f->host->system.root = root;
}

static void
a_file_system_that_can_not_be_looked_at_is_refused(void **state)
{
    Fixture *f = *state;
    bool nocow = false;

    fake_faults.file_system = EIO;
    assert_false(paging_place_check(&f->host->system, f->directory, FAKE_PAGING, SIZE_KIB, 0, &nocow, &f->error));
    expect_error(f, "the file system of " FAKE_PAGING " can't be looked at: Input/output error");
    fake_faults.file_system = 0;
    fake_faults.type = BTRFS_SUPER_MAGIC;
    assert_true(paging_place_check(&f->host->system, f->directory, FAKE_PAGING, SIZE_KIB, 0, &nocow, &f->error));
    assert_true(nocow);
}

static void
what_a_host_does_not_tell_bars_nothing(void **state)
{
    static const char *const files[] = {"/proc/sys/vm/swappiness", "/proc/self/status", "/proc/swaps"};
    Fixture *f = *state;

    fake_host_write(f->host, "/proc/sys/vm/swappiness", "nonsense\n");
    fake_host_write(f->host, "/proc/self/status", "Name: dynmemd\n");
    assert_null(paging_place_host_bar(&f->host->system));
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        fake_host_remove(f->host, files[i]);
        assert_null(paging_place_host_bar(&f->host->system)); /* swapon will tell */
    }
    fake_host_write(f->host, "/sys/fs/cgroup/cgroup.controllers", "cpu io pids\n");
    assert_non_null(strstr(paging_place_host_bar(&f->host->system), "cgroup_disable=memory"));
}

static void
swap_of_others_that_may_not_fit_into_memory_bars_a_file(void **state)
{
    Fixture *f = *state;

    fake_host_write(f->host, "/proc/swaps", "/dev/sda2 partition 8388604 4 -2\n/" NAME " file 65536 65536 32767\n");
    assert_false(paging_place_host_swap(&f->host->system, &f->error)); /* nobody knows how much is available */
    expect_error(f, "the host's own swap holds 4 KiB");
    fake_host_write(f->host, "/proc/meminfo", "MemAvailable: 8 kB\n");
    assert_true(paging_place_host_swap(&f->host->system, &f->error)); /* files of ours are none of the host's own */
    fake_host_remove(f->host, "/proc/swaps");
    assert_false(paging_place_host_swap(&f->host->system, &f->error));
    expect_error(f, "/proc/swaps");
}

static void
swap_areas_are_read_as_the_kernel_writes_them(void **state)
{
    Fixture *f = *state;
    g_autoptr(GPtrArray) areas = NULL;

    fake_host_write(f->host, "/proc/swaps",
                    "Filename Type Size Used Priority\n"
                    "/a\\1 file 1 2 3\n"
                    "/b\\/\\18\\181 file 1 2 3\n"
                    "/c\\04 file 1 2 3\n"
                    "/d file 1 none 3\n"
                    "/e file none 2 3\n"
                    "/f\\0401 file 7 6 5"); /* cut off */
    areas = swaps_read(f->host->root, &f->error);
    assert_int_equal(areas->len, 4);
    assert_non_null(swaps_find(areas, "/a\\1"));
    assert_non_null(swaps_find(areas, "/b\\/\\18\\181"));
    assert_non_null(swaps_find(areas, "/c\\04"));
    assert_int_equal(swaps_find(areas, "/f 1")->used_kib, 6);
}

/* ---- the real host ---- */

static void
calls_of_the_real_host_say_what_failed(void **state)
{
    const ActSystem *host = act_system_host();
    g_autofree char *name = g_strnfill(5000, 'x');
    uint64_t free_kib = 1;
    long type = 1;

    assert_int_equal(host->file_system(-1, &type, &free_kib), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(type, 1);
    assert_int_equal(host->make_subvolume(-1, name), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(host->make_subvolume(-1, "paging"), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(host->swap_on("/no/such/file", 0), -1);
    assert_int_equal(host->allocate(-1, 0, 1), -1);
    assert_true(host->page_bytes >= 4096);
}

/* ---- for its guest alone ---- */

static bool
apply(Fixture *f, Held *held)
{
    static const char *const groups[] = {FAKE_WEB_GROUP, NULL};

    return isolate_apply(&f->host->system, held, groups, &f->error);
}

static void
everybody_else_is_frozen_and_nobody_is_opened_who_was_closed(void **state)
{
    Fixture *f = *state;
    FakeHost *host = f->host;
    g_autofree char *problem = NULL;
    g_autoptr(Held) held = held_open(&host->system, host->state, &problem);

    fake_host_add_group(host, "/machine", 0);                            /* a name that another begins with */
    fake_host_add_group(host, "/machine.slices", 0);                     /* and one that begins with another */
    fake_host_add_group(host, "/machine.slice/machine-qemu-9.scope", 0); /* without a group inside */
    fake_host_add_group(host, "/closed.slice", 0);
    fake_host_write(host, "/sys/fs/cgroup/closed.slice/memory.swap.max", "0\n");
    fake_host_write(host, "/sys/fs/cgroup/cpu.slice/cgroup.type", "domain\n"); /* without the memory controller */
    assert_true(apply(f, held));
    fake_host_expect(host, "/machine", "memory.swap.max", "0");
    fake_host_expect(host, "/machine.slices", "memory.swap.max", "0");
    fake_host_expect(host, "/machine.slice/machine-qemu-9.scope", "memory.swap.max", "0");
    fake_host_expect(host, "/machine.slice", "memory.swap.max", "max");
    assert_false(held_has(held, "/closed.slice/memory.swap.max"));
    assert_true(isolate_end(held, &f->error));
    fake_host_expect(host, "/machine", "memory.swap.max", "max");
    fake_host_expect(host, "/closed.slice", "memory.swap.max", "0");
}

static void
a_level_that_is_gone_has_nobody_to_freeze_and_one_that_can_not_be_listed_is_told(void **state)
{
    Fixture *f = *state;
    FakeHost *host = f->host;
    g_autofree char *problem = NULL;
    g_autoptr(Held) held = held_open(&host->system, host->state, &problem);

    fake_calls_fail("opendir", "/machine.slice", 1, ENOMEM);
    assert_false(apply(f, held));
    expect_error(f, "machine.slice can't be listed: Cannot allocate memory");
    fake_host_expect(host, "/system.slice", "memory.swap.max", "0"); /* who can be frozen is */
    fake_host_remove(host, "/sys/fs/cgroup/machine.slice");
    assert_true(apply(f, held));
}

/* ---- from swap areas to files ---- */

static bool
never(const char *path, GPid *pid, GError **error)
{
    return false;
}

static void
a_file_is_known_by_where_it_really_is(void **state)
{
    Fixture *f = *state;
    FakeHost *host = f->host;
    PagingWork work = work_of(f);
    HeldFile elsewhere = {.uuid = FAKE_WEB, .directory = (char *)"/srv/elsewhere", .size_kib = 9};
    g_autofree char *swaps =
        g_strdup_printf("/dev/sda2 partition 8 0 -2\n%s" FAKE_WEB_FILE " file 1024 0 32767\n", host->root);
    g_autoptr(GPtrArray) found = NULL;
    const HeldFile *file;

    host->system.swap_off = never;
    close(make(f, false));
    fake_host_write(host, "/proc/swaps", swaps);
    assert_true(held_put_file(work.held, &elsewhere, NULL)); /* of one that was there before */
    fake_calls_fail("rename", FAKE_STATE "/held", 1, ENOSPC);
    found = paging_work_find(&work, &f->error);
    expect_error(f, "can't be remembered");
    assert_int_equal(found->len, 1);
    file = g_ptr_array_index(found, 0);
    assert_string_equal(file->directory, FAKE_PAGING);
    assert_int_equal(file->size_kib, 1024);
    assert_true(file->since_usec > 0 && file->since_usec <= (uint64_t)g_get_monotonic_time());

    g_clear_pointer(&found, g_ptr_array_unref);
    assert_true(held_put_file(work.held, &elsewhere, NULL));
    fake_calls_fail("stat", NAME, 1, EIO);
    found = paging_work_find(&work, &f->error);
    assert_null(f->error);
    file = g_ptr_array_index(found, 0);
    assert_true(file->since_usec > 0); /* now, where the file does not tell */
}

static void
a_file_that_can_not_be_switched_on_says_what_would_help(void **state)
{
    static const struct {
        int why;
        const char *says;
    } faults[] = {{ENOMEM, "can't be switched on: Cannot allocate memory"},
                  {EPERM, "dynmemd may not, or the kernel takes no more swap areas"},
                  {EINVAL, "btrfs where it is on one device"}};
    Fixture *f = *state;
    FakeHost *host = f->host;
    PagingWork work = work_of(f);
    HeldFile file = web_file;

    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        fake_faults.swap_on = faults[i].why;
        assert_false(paging_work_make(&work, &file, 0, &f->stop, &f->error));
        expect_error(f, faults[i].says);
        fake_host_expect_clean(host);
    }
}

static void
zswap_is_kept_out_where_it_is_on_or_may_be(void **state)
{
    static const struct {
        const char *enabled; /* NULL: it can't be read */
        const char *max;
    } cases[] = {{"Y\n", "0"}, {"1\n", "0"}, {"N\n", "max"}, {"0\n", "max"}, {NULL, "0"}};
    Fixture *f = *state;
    FakeHost *host = f->host;
    PagingWork work = work_of(f);
    HeldFile file = web_file;

    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.zswap.max", "max\n");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].enabled != NULL)
            fake_host_write(host, "/sys/module/zswap/parameters/enabled", cases[i].enabled);
        else
            fake_calls_fail("open", "/zswap/parameters/enabled", 1, EMFILE);
        assert_true(paging_work_make(&work, &file, 0, &f->stop, &f->error));
        fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", cases[i].max);
        fake_host_write(host, "/proc/swaps", "Filename Type Size Used Priority\n");
        fake_calls_fail("write", "/memory.zswap.max", strcmp(cases[i].max, "0") == 0 ? 1 : 0, EIO);
        if (strcmp(cases[i].max, "0") == 0) { /* and the file goes whatever fails */
            assert_int_equal(paging_work_finish(&work, FAKE_WEB, &f->error), PAGING_LEFT_UNDONE);
            expect_error(f, "memory.zswap.max");
            assert_false(fake_host_exists(host, FAKE_WEB_FILE));
        }
        assert_int_equal(paging_work_finish(&work, FAKE_WEB, &f->error), PAGING_LEFT_NOTHING);
        fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", "max");
        fake_host_expect_clean(host);
    }
}

/* What is at its place is another file system. After a boot nobody waits for it any more. */
static void
what_is_left_is_not_looked_for_on_another_file_system(void **state)
{
    Fixture *f = *state;

    for (unsigned boots = 0; boots < 2; boots++) {
        PagingWork work = work_of(f);
        g_autoptr(HeldFile) still = NULL;

        if (boots == 0)
            assert_true(held_put_file(work.held, &web_left, NULL));
        assert_int_equal(paging_work_tidy(&work, &f->error), boots);
        if (boots == 0)
            expect_error(f, "is not there, as another file system is");
        still = held_get_file(work.held, FAKE_WEB);
        assert_int_equal(still == NULL, boots);
        fake_host_write(f->host, "/proc/sys/kernel/random/boot_id", "another\n");
    }
}

/* Whatever device it is on by now; and its guest has no other file before that, which would be remembered in its place. */
static void
a_file_that_is_left_is_in_the_way_of_the_next_one_until_it_is_gone(void **state)
{
    Fixture *f = *state;
    PagingWork work = work_of(f);
    g_autofree char *path = g_strconcat(f->host->root, FAKE_WEB_FILE, NULL);
    HeldFile file = web_file;

    assert_true(held_put_file(work.held, &web_left, NULL));
    file.directory = (char *)"/srv";
    assert_false(paging_work_make(&work, &file, 0, &f->stop, &f->error));
    expect_error(f, "what is left of a paging file in " FAKE_PAGING " is not there");
    assert_true(g_file_set_contents(path, "", 0, NULL));
    assert_true(paging_work_make(&work, &web_file, 0, &f->stop, &f->error));
}

/* Somebody has switched on what could not be deleted: others are kept from it until it is off. */
static void
what_is_left_and_on_again_is_a_file_as_any(void **state)
{
    Fixture *f = *state;
    PagingWork work = work_of(f);
    HeldFile file = web_file;
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(HeldFile) noted = NULL;

    assert_true(paging_work_make(&work, &file, 0, &f->stop, &f->error));
    file.off = true;
    assert_true(held_put_file(work.held, &file, NULL));
    found = paging_work_find(&work, &f->error);
    assert_int_equal(found->len, 1);
    noted = held_get_file(work.held, FAKE_WEB);
    assert_false(noted->off);
}

/* It is nobody's file any more: its guest is not spared where others are frozen, and where it is is noted. */
static void
what_is_left_belongs_to_no_guest(void **state)
{
    Fixture *f = *state;
    PagingWork work = work_of(f);
    g_autoptr(HeldFile) noted = NULL;

    assert_true(paging_work_make(&work, &web_file, 0, &f->stop, &f->error));
    fake_host_write(f->host, "/proc/swaps", "Filename Type Size Used Priority\n");
    fake_calls_fail("unlinkat", FAKE_WEB_FILE, 1, EIO);
    assert_int_equal(paging_work_finish(&work, FAKE_WEB, &f->error), PAGING_LEFT_ON_DISK);
    expect_error(f, "can't be deleted: Input/output error");
    noted = held_get_file(work.held, FAKE_WEB);
    assert_null(noted->group);
    assert_true(noted->off && noted->device != 0);
    /* a file system that knows no sync of a directory is none with errors */
    fake_calls_fail("fsync", FAKE_PAGING, 1, EINVAL);
    assert_int_equal(paging_work_finish(&work, FAKE_WEB, &f->error), PAGING_LEFT_NOTHING);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_the_name_of_a_guests_file_is_one),
        TEST(a_file_is_ours_by_its_whole_header),
        TEST(nothing_but_a_plain_file_of_root_with_one_name_is_deleted),
        TEST(a_file_that_can_not_be_deleted_says_why),
        TEST(a_file_that_can_not_be_made_says_why_and_is_not_there),
        TEST(a_file_that_is_there_already_is_not_made_and_not_touched),
        TEST(a_file_on_btrfs_is_marked_before_it_has_anything),
        TEST(a_file_without_an_id_is_made_all_the_same),
        TEST(a_directory_is_made_and_opened_or_the_reason_told),
        TEST(a_file_system_that_can_not_be_looked_at_is_refused),
        TEST(what_a_host_does_not_tell_bars_nothing),
        TEST(swap_of_others_that_may_not_fit_into_memory_bars_a_file),
        TEST(swap_areas_are_read_as_the_kernel_writes_them),
        TEST(calls_of_the_real_host_say_what_failed),
        TEST(everybody_else_is_frozen_and_nobody_is_opened_who_was_closed),
        TEST(a_level_that_is_gone_has_nobody_to_freeze_and_one_that_can_not_be_listed_is_told),
        TEST(a_file_is_known_by_where_it_really_is),
        TEST(a_file_that_can_not_be_switched_on_says_what_would_help),
        TEST(zswap_is_kept_out_where_it_is_on_or_may_be),
        TEST(what_is_left_is_not_looked_for_on_another_file_system),
        TEST(what_is_left_and_on_again_is_a_file_as_any),
        TEST(a_file_that_is_left_is_in_the_way_of_the_next_one_until_it_is_gone),
        TEST(what_is_left_belongs_to_no_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
