/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The memory of a guest's QEMU, from the best source there is:
 *
 * - memory.stat of the guest's own cgroup (v2): anonymous, shared (memfd) and kernel memory (page tables and
 *   the like), and no page cache of its disks. libvirt puts QEMU's threads into threaded groups below the one
 *   that accounts memory (libvirt src/util/vircgroup.c, virCgroupNewNested), so the path in /proc/PID/cgroup is
 *   followed upwards to the first group that is not threaded. It is used only where it is the guest's own: a
 *   guest of a user's session runs in the group of that session, with everything else in it.
 * - else RssAnon and RssShmem of /proc/PID/status, which leave out QEMU's program file; page tables are missing
 *   there.
 *
 * Cost: one pread of a file that is kept open per guest and tick, some 10 microseconds; where a process lives
 * is looked up when it is first asked for and again every LOOKUP_TICKS. A kept file belongs to its process or
 * group and fails once that is gone, so a number is never another process's. More than KEPT_LIMIT files are not
 * kept, so that the daemon stays below the usual limit of 1,024 on a host with very many guests; those are
 * opened for each read.
 */

#include "resident.h"

#include "proc_file.h"
#include "units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KEPT_LIMIT 512
#define LOOKUP_TICKS 60
/* Not asked for in this many ticks: forgotten. */
#define FORGET_TICKS 10

typedef struct Process {
    pid_t pid;
    char *path;
    bool is_cgroup;
    int fd; /* -1: not open */
    uint64_t found_tick;
    uint64_t asked_tick;
} Process;

struct ResidentReader {
    char *root;
    GHashTable *processes; /* pid -> Process */
    uint64_t tick;
    unsigned kept;
};

static void
let_go(ResidentReader *reader, Process *process)
{
    if (process->fd >= 0) {
        close(process->fd);
        reader->kept--;
    }
    process->fd = -1;
    g_clear_pointer(&process->path, g_free);
}

ResidentReader *
resident_reader_new(const char *root)
{
    ResidentReader *reader = g_new0(ResidentReader, 1);

    reader->root = g_strdup(root);
    reader->processes = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    return reader;
}

void
resident_reader_free(ResidentReader *reader)
{
    GHashTableIter iter;
    void *process;

    if (reader == NULL)
        return;
    g_hash_table_iter_init(&iter, reader->processes);
    while (g_hash_table_iter_next(&iter, NULL, &process))
        let_go(reader, process);
    g_hash_table_unref(reader->processes);
    g_free(reader->root);
    g_free(reader);
}

void
resident_reader_tick(ResidentReader *reader)
{
    GHashTableIter iter;
    void *value;

    reader->tick++;
    if (reader->tick % FORGET_TICKS != 0)
        return;
    g_hash_table_iter_init(&iter, reader->processes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Process *process = value;

        if (reader->tick - process->asked_tick < FORGET_TICKS)
            continue;
        let_go(reader, process);
        g_hash_table_iter_remove(&iter);
    }
}

static gssize
read_once(const char *path, char *buffer, size_t size)
{
    int fd = -1;
    gssize length = proc_file_read(path, &fd, buffer, size);

    if (fd >= 0)
        close(fd);
    return length;
}

/* Whether a group of this name holds one guest and nothing else: with systemd-machined, and without. */
static bool
is_guest_group(const char *name, size_t length)
{
    static const char machine[] = "machine-qemu", scope[] = ".scope", plain[] = ".libvirt-qemu";

    if (length > strlen(machine) + strlen(scope) && strncmp(name, machine, strlen(machine)) == 0)
        return strncmp(name + length - strlen(scope), scope, strlen(scope)) == 0;
    return length > strlen(plain) && strncmp(name + length - strlen(plain), plain, strlen(plain)) == 0;
}

/* Whether group, or one above it, is a guest's own. */
static bool
belongs_to_guest(const char *group)
{
    while (*group != '\0') {
        size_t length = strcspn(++group, "/");

        if (is_guest_group(group, length))
            return true;
        group += length;
    }
    return false;
}

