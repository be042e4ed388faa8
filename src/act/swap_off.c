/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swap_off.h"

#include <errno.h>
#include <sys/swap.h>
#include <unistd.h>

#define THIS_PROGRAM "/proc/self/exe"

int
swap_off_main(const char *path)
{
    return swapoff(path) == 0 ? 0 : errno;
}

/* Away from the terminal and the signals that the daemon gets there. */
static void
detach(gpointer data)
{
    setsid();
}

bool
swap_off_spawn(const char *path, GPid *pid, GError **error)
{
    char *argv[] = {(char *)THIS_PROGRAM, (char *)"dynmemd", (char *)SWAP_OFF_OPTION, (char *)path, NULL};

    return g_spawn_async("/", argv, NULL,
                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_FILE_AND_ARGV_ZERO | G_SPAWN_STDOUT_TO_DEV_NULL |
                             G_SPAWN_STDERR_TO_DEV_NULL,
                         detach, NULL, pid, error);
}
