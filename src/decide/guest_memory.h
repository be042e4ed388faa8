/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the decision remembers of each guest from tick to tick, beside its entry in the ledger, with which it comes and goes. */

#include "decide/alarm.h"
#include "decide/belief.h"
#include "decide/calm.h"
#include "decide/demand.h"
#include "decide/limit.h"
#include "decide/paging.h"

/* A guest that is reset again and again soon after it was squeezed is let be. */
typedef struct FrailMemory {
    unsigned resets;     /* soon after it was squeezed, one after the other */
    uint64_t reset_usec; /* the last of them */
    uint64_t until_usec; /* it is not squeezed before then */
} FrailMemory;

typedef struct GuestMemory {
    char name[64];   /* cut where it is longer */
    uint64_t serial; /* of its record */
    uint64_t boots;  /* likewise */
    bool begins;     /* this tick is the first of a boot */

    BeliefMemory belief;
    DemandMemory demand;
    OverheadMemory overhead;
    StuckMemory stuck;
    CalmMemory calm;
    LimitMemory limit;
    PagingMemory paging;
    FrailMemory frail;
    AlarmMemory alarm;

    RestartKind restart;    /* what this boot is, until it has settled */
    uint64_t before_kib;    /* what it was granted when it was reset; 0: it was not */
    uint64_t garbage_kib;   /* it is held back by what it held before: so much more than startup is needed */
    uint64_t hindered_usec; /* can't be squeezed, for a reason that may pass, since then; 0: it can */

    uint64_t told_kib; /* in an earlier tick of this run; 0: nothing was */
    uint64_t told_usec;
    uint64_t target_kib;   /* the largest that its balloon may have followed up to now */
    bool unbounded;        /* ... or a larger one, which nobody knows */
    uint64_t unseen_kib;   /* part of told_kib that it did not see then, and was not booked */
    uint64_t shrunk_usec;  /* it was last told less than it had; 0: not in this run */
    uint64_t nearest_kib;  /* its balloon was that near to its target since that was told */
    uint64_t nearest_usec; /* ... for the first time then */
    bool moved;            /* ... and has not come nearer, or was moved away by somebody else: it is told again */
    bool let_go;           /* no longer managed, and owed nothing any more */
} GuestMemory;

/*
 * What the present boot of a running guest is. One that ran before it was seen has booted at a time nobody knows: that is no
 * restart. window_usec: [SmartPaging] RestartWindowSec=.
 */
RestartKind restart_of_guest(const GuestSnapshot *guest, uint64_t window_usec);

/* The memory of a guest in its entry, begun anew where a boot is over. */
GuestMemory *guest_memory_sync(LedgerEntry *entry, const GuestSnapshot *guest, uint64_t now_usec);
