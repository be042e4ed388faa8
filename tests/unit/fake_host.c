/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_host.h"

#include "cmocka_all.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SWAPS "/proc/swaps"
#define SWAPS_HEAD "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define MOUNT "/sys/fs/cgroup"

FakeFaults fake_faults;

/* The calls know no host. */
static char *swaps_path;
/* A thread of a daemon that was ended may still ask for what is no more: all hosts stay where they were. */
static GPtrArray *gone;
/* To be deleted also when the test is interrupted; it may take memory. */
static char *made_root;

/* Of the C library alone: calls that are made to fail are the daemon's. NULL where it can't be read. */
static char *
read_whole(const char *path)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = fopen(path, "re");
    char part[4096];
    size_t length;

    if (file == NULL)
        return NULL;
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        g_string_append_len(text, part, (gssize)length);
    fclose(file);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- the calls ---- */

static int
fake_swap_on(const char *path, int flags)
{
    char real[4096];
    ssize_t length = readlink(path, real, sizeof real - 1);
    FILE *swaps;

    assert_true(length > 0);
    real[length] = '\0';
    if (fake_faults.swap_on != 0) {
        g_autofree char *directory = g_path_get_dirname(real);
        g_autofree char *second = g_strconcat(directory, strrchr(FAKE_SECOND_NAME, '/'), NULL);

        if (fake_faults.second_name)
            assert_int_equal(link(real, second), 0);
        errno = fake_faults.swap_on;
        return -1;
    }
    swaps = fopen(swaps_path, "a");
    fprintf(swaps, "%s file\t\t65536\t\t65536\t\t32767\n", real);
    fclose(swaps);
    return 0;
}

static void
forget_area(const char *path)
{
    g_autofree char *text = read_whole(swaps_path);
    g_autoptr(GString) rest = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    assert_non_null(text);
    lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i] != NULL; i++) {
        g_autofree char *shown = g_strndup(lines[i], strcspn(lines[i], " "));

        if (*shown != '\0' && !g_str_has_suffix(path, shown))
            g_string_append_printf(rest, "%s\n", lines[i]);
    }
    assert_true(g_file_set_contents(swaps_path, rest->str, -1, NULL));
}

static bool
fake_swap_off(const char *path, GPid *pid, GError **error)
{
    int why = fake_faults.swap_off_calls < G_N_ELEMENTS(fake_faults.swap_off)
                  ? fake_faults.swap_off[fake_faults.swap_off_calls]
                  : 0;
    g_autofree char *script = g_strdup_printf(why < 0 ? "kill %d $$" : "exit %d", why);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", script, NULL};

    fake_faults.swap_off_calls++;
    if (why == FAKE_NO_PROCESS) {
        g_set_error_literal(error, G_SPAWN_ERROR, G_SPAWN_ERROR_FORK, "no process can be made");
        return false;
    }
    if (why == 0)
        forget_area(path);
    return g_spawn_async("/", argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, pid, error);
}

static int
fake_allocate(int fd, int mode, uint64_t bytes)
{
    if (mode == 0 && fake_faults.allocate == -1)
        return 0;
    if (mode == 0 && fake_faults.allocate != 0) {
        errno = fake_faults.allocate;
        return -1;
    }
    return mode == 0 ? ftruncate(fd, (off_t)bytes) : 0;
}

static int
fake_file_system(int fd, long *type, uint64_t *free_kib)
{
    if (fake_faults.file_system != 0) {
        errno = fake_faults.file_system;
        return -1;
    }
    *type = fake_faults.type;
    *free_kib = fake_faults.free_kib;
    return 0;
}

static int
fake_make_subvolume(int parent, const char *name)
{
    if (fake_faults.subvolume != 0) {
        errno = fake_faults.subvolume;
        return -1;
    }
    fake_faults.subvolumes++;
    return mkdirat(parent, name, 0755);
}

static void
fake_step(const char *name)
{
    if ((unsigned)g_atomic_int_add((int *)&fake_faults.steps, 1) + 1 == fake_faults.crash_at)
        _exit(77);
}

