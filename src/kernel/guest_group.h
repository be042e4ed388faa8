/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a guest's memory is accounted: its own control group of version 2. libvirt puts QEMU's threads into threaded
 * groups below the one that accounts memory (libvirt src/util/vircgroup.c, virCgroupNewNested), so the path in
 * /proc/PID/cgroup is followed upwards to the first group that is not threaded. It is used only where it is the
 * guest's own: a guest of a user's session runs in the group of that session, with everything else in it.
 */

#include <glib.h>
#include <sys/types.h>

/* Where the control groups are, behind the root. */
#define GUEST_GROUP_MOUNT "/sys/fs/cgroup"

/*
 * The group of process pid, a path that begins with / and is relative to GUEST_GROUP_MOUNT. root: "" for the real host.
 * Returns NULL where there is none, and then sets *bar (may be NULL) to why not, one clause for people, static; to NULL
 * where the process is not there, or can't be looked at now. The caller frees the group. Any thread.
 */
char *guest_group_find(const char *root, pid_t pid, const char **bar);

/*
 * memory.limit_in_bytes of the group of process pid on a host with control groups of version 1, a path with root before it; NULL
 * where there is none, or it is not the guest's own. There libvirt puts all of QEMU into the group that it limits
 * (src/util/vircgroupv1.c: its threads have groups of their own for other controllers only). The caller frees it. Any thread.
 */
char *guest_group_old_limit(const char *root, pid_t pid);

/* Why this host can't limit any guest's memory, one clause for people, static; NULL where it can. Any thread. */
const char *guest_group_bar(const char *root);
