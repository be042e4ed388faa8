/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Staged weighted water-filling: who gets how much of the budget. Every guest has its minimum; then one stage after the
 * other fills all guests towards that stage's level (PlanStage). A stage that has R left for the gaps g gives guest i
 * min(g_i, L * w_i) with one level L for all. A pure function over arrays: whole KiB, O(n log n), nothing is allocated.
 */

#include "plan.h"

typedef struct SharingGuest {
    /* in: what each stage fills towards; a level below that of the stage before counts as that, one above the last as the last */
    uint64_t level_kib[PLAN_STAGES];
    uint32_t weight; /* at least 1 */
    uint32_t index;  /* whose it is: the caller's */
    /* out */
    uint64_t target_kib;
    PlanStage stage; /* the highest stage in which it received memory; PLAN_STAGE_MINIMUM at least */
} SharingGuest;

/* Room to work in, one per guest. */
typedef struct SharingScratch {
    uint64_t gap_kib; /* what is lacking; after sharing_fill: what it gets of that */
    uint32_t weight;
    uint32_t index;
    bool filled;
} SharingScratch;

/* Fills gaps with left_kib, all to the same level by their weights: a gap that lies below the level is filled. */
void sharing_fill(SharingScratch *entries, size_t count, uint64_t left_kib);

/*
 * Shares budget_kib among guests through the stages up to last, in the guests' order where units are left over, so the same
 * arrays give the same targets. scratch has room for count entries. Returns the stage that could not be filled for all, and
 * PLAN_STAGE_NONE where all were. PLAN_STAGE_MINIMUM: every target is its guest's minimum, and their sum is above the budget.
 */
PlanStage sharing_share(SharingGuest *guests, size_t count, uint64_t budget_kib, PlanStage last,
                        SharingScratch *scratch);
