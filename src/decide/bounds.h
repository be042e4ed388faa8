/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits above guests: memory.max of a group that several guests stand in (machine.slice, a partition), and the NUMA nodes
 * that some are strictly bound to. Each is a budget of its own for its guests. What all guests share of the host is not
 * balanced within each of them; it is never exceeded.
 */

#include "decide/ledger.h"

typedef struct Bound {
    uint64_t above_id;     /* of GuestLimits; 0: it is nodes */
    uint64_t nodes;        /* bits of the NUMA nodes; 0: it is a group */
    uint64_t members_kib;  /* booked for its guests, overheads included */
    uint64_t resident_kib; /* what they hold of it */
    uint64_t guests;       /* how many they are */
    uint64_t limit_kib;    /* what the guests may be booked at together: what others have of it is taken off */
} Bound;

/* Zero: none. */
typedef struct Bounds {
    Bound *bounds;
    size_t count;
    size_t capacity;
    uint64_t running;     /* how many guests run */
    uint64_t reserve_kib; /* as in bounds_find */
} Bounds;

/*
 * Finds the bounds of snapshot's running guests and of the starts that were admitted, and what is booked within each: before
 * raises. reserve_kib: what the host keeps, of which a node keeps its part.
 */
void bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib);
void bounds_clear(Bounds *bounds);

/* What the tightest of the groups that all running guests stand in leaves them together; UINT64_MAX: there is none. */
uint64_t bounds_of_all(const Bounds *bounds);

/* Takes up to kib out of what the guest's bounds have left, for a raise of it. Returns how much. */
uint64_t bounds_take(Bounds *bounds, const GuestSnapshot *guest, uint64_t kib);

/* What the nodes have left for a guest that is to start on them; UINT64_MAX: it is bound to none that the host has. */
uint64_t bounds_room(Bounds *bounds, const HostFigures *figures, uint64_t nodes);
/* That guest is let in with so much. */
void bounds_take_start(Bounds *bounds, const HostFigures *figures, uint64_t nodes, uint64_t kib);
/* All that the nodes have. */
uint64_t bounds_nodes_total(const HostFigures *figures, uint64_t nodes);
