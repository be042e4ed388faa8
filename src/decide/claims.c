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

/* The kinds, in the order in which they are taken. What is in PART_COMING need not be squeezed out of anybody. */
typedef enum Part {
    PART_COMING,  /* it was told to give that up, and does not need it */
    PART_SURPLUS, /* it does not want that */
    PART_BUFFER,
    PART_NEED,
    PARTS,
} Part;

typedef struct Settling {
    const ClaimTerms *terms;
    uint64_t free_kib;
    uint64_t overhead_room_kib;
    Pile piles[PARTS];
    uint64_t late_kib; /* given up anyway, nobody knows when */
} Settling;

/* What a giver has beyond its least. */
typedef struct Gaps {
    uint64_t parts_kib[PARTS];
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
    uint64_t want = MAX(giver->want_kib, demand);
    uint64_t stays = MIN(MAX(giver->told_kib, demand), giver->booked_kib);
    Gaps gaps = {.late_kib = 0};

    if (giver->late) {
        gaps.late_kib = giver->booked_kib - least;
        return gaps;
    }
    gaps.parts_kib[PART_COMING] = giver->booked_kib - stays;
    gaps.parts_kib[PART_SURPLUS] = saturating_sub(stays, want);
    gaps.parts_kib[PART_BUFFER] = saturating_sub(MIN(stays, want), demand);
    gaps.parts_kib[PART_NEED] = MIN(stays, demand) - least;
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

/* What comes free anyway costs nobody anything, so there priority does not matter. */
static unsigned
pile_priority(const ClaimGiver *giver, Part part)
{
    return part == PART_COMING || broken(FAULT_CLAIM_NO_RANK) ? 0 : priority_of(giver->priority);
}

static void
add_giver(Settling *settling, ClaimGiver *giver)
{
    Gaps gaps = gaps_of(giver);
    uint64_t in_time = giver->rate_kib == 0 ? UINT64_MAX : giver->rate_kib * (CLAIM_PATIENCE_USEC / USEC_PER_SEC);

    giver->keep_kib = giver->booked_kib;
    settling->late_kib += gaps.late_kib;
    for (Part part = 0; part < PARTS; part++)
        pile_up(&settling->piles[part], pile_priority(giver, part), gaps.parts_kib[part], &in_time);
}

static uint64_t
sum_up(const uint64_t *kib, unsigned last_priority)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= last_priority; i++)
        sum += kib[i];
    return sum;
}

/* Takes up to kib, lowest priority first; returns what it took, and adds to *in_time_kib what of that comes in time. */
static uint64_t
take_from(Pile *pile, unsigned last_priority, uint64_t kib, uint64_t *in_time_kib)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i <= last_priority && taken < kib; i++) {
        uint64_t part = MIN(kib - taken, pile->left_kib[i]);

        pile->left_kib[i] -= part;
        *in_time_kib += MIN(pile->in_time_kib[i], part);
        pile->in_time_kib[i] = saturating_sub(pile->in_time_kib[i], part);
        taken += part;
    }
    return taken;
}

/* Whose needs the claim may take: those up to this priority. */
static unsigned
reach_of(const Claim *claim)
{
    if (claim->presses || broken(FAULT_CLAIM_TAKES_NEED))
        return PRIORITIES - 1;
    return priority_of(claim->priority);
}

/* The rest of a pile may be taken from everybody. */
static unsigned
reach_into(const Claim *claim, Part part)
{
    return part == PART_NEED ? reach_of(claim) : PRIORITIES - 1;
}

/* What is owed is taken out of the piles, and the ordinary sharing sees to it: nobody is squeezed for it here. */
static void
pay_debt(Settling *settling)
{
    uint64_t owed = settling->terms->owed_kib;
    uint64_t in_time = 0;

    for (Part part = 0; part < PARTS; part++) {
        Pile *pile = &settling->piles[part];

        owed -= take_from(pile, PRIORITIES - 1, owed, &in_time);
        memcpy(pile->all_kib, pile->left_kib, sizeof pile->all_kib);
    }
    settling->late_kib = saturating_sub(settling->late_kib, owed);
}

static void
look_round(const Settling *settling, Claim *claim)
{
    claim->free_kib = claim->took_kib + claim->room_kib + settling->free_kib +
                      MIN(claim->overhead_kib - claim->room_kib, settling->overhead_room_kib);
    claim->buffers_kib = settling->late_kib;
    claim->reclaimable_kib = settling->late_kib + claim->given_kib;
    for (Part part = 0; part < PARTS; part++) {
        unsigned reach = reach_into(claim, part);

        if (part != PART_NEED)
            claim->buffers_kib += sum_up(settling->piles[part].left_kib, reach);
        claim->reclaimable_kib += sum_up(settling->piles[part].left_kib, reach);
        claim->in_time_kib += sum_up(settling->piles[part].in_time_kib, reach);
    }
}

/* Has others give up kib, in the order of the parts. */
static void
take_from_others(Settling *settling, Claim *claim, uint64_t kib)
{
    uint64_t given = 0;

    if (broken(FAULT_CLAIM_NEED_FIRST))
        given = take_from(&settling->piles[PART_NEED], reach_of(claim), kib, &claim->in_time_kib);
    for (Part part = 0; part < PARTS; part++)
        given += take_from(&settling->piles[part], reach_into(claim, part), kib - given, &claim->in_time_kib);
    settling->late_kib -= MIN(settling->late_kib, kib - given);
    claim->given_kib += given;
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
    uint64_t room =
        MIN(MIN(claim->overhead_kib - MIN(claim->room_kib, claim->overhead_kib), lacking), settling->overhead_room_kib);
    uint64_t took = MIN(lacking - room, settling->free_kib);

    settling->overhead_room_kib -= room;
    settling->free_kib -= took;
    claim->room_kib += room;
    claim->took_kib += took;
    claim->granted_kib = claim->booked_kib + saturating_sub(claim->room_kib + claim->took_kib, claim->overhead_kib);
    take_from_others(settling, claim, lacking - room - took);
}