/* memory.stat of the process's guest; NULL where there is none. */
static char *
find_memory_stat(const ResidentReader *reader, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/cgroup", reader->root, (int)pid);
    g_autofree char *group = NULL;
    char buffer[4096];
    const char *line;

    if (read_once(path, buffer, sizeof buffer) < 0)
        return NULL;
    line = g_str_has_prefix(buffer, "0::") ? buffer : strstr(buffer, "\n0::");
    if (line == NULL)
        return NULL; /* no cgroup v2 at all */
    line = strchr(line, '/');
    if (line == NULL)
        return NULL;
    group = g_strndup(line, strcspn(line, "\n"));
    /* above the root of this namespace, or gone */
    if (strstr(group, "/../") != NULL || g_str_has_suffix(group, " (deleted)"))
        return NULL;
    while (belongs_to_guest(group)) {
        g_autofree char *type_path = g_strconcat(reader->root, "/sys/fs/cgroup", group, "/cgroup.type", NULL);
        char type[64];

        if (read_once(type_path, type, sizeof type) < 0 || !g_str_has_prefix(type, "threaded")) {
            g_autofree char *stat = g_strconcat(reader->root, "/sys/fs/cgroup", group, "/memory.stat", NULL);

            return access(stat, R_OK) == 0 ? g_steal_pointer(&stat) : NULL;
        }
        *strrchr(group, '/') = '\0';
    }
    return NULL;
}

static void
find_source(ResidentReader *reader, Process *process)
{
    let_go(reader, process);
    process->path = find_memory_stat(reader, process->pid);
    process->is_cgroup = process->path != NULL;
    if (process->path == NULL)
        process->path = g_strdup_printf("%s/proc/%d/status", reader->root, (int)process->pid);
    process->found_tick = reader->tick;
}

/* In bytes; kernel memory was one figure only from Linux 5.18 on. */
static bool
sum_memory_stat(const char *text, uint64_t *kib)
{
    static const char *const parts[] = {"kernel_stack ", "pagetables ", "sec_pagetables ", "percpu ", "sock ",
                                        "vmalloc ",      "slab "};
    uint64_t anon, shmem, kernel = 0, part;

    if (!proc_file_find(text, "anon ", &anon) || !proc_file_find(text, "shmem ", &shmem))
        return false;
    if (!proc_file_find(text, "kernel ", &kernel)) {
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
            if (proc_file_find(text, parts[i], &part))
                kernel = saturating_add(kernel, part);
        }
    }
    *kib = kib_from_bytes(saturating_add(saturating_add(anon, shmem), kernel));
    return true;
}

/* In KiB. A process that has ended and was not waited for has no such lines. */
static bool
sum_status(const char *text, uint64_t *kib)
{
    uint64_t anon, shmem;

    if (!proc_file_find(text, "RssAnon:", &anon) || !proc_file_find(text, "RssShmem:", &shmem))
        return false;
    *kib = saturating_add(anon, shmem);
    return true;
}

static bool
read_source(ResidentReader *reader, Process *process, uint64_t *kib)
{
    char buffer[8192];
    bool was_open = process->fd >= 0;
    gssize length = proc_file_read(process->path, &process->fd, buffer, sizeof buffer);

    if (was_open)
        reader->kept--;
    if (process->fd >= 0 && reader->kept < KEPT_LIMIT) {
        reader->kept++;
    } else if (process->fd >= 0) {
        close(process->fd);
        process->fd = -1;
    }
    if (length < 0)
        return false;
    return process->is_cgroup ? sum_memory_stat(buffer, kib) : sum_status(buffer, kib);
}

bool
resident_reader_read(ResidentReader *reader, pid_t pid, uint64_t *resident_kib)
{
    Process *process;

    if (pid <= 0)
        return false;
    process = g_hash_table_lookup(reader->processes, GINT_TO_POINTER(pid));
    if (process == NULL) {
        process = g_new0(Process, 1);
        process->pid = pid;
        process->fd = -1;
        g_hash_table_insert(reader->processes, GINT_TO_POINTER(pid), process);
    }
    process->asked_tick = reader->tick;
    if (process->path != NULL && reader->tick - process->found_tick < LOOKUP_TICKS &&
        read_source(reader, process, resident_kib))
        return true;
    find_source(reader, process);
    return read_source(reader, process, resident_kib);
}
