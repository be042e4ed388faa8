/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's pools of huge pages, one a page size (kernel Documentation/admin-guide/mm/hugetlbpage.rst). */

#include "ports.h"

typedef struct HostPools HostPools;

/* root: "" for the real host. */
HostPools *host_pools_new(const char *root);
void host_pools_free(HostPools *files);

/*
 * Fills figures->pools and hugepages_kib. meminfo is the text of /proc/meminfo: where it says that there are no huge pages
 * nothing else is read.
 */
void host_pools_read(HostPools *files, const char *meminfo, HostFigures *figures);
