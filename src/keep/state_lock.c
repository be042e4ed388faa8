/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
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

bool
state_lock(const char *directory, int *fd, pid_t *owner)
{
    int own = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (own >= 0 && flock(own, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        *owner = owner_of(own);
        close(own);
        return false;
    }
    *fd = own;
    return true;
}
