/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The memory of a guest's QEMU, from the best source there is:
 *
 * - memory.stat of the guest's own cgroup (v2): anonymous, shared (memfd) and kernel memory (page tables and
 *   the like), and no page cache of its disks (kernel/guest_group.h finds it).
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

#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
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

/* memory.stat of the process's guest; NULL where there is none. */
static char *
find_memory_stat(const ResidentReader *reader, pid_t pid)
{
    g_autofree char *group = guest_group_find(reader->root, pid, NULL);
    g_autofree char *path = NULL;

    if (group == NULL)
        return NULL;
    path = g_strconcat(reader->root, GUEST_GROUP_MOUNT, group, "/memory.stat", NULL);
    return access(path, R_OK) == 0 ? g_steal_pointer(&path) : NULL;
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
