/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of one guest's control group that its limits are read from. They are kept open: a tick reads them all, for
 * each guest. They belong to their group and fail once that is gone. Main thread only.
 */

#include "paging.h"
#include "system.h"

enum {
    LIMIT_HIGH,
    LIMIT_CURRENT,
    LIMIT_SWAP_CURRENT,
    LIMIT_SWAP_MAX,
    LIMIT_EVENTS,
    LIMIT_MAX,
    LIMIT_FILES
};

typedef struct LimitFiles {
    char *group;     /* NULL: none, bar says why; of the files there is memory.max at most */
    const char *bar; /* static */
    char *paths[LIMIT_FILES];
    int fds[LIMIT_FILES];
} LimitFiles;

void limit_files_init(LimitFiles *files);
/* Closes and forgets all. kept: see limit_file_read. */
void limit_files_clear(LimitFiles *files, unsigned *kept);

/* Finds the group of a process; nothing is closed where it is still the same. */
void limit_files_find(LimitFiles *files, const ActSystem *system, pid_t pid, unsigned *kept);

/*
 * Reads such a file as proc_file_read does. *kept counts the files open of all guests; beyond a limit they are closed after
 * each read.
 */
bool limit_file_read(const char *path, int *fd, char *buffer, size_t size, unsigned *kept);

/* One number; "max" is LIMIT_NONE. Returns false where it can't be read. */
bool limit_files_kib(LimitFiles *files, unsigned file, uint64_t *kib, unsigned *kept);
/* Times the guest was held back at memory.high. */
bool limit_files_held_back(LimitFiles *files, uint64_t *times, unsigned *kept);

/* memory.max, as in GuestLimits; also where there is no group of version 2, as far as its group of version 1 has one. */
uint64_t limit_files_max(LimitFiles *files, unsigned *kept);

/* memory.high as group_file_read takes it. Caller frees. */
char *limit_files_high(const LimitFiles *files);
