/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <glib-unix.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ProcessSet {
    int epoll; /* -1: none to be had, nothing is watched */
    guint source;
};

struct ProcessWatch {
    ProcessSet *set;
    int fd;
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

/* One at a time: what is told of the first may free any other. */
static gboolean
on_readable(int fd, GIOCondition condition, void *data)
{
    ProcessSet *set = data;
    struct epoll_event event;
    ProcessWatch *watch;

    if (epoll_wait(set->epoll, &event, 1, 0) < 1)
        return G_SOURCE_CONTINUE;
    watch = event.data.ptr;
    epoll_ctl(set->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->ended(watch->user_data);
    return G_SOURCE_CONTINUE;
}

ProcessSet *
process_set_new(void)
{
    ProcessSet *set = g_new0(ProcessSet, 1);

    set->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll >= 0)
        set->source = g_unix_fd_add(set->epoll, G_IO_IN, on_readable, set);
    return set;
}

void
process_set_free(ProcessSet *set)
{
    if (set == NULL)
        return;
    if (set->source != 0)
        g_source_remove(set->source);
    if (set->epoll >= 0)
        close(set->epoll);
    g_free(set);
}

ProcessWatch *
process_watch_new(ProcessSet *set, pid_t pid, void (*ended)(void *user_data), void *user_data)
{
    struct epoll_event event = {.events = EPOLLIN};
    ProcessWatch *watch;
    int fd = -1;

#ifdef SYS_pidfd_open
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
    if (fd < 0)
        return NULL;
    watch = g_new0(ProcessWatch, 1);
    watch->set = set;
    watch->fd = fd;
    watch->ended = ended;
    watch->user_data = user_data;
    event.data.ptr = watch;
    if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        g_clear_pointer(&watch, process_watch_free);
    return watch;
}

void
process_watch_free(ProcessWatch *watch)
{
    if (watch == NULL)
        return;
    epoll_ctl(watch->set->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    close(watch->fd);
    g_free(watch);
}
