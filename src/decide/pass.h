/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of one call of decide(): what its steps hand on to one another. decide.c books the guests and
 * works out budget and demands, pass_share.c shares, pass_tell.c makes of the shares what is told.
 */

#include "decide/claims.h"
#include "decide/decide.h"
#include "decide/guest_memory.h"
#include "decide/pressure.h"
#include "decide/sharing.h"
#include "decide/standing.h"
#include "units.h"

/* What is worked out for one guest in one tick besides its plan. */
typedef struct Work {
    Standing standing;
    Demand demand;
    uint64_t held_kib;
    uint64_t committed_kib; /* now; with fixed memory */
    uint64_t least_kib;     /* not to be taken below this now, for a reason of the moment; 0: no such reason */
    PlanRule least_rule;    /* that reason */
    bool at_least;          /* its share would be less than that, so it gets just that */
    uint64_t cap_kib;       /* more than that it must not keep, since a claim needs the memory; 0: none does */
    uint32_t claim;         /* place of its claim in the line, from 1; 0: it has none */
    PlanRule share_rule;
    bool limited;         /* memory.high holds it at committed_kib, whatever its balloon is told */
    bool booting;         /* its driver is not back, or its balloon not where it was told to go */
    uint64_t natural_kib; /* what it would be booked at without a limit; with fixed memory */
    uint64_t slack_kib;   /* of its limit */
    uint64_t boot_to_kib; /* out of the sharing because it boots, and this is what its balloon is to be told; 0: none */
    PagingNeed paging_need;
} Work;

struct DecideState {
    GuestMemories memories;
    LedgerMemory ledger;
    PressureMemory pressure;
    /* room to work in, one entry per guest, kept from tick to tick */
    size_t capacity;
    Work *work;
    SharingGuest *sharing;
    SharingScratch *scratch;
    uint32_t *sharers; /* sharing[i] is guest sharers[i] */
    CalmGuest *calm;
    ClaimGiver *givers; /* running guests, then starts that are booked */
    size_t giver_count;
    size_t giver_capacity;
    Claim *claims;
    size_t claim_count;
    size_t claim_capacity;
    /* for decide_rate: what the claims left; its givers are the first of those above */
    bool rate_known;
    size_t rate_givers;
    uint32_t *rate_guests; /* giver i is guest rate_guests[i] */
    ClaimTerms rate_terms;
    LedgerBudget rate_budget;
    uint32_t rate_buffer_percent;
    /* of the last tick */
    uint64_t reserve_kib;
    uint64_t booked_kib;   /* all guests, with overheads */
    GArray *booked_starts; /* of BookedStart, sorted by uuid */
    bool limits_work;      /* some guest was seen whose limit can be set */
    uint64_t link_usec;    /* the link has been up since then; 0: it is not */
};

/* What was booked for a start, for when its guest is seen running. */
typedef struct BookedStart {
    char uuid[37];
    uint64_t booked_kib;
} BookedStart;

/* The inputs and what the steps hand on to one another. */
typedef struct Pass {
    DecideState *state;
    const Snapshot *snapshot;
    const Settings *settings;
    Plan *plan;
    uint64_t now_usec;
    bool observe; /* nothing is told to any guest */
    bool link_down;
    bool adopting;             /* a guest's first report is awaited: nobody is squeezed for what is not known of it */
    uint64_t adopted_risk_kib; /* what guests that are adopted might have beyond their booking */
    LedgerSums sums;
    LedgerBudget budget;
    bool any_apart;         /* somebody gets a target without being counted on */
    bool shortage;          /* somebody does not have all the want */
    uint64_t share_kib;     /* what the guests in the sharing may have */
    uint64_t apart_kib;     /* ... if those apart were in it as well */
    bool hindered;          /* somebody can't be squeezed, for a reason that came up a moment ago and may pass */
    uint64_t kept_kib;      /* free memory that is kept for claims and not booked for them yet */
    uint64_t absent_kib;    /* booked for starts of guests that are not in the snapshot, or run */
    uint64_t spare_kib;     /* of what is shared: beyond what those that share need; for who boots and is held back */
    uint64_t read_back_kib; /* in files that are ordered to be ended in this pass */
} Pass;

/* Gets a target, and what it has is not part of what is shared. */
static inline bool
is_apart(const Work *work)
{
    return work->standing.part == PART_OBSERVED ||
           (work->standing.part == PART_SHARES && work->standing.not_counted_on);
}

static inline bool
is_counted_on(const Work *work)
{
    return work->standing.part == PART_SHARES && !work->standing.not_counted_on;
}

/* Before the budget is worked out: books the starts that were admitted in earlier ticks. */
void pass_book_starts(Pass *pass);

/* Writes the budget into the plan. */
void pass_show_budget(Pass *pass);

/*
 * Adds a claim, all zero but guest and start, to be filled in before pass_claim. guest, start: index in the snapshot, or
 * SIZE_MAX. Valid until the next is added. A guest's claim is what it is to have physically at least: it is not squeezed, and
 * what is granted to it is booked.
 */
Claim *pass_add_claim(Pass *pass, size_t guest, size_t start);

/* The guest's claim, from when it is settled on; NULL where it has none. */
const Claim *pass_claim_of(const Pass *pass, size_t guest);

/*
 * Boots under a limit (pass_restart.c). Begins one where guest i was started or reset; before its standing is worked out.
 * overhead_kib: what its QEMU costs.
 */
void pass_restart_begin(Pass *pass, size_t i, uint64_t overhead_kib);
/* From its standing and natural_kib to its booking. */
void pass_restart_book(Pass *pass, size_t i, uint64_t overhead_kib);
/* Adds the claims of those that lack memory. */
void pass_restart_claim(Pass *pass);
/* After the claims are settled: takes what was granted, decides on paging files and on what balloons are told. */
void pass_restart_decide(Pass *pass);
/* After targets are told: remembers the starts that are booked. */
void pass_restart_finish(Pass *pass);

/* What each guest's limit should be (pass_limit.c), after targets are told. */
void pass_limit(Pass *pass);

/* Settles the claims: books what is granted, and takes from what is shared what others are to give up. */
void pass_claim(Pass *pass);

/* Shares the budget: ideal target, stage and rule of every guest that gets a target. */
void pass_share(Pass *pass);

/* From ideal targets to what is told and shown. */
void pass_tell(Pass *pass);
