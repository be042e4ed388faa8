/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can't be a paging file is refused, says what would help, and leaves nothing. */

#include "cmocka_all.h"
#include "fake_host.h"
#include "units.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Refusal {
    const char *name;
    void (*prepare)(FakeHost *host, PagingRequest *request);
    const char *says;
    bool leaves_a_file; /* which is not ours */
} Refusal;

static void
make_directory(const FakeHost *host, const char *directory)
{
    g_autofree char *path = g_strconcat(host->root, directory, NULL);

    g_mkdir_with_parents(path, 0755);
}

static void
link_to(const FakeHost *host, const char *target, const char *name)
{
    g_autofree char *path = g_strconcat(host->root, name, NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *real = g_strconcat(host->root, target, NULL);

    g_mkdir_with_parents(directory, 0755);
    assert_int_equal(symlink(real, path), 0);
}

static void
of_disk_space(FakeHost *host, PagingRequest *request)
{
    fake_faults.free_kib = KIB_PER_GIB + 65535;
}
static void
in_tmpfs(FakeHost *host, PagingRequest *request)
{
    fake_faults.type = TMPFS_MAGIC;
}
static void
in_overlay(FakeHost *host, PagingRequest *request)
{
    fake_faults.type = OVERLAYFS_SUPER_MAGIC;
}
static void
in_nfs(FakeHost *host, PagingRequest *request)
{
    fake_faults.type = NFS_SUPER_MAGIC;
}
static void
in_zfs(FakeHost *host, PagingRequest *request)
{
    fake_faults.type = 0x2fc12fc1;
}
static void
behind_a_link(FakeHost *host, PagingRequest *request)
{
    make_directory(host, "/srv/real/paging");
    link_to(host, "/srv/real", "/srv/link");
    request->directory = "/srv/link/paging";
}
static void
in_a_link(FakeHost *host, PagingRequest *request)
{
    make_directory(host, "/srv/real");
    link_to(host, "/srv/real", "/srv/link");
    request->directory = "/srv/link";
}
static void
where_others_write(FakeHost *host, PagingRequest *request)
{
    g_autofree char *path = g_strconcat(host->root, "/srv/open", NULL);

    make_directory(host, "/srv/open/paging");
    assert_int_equal(chmod(path, 01777), 0);
    request->directory = "/srv/open/paging";
}
static void
where_the_group_writes(FakeHost *host, PagingRequest *request)
{
    g_autofree char *path = g_strconcat(host->root, "/srv/open", NULL);

    make_directory(host, "/srv/open");
    assert_int_equal(chmod(path, 0775), 0);
    request->directory = "/srv/open";
}
static void
where_another_owns(FakeHost *host, PagingRequest *request)
{
    host->system.owner++;
}
static void
where_nothing_is(FakeHost *host, PagingRequest *request)
{
    request->directory = "/srv/none";
}
static void
with_a_relative_path(FakeHost *host, PagingRequest *request)
{
    request->directory = "srv";
}
static void
with_dots(FakeHost *host, PagingRequest *request)
{
    make_directory(host, "/srv");
    request->directory = "/srv/../srv";
}
static void
without_a_disk(FakeHost *host, PagingRequest *request)
{
    request->directory = "beside-disk";
}
static void
with_a_foreign_file(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, FAKE_WEB_FILE, "somebody's thesis");
}
static void
with_a_foreign_link(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, "/srv/thesis", "somebody's thesis");
    link_to(host, "/srv/thesis", FAKE_WEB_FILE);
}
static void
on_cgroup_v1(FakeHost *host, PagingRequest *request)
{
    fake_host_remove(host, "/sys/fs/cgroup/cgroup.controllers");
}
static void
without_swappiness(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, "/proc/sys/vm/swappiness", "0\n");
}
static void
without_the_capability(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, "/proc/self/status", "Name:\tdynmemd\nCapEff:\t0000000001000000\n");
}
static void
with_many_areas(FakeHost *host, PagingRequest *request)
{
    g_autoptr(GString) swaps = g_string_new("Filename Type Size Used Priority\n");

    for (int i = 0; i < 16; i++)
        g_string_append_printf(swaps, "/dev/sd%c partition 1000 0 -2\n", 'a' + i);
    fake_host_write(host, "/proc/swaps", swaps->str);
}
static void
with_zswap(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, "/sys/module/zswap/parameters/enabled", "Y\n");
}
static void
without_swap_accounting(FakeHost *host, PagingRequest *request)
{
    fake_host_remove(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.swap.current");
}
static void
of_a_user_session(FakeHost *host, PagingRequest *request)
{
    fake_host_write(host, "/proc/1001/cgroup", "0::/user.slice/user-1000.slice/session-2.scope\n");
}
static void
when_the_disk_is_full_in_the_middle(FakeHost *host, PagingRequest *request)
{
    fake_faults.allocate = ENOSPC;
}
static void
when_swapon_is_not_permitted(FakeHost *host, PagingRequest *request)
{
    fake_faults.swap_on = EPERM;
}
static void
when_swapon_says_no(FakeHost *host, PagingRequest *request)
{
    fake_faults.swap_on = EINVAL;
}
static void
when_nothing_is_behind_the_file(FakeHost *host, PagingRequest *request)
{
    fake_faults.allocate = -1; /* writing to a mapping of it would be a SIGBUS, as it is when a disk fails */
    fake_faults.swap_on = EINVAL;
}
static void
when_nothing_can_be_remembered(FakeHost *host, PagingRequest *request)
{
    make_directory(host, "/var/lib/dynmem/held/x");
}

static const Refusal refusals[] = {
    {"too little disk space", of_disk_space, "free 1 KiB more", false},
    {"tmpfs", in_tmpfs, "tmpfs", false},
    {"overlay", in_overlay, "overlay", false},
    {"NFS", in_nfs, "NFS", false},
    {"ZFS", in_zfs, "ZFS", false},
    {"a link on the way", behind_a_link, "/srv/link is a symbolic link", false},
    {"a link", in_a_link, "symbolic link", false},
    {"others may write above", where_others_write, "/srv/open can be written by others", false},
    {"the group may write", where_the_group_writes, "chmod go-w", false},
    {"another owner", where_another_owns, "does not belong to root", false},
    {"no directory", where_nothing_is, "does not exist; make it", false},
    {"a relative path", with_a_relative_path, "absolute", false},
    {"dots", with_dots, "must not have", false},
    {"no disk", without_a_disk, "paging-directory", false},
    {"a foreign file", with_a_foreign_file, "move it away", true},
    {"a foreign link", with_a_foreign_link, "move it away", true},
    {"cgroup v1", on_cgroup_v1, "version 1", false},
    {"vm.swappiness", without_swappiness, "swappiness", false},
    {"no capability", without_the_capability, "CAP_SYS_ADMIN", false},
    {"swap areas used up", with_many_areas, "so many swap areas", false},
    {"zswap", with_zswap, "zswap", false},
    {"no swap accounting", without_swap_accounting, "swapaccount", false},
    {"a user's session", of_a_user_session, "of its own", false},
    {"disk full in the middle", when_the_disk_is_full_in_the_middle, "allocated in full: No space", false},
    {"swapon: EPERM", when_swapon_is_not_permitted, "can't be switched on", false},
    {"swapon: EINVAL", when_swapon_says_no, "ext4 and XFS can", false},
    {"nothing behind the file", when_nothing_is_behind_the_file, "can't be switched on", false},
    {"no memory of what was changed", when_nothing_can_be_remembered, "can't be remembered", false},
};

static void
what_can_not_be_is_refused_with_the_reason_and_leaves_nothing(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        FakeHost *host = fake_host_new();
        PagingRequest request = fake_request(FAKE_WEB, FAKE_WEB_PID);
        const PagingRecord *record;

        fake_host_start(host);
        refusals[i].prepare(host, &request);
        host->paging_world.make(host->paging_world.self, &request);
        fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
        record = fake_host_file(host, FAKE_WEB);
        if (strstr(record->error, refusals[i].says) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", refusals[i].name, record->error, refusals[i].says);
        fake_host_await_none(host);
        if (fake_host_exists(host, FAKE_WEB_FILE) != refusals[i].leaves_a_file)
            fail_msg("%s: the file is %s there", refusals[i].name, refusals[i].leaves_a_file ? "not" : "still");
        if (refusals[i].leaves_a_file) {
            g_autofree char *text = fake_host_read(host, FAKE_WEB_FILE);

            assert_string_equal(text, "somebody's thesis");
        }
        fake_host_expect(host, "/system.slice", "memory.swap.max", "max");
        fake_host_expect(host, FAKE_WEB_GROUP, "memory.swap.max", "max");
        fake_host_free(host);
    }
}

static bool
is_clean(FakeHost *host, void *data)
{
    g_autofree char *held = fake_host_read(host, "/var/lib/dynmem/held");

    return !fake_host_exists(host, FAKE_WEB_FILE) && held != NULL && strstr(held, FAKE_WEB) == NULL;
}

static void
what_can_not_be_undone_is_tried_again(void **state)
{
    g_autoptr(FakeHost) host = fake_host_new();

    fake_host_start(host);
    fake_faults.swap_on = EINVAL;
    fake_faults.second_name = true;
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    fake_host_await_none(host);
    assert_true(fake_host_exists(host, FAKE_WEB_FILE));
    fake_host_remove(host, FAKE_SECOND_NAME);
    fake_host_until(host, is_clean, NULL);
    fake_host_expect_clean(host);
}

static void
what_bars_files_on_this_host_is_told_before_one_is_asked_for(void **state)
{
    g_autoptr(FakeHost) host = fake_host_new();

    fake_host_start(host);
    assert_null(host->paging_world.bar(host->paging_world.self));
    fake_host_kill(host);
    fake_host_write(host, "/proc/sys/vm/swappiness", "0\n");
    fake_host_start(host);
    assert_non_null(strstr(host->paging_world.bar(host->paging_world.self), "vm.swappiness"));
}

static void
one_guest_is_left_out_of_zswap_where_the_kernel_can(void **state)
{
    g_autoptr(FakeHost) host = fake_host_new();

    fake_host_start(host);
    fake_host_write(host, "/sys/module/zswap/parameters/enabled", "Y\n");
    fake_host_write(host, "/sys/fs/cgroup" FAKE_WEB_GROUP "/memory.zswap.max", "max\n");
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", "0");
    fake_host_end(host, FAKE_WEB);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_GONE);
    fake_host_expect(host, FAKE_WEB_GROUP, "memory.zswap.max", "max");
}

