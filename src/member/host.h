/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a cluster is told of this host and its guests, from what the last tick came to. Nothing here changes anything. */

#include "cluster/cluster.h"
#include "plan.h"

/*
 * The startup memory of a guest as many are, by which all hosts of a cluster rate themselves; on a host with less than 16 GiB
 * for its guests it is an eighth of that.
 */
uint64_t host_typical_kib(const Plan *plan);

/*
 * The sums of ClusterHost: budget, want, free, reclaimable, available. rating is of a start that could take all there is and goes before
 * nobody: what it finds is free, or not needed. While libvirt is away nothing is to be had.
 */
void host_sums(const Plan *plan, const Snapshot *snapshot, const StartRating *rating, ClusterHost *host);

/*
 * A guest that the cluster calls resource, as one that may move. Returns false, and leaves *candidate as it is, where it does
 * not run here.
 */
bool host_candidate(const GuestPlan *plan, const Snapshot *snapshot, const char *resource, ClusterCandidate *candidate);

/* The guest with that uuid, or NULL. */
const GuestPlan *host_guest(const Plan *plan, const char *uuid);
/* All guests by uuid and by name: a cluster may have a thousand, of which few are here. Keys and values are the plan's. */
GHashTable *host_guests(const Plan *plan);
/* The guest with that uuid, or else that name; NULL: there is none. */
const GuestPlan *host_guest_called(GHashTable *guests, const char *text);
