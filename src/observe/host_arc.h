/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ZFS's cache (ARC). The kernel's MemAvailable does not know it: its pages are neither page cache nor slab. It gives them
 * back under pressure as page cache is given back (OpenZFS module/os/linux/zfs/arc_os.c, arc_evictable_memory).
 */

#include <stdint.h>

typedef struct HostArc HostArc;

/* root: "" for the real host. */
HostArc *host_arc_new(const char *root);
void host_arc_free(HostArc *arc);

/* What of it the host can have; 0 where there is no ZFS or where its figures can't be. Once a tick. */
uint64_t host_arc_read(HostArc *arc);