/* Snapshots of the host's root must not fail while a file is on. */
static void
a_directory_on_btrfs_is_a_subvolume_where_it_can_be(void **state)
{
    for (unsigned barred = 0; barred < 2; barred++) {
        g_autoptr(FakeHost) host = fake_host_new();
        g_autofree char *path = g_strconcat(host->root, FAKE_PAGING, NULL);
        PagingRequest request = fake_request(FAKE_WEB, FAKE_WEB_PID);
        struct stat facts;

        fake_host_start(host);
        fake_faults.type = BTRFS_SUPER_MAGIC;
        fake_faults.subvolume = barred != 0 ? EPERM : 0;
        host->paging_world.make(host->paging_world.self, &request);
        /* whatever becomes of the file: what it is made on here is no btrfs */
        while (fake_host_file(host, FAKE_WEB) != NULL && fake_host_file(host, FAKE_WEB)->stage == PAGING_STAGE_MAKING)
            g_main_context_iteration(NULL, FALSE);
        assert_int_equal(stat(path, &facts), 0);
        assert_int_equal(facts.st_mode & 07777, 0700);
        assert_int_equal(fake_faults.subvolumes, barred != 0 ? 0 : 1);
    }
    (void)state;
}

static void
one_that_failed_can_still_be_looked_at_when_the_next_is_asked_for(void **state)
{
    g_autoptr(FakeHost) host = fake_host_new();
    const PagingRecord *failed;

    fake_host_start(host);
    fake_faults.swap_on = EPERM;
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_FAILED);
    failed = fake_host_file(host, FAKE_WEB);
    fake_faults.swap_on = 0;
    fake_host_make(host, FAKE_WEB, FAKE_WEB_PID); /* in the same tick */
    assert_int_equal(failed->stage, PAGING_STAGE_FAILED);
    assert_non_null(failed->error);
    fake_host_await(host, FAKE_WEB, PAGING_STAGE_ON);
}

