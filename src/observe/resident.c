/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The memory of a guest's QEMU, from the best source there is:
 *
 * - memory.stat of the guest's own cgroup (v2): anonymous and kernel memory (page tables and the like), and, of a
 *   guest whose memory lies there, shared memory or files; page cache of its disks is not told from the latter
 *   (kernel/guest_group.h finds the group).
 * - else the same of RssAnon, RssShmem and RssFile of /proc/PID/status; page tables are missing there, and RssFile has
 *   QEMU's program in it.
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

/* Where a process or a group has its memory, in KiB. */
typedef struct Parts {
    uint64_t anon_kib;
    uint64_t file_kib; /* of files, without shared memory */
    uint64_t shmem_kib;
    uint64_t kernel_kib;
} Parts;

/* In bytes; kernel memory was one figure only from Linux 5.18 on. "file" has shared memory in it (NR_FILE_PAGES). */
static bool
read_memory_stat(const char *text, Parts *parts)
{
    static const char *const names[] = {"kernel_stack ", "pagetables ", "sec_pagetables ", "percpu ", "sock ",
                                        "vmalloc ",      "slab "};
    uint64_t anon, file = 0, shmem, kernel = 0, part;

    if (!proc_file_find(text, "anon ", &anon) || !proc_file_find(text, "shmem ", &shmem))
        return false;
    proc_file_find(text, "file ", &file);
    if (!proc_file_find(text, "kernel ", &kernel)) {
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            if (proc_file_find(text, names[i], &part))
                kernel = saturating_add(kernel, part);
        }
    }
    *parts = (Parts){.anon_kib = kib_from_bytes(anon),
                     .file_kib = kib_from_bytes(saturating_sub(file, shmem)),
                     .shmem_kib = kib_from_bytes(shmem),
                     .kernel_kib = kib_from_bytes(kernel)};
    return true;
}

/* In KiB. A process that has ended and was not waited for has no such lines. */
static bool
read_status(const char *text, Parts *parts)
{
    *parts = (Parts){0};
    proc_file_find(text, "RssFile:", &parts->file_kib);
    return proc_file_find(text, "RssAnon:", &parts->anon_kib) && proc_file_find(text, "RssShmem:", &parts->shmem_kib);
}

/*
 * Which of it is the guest's memory. Shared memory and files hold more than that (an image on tmpfs, the page cache of
 * disks), but of these the guest's own memory is no more than all that its QEMU gives it.
 */
static void
take_parts(const Parts *parts, const GuestSettings *settings, GuestResident *resident)
{
    uint64_t most = saturating_add(settings->maximum_kib, settings->fixed_kib), backed = 0, other = parts->shmem_kib;

    if (settings->bar == BALLOON_BAD_MEMORY)
        most = KIB_LIMIT;
    if (settings->source != MEMORY_ANONYMOUS) { /* its file may lie on tmpfs, and is shared memory then */
        backed = MIN(parts->shmem_kib, most);
        other -= backed;
    }
    if (settings->source == MEMORY_FILE)
        backed = MIN(saturating_add(backed, parts->file_kib), most);
    resident->memory_kib = saturating_add(saturating_add(parts->anon_kib, parts->kernel_kib), backed);
    resident->other_kib = other;
}

static bool
read_source(ResidentReader *reader, Process *process, const GuestSettings *settings, GuestResident *resident)
{
    char buffer[8192];
    Parts parts;
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
    if (length < 0 || !(process->is_cgroup ? read_memory_stat(buffer, &parts) : read_status(buffer, &parts)))
        return false;
    take_parts(&parts, settings, resident);
    return true;
}

bool
resident_reader_read(ResidentReader *reader, pid_t pid, const GuestSettings *settings, GuestResident *resident)
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
        read_source(reader, process, settings, resident))
        return true;
    find_source(reader, process);
    return read_source(reader, process, settings, resident);
}
