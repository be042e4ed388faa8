/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit_files.h"

#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
#include "units.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The part of the files this process may have open. */
#define KEPT_PART 4

static const char *const names[LIMIT_FILES] = {"memory.high",     "memory.current", "memory.swap.current",
                                               "memory.swap.max", "memory.events",  "memory.max"};

void
limit_files_init(LimitFiles *files)
{
    for (unsigned i = 0; i < LIMIT_FILES; i++)
        files->fds[i] = -1;
}

static unsigned
kept_limit(void)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    return (unsigned)MIN(limit.rlim_cur / KEPT_PART, 1U << 16);
}

static void
close_file(int *fd, unsigned *kept)
{
    if (*fd < 0)
        return;
    close(*fd);
    *fd = -1;
    --*kept;
}

void
limit_files_clear(LimitFiles *files, unsigned *kept)
{
    for (unsigned i = 0; i < LIMIT_FILES; i++) {
        close_file(&files->fds[i], kept);
        g_clear_pointer(&files->paths[i], g_free);
    }
    g_clear_pointer(&files->group, g_free);
    files->bar = NULL;
}

void
limit_files_find(LimitFiles *files, const ActSystem *system, pid_t pid, unsigned *kept)
{
    const char *bar = NULL;
    g_autofree char *group = guest_group_find(system->root, pid, &bar);

    if (group != NULL && g_strcmp0(files->group, group) == 0)
        return;
    limit_files_clear(files, kept);
    files->bar = bar;
    for (unsigned i = 0; group != NULL && i < LIMIT_FILES; i++)
        files->paths[i] = g_strconcat(system->root, GUEST_GROUP_MOUNT, group, "/", names[i], NULL);
    if (group == NULL)
        files->paths[LIMIT_MAX] = guest_group_old_limit(system->root, pid);
    files->group = g_steal_pointer(&group);
}

bool
limit_file_read(const char *path, int *fd, char *buffer, size_t size, unsigned *kept)
{
    bool was_open = *fd >= 0;
    gssize length = proc_file_read(path, fd, buffer, size);

    if (was_open && *fd < 0)
        --*kept;
    else if (!was_open && *fd >= 0)
        ++*kept;
    if (!was_open && *kept > kept_limit())
        close_file(fd, kept);
    return length >= 0;
}

static bool
read_text(LimitFiles *files, unsigned file, char *buffer, size_t size, unsigned *kept)
{
    return limit_file_read(files->paths[file], &files->fds[file], buffer, size, kept);
}

bool
limit_files_kib(LimitFiles *files, unsigned file, uint64_t *kib, unsigned *kept)
{
    char buffer[64];
    uint64_t bytes;

    if (!read_text(files, file, buffer, sizeof buffer, kept))
        return false;
    if (g_str_has_prefix(buffer, "max"))
        *kib = LIMIT_NONE;
    else if (proc_file_number(buffer, &bytes) != NULL)
        *kib = kib_from_bytes(bytes);
    else
        return false;
    return true;
}

bool
limit_files_held_back(LimitFiles *files, uint64_t *times, unsigned *kept)
{
    char buffer[1024];

    return read_text(files, LIMIT_EVENTS, buffer, sizeof buffer, kept) && proc_file_find(buffer, "high ", times);
}

uint64_t
limit_files_max(LimitFiles *files, unsigned *kept)
{
    uint64_t kib = 0;

    if (files->paths[LIMIT_MAX] != NULL)
        limit_files_kib(files, LIMIT_MAX, &kib, kept);
    return kib > KIB_LIMIT ? LIMIT_NONE : kib; /* none is "max", or all that version 1 can count */
}

char *
limit_files_high(const LimitFiles *files)
{
    return g_strconcat(files->group, "/", names[LIMIT_HIGH], NULL);
}
