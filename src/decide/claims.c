/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/claims.h"

#include "decide/faults.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

/*
 * All that can be had from the givers stands in one queue, in the order in which it is taken: by part, then by the givers'
 * priority. A claim takes from the front of the queue, and not beyond the needs of those that it may squeeze. So all that
 * was taken is the front of the queue, and one figure says how far that goes. A place of the queue (one part of all givers
 * of one priority) before that is given whole; a place that is taken in part leaves all its givers equally much.
 */

#define PRIORITIES 101
#define NAME_BYTES sizeof(((StartBlocker *)NULL)->name)

/* The parts of what a giver has beyond its least, in the order in which they are taken. */
typedef enum Part {
    PART_COMING,  /* the giver was told to give it up, and does not need it */
    PART_SURPLUS, /* the giver does not want it */
    PART_BUFFER,
    PART_NEED,
    PARTS,
} Part;

#define FIRST_NEED ((size_t)PART_NEED * PRIORITIES)
#define PLACES ((size_t)PARTS * PRIORITIES)

typedef struct Gaps {
    uint64_t kib[PARTS];
} Gaps;

typedef struct Settling {
    uint64_t free_kib;
    uint64_t overhead_room_kib;
    uint64_t before_kib[PLACES + 1]; /* what stands in the queue before each place */
    uint64_t owed_kib;               /* the queue up to here pays what is owed */
    uint64_t taken_kib;              /* the claims took the queue from there up to here */
} Settling;

static Gaps
gaps_of(const ClaimGiver *giver)
{
    uint64_t least = MIN(giver->least_kib, giver->booked_kib);
    uint64_t need = clamp_u64(giver->demand_kib, least, giver->booked_kib);
    uint64_t stays = clamp_u64(giver->told_kib, need, giver->booked_kib);
    uint64_t want = clamp_u64(giver->want_kib, need, stays);

    if (broken(FAULT_CLAIM_NEED_FIRST))
        return (Gaps){{giver->booked_kib - stays, stays - want, need - least, want - need}};
    return (Gaps){{giver->booked_kib - stays, stays - want, want - need, need - least}};
}

/* What is coming anyway costs nobody anything, so there the giver's priority does not matter. */
static size_t
place_of(const ClaimGiver *giver, Part part)
{
    bool ranked = part != PART_COMING && !broken(FAULT_CLAIM_NO_RANK);

    return (size_t)part * PRIORITIES + (ranked ? MIN(giver->priority, PRIORITIES - 1) : 0);
}

static void
line_up(Settling *settling, const ClaimGiver *givers, size_t count)
{
    uint64_t *before = settling->before_kib;

    for (size_t i = 0; i < count; i++) {
        Gaps gaps = gaps_of(&givers[i]);

        for (Part part = 0; part < PARTS; part++)
            before[place_of(&givers[i], part) + 1] += gaps.kib[part];
    }
    for (size_t place = 0; place < PLACES; place++)
        before[place + 1] += before[place];
}

/* ---- serving the claims ---- */

/* The claim may take what those need whose priority is up to this. */
static uint32_t
reach_of(const Claim *claim)
{
    return claim->presses || broken(FAULT_CLAIM_TAKES_NEED) ? UINT32_MAX : claim->priority;
}

/* What the queue still has for the claim. */
static uint64_t
left_for(const Settling *settling, const Claim *claim)
{
    return saturating_sub(settling->before_kib[FIRST_NEED + MIN(reach_of(claim), PRIORITIES - 1) + 1],
                          settling->taken_kib);
}

static uint64_t
lacking_of(const Claim *claim, uint64_t need_kib)
{
    return saturating_sub(need_kib, claim->booked_kib) + claim->overhead_kib;
}

