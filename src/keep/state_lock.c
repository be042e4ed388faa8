/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCKS_FILE "/proc/locks"

/*
 * The process that has locked the file; 0: not known. The device is left out: that of a file in a subvolume of btrfs is another
 * there (fs/locks.c, lock_get_status) than stat(2) tells.
 */
static pid_t
owner_of(int fd)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    struct stat facts;
    pid_t owner = 0;

    if (fstat(fd, &facts) != 0 || !g_file_get_contents(LOCKS_FILE, &text, NULL, NULL))
        return 0;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        uint64_t inode;
        int pid;

        if (sscanf(*line, "%*u: FLOCK ADVISORY WRITE %d %*x:%*x:%" SCNu64, &pid, &inode) != 2 || inode != facts.st_ino)
            continue;
        if (owner != 0)
            return 0; /* one of them is on another file system */
        owner = (pid_t)MAX(pid, 0);
    }
    return owner;
}

/* Its main thread has ended, and that of a dynmemd ends last unless it was killed. */
static bool
is_dead(pid_t process)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)process);
    g_autofree char *text = NULL;
    const char *name_end;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    name_end = strrchr(text, ')');
    return name_end != NULL && g_str_has_prefix(name_end, ") Z");
}

bool
state_lock(const char *directory, int *fd, pid_t *owner)
{
    int own = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t other;

    if (own >= 0 && flock(own, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        other = owner_of(own);
        if (other == 0 || !is_dead(other)) {
            close(own);
            *owner = other;
            return false;
        }
    }
    *fd = own;
    return true;
}
