/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of the guests of a cluster from the files that their resources name, on whatever host they run. */

#include "cib.h"

#include <stdint.h>

/* The agent of resource-agents that runs libvirt's guests. */
#define CLUSTER_GUEST_AGENT "ocf:heartbeat:VirtualDomain"

/* dynmem's own. */
#define CLUSTER_HOST_AGENT "ocf:dynmem:host"

/*
 * What libvirt calls the guest: its uuid, or its name where its file has no uuid; of another agent than the one above its resource's
 * name. NULL: its file can't be read here, or is no domain XML. Caller frees.
 */
char *cluster_guest_identity(const Cib *cib, const CibGuest *guest);

/* What the guest can't be without, in MiB: minimum and what its QEMU costs as far as can be told before; 0: not known. */
uint64_t cluster_guest_need(const Cib *cib, const CibGuest *guest);

/* What the QEMU of a guest with so much memory and one processor costs, about. */
uint64_t cluster_guest_overhead_kib(uint64_t memory_kib);
