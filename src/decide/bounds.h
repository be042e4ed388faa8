/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits above guests: memory.max of a group that several guests stand in (machine.slice, a partition), and the NUMA nodes
 * that some are strictly bound to. Each is a budget of its own for its guests. What all guests share of the host is not
 * balanced within each of them; it is never exceeded.
 */

#include "decide/ledger.h"

typedef struct Bound {
    uint64_t above_id;    /* of GuestLimits; 0: it is nodes */
    uint64_t nodes;       /* bits of the NUMA nodes; 0: it is a group */
    uint64_t members_kib; /* booked for its guests, overheads included */
    uint64_t guests;      /* how many they are */
    uint64_t limit_kib;   /* what the guests may be booked at together: what is left of it, and what they hold */
} Bound;

/* Zero: none. */
typedef struct Bounds {
    Bound *bounds;
    size_t count;
    size_t capacity;
} Bounds;

/*
 * Finds the bounds of snapshot's running guests and of its starts, and what is booked within each: before raises. reserve_kib:
 * what the host keeps, of which a node keeps its part. Returns what the tightest of the groups that all running guests stand
 * in leaves them together; UINT64_MAX: there is none.
 */
uint64_t bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib);
void bounds_clear(Bounds *bounds);

/* What the group, and the nodes, have left; 0: that is none. UINT64_MAX: nothing bounds it. */
uint64_t bounds_room(const Bounds *bounds, uint64_t above_id, uint64_t nodes);
/* Takes up to kib out of that, for a raise or a start. Returns how much. */
uint64_t bounds_take(Bounds *bounds, uint64_t above_id, uint64_t nodes, uint64_t kib);

/* What others have of all that the nodes have. */
uint64_t bounds_nodes_kept(const Bounds *bounds, const HostFigures *figures, uint64_t nodes);