/* ---- files ---- */

void
fake_host_write(const FakeHost *host, const char *file, const char *text)
{
    g_autofree char *path = g_strconcat(host->root, file, NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    FILE *out;

    assert_int_equal(g_mkdir_with_parents(directory, 0755), 0);
    out = fopen(path, "w"); /* not replaced: it may be open */
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

char *
fake_host_read(const FakeHost *host, const char *file)
{
    g_autofree char *path = g_strconcat(host->root, file, NULL);
    char *text = read_whole(path);

    return text != NULL ? g_strchomp(text) : NULL;
}

static int
remove_one(const char *path, const struct stat *facts, int type, struct FTW *position)
{
    return remove(path);
}

static void
remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
fake_host_remove(const FakeHost *host, const char *file)
{
    g_autofree char *path = g_strconcat(host->root, file, NULL);

    remove_tree(path);
}

static void
write_group(const FakeHost *host, const char *group, const char *file, const char *text)
{
    g_autofree char *path = g_strconcat(MOUNT, group, "/", file, NULL);

    fake_host_write(host, path, text);
}

void
fake_host_add_group(const FakeHost *host, const char *group, uint64_t swapped_kib)
{
    g_autofree char *swapped = g_strdup_printf("%" G_GUINT64_FORMAT "\n", (guint64)bytes_from_kib(swapped_kib));

    write_group(host, group, "cgroup.type", "domain\n");
    write_group(host, group, "memory.high", "max\n");
    write_group(host, group, "memory.current", "838860800\n");
    write_group(host, group, "memory.events", "low 0\nhigh 3\nmax 0\noom 0\noom_kill 0\n");
    write_group(host, group, "memory.swap.max", "max\n");
    write_group(host, group, "memory.swap.current", swapped);
}

static void
add_guest(const FakeHost *host, pid_t pid, const char *group)
{
    g_autofree char *scope = g_path_get_dirname(group);
    g_autofree char *inner = g_strconcat(group, "/emulator", NULL);
    g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", (int)pid);
    g_autofree char *line = g_strdup_printf("0::%s\n", inner);

    fake_host_add_group(host, scope, 0);
    fake_host_add_group(host, group, 0);
    write_group(host, group, "cgroup.type", "domain threaded\n");
    write_group(host, inner, "cgroup.type", "threaded\n");
    fake_host_write(host, file, line);
}

static void
add_groups(const FakeHost *host)
{
    fake_host_write(host, MOUNT "/cgroup.controllers", "cpuset cpu io memory pids\n");
    fake_host_add_group(host, "/init.scope", 0);
    fake_host_add_group(host, "/system.slice", 8192);
    fake_host_add_group(host, "/system.slice/cron.service", 0);
    fake_host_add_group(host, "/user.slice", 0);
    fake_host_add_group(host, "/machine.slice", 0);
    add_guest(host, FAKE_WEB_PID, FAKE_WEB_GROUP);
    add_guest(host, FAKE_DB_PID, FAKE_DB_GROUP);
}

/* ---- the host ---- */

FakeHost *
fake_host_at(const char *root)
{
    FakeHost *host = g_new0(FakeHost, 1);

    fake_faults = (FakeFaults){.type = EXT4_SUPER_MAGIC, .free_kib = 10 * KIB_PER_GIB};
    host->root = g_strdup(root);
    host->state = g_strconcat(host->root, "/var/lib/dynmem", NULL);
    host->system = (ActSystem){
        .root = host->root,
        .owner = geteuid(),
        .page_bytes = 4096,
        .boot_file = "/proc/sys/kernel/random/boot_id",
        .swap_on = fake_swap_on,
        .swap_off = fake_swap_off,
        .allocate = fake_allocate,
        .file_system = fake_file_system,
        .make_subvolume = fake_make_subvolume,
        .retry_msec = 1,
        .starting_msec = 50,
        .hold_msec = 5,
        .step = fake_step,
    };
    g_free(swaps_path);
    swaps_path = g_strconcat(host->root, SWAPS, NULL);
    return host;
}

static void
delete_and_end(int number)
{
    char *const argv[] = {(char *)"rm", (char *)"-rf", made_root, NULL};

    if (made_root != NULL && fork() == 0)
        execve("/bin/rm", argv, NULL);
    _exit(1);
}

FakeHost *
fake_host_new(void)
{
    g_autofree char *in_memory = g_strdup("/dev/shm/dynmem-host-XXXXXX"); /* there is much that is made durable */
    g_autofree char *root =
        g_mkdtemp(in_memory) != NULL ? g_strdup(in_memory) : g_dir_make_tmp("dynmem-host-XXXXXX", NULL);
    FakeHost *host = fake_host_at(root);

    made_root = host->root;
    signal(SIGTERM, delete_and_end);
    signal(SIGINT, delete_and_end);
    fake_host_write(host, SWAPS, SWAPS_HEAD);
    fake_host_write(host, "/proc/sys/kernel/random/boot_id", "boot-1\n");
    fake_host_write(host, "/proc/sys/vm/swappiness", "60\n");
    fake_host_write(host, "/proc/self/status", "Name:\tdynmemd\nCapEff:\t000001ffffffffff\n");
    add_groups(host);
    return host;
}

void
fake_host_boot(const FakeHost *host)
{
    fake_host_remove(host, MOUNT);
    add_groups(host);
    fake_host_write(host, SWAPS, SWAPS_HEAD);
    fake_host_write(host, "/proc/sys/kernel/random/boot_id", "boot-2\n");
}

/* The mount namespace of the daemon before is gone, and so is what its mount of the state directory hung below. */
static void
cut_shown_paths(const FakeHost *host)
{
    g_autofree char *swaps = read_whole(swaps_path);
    g_autofree char *above = g_strconcat(host->root, FAKE_STATE, "/", NULL);
    g_auto(GStrv) parts = NULL;
    g_autofree char *cut = NULL;

    assert_non_null(swaps);
    parts = g_strsplit(swaps, above, -1);
    cut = g_strjoinv("/", parts);
    assert_true(g_file_set_contents(swaps_path, cut, -1, NULL));
}

void
fake_host_start(FakeHost *host)
{
    g_autofree char *problem = NULL;

    if (!fake_faults.whole_paths)
        cut_shown_paths(host);
    host->held = held_open(&host->system, host->state, &problem);
    assert_null(problem);
    host->limits = limits_new(&host->system, host->held);
    host->paging = paging_new(&host->system, host->held, host->limits, FAKE_PAGING);
    host->limit_world = limits_world(host->limits);
    host->paging_world = paging_world(host->paging);
}

void
fake_count_down(void *data)
{
    --*(int *)data;
}

bool
fake_is_zero(FakeHost *host, void *data)
{
    return *(int *)data == 0;
}

void
fake_host_kill(FakeHost *host)
{
    int left = 1;

    if (host->held == NULL)
        return;
    /* what its threads do can't be cut short here; the tests with processes do */
    paging_stop(host->paging, 5 * USEC_PER_SEC, fake_count_down, &left);
    fake_host_until(host, fake_is_zero, &left);
    g_clear_pointer(&host->paging, paging_free);
    g_clear_pointer(&host->limits, limits_free);
    g_clear_pointer(&host->held, held_unref);
}

void
fake_host_free(FakeHost *host)
{
    fake_host_kill(host);
    remove_tree(host->root);
    made_root = NULL;
    if (gone == NULL)
        gone = g_ptr_array_new();
    g_ptr_array_add(gone, host);
    g_clear_pointer(&swaps_path, g_free);
}

/* ---- looking ---- */

static char *
first_line(const FakeHost *host, const char *group, const char *file)
{
    g_autofree char *path = g_strconcat(MOUNT, group, "/", file, NULL);
    char *text = fake_host_read(host, path);

    if (text != NULL)
        text[strcspn(text, "\n")] = '\0';
    return text;
}

bool
fake_host_says(const FakeHost *host, const char *group, const char *file, const char *text)
{
    g_autofree char *found = first_line(host, group, file);

    return g_strcmp0(found, text) == 0;
}

void
fake_host_expect(const FakeHost *host, const char *group, const char *file, const char *text)
{
    g_autofree char *found = first_line(host, group, file);

    if (g_strcmp0(found, text) != 0)
        fail_msg("%s/%s is %s and not %s", group, file, found, text);
}

void
fake_host_until(FakeHost *host, bool (*check)(FakeHost *host, void *data), void *data)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (!check(host, data)) {
        g_main_context_iteration(NULL, FALSE);
        if (g_get_monotonic_time() > end)
            fail_msg("what was waited for does not come");
        g_usleep(200);
    }
}

void
fake_run_loop(void)
{
    for (int i = 0; i < 60; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
}

GuestRecord
fake_guest(const char *uuid, pid_t pid)
{
    GuestRecord guest = {.life = GUEST_LIFE_RUNNING, .pid = pid};

    g_strlcpy(guest.uuid, uuid, sizeof guest.uuid);
    return guest;
}

PagingRequest
fake_request(const char *uuid, pid_t pid)
{
    return (PagingRequest){
        .uuid = uuid,
        .name = "guest",
        .pid = pid,
        .directory = FAKE_PAGING,
        .size_kib = 65536,
        .minimum_free_kib = KIB_PER_GIB,
    };
}

const PagingRecord *
fake_host_file(FakeHost *host, const char *uuid)
{
    size_t count = 0;
    const PagingRecord *const *records = host->paging_world.records(host->paging_world.self, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(records[i]->uuid, uuid) == 0)
            return records[i];
    return NULL;
}

typedef struct Awaited {
    const char *uuid;
    PagingStage stage;
} Awaited;

static bool
is_at_stage(FakeHost *host, void *data)
{
    const Awaited *awaited = data;
    const PagingRecord *record = fake_host_file(host, awaited->uuid);

    return record != NULL && record->stage == awaited->stage;
}

void
fake_host_await(FakeHost *host, const char *uuid, PagingStage stage)
{
    Awaited awaited = {uuid, stage};

    fake_host_until(host, is_at_stage, &awaited);
}

static bool
has_no_files(FakeHost *host, void *data)
{
    size_t count = 0;

    host->paging_world.records(host->paging_world.self, &count);
    return count == 0;
}

void
fake_host_await_none(FakeHost *host)
{
    fake_host_until(host, has_no_files, NULL);
}

void
fake_host_make(FakeHost *host, const char *uuid, pid_t pid)
{
    PagingRequest request = fake_request(uuid, pid);

    host->paging_world.make(host->paging_world.self, &request);
}

void
fake_host_end(FakeHost *host, const char *uuid)
{
    host->paging_world.end(host->paging_world.self, uuid);
}

bool
fake_host_exists(const FakeHost *host, const char *file)
{
    g_autofree char *path = g_strconcat(host->root, file, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(path, G_FILE_TEST_IS_SYMLINK);
}

bool
fake_host_swaps_to(const FakeHost *host, const char *file)
{
    g_autofree char *swaps = fake_host_read(host, SWAPS);

    return strstr(swaps, strrchr(file, '/')) != NULL;
}

void
fake_host_expect_clean(const FakeHost *host)
{
    g_autofree char *held = fake_host_read(host, "/var/lib/dynmem/held");
    static const char *const groups[] = {"/init.scope", "/system.slice", "/user.slice", FAKE_WEB_GROUP, FAKE_DB_GROUP};

    assert_false(fake_host_exists(host, FAKE_WEB_FILE));
    assert_false(fake_host_exists(host, FAKE_DB_FILE));
    assert_false(fake_host_swaps_to(host, FAKE_WEB_FILE));
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
        fake_host_expect(host, groups[i], "memory.swap.max", "max");
    assert_true(held == NULL || strstr(held, "memory.swap.max") == NULL);
    assert_true(held == NULL || strstr(held, FAKE_WEB) == NULL);
}
