/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an administrator puts into the cluster once, so that it looks at what hosts publish. */

/*
 * The constraints as XML of Pacemaker's configuration, without what stands around them (<constraints>). The first sends a
 * guest to the host that wishes for it, the second has guests that start do so where there is room. guests: an extended
 * regular expression for the names of the resources that are guests and nothing else, without "^(" and ")$" around it; no other
 * resource is touched. Caller frees.
 */
char *cluster_constraints_xml(const char *guests);

/* The attribute of a host that wishes for the guest of that resource: CLUSTER_WISH_SCORE. Caller frees. */
char *cluster_wish_attribute(const char *resource);

/* The attribute with the score of a host for guests that start. */
#define CLUSTER_ROOM_ATTRIBUTE "dynmem-room"
/* The private attribute with the line of a host: what it publishes for the others (figures.h). */
#define CLUSTER_LINE_ATTRIBUTE "dynmem-line"
/* The beginning of cluster_wish_attribute; the resource's name follows. */
#define CLUSTER_WISH_PREFIX "dynmem-move-"
/* The utilization of guests and of hosts that is counted in MiB of memory (score.h). */
#define CLUSTER_UTILIZATION "dynmem"
/* The ids of both constraints. */
#define CLUSTER_WISH_CONSTRAINT "dynmem-move"
#define CLUSTER_ROOM_CONSTRAINT "dynmem-room"
