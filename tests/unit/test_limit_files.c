/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is read of the limits of guests' groups and of those above them, on a host of plain files. */

#include "act/limit_files.h"
#include "act/limits_above.h"
#include "cmocka_all.h"
#include "heap.h"
#include "units.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#define GIB KIB_PER_GIB
#define SLICE "/machine.slice"
#define WEB SLICE "/machine-qemu\\x2d1\\x2dweb.scope"
#define MAIL SLICE "/machine-qemu\\x2d2\\x2dmail.scope"

static const ActSystem host = {.root = TEST_WORK, .page_bytes = 4096};

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int
remove_work(void **state)
{
    nftw(TEST_WORK, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* In place, as the kernel changes such a file for those who have it open. */
static void
put(const char *directory, const char *name, const char *text)
{
    g_autofree char *full = g_strconcat(TEST_WORK, directory, NULL);
    g_autofree char *path = g_build_filename(full, name, NULL);
    FILE *file;

    g_mkdir_with_parents(full, 0700);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

/* A group that holds charged, of which cache can be given back. */
static void
put_group(const char *group, const char *max, uint64_t charged_kib, uint64_t cache_kib)
{
    g_autofree char *charged = g_strdup_printf("%" G_GUINT64_FORMAT "\n", charged_kib * 1024);
    g_autofree char *stat = g_strdup_printf("anon 1\nfile 99999999999\nshmem 1\ninactive_file %" G_GUINT64_FORMAT
                                            "\nactive_file %" G_GUINT64_FORMAT "\n",
                                            cache_kib * 1024 - cache_kib * 1024 / 4, cache_kib * 1024 / 4);

    g_autofree char *directory = g_strconcat("/sys/fs/cgroup", group, NULL);

    put(directory, "memory.max", max);
    put(directory, "memory.current", charged);
    put(directory, "memory.stat", stat);
}

static int
setup(void **state)
{
    remove_work(state);
    put_group(SLICE, "max\n", 6 * GIB, 2 * GIB);
    put_group(WEB, "max\n", 2 * GIB, GIB);
    put_group(WEB "/libvirt", "max\n", 2 * GIB, GIB);
    put_group(MAIL, "max\n", 4 * GIB, GIB);
    put_group(MAIL "/libvirt", "max\n", 4 * GIB, GIB);
    return 0;
}

typedef struct Fixture {
    LimitsAbove *above;
    uint64_t now_usec;
    unsigned kept;
} Fixture;

static void
clear(Fixture *f)
{
    limits_above_free(f->above);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, clear)

static Fixture
begin(void)
{
    return (Fixture){.above = limits_above_new(&host), .now_usec = 1000 * USEC_PER_SEC};
}

static GroupsAbove
look(Fixture *f, const char *group)
{
    GroupsAbove groups = {.group = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}};

    limits_above_read(f->above, group, f->now_usec, &f->kept, &groups);
    return groups;
}

static void
without_limits_above_there_is_nothing(void **state)
{
    g_auto(Fixture) f = begin();
    GroupsAbove limits = look(&f, WEB "/libvirt");

    assert_int_equal(limits.group[0].id, 0);
    assert_int_equal(limits.group[0].limit_kib, 0);
    assert_int_equal(limits.group[0].charged_kib, 0);
    limits = look(&f, "/machine/qemu-1-web.libvirt-qemu"); /* a group that is not there */
    assert_int_equal(limits.group[0].id, 0);
}

static void
guests_of_one_slice_are_told_the_same_limit(void **state)
{
    g_auto(Fixture) f = begin();
    GroupsAbove web, mail;

    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB);
    web = look(&f, WEB "/libvirt");
    mail = look(&f, MAIL "/libvirt");
    assert_int_equal(web.group[0].limit_kib, 8 * GIB);
    /* page cache of their disks is given back before the limit is felt */
    assert_int_equal(web.group[0].charged_kib, 4 * GIB);
    assert_true(web.group[0].id != 0);
    assert_int_equal(mail.group[0].id, web.group[0].id);
    assert_int_equal(mail.group[0].limit_kib, 8 * GIB);
    assert_int_equal(mail.group[0].charged_kib, 4 * GIB);
}

static void
the_tightest_limit_is_the_one_with_the_least_left(void **state)
{
    g_auto(Fixture) f = begin();
    GroupsAbove web, mail;

    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB); /* 4 GiB are left */
    put_group(MAIL, "5368709120\n", 4 * GIB, GIB);      /* 2 GiB */
    web = look(&f, WEB "/libvirt");
    mail = look(&f, MAIL "/libvirt");
    assert_int_equal(web.group[0].limit_kib, 8 * GIB);
    assert_int_equal(mail.group[0].limit_kib, 5 * GIB);
    assert_int_equal(mail.group[0].charged_kib, 3 * GIB);
    assert_true(mail.group[0].id != web.group[0].id);
    /* the other one holds as well */
    assert_int_equal(web.group[1].id, 0);
    assert_int_equal(mail.group[1].id, web.group[0].id);
    assert_int_equal(mail.group[1].limit_kib, 8 * GIB);
    assert_int_equal(mail.group[1].charged_kib, 4 * GIB);
    assert_int_equal(mail.group[2].id, 0);
    /* the smaller limit with more left is not the tighter one */
    put_group(MAIL, "8589934592\n", GIB, GIB);
    put_group(SLICE, "17179869184\n", 16 * GIB, 2 * GIB);
    f.now_usec += USEC_PER_SEC;
    mail = look(&f, MAIL "/libvirt");
    assert_int_equal(mail.group[0].limit_kib, 16 * GIB);
    assert_int_equal(mail.group[0].charged_kib, 14 * GIB);
    assert_int_equal(mail.group[1].limit_kib, 8 * GIB);
    assert_int_equal(mail.group[2].id, 0);
}

