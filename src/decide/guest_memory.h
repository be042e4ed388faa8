/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the decision remembers of each guest from tick to tick. Kept in an array in the order of the
 * snapshot, so that entry i belongs to guest i; it is rebuilt only when guests come or go, and a guest
 * that is gone is forgotten.
 */

#include "decide/calm.h"
#include "decide/demand.h"
#include "decide/guest_limit.h"
#include "decide/ledger.h"
#include "decide/paging.h"
#include "decide/stuck.h"

/* Of a boot under a limit. */
typedef struct RestartMemory {
    RestartKind kind;     /* what this boot is, until it has settled */
    bool limited;         /* booked at what is granted to it, because memory.high holds it there */
    uint64_t granted_kib; /* fixed memory not included */
    uint64_t before_kib;  /* what it was booked at before it was reset, fixed memory included; 0: not known */
    bool before_limited;  /* and that was because of its limit, which is still in force */
    uint64_t garbage_kib; /* it is held back by what it held before: so much more than startup is needed */
    PagingMemory paging;
} RestartMemory;

typedef struct GuestMemory {
    char uuid[37];
    char name[64]; /* cut where it is longer */
    bool seen;     /* boots and running are of an earlier tick */
    bool running;
    uint64_t boots;
    uint64_t boot_usec;
    DemandMemory demand;
    OverheadMemory overhead;
    StuckMemory stuck;
    CalmMemory calm;
    LimitMemory limit;
    RestartMemory restart;
    bool begun;                /* a decision was made in this boot */
    uint64_t begun_usec;       /* the first */
    uint64_t hindered_usec;    /* can't be squeezed, for a reason that may pass, since then; 0: it can */
    uint64_t committed_kib;    /* in the last tick, fixed memory included */
    bool restarting;           /* reset, and not seen near its target since */
    bool fresh_once;           /* a fresh report came in this boot */
    uint64_t fresh_usec;       /* the last time statistics were fresh */
    uint64_t first_actual_kib; /* of this boot; another value later: its balloon moves */
    bool balloon_moved;
    bool told; /* told_kib was told in an earlier tick */
    uint64_t told_kib;
    uint64_t told_usec;
} GuestMemory;

typedef struct GuestMemories {
    GuestMemory *guests;
    size_t count;
    size_t capacity;
    GuestMemory *spare; /* of the same capacity */
} GuestMemories;

/*
 * Makes memories->guests[i] the memory of snapshot->guests[i]. Memories of a boot that is over are cleared,
 * those of guests that are not in snapshot are forgotten.
 */
void guest_memories_sync(GuestMemories *memories, const Snapshot *snapshot);

void guest_memories_clear(GuestMemories *memories);
