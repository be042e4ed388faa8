/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface Cluster: what the cluster's agent calls each ten seconds, and what shows the cluster to people. */

#include "cluster_port.h"
#include "dynmem-bus.h"
#include "held_tick.h"

typedef struct ClusterMethods ClusterMethods;

/* port is copied, what it is a table of must outlive it; so must held, and cancellable, which is to be cancelled before it is freed. */
ClusterMethods *cluster_methods_new(const ClusterPort *port, const HeldTick *held, GCancellable *cancellable);
void cluster_methods_free(ClusterMethods *methods);

/* The object to be put on the bus. Owned by methods. */
GDBusInterfaceSkeleton *cluster_methods_skeleton(ClusterMethods *methods);

/* Brings the properties up to date, and tells who listens. */
void cluster_methods_update(ClusterMethods *methods);
