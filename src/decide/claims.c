/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/claims.h"

#include "decide/faults.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

/*
 * What the givers have is summed up by priority, and the claims take from these sums, lowest priority first. So each claim
 * costs a walk over the priorities, however many guests there are, and only the last priority that was reached is
 * taken in part. Who of it gives how much is worked out once, at the end.
 */

#define PRIORITIES 101
#define NAME_BYTES sizeof(((StartBlocker *)NULL)->name)

/* Memory of one kind, by the priority of those who have it. */
typedef struct Pile {
    uint64_t all_kib[PRIORITIES];
    uint64_t left_kib[PRIORITIES];
    uint64_t in_time_kib[PRIORITIES]; /* part of left that can be expected in time */
} Pile;

typedef struct Settling {
    const ClaimTerms *terms;
    uint64_t free_kib;
    uint64_t overhead_room_kib;
    Pile coming; /* given up anyway; all of it at priority 0, since it costs nobody anything */
    Pile buffers;
    Pile needs;
    uint64_t late_kib; /* given up anyway, nobody knows when */
} Settling;

/* The three parts of what a giver has beyond its least. */
typedef struct Gaps {
    uint64_t base_kib; /* what it will have when it is as large as it was told */
    uint64_t coming_kib;
    uint64_t buffer_kib;
    uint64_t need_kib;
    uint64_t late_kib;
} Gaps;

static unsigned
priority_of(uint32_t priority)
{
    return MIN(priority, PRIORITIES - 1);
}

static Gaps
gaps_of(const ClaimGiver *giver)
{
    uint64_t least = MIN(giver->least_kib, giver->booked_kib);
    uint64_t demand = MAX(giver->demand_kib, least);
    Gaps gaps = {.base_kib = clamp_u64(giver->told_kib, least, giver->booked_kib)};

    if (giver->late) {
        gaps.base_kib = giver->booked_kib;
        gaps.late_kib = giver->booked_kib - least;
        return gaps;
    }
    gaps.coming_kib = giver->booked_kib - gaps.base_kib;
    gaps.buffer_kib = saturating_sub(gaps.base_kib, demand);
    gaps.need_kib = MIN(gaps.base_kib, demand) - least;
    return gaps;
}

static void
pile_up(Pile *pile, unsigned priority, uint64_t kib, uint64_t *in_time_kib)
{
    uint64_t in_time = MIN(kib, *in_time_kib);

    pile->all_kib[priority] += kib;
    pile->left_kib[priority] += kib;
    pile->in_time_kib[priority] += in_time;
    *in_time_kib -= in_time;
}

static unsigned
pile_priority(const ClaimGiver *giver, uint64_t faults)
{
    return (faults & FAULT_CLAIM_NO_RANK) != 0 ? 0 : priority_of(giver->priority);
}

static void
add_giver(Settling *settling, ClaimGiver *giver)
{
    Gaps gaps = gaps_of(giver);
    unsigned priority = pile_priority(giver, settling->terms->faults);
    uint64_t in_time = giver->rate_kib == 0 ? UINT64_MAX : giver->rate_kib * (CLAIM_PATIENCE_USEC / USEC_PER_SEC);

    giver->keep_kib = giver->booked_kib;
    settling->late_kib += gaps.late_kib;
    pile_up(&settling->coming, 0, gaps.coming_kib, &in_time);
    pile_up(&settling->buffers, priority, gaps.buffer_kib, &in_time);
    pile_up(&settling->needs, priority, gaps.need_kib, &in_time);
}

static uint64_t
sum_up(const uint64_t *kib, unsigned last_priority)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= last_priority; i++)
        sum += kib[i];
    return sum;
}

/* Takes up to kib, lowest priority first; returns what it took. */
static uint64_t
take_from(Pile *pile, unsigned last_priority, uint64_t kib)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i <= last_priority && taken < kib; i++) {
        uint64_t part = MIN(kib - taken, pile->left_kib[i]);

        pile->left_kib[i] -= part;
        pile->in_time_kib[i] = saturating_sub(pile->in_time_kib[i], part);
        taken += part;
    }
    return taken;
}

/* Whose needs the claim may take: those up to this priority. */
static unsigned
reach_of(const Claim *claim, uint64_t faults)
{
    if (claim->presses || (faults & FAULT_CLAIM_TAKES_NEED) != 0)
        return PRIORITIES - 1;
    return priority_of(claim->priority);
}