/* Serves what the claim lacks of need_kib and has not got yet, overhead first. */
static void
serve(Settling *settling, Claim *claim, uint64_t need_kib)
{
    uint64_t got = claim->took_kib + claim->room_kib + claim->given_kib;
    uint64_t lacking = saturating_sub(lacking_of(claim, need_kib), got);
    uint64_t room = MIN(MIN(claim->overhead_kib - claim->room_kib, lacking), settling->overhead_room_kib);
    uint64_t took = MIN(lacking - room, settling->free_kib);
    uint64_t given = MIN(lacking - room - took, left_for(settling, claim));

    settling->overhead_room_kib -= room;
    settling->free_kib -= took;
    settling->taken_kib += given;
    claim->room_kib += room;
    claim->took_kib += took;
    claim->given_kib += given;
}

static void
serve_base(Settling *settling, Claim *claim)
{
    claim->took_kib = claim->room_kib = claim->given_kib = 0;
    if (claim->base_kib > 0 && !broken(FAULT_CLAIM_NO_BASE))
        serve(settling, claim, MIN(claim->base_kib, saturating_sub(claim->need_kib, claim->beyond_kib)));
}

static void
serve_rest(Settling *settling, Claim *claim)
{
    bool in_vain;

    claim->lacking_kib = lacking_of(claim, claim->need_kib);
    claim->free_kib = claim->took_kib + claim->room_kib + settling->free_kib +
                      MIN(claim->overhead_kib - claim->room_kib, settling->overhead_room_kib);
    claim->buffers_kib = saturating_sub(settling->before_kib[FIRST_NEED], settling->taken_kib);
    claim->reclaimable_kib = claim->given_kib + left_for(settling, claim);
    claim->missing_kib = saturating_sub(claim->lacking_kib, claim->free_kib + claim->reclaimable_kib);
    in_vain = claim->all_or_nothing && (claim->missing_kib > 0 || claim->beyond_kib > 0);
    if (!in_vain && !(broken(FAULT_CLAIM_OVERTAKES) && claim->free_kib < claim->lacking_kib))
        serve(settling, claim, saturating_sub(claim->need_kib, claim->beyond_kib));
    claim->granted_kib = claim->booked_kib + saturating_sub(claim->room_kib + claim->took_kib, claim->overhead_kib);
}

/* ---- who gives how much ---- */

/*
 * Has the givers of a place give what the claims took of it. Where that is only a part of what stands there, they keep the rest, up to
 * the same level for all.
 */
static void
squeeze(const Settling *settling, size_t place, ClaimGiver *givers, size_t count, SharingScratch *scratch)
{
    uint64_t before = settling->before_kib[place], after = settling->before_kib[place + 1];
    uint64_t taken = saturating_sub(MIN(settling->taken_kib, after), MAX(settling->owed_kib, before));
    Part part = (Part)(place / PRIORITIES);
    size_t gaps = 0;

    if (taken == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t gap = place_of(&givers[i], part) == place ? gaps_of(&givers[i]).kib[part] : 0;

        if (gap == 0)
            continue;
        givers[i].keep_kib -= gap;
        scratch[gaps++] = (SharingScratch){.gap_kib = gap, .weight = 1, .index = (uint32_t)i};
    }
    sharing_fill(scratch, gaps, after - before - taken);
    for (size_t i = 0; i < gaps; i++)
        givers[scratch[i].index].keep_kib += scratch[i].gap_kib;
}

/* ---- who is in the way ---- */

/* Enters somebody where it belongs: those with most first, by name where they have as much. */
static void
add_blocker(Claim *claim, const char *name, uint64_t kept_kib, int rule)
{
    StartBlocker *blockers = claim->blockers;
    unsigned place = claim->blocker_count;

    while (place > 0 &&
           (blockers[place - 1].kept_kib < kept_kib ||
            (blockers[place - 1].kept_kib == kept_kib && strncmp(blockers[place - 1].name, name, NAME_BYTES - 1) > 0)))
        place--;
    if (kept_kib == 0 || place == START_BLOCKERS_MAX)
        return;
    claim->blocker_count = MIN(claim->blocker_count + 1, START_BLOCKERS_MAX);
    memmove(&blockers[place + 1], &blockers[place], (claim->blocker_count - 1 - place) * sizeof *blockers);
    blockers[place] = (StartBlocker){.kept_kib = kept_kib, .rule = rule};
    g_strlcpy(blockers[place].name, name, NAME_BYTES);
}

