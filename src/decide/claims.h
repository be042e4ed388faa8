/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Claims: memory that somebody must get before the others share. A start that was asked for, a guest that restarts
 * under a limit, a guest that is to leave its paging file. All of them stand in one line, by priority, then by the time of
 * asking, then by uuid; who stands first is served first, from free memory and then from what others give up, and nobody
 * further back gets what those before still wait for. So several at once can't block one another, in any order of events.
 * Restarts come about whatever is granted to them: before all else each of them is served, in the same order, what it
 * can't do without (base_kib), so that none has to boot from its paging file alone.
 *
 * Others are squeezed for a claim in this order: what they are giving up anyway; what they do not even want; buffers,
 * whatever their priority; then, down to the minimum, what guests need whose priority is not above the claim's. Of each, the
 * lowest priority comes first, and of those with the same priority who has most to give gives first, until they have equally
 * much left to give: so a small start does not move everybody. Who may not be squeezed now (starting, stale, stuck, frozen)
 * gives nothing. What is owed is paid out of the same, before every claim, but nobody is squeezed for it here: the sharing
 * sees to it.
 */

#include "decide/ledger.h"
#include "decide/sharing.h"

/* What others have been told to give up is expected within this time. */
#define CLAIM_PATIENCE_USEC (10 * USEC_PER_SEC)

typedef struct Claim {
    const char *uuid;
    const char *name;
    size_t guest;          /* index in Snapshot.guests; SIZE_MAX: it is a start */
    size_t start;          /* index of that in Snapshot.starts */
    bool runs;             /* ... of a guest whose last run is still seen, and that is a giver */
    uint64_t need_kib;     /* in all, overhead not included */
    uint64_t base_kib;     /* part of need that it can't do without; 0: it can */
    uint64_t booked_kib;   /* part of need that is booked (and counted in committed) already */
    uint64_t overhead_kib; /* to be booked besides, once; 0 where it is booked already */
    uint32_t priority;
    bool overdue;        /* its paging file is past half its deadline: served before every other claim */
    bool presses;        /* everybody may be squeezed to the minimum for it, whatever the priority */
    bool all_or_nothing; /* a start needs all of need_kib; a restart is helped by any part */
    uint64_t beyond_kib; /* part of what it lacks: limits above it do not leave it that, and nobody gives it up there */
    uint64_t asked_usec;

    /* filled by claims_settle */
    uint64_t lacking_kib;     /* what it needs, overhead included, beyond what is booked */
    uint64_t free_kib;        /* free memory when its turn came, as far as it may have that */
    uint64_t took_kib;        /* free memory set aside for this claim, overhead included; later claims do not see it */
    uint64_t room_kib;        /* of its overhead: what went into the room that only overheads may have */
    uint64_t granted_kib;     /* of need: free memory covers it, overhead too; booked_kib included */
    uint64_t given_kib;       /* what others are to give up for it */
    uint64_t reclaimable_kib; /* what others could give up for it, after what those before it take */
    uint64_t buffers_kib;     /* part of that which nobody needs */
    uint64_t missing_kib;     /* part of that which is neither free nor reclaimable */
    uint64_t ahead_kib;       /* what all_or_nothing claims before it take, whose starts may yet be refused */
    StartBlocker blockers[START_BLOCKERS_MAX]; /* who keeps what is missing; for starts only */
    unsigned blocker_count;
} Claim;

/* A running guest: may be squeezed, or is in the way. */
typedef struct ClaimGiver {
    size_t guest; /* index in Snapshot.guests */
    const char *uuid;
    const char *name;
    uint64_t booked_kib; /* what it is booked at now, fixed memory not included */
    uint64_t told_kib;   /* what it is becoming anyway: at most booked_kib */
    uint64_t least_kib;  /* can't be taken below that now: the larger of its minimum and what it must be left with */
    uint64_t demand_kib;
    uint64_t want_kib;
    uint32_t priority;
    int kept_rule; /* why it can't be taken below least_kib, as in StartBlocker; PLAN_RULE_AT_MINIMUM: its minimum */

    uint64_t keep_kib; /* filled: what the claims leave it with; booked_kib where it is not squeezed */
} ClaimGiver;

typedef struct ClaimTerms {
    uint64_t free_kib;
    uint64_t owed_kib;          /* committed beyond the budget: what others give up goes there first */
    uint64_t overhead_room_kib; /* memory besides, which only overheads may have (Budget= does not count them) */
    uint64_t reserved_kib;      /* booked for starts that have no claim here: told as one blocker */
    const Plan *plan;           /* of its budget; what the host keeps from all guests is told as a blocker */
} ClaimTerms;

/*
 * Serves the claims (sorts them), and works out how far the givers are to be squeezed. Depends on the order of neither
 * array, but for a KiB that can't be halved. scratch has room for giver_count entries.
 */
void claims_settle(Claim *claims, size_t count, ClaimGiver *givers, size_t giver_count, const ClaimTerms *terms,
                   SharingScratch *scratch);
