/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Claims: memory that somebody must get before the others share. A start that was asked for, a guest that restarts
 * under a limit, a guest that is to leave its paging file. All of them stand in one line, by priority, then by the time of
 * asking, then by uuid; who stands first is served first, from free memory and then from what others give up, and nobody
 * further back gets what those before still wait for. So several at once can't block one another, in any order of events.
 *
 * Others are squeezed for a claim in this order: buffers, of the lowest priority first, whatever the priorities; then, down to
 * the minimum, of guests whose priority is not above the claim's, lowest first. Who may not be squeezed now (starting, stale,
 * stuck, frozen) gives nothing.
 */

#include "plan.h"

/* What others have been told to give up is expected within this time. */
#define CLAIM_PATIENCE_USEC (10 * USEC_PER_SEC)

typedef struct Claim {
    const char *uuid;
    size_t guest;          /* index in Snapshot.guests, or SIZE_MAX */
    size_t start;          /* index in Snapshot.starts, or SIZE_MAX */
    uint64_t need_kib;     /* in all, overhead not included */
    uint64_t booked_kib;   /* part of it that is booked (and counted in committed) already */
    uint64_t overhead_kib; /* to be booked besides, once; 0 where it is booked already */
    uint32_t priority;
    bool presses; /* everybody may be squeezed to the minimum for it, whatever the priority */
    uint64_t asked_usec;

    /* filled by claims_settle */
    uint64_t granted_kib; /* of need: booked from now on, booked_kib included; free memory covers it, overhead too */
    uint64_t reclaimable_kib; /* others may be squeezed by so much more for it, after what those before it take */
    uint64_t in_time_kib;     /* part of that which can be expected within CLAIM_PATIENCE_USEC */
    StartBlocker blockers[START_BLOCKERS_MAX]; /* who keeps what it lacks; filled where reclaimable does not suffice */
    unsigned blocker_count;
} Claim;

/* Somebody who may be squeezed. */
typedef struct ClaimGiver {
    const GuestSnapshot *guest;
    uint64_t booked_kib; /* what it is booked at now, fixed memory not included */
    uint64_t least_kib;  /* can't be taken below that now: the larger of its minimum and what it must be left with */
    uint64_t demand_kib; /* at least least_kib */
    uint32_t priority;
    uint64_t rate_kib;  /* how fast it has been seen to shrink, a second; 0: not known */
    PlanRule kept_rule; /* why it can't be taken below least_kib; PLAN_RULE_AT_MINIMUM where that is its minimum */

    uint64_t keep_kib; /* filled: what the claims leave it with */
} ClaimGiver;

/* Serves the claims (sorts them) from free_kib, and works out how far the givers are to be squeezed. */
void claims_settle(Claim *claims, size_t count, uint64_t free_kib, ClaimGiver *givers, size_t giver_count);
