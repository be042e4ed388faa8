/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/sharing.h"

#include "decide/faults.h"
#include "units.h"

/* gap * sum of weights needs more than 64 bits with terabytes and a hundred thousand guests. */
__extension__ typedef unsigned __int128 Wide;

/* Is a satisfied at a lower level than b? Equal levels keep their order, so the sort has one answer. */
static bool
entry_is_before(const SharingScratch *a, const SharingScratch *b)
{
    Wide left = (Wide)a->gap_kib * b->weight;
    Wide right = (Wide)b->gap_kib * a->weight;

    return left != right ? left < right : a->index < b->index;
}

static void
sift_down(SharingScratch *heap, size_t root, size_t count)
{
    SharingScratch moved = heap[root];

    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && entry_is_before(&heap[child], &heap[child + 1]))
            child++;
        if (!entry_is_before(&moved, &heap[child]))
            break;
        heap[root] = heap[child];
    }
    heap[root] = moved;
}

/* Heap sort, because it needs no memory of its own (qsort takes some) and has no bad case. */
static void
sort_entries(SharingScratch *entries, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(entries, i, count);
    for (size_t end = count; end-- > 1;) {
        SharingScratch largest = entries[0];

        entries[0] = entries[end];
        entries[end] = largest;
        sift_down(entries, 0, end);
    }
}

static uint64_t
level_of(const SharingGuest *guest, PlanStage stage)
{
    switch (stage) {
    case PLAN_STAGE_DEMAND:
        return guest->demand_kib;
    case PLAN_STAGE_WANT:
        return guest->want_kib;
    case PLAN_STAGE_SURPLUS:
        return guest->maximum_kib;
    case PLAN_STAGE_NONE:
    case PLAN_STAGE_MINIMUM:
    default:
        return guest->minimum_kib;
    }
}

static void
give(SharingGuest *guest, uint64_t kib, PlanStage stage)
{
    if (kib == 0)
        return;
    guest->target_kib += kib;
    guest->stage = stage;
}

void
sharing_fill(SharingScratch *entries, size_t count, uint64_t left_kib)
{
    uint64_t weights = 0;
    uint64_t remainder;
    size_t first_short = 0;

    for (size_t i = 0; i < count; i++)
        weights += entries[i].weight;
    sort_entries(entries, count);

    /* Those whose gap lies below the level are filled; each of them raises the level of the rest. */
    while (first_short < count) {
        const SharingScratch *entry = &entries[first_short];

        if ((Wide)entry->gap_kib * weights > (Wide)left_kib * entry->weight)
            break;
        left_kib -= entry->gap_kib;
        weights -= entry->weight;
        first_short++;
    }

    /* What the others get is less than their gap, so one more fits always. */
    remainder = left_kib;
    for (size_t i = first_short; i < count; i++) {
        entries[i].gap_kib = (uint64_t)((Wide)left_kib * entries[i].weight / weights);
        remainder -= entries[i].gap_kib;
    }
    if (broken(FAULT_FORGET_REMAINDERS))
        return;
    for (size_t i = first_short; i < count && remainder > 0; i++, remainder--)
        entries[i].gap_kib++;
}

/* Gives left_kib, which does not suffice for all the gaps of this stage. */
static void
fill_partly(SharingGuest *guests, size_t count, uint64_t left_kib, PlanStage stage, SharingScratch *entries)
{
    size_t gaps = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t gap = level_of(&guests[i], stage) - guests[i].target_kib;

        if (gap > 0)
            entries[gaps++] = (SharingScratch){.gap_kib = gap, .weight = guests[i].weight, .index = (uint32_t)i};
    }
    sharing_fill(entries, gaps, left_kib);
    for (size_t i = 0; i < gaps; i++)
        give(&guests[entries[i].index], entries[i].gap_kib, stage);
}

void
sharing_share(SharingGuest *guests, size_t count, uint64_t budget_kib, bool give_away, SharingScratch *scratch,
              SharingResult *result)
{
    uint64_t left = budget_kib;
    uint64_t gaps;

    *result = (SharingResult){.short_stage = PLAN_STAGE_NONE};
    for (size_t i = 0; i < count; i++) {
        SharingGuest *guest = &guests[i];

        guest->maximum_kib = MAX(guest->maximum_kib, guest->minimum_kib);
        guest->demand_kib = clamp_u64(guest->demand_kib, guest->minimum_kib, guest->maximum_kib);
        guest->want_kib = clamp_u64(guest->want_kib, guest->demand_kib, guest->maximum_kib);
        if (broken(FAULT_BUFFER_FIRST))
            guest->demand_kib = guest->want_kib;
        if (broken(FAULT_NO_WEIGHTS) || guest->weight == 0)
            guest->weight = 1;
        guest->target_kib = guest->minimum_kib;
        guest->stage = PLAN_STAGE_MINIMUM;
        result->minimums_kib += guest->minimum_kib;
        result->demands_kib += guest->demand_kib;
        result->wants_kib += guest->want_kib;
    }

    /*
     * A minimum is a promise to the guest, so nobody is taken below it even when the promises were too
     * many. What the host lacks then is for the ledger to tell; raises are handed out by weight.
     */
    result->minimums_fit = result->minimums_kib <= left;
    if (!result->minimums_fit) {
        result->short_stage = PLAN_STAGE_MINIMUM;
        return;
    }
    left -= result->minimums_kib;

    for (PlanStage stage = PLAN_STAGE_DEMAND; stage <= (give_away ? PLAN_STAGE_SURPLUS : PLAN_STAGE_WANT); stage++) {
        gaps = 0;
        for (size_t i = 0; i < count; i++)
            gaps += level_of(&guests[i], stage) - guests[i].target_kib;
        if (gaps > left) {
            if (stage != PLAN_STAGE_SURPLUS)
                result->short_stage = stage;
            fill_partly(guests, count, left, stage, scratch);
            left = 0;
            break;
        }
        for (size_t i = 0; i < count; i++)
            give(&guests[i], level_of(&guests[i], stage) - guests[i].target_kib, stage);
        left -= gaps;
    }
    result->left_kib = left;
}