static void
look_round(const Settling *settling, Claim *claim)
{
    unsigned all = PRIORITIES - 1;
    unsigned reach = reach_of(claim, settling->terms->faults);

    claim->free_kib = settling->free_kib + MIN(claim->overhead_kib, settling->overhead_room_kib);
    claim->buffers_kib = settling->coming.left_kib[0] + sum_up(settling->buffers.left_kib, all) + settling->late_kib;
    claim->reclaimable_kib = claim->buffers_kib + sum_up(settling->needs.left_kib, reach);
    claim->in_time_kib = settling->coming.in_time_kib[0] + sum_up(settling->buffers.in_time_kib, all) +
                         sum_up(settling->needs.in_time_kib, reach);
}

static void
serve(Settling *settling, Claim *claim)
{
    const ClaimTerms *terms = settling->terms;
    uint64_t memory = saturating_sub(claim->need_kib, claim->booked_kib);
    uint64_t lacking = memory + claim->overhead_kib;
    uint64_t overhead = claim->overhead_kib;
    uint64_t room = MIN(overhead, settling->overhead_room_kib);
    unsigned reach = reach_of(claim, terms->faults);
    uint64_t took;

    claim->granted_kib = claim->booked_kib;
    claim->took_kib = claim->room_kib = claim->given_kib = 0;
    look_round(settling, claim);
    if (claim->whole && claim->free_kib + claim->reclaimable_kib + terms->tolerance_kib < lacking)
        return;
    if ((terms->faults & FAULT_CLAIM_OVERTAKES) != 0 && claim->free_kib < lacking)
        return;
    settling->overhead_room_kib -= room;
    took = MIN(lacking - room, settling->free_kib);
    settling->free_kib -= took;
    claim->took_kib = took;
    claim->room_kib = room;
    claim->granted_kib += saturating_sub(room + took, overhead);
    lacking -= room + took;

    claim->given_kib = take_from(&settling->coming, 0, lacking);
    if ((terms->faults & FAULT_CLAIM_NEED_FIRST) != 0)
        claim->given_kib += take_from(&settling->needs, reach, lacking - claim->given_kib);
    claim->given_kib += take_from(&settling->buffers, PRIORITIES - 1, lacking - claim->given_kib);
    claim->given_kib += take_from(&settling->needs, reach, lacking - claim->given_kib);
    settling->late_kib -= MIN(settling->late_kib, lacking - claim->given_kib);
}

/* ---- who gives how much ---- */

static uint64_t
gap_of(const ClaimGiver *giver, bool need)
{
    Gaps gaps = gaps_of(giver);

    return need ? gaps.need_kib : gaps.buffer_kib;
}

/* What each of this priority may keep of what it could give, so that they give kib together. */
static uint64_t
find_level(const ClaimGiver *givers, size_t count, unsigned priority, bool need, uint64_t kib, uint64_t faults)
{
    uint64_t low = 0;
    uint64_t high = 0;

    for (size_t i = 0; i < count; i++)
        if (pile_priority(&givers[i], faults) == priority)
            high = MAX(high, gap_of(&givers[i], need));
    while (low < high) {
        uint64_t level = low + (high - low + 1) / 2;
        uint64_t sum = 0;

        for (size_t i = 0; i < count; i++)
            if (pile_priority(&givers[i], faults) == priority)
                sum += saturating_sub(gap_of(&givers[i], need), level);
        if (sum >= kib)
            low = level;
        else
            high = level - 1;
    }
    return low;
}

/* Fills levels by priority: 0 where all is taken, UINT64_MAX where nothing is. */
static void
find_levels(const Pile *pile, const ClaimGiver *givers, size_t count, bool need, uint64_t faults, uint64_t *levels)
{
    for (unsigned i = 0; i < PRIORITIES; i++) {
        uint64_t taken = pile->all_kib[i] - pile->left_kib[i];

        if (taken == 0)
            levels[i] = UINT64_MAX;
        else
            levels[i] = pile->left_kib[i] == 0 ? 0 : find_level(givers, count, i, need, taken, faults);
    }
}

static void
squeeze(const Settling *settling, ClaimGiver *givers, size_t count)
{
    uint64_t faults = settling->terms->faults;
    uint64_t buffer_levels[PRIORITIES];
    uint64_t need_levels[PRIORITIES];

    find_levels(&settling->buffers, givers, count, false, faults, buffer_levels);
    find_levels(&settling->needs, givers, count, true, faults, need_levels);
    for (size_t i = 0; i < count; i++) {
        ClaimGiver *giver = &givers[i];
        Gaps gaps = gaps_of(giver);
        unsigned priority = pile_priority(giver, faults);
        uint64_t gives = saturating_sub(gaps.buffer_kib, buffer_levels[priority]) +
                         saturating_sub(gaps.need_kib, need_levels[priority]);

        if (gives > 0)
            giver->keep_kib = gaps.base_kib - gives;
    }
}