static GroupsAbove
look_in(Fixture *f, const char *partition)
{
    GroupsAbove groups = {.group = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}};

    limits_above_of_partition(f->above, partition, f->now_usec, &f->kept, &groups);
    return groups;
}

/* Nobody runs in it yet; what somebody has set for a guest alone is no limit of others. */
static void
the_groups_of_a_partition_are_known_before_a_guest_runs_there(void **state)
{
    g_auto(Fixture) f = begin();
    GroupsAbove groups;

    assert_int_equal(look_in(&f, "/machine").group[0].id, 0);
    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB);
    put_group(SLICE "/machine-a\\x2db.slice", "5368709120\n", 0, 0);
    put_group(WEB, "1073741824\n", GIB, 0);
    f.now_usec += USEC_PER_SEC;
    groups = look_in(&f, "/machine");
    assert_int_equal(groups.group[0].limit_kib, 8 * GIB);
    assert_int_equal(groups.group[0].charged_kib, 4 * GIB);
    assert_int_equal(groups.group[1].id, 0);
    assert_int_equal(groups.group[0].id, look(&f, MAIL "/libvirt").group[0].id);
    groups = look_in(&f, "/machine/a-b");
    assert_int_equal(groups.group[0].limit_kib, 8 * GIB);
    assert_int_equal(groups.group[1].limit_kib, 5 * GIB);
    assert_int_equal(groups.group[2].id, 0);
    /* one that is not there yet is made in the slice that is */
    groups = look_in(&f, "/machine/new");
    assert_int_equal(groups.group[0].limit_kib, 8 * GIB);
    assert_int_equal(groups.group[1].id, 0);
    assert_int_equal(look_in(&f, "/elsewhere").group[0].id, 0);
}

/* libvirt makes its groups itself where systemd does not run. */
static void
the_groups_of_a_partition_without_systemd_are_known_too(void **state)
{
    g_auto(Fixture) f = begin();
    GroupsAbove groups;

    put_group("/machine", "8589934592\n", 6 * GIB, 2 * GIB);
    put_group("/machine/a.partition", "5368709120\n", 4 * GIB, 0);
    put_group("/b.partition", "2147483648\n", 0, 0);
    groups = look_in(&f, "/machine/a");
    assert_int_equal(groups.group[0].limit_kib, 5 * GIB);
    assert_int_equal(groups.group[1].limit_kib, 8 * GIB);
    assert_int_equal(look_in(&f, "/machine").group[0].limit_kib, 8 * GIB);
    assert_int_equal(look_in(&f, "/b").group[0].limit_kib, 2 * GIB);
    assert_int_equal(look_in(&f, "/machine/b").group[1].id, 0);
}

/* It comes from a guest's XML. */
static void
a_partition_that_is_no_path_has_no_limit(void **state)
{
    static const char *const odd[] = {"", "/", "machine", "/../machine", "/machine/", "//machine", "/machine/../x"};
    g_auto(Fixture) f = begin();

    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB);
    put_group("", "1073741824\n", GIB, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++)
        assert_int_equal(look_in(&f, odd[i]).group[0].id, 0);
    assert_int_equal(f.kept, 0);
}

/* Each of its slices has the names of all above it in its own. */
static void
a_partition_with_a_path_that_no_group_can_have_takes_no_memory(void **state)
{
    g_auto(Fixture) f = begin();
    g_autoptr(GString) deep = g_string_new(NULL);
    size_t before;

    for (int i = 0; i < 500; i++)
        g_string_append(deep, "/a");
    look_in(&f, "/machine");
    before = heap_bytes();
    assert_int_equal(look_in(&f, deep->str).group[0].id, 0);
    assert_true(heap_bytes() < before + KIB_PER_MIB);
}

