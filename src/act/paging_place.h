/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where paging files may be: on which hosts, in which directories, on which file systems. Each refusal says what would
 * make it succeed. Any thread; walking a directory can block.
 */

#include "system.h"

/* Swap areas of the host, ours and others, that are not gone beyond: the kernel has 22 to 28 (include/linux/swap.h,
   MAX_SWAPFILES). */
#define PAGING_AREAS_MAX 16

/* Why no paging file can be had on this host, one clause for people, static; NULL where it can. */
const char *paging_place_host_bar(const ActSystem *system);

/*
 * Whether what others have in swap of the host's own may stay there. While a paging file is on they can't swap out (isolate.h), so
 * what comes back stays in memory, and nobody has booked it: it must fit into half of what is available.
 */
bool paging_place_host_swap(const ActSystem *system, GError **error);

/*
 * Opens a directory for paging files and returns it, or -1 with error. No link is followed, and no part of its path may be
 * changed by anybody but root. make: it, and what is above it, is made with mode 0700 where it does not exist,
 * on btrfs as a subvolume.
 */
int paging_place_open(const ActSystem *system, const char *directory, bool make, GError **error);

/*
 * Whether a file of size_kib can be a swap file on the file system of a directory, and leaves minimum_free_kib. *nocow is set
 * where it must be kept from copying on write first (btrfs).
 */
bool paging_place_check(const ActSystem *system, int fd, const char *directory, uint64_t size_kib,
                        uint64_t minimum_free_kib, bool *nocow, GError **error);
