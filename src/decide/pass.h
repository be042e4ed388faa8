/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of one call of decide(): what its steps hand on to one another, in the order in which they run.
 *
 *   book    decide.c        how each guest stands and what it is booked at; the budget
 *   demand  decide.c        what each needs, and what it must be left with
 *   claim   pass_restart.c  the claims of those that boot under a limit, or are let go
 *           pass_claim.c    the claims of starts; serves them all
 *           pass_restart.c  what restarts, paging files and balloons of guests that boot come to
 *   share   pass_share.c    ideal targets
 *   tell    pass_tell.c     the targets that are told now
 *   lend    pass_lend.c     what limits leave to the page cache of guests' disks
 *   limit   limit.c         memory.high
 *
 * What is booked stands in the ledger's entries alone (ledger.h); each step that gives memory away raises them there, so the
 * next one finds less that is free.
 */

#include "decide/bounds.h"
#include "decide/calm.h"
#include "decide/claims.h"
#include "decide/decide.h"
#include "decide/guest_memory.h"
#include "decide/pressure.h"
#include "decide/sharing.h"
#include "units.h"

/* One guest in one tick. */
typedef struct Work {
    const GuestSnapshot *guest;
    GuestMemory *memory; /* of entry */
    GuestPlan *plan;
    LedgerEntry *entry;
    /*                         written by      read by                                             */
    Standing standing;     /* book            all                                                 */
    uint64_t target_kib;   /* book            claim, share, tell: in force, as far as is known     */
    uint64_t minimum_kib;  /* book            all: its own, and what it can't see (unseen_kib)     */
    uint64_t maximum_kib;  /* book            all: its own, as far as memory.max lets it           */
    uint64_t unseen_kib;   /* book            claim, share, tell: part of its size that is not booked  */
    uint64_t slack_kib;    /* book            claim, limit: of its limit                           */
    bool let_go;           /* book            claim, limit: about to be let go, see decide.c */
    bool wants_limit;      /* book            lend, limit: it is to have one; the others have what they have    */
    bool let_be;           /* book            book: it was reset again and again after it was squeezed */
    uint64_t overhead_kib; /* book            book: what its QEMU costs, as is booked then                */
    uint64_t enforced_kib; /* book            book: what memory.high lets it have, see pass_restart_enforced */
    bool held;             /* book            claim, tell, limit: memory.high holds it at what it is granted */
    bool limited;          /* book            ... and that is all it has: it boots, or has a paging file     */
    bool unbounded;        /* book            book: its balloon may go on to more than is known, or tells nothing */
    bool adrift;           /* book            book: ... and can't be told to stop, or its limit is late (decide.c) */
    bool lends;            /* book            book: its limit is, or was, higher for the page cache of its disks */
    Demand demand;         /* demand          claim, share                                         */
    uint64_t least_kib;    /* demand          claim, share: not to be taken below this now; 0: no such reason */
    PlanRule least_rule;   /* demand          claim, share: that reason                            */
    bool claims;           /* claim           claim: it has a claim                                */
    uint64_t comes_kib;    /* claim           claim: what others can give up for it                */
    uint64_t cap_kib;      /* claim           share, tell: no more than that, a claim needs the rest; 0: none */
    uint64_t boot_to_kib;  /* claim           tell: told though it does not share; 0: nothing      */
    bool ungranted;        /* tell            tell: there is no room for its minimum: what it is told is not granted */
    PlanRule share_rule;   /* share           tell                                                 */
    PlanRule delay;        /* tell            tell: why its target is not its ideal; PLAN_RULE_COUNT: it is */
} Work;

struct DecideState {
    Ledger ledger;
    Bounds bounds;
    BudgetMemory budget;
    PressureMemory pressure;
    uint64_t lend_kib;                       /* what may be lent together (pass_lend.c) */
    bool linked;                             /* libvirt has been there, once: the guests are known */
    uint64_t link_usec;                      /* the link has been up since then; 0: it is not */
    uint64_t asked_usec[ALARM_ASKS_PER_SEC]; /* when guests were last asked at once (alarm.h) */
    unsigned oldest_ask;                     /* the first of them */
    /* room to work in, one entry per guest and start, kept from tick to tick */
    size_t capacity;
    Work *work;
    SharingGuest *sharing;
    SharingScratch *scratch;
    ClaimGiver *givers;
    size_t giver_count;
    Claim *claims; /* one a guest and one a start at most */
    size_t claim_count;
    /* for decide_rate: what the claims left, as of the givers */
    ClaimTerms rate_terms;
    uint32_t rate_buffer_percent;
};