static void
a_guests_own_limit_is_not_above_it(void **state)
{
    g_auto(Fixture) f = begin();
    LimitFiles files = {0};

    put_group(WEB "/libvirt", "1073741824\n", GIB, 0);
    assert_int_equal(look(&f, WEB "/libvirt").group[0].id, 0);

    limits_above_free(g_steal_pointer(&f.above));
    f.kept = 0;
    put("/proc/5", "cgroup", "0::" WEB "/libvirt\n");
    limit_files_init(&files);
    limit_files_find(&files, &host, 5, &f.kept);
    assert_int_equal(limit_files_max(&files, &f.kept), GIB);
    put_group(WEB "/libvirt", "max\n", GIB, 0);
    assert_true(limit_files_max(&files, &f.kept) == LIMIT_NONE);
    limit_files_clear(&files, &f.kept);
    files.paths[LIMIT_MAX] = g_strdup(TEST_WORK "/no-such-file");
    assert_int_equal(limit_files_max(&files, &f.kept), 0);
    limit_files_clear(&files, &f.kept);
    assert_int_equal(f.kept, 0);
}

static void
a_limit_is_seen_and_gone_within_a_second_and_read_no_more_often(void **state)
{
    g_auto(Fixture) f = begin();

    assert_int_equal(look(&f, WEB "/libvirt").group[0].id, 0);
    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB);
    f.now_usec += USEC_PER_SEC / 2;
    assert_int_equal(look(&f, MAIL "/libvirt").group[0].id, 0);
    f.now_usec += USEC_PER_SEC / 2;
    assert_int_equal(look(&f, MAIL "/libvirt").group[0].limit_kib, 8 * GIB);
    put_group(SLICE, "4294967296\n", 3 * GIB, 2 * GIB);
    f.now_usec += USEC_PER_SEC;
    assert_int_equal(look(&f, WEB "/libvirt").group[0].limit_kib, 4 * GIB);
    assert_int_equal(look(&f, WEB "/libvirt").group[0].charged_kib, GIB);
    put_group(SLICE, "max\n", 3 * GIB, 2 * GIB);
    f.now_usec += USEC_PER_SEC;
    assert_int_equal(look(&f, WEB "/libvirt").group[0].id, 0);
}

/* A tick follows at once, and books nothing for it any more. */
static void
what_a_guest_held_that_has_just_ended_is_not_charged_any_more(void **state)
{
    g_auto(Fixture) f = begin();

    put_group(SLICE, "8589934592\n", 6 * GIB, 0);
    assert_int_equal(look(&f, WEB "/libvirt").group[0].charged_kib, 6 * GIB);
    assert_int_equal(look(&f, MAIL "/libvirt").group[0].charged_kib, 6 * GIB);
    put_group(SLICE, "8589934592\n", 4 * GIB, 0);
    f.now_usec += USEC_PER_SEC / 10;
    assert_int_equal(look_in(&f, "/machine").group[0].charged_kib, 4 * GIB);
    assert_int_equal(look(&f, WEB "/libvirt").group[0].charged_kib, 4 * GIB);
}

static void
files_of_groups_that_are_gone_are_let_go(void **state)
{
    g_auto(Fixture) f = begin();
    unsigned alone;

    put_group(SLICE, "8589934592\n", 6 * GIB, 2 * GIB);
    look(&f, WEB "/libvirt");
    alone = f.kept;
    assert_int_equal(alone, 3 + 1); /* three of the slice, one of a scope without a limit */
    look(&f, MAIL "/libvirt");
    assert_int_equal(f.kept, alone + 1);
    for (int i = 0; i < 180; i++) {
        f.now_usec += USEC_PER_SEC;
        assert_int_equal(look(&f, WEB "/libvirt").group[0].limit_kib, 8 * GIB);
    }
    assert_int_equal(f.kept, alone);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, remove_work)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(without_limits_above_there_is_nothing),
        test(guests_of_one_slice_are_told_the_same_limit),
        test(the_tightest_limit_is_the_one_with_the_least_left),
        test(the_groups_of_a_partition_are_known_before_a_guest_runs_there),
        test(the_groups_of_a_partition_without_systemd_are_known_too),
        test(a_partition_that_is_no_path_has_no_limit),
        test(a_partition_with_a_path_that_no_group_can_have_takes_no_memory),
        test(a_guests_own_limit_is_not_above_it),
        test(a_limit_is_seen_and_gone_within_a_second_and_read_no_more_often),
        test(what_a_guest_held_that_has_just_ended_is_not_charged_any_more),
        test(files_of_groups_that_are_gone_are_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
