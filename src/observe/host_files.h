/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The host's figures from /proc, /sys and the cgroup tree, below a root prefix so that tests feed recorded
 * files. Fills the HostWorld of the daemon.
 */

#include "ports.h"

typedef struct HostFiles HostFiles;

/* root: "" for the real host. */
HostFiles *host_files_new(const char *root);
void host_files_free(HostFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostFiles, host_files_free)

/* The size of huge pages where none is named (default_hugepagesz= of the kernel); 0: the kernel has none. */
uint64_t host_files_hugepage_kib(HostFiles *files);

HostWorld host_files_world(HostFiles *files);

/*
 * Asks the kernel to report memory pressure of the host (/proc/pressure/memory) and calls pressed on
 * the main loop's thread each time, at most once in two seconds. Returns false and sets error where this kernel
 * can't; the daemon then works without.
 */
bool host_files_watch_pressure(HostFiles *files, void (*pressed)(void *user_data), void *user_data, GError **error);