static void
find_blockers(Claim *claims, size_t index, size_t claim_count, const ClaimGiver *givers, size_t count,
              const ClaimTerms *terms)
{
    Claim *claim = &claims[index];
    const Plan *plan = terms->plan;

    for (size_t i = 0; i < count; i++) {
        const ClaimGiver *giver = &givers[i];
        uint64_t least = MIN(giver->least_kib, giver->booked_kib);
        bool ranks_higher = giver->priority > reach_of(claim) && giver->demand_kib > least;

        if (strcmp(giver->uuid, claim->uuid) != 0)
            add_blocker(claim, giver->name, ranks_higher ? MIN(giver->demand_kib, giver->booked_kib) : least,
                        ranks_higher ? (int)START_BLOCK_PRIORITY : giver->kept_rule);
    }
    for (size_t i = 0; i < claim_count; i++) {
        const Claim *other = &claims[i];
        bool start = other->guest == SIZE_MAX;
        uint64_t gets = i < index ? other->took_kib + other->given_kib : 0;

        /* what a guest that runs is booked at it has as a giver */
        if (i != index)
            add_blocker(claim, other->name, gets + (start && !other->runs ? other->booked_kib : 0),
                        start ? (int)START_BLOCK_AHEAD : (int)PLAN_RULE_RESTART);
    }
    add_blocker(claim, "", terms->reserved_kib, START_BLOCK_AHEAD);
    /* where Budget= is the limit, or that of a group, it is that which keeps memory from the guests; otherwise the host itself does */
    if (plan->budget_limit == BUDGET_BY_SETTING)
        add_blocker(claim, "", terms->overhead_room_kib, START_BLOCK_BUDGET);
    else if (plan->budget_limit == BUDGET_BY_GROUP)
        add_blocker(claim, "",
                    saturating_sub(MIN(plan->budget_total_kib, plan->budget_available_kib), plan->budget_kib),
                    START_BLOCK_GROUP);
    else
        add_blocker(claim, "", plan->other_kib + plan->reserve_kib, START_BLOCK_HOST);
}

static int
compare_claims(const void *a, const void *b)
{
    const Claim *first = a, *second = b;

    if (first->overdue != second->overdue)
        return first->overdue ? -1 : 1;
    if (first->priority != second->priority)
        return first->priority > second->priority ? -1 : 1;
    if (first->asked_usec != second->asked_usec)
        return first->asked_usec < second->asked_usec ? -1 : 1;
    return strcmp(first->uuid, second->uuid);
}

void
claims_settle(Claim *claims, size_t count, ClaimGiver *givers, size_t giver_count, const ClaimTerms *terms,
              SharingScratch *scratch)
{
    Settling settling = {.free_kib = terms->free_kib, .overhead_room_kib = terms->overhead_room_kib};
    uint64_t ahead = 0;

    for (size_t i = 0; i < giver_count; i++)
        givers[i].keep_kib = givers[i].booked_kib;
    if (count == 0)
        return;
    line_up(&settling, givers, giver_count);
    settling.owed_kib = settling.taken_kib = MIN(terms->owed_kib, settling.before_kib[PLACES]);
    if (!broken(FAULT_CLAIM_NO_ORDER))
        qsort(claims, count, sizeof *claims, compare_claims);
    for (size_t i = 0; i < count; i++)
        serve_base(&settling, &claims[i]);
    for (size_t i = 0; i < count; i++) {
        Claim *claim = &claims[i];

        claim->ahead_kib = ahead;
        serve_rest(&settling, claim);
        if (claim->all_or_nothing)
            ahead += claim->took_kib + claim->given_kib;
        claim->blocker_count = 0;
        if (claim->guest == SIZE_MAX && claim->missing_kib > 0)
            find_blockers(claims, i, count, givers, giver_count, terms);
    }
    for (size_t place = 0; place < PLACES; place++)
        squeeze(&settling, place, givers, giver_count, scratch);
}
