/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A guest's QEMU as the kernel sees it. libvirtd has one thread for the ends of all guests
 * (qemu_process.c, qemuProcessEventHandler), which a hung guest can hold up: that a QEMU is dead is
 * learnt here as well, from its pidfd.
 */

#include <glib.h>
#include <sys/types.h>

/* The pid in directory/NAME.pid; 0 where there is none, or it can't be read. Any thread. */
pid_t process_read_pid(const char *directory, const char *name);

/* The processes that are watched, behind one file descriptor: the main loop looks at all of its own each time it
   wakes. */
typedef struct ProcessSet ProcessSet;

ProcessSet *process_set_new(void);
/* Its watches must have been freed. */
void process_set_free(ProcessSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProcessSet, process_set_free)

typedef struct ProcessWatch ProcessWatch;

/* Calls ended once, from the default main context, when the process has ended; that may free the watch. NULL where
   it can't be watched (gone already, or no pidfd in this kernel). */
ProcessWatch *process_watch_new(ProcessSet *set, pid_t pid, void (*ended)(void *user_data), void *user_data);
void process_watch_free(ProcessWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProcessWatch, process_watch_free)