static void
begin_claim(Settling *settling, Claim *claim)
{
    claim->granted_kib = claim->booked_kib;
    claim->took_kib = claim->room_kib = claim->given_kib = claim->in_time_kib = claim->ahead_kib = 0;
    claim->blocker_count = 0;
    if (claim->base_kib > 0 && !broken(FAULT_CLAIM_NO_BASE))
        serve(settling, claim, MIN(claim->base_kib, claim->need_kib));
}

static void
finish_claim(Settling *settling, Claim *claim)
{
    uint64_t lacking = lacking_of(claim, claim->need_kib);
    uint64_t in_time;

    look_round(settling, claim);
    if (claim->all_or_nothing && claim->free_kib + claim->reclaimable_kib + settling->terms->tolerance_kib < lacking)
        return;
    if (broken(FAULT_CLAIM_OVERTAKES) && claim->free_kib < lacking)
        return;
    in_time = claim->in_time_kib;
    serve(settling, claim, claim->need_kib);
    claim->in_time_kib = in_time; /* what was served now has been looked at before */
}

/* ---- who gives how much ---- */

/* How much each of one priority keeps of what it could give. */
typedef struct Level {
    uint64_t kib;
    uint64_t odd_kib; /* with kib they would give so much too much: the first of them keep 1 KiB more */
} Level;

static uint64_t
given_above(const ClaimGiver *givers, size_t count, unsigned priority, Part part, uint64_t level_kib)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        if (pile_priority(&givers[i], part) == priority)
            sum += saturating_sub(gaps_of(&givers[i]).parts_kib[part], level_kib);
    return sum;
}

/* The level at which those of one priority give kib together. */
static Level
find_level(const ClaimGiver *givers, size_t count, unsigned priority, Part part, uint64_t kib)
{
    uint64_t low = 0;
    uint64_t high = 0;

    for (size_t i = 0; i < count; i++)
        if (pile_priority(&givers[i], part) == priority)
            high = MAX(high, gaps_of(&givers[i]).parts_kib[part]);
    while (low < high) {
        uint64_t level = low + (high - low + 1) / 2;

        if (given_above(givers, count, priority, part, level) >= kib)
            low = level;
        else
            high = level - 1;
    }
    return (Level){.kib = low, .odd_kib = given_above(givers, count, priority, part, low) - kib};
}

/* Fills levels by priority. */
static void
find_levels(const Settling *settling, const ClaimGiver *givers, size_t count, Part part, Level *levels)
{
    const Pile *pile = &settling->piles[part];

    for (unsigned i = 0; i < PRIORITIES; i++) {
        uint64_t taken = pile->all_kib[i] - pile->left_kib[i];

        if (taken == 0)
            levels[i] = (Level){.kib = UINT64_MAX};
        else if (pile->left_kib[i] == 0)
            levels[i] = (Level){.kib = 0};
        else
            levels[i] = find_level(givers, count, i, part, taken);
    }
}

static uint64_t
give(Level *level, uint64_t gap_kib)
{
    uint64_t gives = saturating_sub(gap_kib, level->kib);

    if (gives > 0 && level->odd_kib > 0) {
        level->odd_kib--;
        gives--;
    }
    return gives;
}

static void
squeeze(const Settling *settling, ClaimGiver *givers, size_t count)
{
    Level levels[PARTS][PRIORITIES];

    for (Part part = 0; part < PARTS; part++)
        find_levels(settling, givers, count, part, levels[part]);
    for (size_t i = 0; i < count; i++) {
        Gaps gaps = gaps_of(&givers[i]);

        for (Part part = 0; part < PARTS; part++) {
            unsigned priority = pile_priority(&givers[i], part);

            givers[i].keep_kib -= give(&levels[part][priority], gaps.parts_kib[part]);
        }
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
claims_add_host(StartBlocker *blockers, unsigned *count, const Budget *budget)
{
    if (budget->limit == BUDGET_BY_SETTING)
        claims_add_blocker(blockers, count, "", budget->overhead_room_kib, START_BLOCK_BUDGET);
    else
        claims_add_blocker(blockers, count, "", budget->other_kib + budget->reserve_kib, START_BLOCK_HOST);
}

static void
find_blockers(Claim *claims, size_t index, const ClaimGiver *givers, size_t count)
{
    Claim *claim = &claims[index];
    unsigned reach = reach_of(claim);

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

    if (first->overdue != second->overdue)
        return first->overdue ? -1 : 1;
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
    pay_debt(&settling);
    if (!broken(FAULT_CLAIM_NO_ORDER))
        qsort(claims, count, sizeof *claims, compare_claims);
    for (size_t i = 0; i < count; i++)
        begin_claim(&settling, &claims[i]);
    for (size_t i = 0; i < count; i++) {
        Claim *claim = &claims[i];

        claim->ahead_kib = ahead;
        finish_claim(&settling, claim);
        if (claim->all_or_nothing)
            ahead += claim->took_kib + claim->given_kib;
        if (claim->start != SIZE_MAX && claim->free_kib + claim->reclaimable_kib < lacking_of(claim, claim->need_kib))
            find_blockers(claims, i, givers, giver_count);
    }
    squeeze(&settling, givers, giver_count);
}
