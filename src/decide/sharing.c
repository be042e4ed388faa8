/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/sharing.h"

#include "decide/faults.h"
#include "units.h"

/* gap * sum of weights needs more than 64 bits with terabytes and a hundred thousand guests. */
__extension__ typedef unsigned __int128 Wide;

void
sharing_fill(SharingScratch *entries, size_t count, uint64_t left_kib)
{
    uint64_t weights = 0;
    uint64_t remainder;
    bool again = true;

    for (size_t i = 0; i < count; i++) {
        weights += entries[i].weight;
        entries[i].filled = false;
    }
    /*
     * Those whose gap lies below the level are filled, and each of them raises the level of the rest. What a round raises it by
     * is what the last one filled below the level, spread over all others: a few rounds, and never more than a logarithm.
     */
    while (again) {
        uint64_t round_kib = left_kib;
        uint64_t round_weights = weights;

        again = false;
        for (size_t i = 0; i < count; i++) {
            SharingScratch *entry = &entries[i];

            if (entry->filled || (Wide)entry->gap_kib * round_weights > (Wide)round_kib * entry->weight)
                continue;
            entry->filled = again = true;
            left_kib -= entry->gap_kib;
            weights -= entry->weight;
        }
    }
    /* What the others get is less than their gap, so one more fits always. */
    remainder = left_kib;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].filled)
            continue;
        entries[i].gap_kib = (uint64_t)((Wide)left_kib * entries[i].weight / weights);
        remainder -= entries[i].gap_kib;
    }
    for (size_t i = 0; i < count && remainder > 0 && !broken(FAULT_FORGET_REMAINDERS); i++)
        if (!entries[i].filled) {
            entries[i].gap_kib++;
            remainder--;
        }
}

/* Gives left_kib, which does not suffice for all the gaps of this stage. */
static void
fill_partly(SharingGuest *guests, size_t count, uint64_t left_kib, PlanStage stage, SharingScratch *entries)
{
    size_t gaps = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t gap = guests[i].level_kib[stage] - guests[i].target_kib;

        if (gap > 0)
            entries[gaps++] = (SharingScratch){.gap_kib = gap, .weight = guests[i].weight, .index = (uint32_t)i};
    }
    sharing_fill(entries, gaps, left_kib);
    for (size_t i = 0; i < gaps; i++) {
        SharingGuest *guest = &guests[entries[i].index];

        guest->target_kib += entries[i].gap_kib;
        if (entries[i].gap_kib > 0)
            guest->stage = stage;
    }
}

/* Puts the levels in order, and begins with the minimum. */
static void
begin(SharingGuest *guest)
{
    uint64_t *level = guest->level_kib;

    if (broken(FAULT_BUFFER_FIRST))
        level[PLAN_STAGE_DEMAND] = MAX(level[PLAN_STAGE_DEMAND], level[PLAN_STAGE_WANT]);
    level[PLAN_STAGE_SURPLUS] = MAX(level[PLAN_STAGE_SURPLUS], level[PLAN_STAGE_MINIMUM]);
    for (PlanStage stage = PLAN_STAGE_DEMAND; stage < PLAN_STAGE_SURPLUS; stage++)
        level[stage] = clamp_u64(level[stage], level[stage - 1], level[PLAN_STAGE_SURPLUS]);
    if (broken(FAULT_NO_WEIGHTS))
        guest->weight = 1;
    guest->target_kib = level[PLAN_STAGE_MINIMUM];
    guest->stage = PLAN_STAGE_MINIMUM;
}

PlanStage
sharing_share(SharingGuest *guests, size_t count, uint64_t budget_kib, PlanStage last, SharingScratch *scratch)
{
    uint64_t sums[PLAN_STAGES] = {0};
    PlanStage stage = PLAN_STAGE_MINIMUM;

    for (size_t i = 0; i < count; i++) {
        begin(&guests[i]);
        for (PlanStage each = PLAN_STAGE_MINIMUM; each <= last; each++)
            sums[each] += guests[i].level_kib[each];
    }
    /*
     * A minimum is a promise to the guest, so nobody is taken below it even when the promises were too
     * many. What the host lacks then is for the ledger to tell; raises are handed out by weight.
     */
    if (sums[PLAN_STAGE_MINIMUM] > budget_kib)
        return PLAN_STAGE_MINIMUM;
    /* the stages that are filled for all */
    while (stage < last && sums[stage + 1] <= budget_kib)
        stage++;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *level = guests[i].level_kib;

        guests[i].target_kib = level[stage];
        guests[i].stage = stage;
        while (guests[i].stage > PLAN_STAGE_MINIMUM && level[guests[i].stage - 1] == level[stage])
            guests[i].stage--;
    }
    if (stage == last)
        return PLAN_STAGE_NONE;
    fill_partly(guests, count, budget_kib - sums[stage], stage + 1, scratch);
    return stage + 1;
}
