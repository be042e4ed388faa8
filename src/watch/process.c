/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <glib-unix.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ProcessWatch {
    int fd;
    guint source;
    void (*ended)(void *user_data);
    void *user_data;
};

pid_t
process_read_pid(const char *directory, const char *name)
{
    g_autofree char *file = NULL, *path = NULL, *text = NULL;
    gint64 pid;

    if (directory == NULL || name == NULL || strchr(name, '/') != NULL)
        return 0;
    file = g_strconcat(name, ".pid", NULL);
    path = g_build_filename(directory, file, NULL);
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    pid = g_ascii_strtoll(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static gboolean
on_readable(int fd, GIOCondition condition, void *data)
{
    ProcessWatch *watch = data;

    watch->source = 0;
    watch->ended(watch->user_data); /* may free the watch */
    return G_SOURCE_REMOVE;
}

ProcessWatch *
process_watch_new(pid_t pid, void (*ended)(void *user_data), void *user_data)
{
    ProcessWatch *watch;
    int fd = -1;

#ifdef SYS_pidfd_open
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    if (fd < 0)
        return NULL;
    watch = g_new0(ProcessWatch, 1);
    watch->fd = fd;
    watch->ended = ended;
    watch->user_data = user_data;
    watch->source = g_unix_fd_add(fd, G_IO_IN, on_readable, watch);
    return watch;
}

void
process_watch_free(ProcessWatch *watch)
{
    if (watch == NULL)
        return;
    if (watch->source != 0)
        g_source_remove(watch->source);
    close(watch->fd);
    g_free(watch);
}