/* ---- who is in the way ---- */

void
claims_add_blocker(StartBlocker *blockers, unsigned *count, const char *name, uint64_t kept_kib, int rule)
{
    unsigned place = *count;

    while (place > 0 &&
           (blockers[place - 1].kept_kib < kept_kib ||
            (blockers[place - 1].kept_kib == kept_kib && strncmp(blockers[place - 1].name, name, NAME_BYTES - 1) > 0)))
        place--;
    if (kept_kib == 0 || place == START_BLOCKERS_MAX)
        return;
    *count = MIN(*count + 1, START_BLOCKERS_MAX);
    for (unsigned i = *count - 1; i > place; i--)
        blockers[i] = blockers[i - 1];
    blockers[place] = (StartBlocker){.kept_kib = kept_kib, .rule = rule};
    g_strlcpy(blockers[place].name, name, NAME_BYTES);
}

/* Where Budget= is the limit, it is that which keeps memory from the guests; otherwise the host itself does. */
void
claims_add_host(StartBlocker *blockers, unsigned *count, const LedgerBudget *budget)
{
    if (budget->limit == BUDGET_BY_SETTING)
        claims_add_blocker(blockers, count, "", budget->overhead_room_kib, START_BLOCK_BUDGET);
    else
        claims_add_blocker(blockers, count, "", budget->other_kib + budget->reserve_kib, START_BLOCK_HOST);
}

static void
find_blockers(Claim *claims, size_t index, const ClaimGiver *givers, size_t count, uint64_t faults)
{
    Claim *claim = &claims[index];
    unsigned reach = reach_of(claim, faults);

    claim->blocker_count = 0;
    for (size_t i = 0; i < count; i++) {
        const ClaimGiver *giver = &givers[i];
        uint64_t least = MIN(giver->least_kib, giver->booked_kib);

        if (strcmp(giver->uuid, claim->uuid) == 0)
            continue;
        if (priority_of(giver->priority) > reach && giver->demand_kib > least)
            claims_add_blocker(claim->blockers, &claim->blocker_count, giver->name,
                               MIN(giver->demand_kib, giver->booked_kib), START_BLOCK_PRIORITY);
        else
            claims_add_blocker(claim->blockers, &claim->blocker_count, giver->name, least, giver->kept_rule);
    }
    for (size_t i = 0; i < index; i++)
        claims_add_blocker(claim->blockers, &claim->blocker_count, claims[i].name,
                           claims[i].took_kib + claims[i].given_kib,
                           claims[i].start != SIZE_MAX ? (int)START_BLOCK_AHEAD : (int)PLAN_RULE_RESTART);
}

static int
compare_claims(const void *a, const void *b)
{
    const Claim *first = a, *second = b;

    if (first->first != second->first)
        return first->first ? -1 : 1;
    if (first->priority != second->priority)
        return first->priority > second->priority ? -1 : 1;
    if (first->asked_usec != second->asked_usec)
        return first->asked_usec < second->asked_usec ? -1 : 1;
    return strcmp(first->uuid, second->uuid);
}

void
claims_settle(Claim *claims, size_t count, ClaimGiver *givers, size_t giver_count, const ClaimTerms *terms)
{
    Settling settling = {.terms = terms, .free_kib = terms->free_kib, .overhead_room_kib = terms->overhead_room_kib};
    uint64_t ahead = 0;

    for (size_t i = 0; i < giver_count; i++)
        add_giver(&settling, &givers[i]);
    if (count == 0)
        return;
    if ((terms->faults & FAULT_CLAIM_NO_ORDER) == 0)
        qsort(claims, count, sizeof *claims, compare_claims);
    for (size_t i = 0; i < count; i++) {
        Claim *claim = &claims[i];

        claim->ahead_kib = ahead;
        claim->blocker_count = 0;
        serve(&settling, claim);
        if (claim->whole)
            ahead += claim->took_kib + claim->given_kib;
        if (claim->start != SIZE_MAX && claim->free_kib + claim->reclaimable_kib <
                                            saturating_sub(claim->need_kib, claim->booked_kib) + claim->overhead_kib)
            find_blockers(claims, i, givers, giver_count, terms->faults);
    }
    squeeze(&settling, givers, giver_count);
}