/* The inputs, and what holds for all guests. */
typedef struct Pass {
    DecideState *state;
    Work *first; /* of all guests, in the snapshot's order */
    Work *end;   /* ... behind the last of them */
    const Snapshot *snapshot;
    const Settings *settings;
    Plan *plan; /* of its budget: book; claim takes the overheads of starts from it */
    uint64_t now_usec;
    bool observe; /* nothing is told to any guest */
    bool link_down;
    bool adopting;      /* book: a guest's first report is awaited: nobody is squeezed for what is not known of it */
    bool hindered;      /* claim: somebody can't be squeezed, for a reason that came up a moment ago and may pass */
    uint64_t boots_kib; /* claim: what guests that boot without a limit will give up by themselves */
    bool unserved;      /* claim: somebody does not have all that it claims */
    uint64_t given_kib; /* claim: what those that share are to give up for claims */
    bool shortage;      /* share: somebody does not have all the want */
    uint64_t read_back_kib; /* restart: in files that are ordered to be ended in this pass */
} Pass;

/* Gets a target, and what it has is not part of what is shared. */
static inline bool
is_apart(const Work *work)
{
    return work->standing.part == PART_OBSERVED || work->standing.part == PART_LAGS;
}

static inline bool
is_counted_on(const Work *work)
{
    return work->standing.part == PART_SHARES;
}

/* It is told what it gets. */
static inline bool
is_told(const Work *work)
{
    return work->standing.part >= PART_LAGS;
}

/* What is worked out for it is not told. */
static inline bool
is_only_shown(const Pass *pass, const Work *work)
{
    return pass->observe || work->standing.part == PART_OBSERVED;
}

/* What nobody is booked at, now, and nobody is lent: rule G. Nothing where some are not booked yet. */
static inline uint64_t
pass_free(const Pass *pass)
{
    return pass->snapshot->host.figures_valid && !pass->snapshot->host.unread
               ? saturating_sub(pass->plan->budget_kib, ledger_taken(&pass->state->ledger))
               : 0;
}

/* What is booked and lent beyond what there is: a balloon that gives back what is booked for it still goes on with that, whoever it is. */
static inline uint64_t
pass_owed(const Pass *pass)
{
    return saturating_sub(ledger_taken(&pass->state->ledger), pass->plan->budget_kib);
}

/* What the guests in the sharing may have: the budget without all others, and without what claims are to get. */
uint64_t pass_shared(const Pass *pass);

/* Works out how a guest stands, and remembers (belief.h). */
void pass_believe(const Pass *pass, Work *work);

/*
 * Guests that boot (pass_restart.c). pass_restart_open: a run begins, or is seen for the first time: what it is granted. sized:
 * of one that ran before, its size, and with it what its QEMU costs, is known from now on.
 * pass_restart_enforced: what memory.high in force lets it have at most, without overhead and slack; 0: it is known to hold it at
 * what is granted; UINT64_MAX: nothing holds it.
 */
void pass_restart_open(const Pass *pass, const Work *work, bool sized);
uint64_t pass_restart_enforced(const Pass *pass, const Work *work);
/* Nothing is known that keeps a limit of it from being set. */
bool pass_limit_may_come(const Work *work);
/* Nothing but its limit keeps it within what it was granted: its balloon means nothing, or leaves it more. */
bool pass_hangs_on_limit(const Work *work);
/* What its balloon is told at least before it is let go; and what it is granted then: all that it could have without a limit. */
uint64_t pass_startup(const Work *work);
uint64_t pass_let_go_need(const Work *work);
/* While it boots under a limit, and while it has a file, it is out of the sharing, whatever else is the matter with it. */
void pass_restart_stand(Work *work);
/*
 * Paging files (paging.c). paging_claim: need_kib, at least what it is granted, overdue and presses of a guest that its limit holds,
 * before claims are settled. paging_decide: after that fills in its plan what that has of paging, which is to be zero; paging_bar
 * is of the snapshot or of its memory.
 */
Claim paging_claim(const Pass *pass, const Work *work);
/* How old its file is, in parts of the time it may take; none where it has no file. */
PagingUrgency paging_urgency(const Pass *pass, const GuestSnapshot *guest);
void paging_decide(Pass *pass, Work *work);
/* Adds the claims of those that lack memory. */
void pass_restart_claim(Pass *pass);
/* After the claims are settled: takes what was granted, decides on paging files and on what balloons are told. */
void pass_restart_decide(Pass *pass);

/*
 * Before the budget: what was booked for starts that were admitted stands in their entries; what was set aside for one that
 * waits is looked for anew, in the order of the line.
 */
void pass_book_starts(Pass *pass);

/* Settles the claims: books what is granted, and notes what others are to give up. */
void pass_claim(Pass *pass);

/* Shares the budget: ideal target, stage and rule of every guest that gets a target. */
void pass_share(Pass *pass);

/*
 * From ideal targets to targets worth telling (calm.h). Those of the guests that are counted on add up to no more than what they
 * share (Plan.sharing_kib), as their ideals do.
 */
void pass_calm(const Pass *pass);

/* From ideal targets to what is told and shown. */
void pass_tell(Pass *pass);

/* Lends what nobody is booked at to the page cache of guests' disks, after targets are told. */
void pass_lend(Pass *pass);

/* What each guest's limit should be (limit.c), after targets are told. */
void pass_limit(Pass *pass);
