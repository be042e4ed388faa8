/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's NUMA nodes. */

#include "ports.h"

typedef struct HostNodes HostNodes;

/* root: "" for the real host. */
HostNodes *host_nodes_new(const char *root);
void host_nodes_free(HostNodes *files);

/*
 * Fills figures->nodes where the host has more than one node with memory. What can be had in all nodes together is
 * available_kib, MemAvailable without ZFS's cache, of which nobody says in which node it lies.
 */
void host_nodes_read(HostNodes *files, uint64_t available_kib, HostFigures *figures);