static void
how_one_ended_is_shown_before_it_goes(void **state)
{
    g_autoptr(FakeHost) host = fake_host_new();

    fake_host_start(host);
    fake_host_make(host, FAKE_WEB, 4711); /* no such process: it fails at once, after the records were looked at */
    fake_host_make(host, FAKE_DB, FAKE_DB_PID);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_ON);
    fake_host_end(host, FAKE_DB);
    fake_host_await(host, FAKE_DB, PAGING_STAGE_GONE);
    fake_host_make(host, FAKE_DB, 4711);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    assert_int_equal(fake_host_file(host, FAKE_DB)->stage, PAGING_STAGE_FAILED);
    fake_host_await_none(host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_is_refused_with_the_reason_and_leaves_nothing),
        cmocka_unit_test(what_can_not_be_undone_is_tried_again),
        cmocka_unit_test(what_bars_files_on_this_host_is_told_before_one_is_asked_for),
        cmocka_unit_test(a_directory_on_btrfs_is_a_subvolume_where_it_can_be),
        cmocka_unit_test(one_that_failed_can_still_be_looked_at_when_the_next_is_asked_for),
        cmocka_unit_test(how_one_ended_is_shown_before_it_goes),
        cmocka_unit_test(one_guest_is_left_out_of_zswap_where_the_kernel_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
