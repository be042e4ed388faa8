/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What else of this host "dm-ctl check" sees that takes, keeps or moves memory, in files below root ("" for this host). */

#include "checks.h"

#include <stdint.h>

/* The host's own swap, ZFS's cache, merged pages. */
void memory_checks_add(GPtrArray *checks, const char *root);

/* The host's NUMA nodes. guests: of GuestFile. */
void memory_checks_nodes(GPtrArray *checks, const GPtrArray *guests, const char *root);

/* A figure of /proc/meminfo, with its colon, in bytes; 0: not known. */
uint64_t memory_checks_info(const char *root, const char *name);

/* How much swap of its own the host has, and has in use, in bytes. Paging files are not counted. */
void memory_checks_swap(const char *root, uint64_t *size, uint64_t *used, GPtrArray *names);
