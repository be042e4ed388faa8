/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Staged weighted water-filling: who gets how much of the budget. Stage 0 gives every guest its
 * minimum, stage 1 fills towards demand, stage 2 towards want, stage 3 (optional) towards maximum.
 * A stage that has R left for the gaps g gives guest i min(g_i, L * w_i) with one level L for all.
 * A pure function over arrays: whole KiB, O(n log n), nothing is allocated.
 */

#include "plan.h"

typedef struct SharingGuest {
    /* in */
    uint64_t minimum_kib;
    uint64_t demand_kib; /* taken as at least minimum and at most maximum */
    uint64_t want_kib;   /* taken as at least demand and at most maximum */
    uint64_t maximum_kib;
    uint32_t weight; /* at least 1 */
    /* out */
    uint64_t target_kib;
    PlanStage stage; /* the highest stage in which it received memory; PLAN_STAGE_MINIMUM at least */
} SharingGuest;

/* Room to work in, one per guest. */
typedef struct SharingScratch {
    uint64_t gap_kib; /* what is lacking; after sharing_fill: what it gets of that */
    uint32_t weight;
    uint32_t index;
} SharingScratch;

typedef struct SharingResult {
    uint64_t minimums_kib; /* sums over the guests, within their limits */
    uint64_t demands_kib;
    uint64_t wants_kib;
    uint64_t left_kib;     /* what nobody got */
    bool minimums_fit;     /* false: every target is the guest's minimum and their sum is above the budget */
    PlanStage short_stage; /* the stage that could not be filled; PLAN_STAGE_NONE: nobody is short */
} SharingResult;

/*
 * Fills gaps with left_kib, all to the same level by their weights: a gap that lies below the level is filled. Orders the
 * entries.
 */
void sharing_fill(SharingScratch *entries, size_t count, uint64_t left_kib);

/*
 * Shares budget_kib among guests, in their order where units are left over, so the same arrays give the
 * same targets. scratch has room for count entries.
 */
void sharing_share(SharingGuest *guests, size_t count, uint64_t budget_kib, bool give_away, SharingScratch *scratch,
                   SharingResult *result);
