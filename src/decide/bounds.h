/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits above guests: memory.max of a group that several guests stand in (machine.slice, a partition), and the NUMA nodes
 * that some are strictly bound to. Each is a budget of its own for its guests, and for starts that come there. What all guests share of
 * the host is not balanced within each of them; it is never exceeded.
 */

#include "decide/ledger.h"
#include "decide/recent.h"

typedef struct Bound {
    uint64_t above_id;    /* of LimitAbove; 0: it is nodes */
    uint64_t nodes;       /* bits of the NUMA nodes; 0: it is a group */
    uint64_t total_kib;   /* of all that is there, for whomever */
    uint64_t has_kib;     /* the group's limit, or what its nodes have free; and what its guests hold */
    uint64_t others_kib;  /* ... of which so much is not there: what the group holds, whoever has it */
    uint64_t reserve_kib; /* what its nodes keep for the host, and a group of all guests for slack; 0: another group */
    uint64_t slack_kib;   /* what its guests' limits let in beyond what is booked: out of that, and else not theirs */
    uint64_t members_kib; /* booked for them, overheads included */
    uint64_t lent_kib;    /* ... what is lent to page caches (pass_lend.c) alone */
    uint64_t waited_kib;  /* what guests and starts within it wait for */
    uint64_t unseen_kib;  /* the same of QEMUs that are there, or may be, and of which it is not known what they hold */
    uint64_t guests;      /* how many of them run */
    RecentMost other;     /* what others hold of it; kept while anybody is bound by it */
    bool of_all;          /* it is a group of all that run: they share it, and others give up memory for one of them */
} Bound;

/* Zero: none. */
typedef struct Bounds {
    Bound *bounds; /* owned */
    size_t count;
    Bound *before; /* owned: those of the tick before */
    size_t before_count;
    size_t capacity;            /* of both */
    const HostFigures *figures; /* of the snapshot */
    uint64_t reserve_kib;       /* of the host */
} Bounds;

/*
 * Finds the bounds of snapshot's running guests and of its starts, and what is booked within each: before raises. reserve_kib: what
 * the host keeps, of which a node keeps its part. Returns what the tightest of the groups that all running guests stand in leaves them
 * together; UINT64_MAX: there is none.
 */
uint64_t bounds_find(Bounds *bounds, const Snapshot *snapshot, const Ledger *ledger, uint64_t reserve_kib);

/* What the bounds of entry have left. UINT64_MAX: nothing bounds it. */
uint64_t bounds_room(const Bounds *bounds, const LedgerEntry *entry);
/* The same of those in which others do not give up memory for it. */
uint64_t bounds_claimable(const Bounds *bounds, const LedgerEntry *entry);
/* What is booked within one of them beyond what it has. */
uint64_t bounds_owed(const Bounds *bounds, const LedgerEntry *entry);
/* Takes up to kib out of what they have left, for a raise or a start. Returns how much. */
uint64_t bounds_take(Bounds *bounds, const LedgerEntry *entry, uint64_t kib);
/* ledger_grant of as much of kib as they have left. */
void bounds_grant(Bounds *bounds, LedgerEntry *entry, uint64_t kib);

/*
 * What is lent within them. bounds_wait: entry waits for so much. bounds_lendable: what may be lent to entry, which is half of what nobody
 * is booked at and nobody waits for, so that most raises find what they need at once.
 */
void bounds_wait(Bounds *bounds, const LedgerEntry *entry, uint64_t kib);
uint64_t bounds_lendable(const Bounds *bounds, const LedgerEntry *entry);

/* Which of them has least left; NULL: nothing bounds it. */
const Bound *bounds_tightest(const Bounds *bounds, const LedgerEntry *entry);
