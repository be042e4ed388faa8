/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/budget.h"

#include "decide/faults.h"
#include "decide/limit.h"
#include "units.h"

/* How long actual must have been steady before resident memory is compared with it. */
#define STEADY_USEC (5 * USEC_PER_SEC)
#define STEADY_TOLERANCE_KIB (4 * KIB_PER_MIB)
#define OVERHEAD_RISE_USEC (4 * USEC_PER_SEC)
#define OVERHEAD_FALL_USEC (120 * USEC_PER_SEC)
#define OVERHEAD_LEAST_KIB (8 * KIB_PER_MIB)
/* Code that QEMU has translated: its buffer is far larger (tcg/region.c), and filled as the guest runs more of its own. */
#define EMULATED_KIB (128 * KIB_PER_MIB)
#define EMULATED_PART 64

#define OTHER_WINDOW_USEC (20 * USEC_PER_SEC)
#define BUDGET_RISE_USEC (10 * USEC_PER_SEC)

uint64_t
budget_sliding_reserve(uint64_t total_kib)
{
    uint64_t first = MIN(total_kib, 4 * KIB_PER_GIB);
    uint64_t second = MIN(saturating_sub(total_kib, 4 * KIB_PER_GIB), 8 * KIB_PER_GIB);
    uint64_t third = MIN(saturating_sub(total_kib, 12 * KIB_PER_GIB), 16 * KIB_PER_GIB);
    uint64_t rest = saturating_sub(total_kib, 28 * KIB_PER_GIB);
    uint64_t reserve = percent_of(first, 6) + percent_of(second, 4) + percent_of(third, 2) + percent_of(rest, 1);

    return MAX(reserve, 128 * KIB_PER_MIB);
}

/* Huge pages are set aside, and nobody's ordinary memory. */
static uint64_t
usable_of(const HostFigures *figures)
{
    return saturating_sub(figures->total_kib, figures->hugepages_kib);
}

uint64_t
budget_reserve(const Settings *settings, const HostFigures *figures)
{
    return settings->reserve_kib == SETTINGS_RESERVE_AUTO ? budget_sliding_reserve(usable_of(figures))
                                                          : settings->reserve_kib;
}

uint64_t
overhead_estimate(const GuestSettings *settings)
{
    uint64_t memory = settings->maximum_kib + settings->fixed_kib;
    uint64_t code = settings->emulated ? EMULATED_KIB + memory / EMULATED_PART : 0;

    return memory / 512 + 8 * KIB_PER_MIB * MAX(settings->vcpus, 1) + 48 * KIB_PER_MIB + code;
}

/* value moved towards goal by elapsed / span of the distance; at least to goal's side, whole KiB. */
static uint64_t
approach(uint64_t value, uint64_t goal, uint64_t elapsed_usec, uint64_t span_usec)
{
    uint64_t elapsed_msec = MIN(elapsed_usec, span_usec) / USEC_PER_MSEC;
    uint64_t distance = MIN(distance_u64(value, goal), KIB_LIMIT);
    uint64_t moved = MIN(distance * elapsed_msec / (span_usec / USEC_PER_MSEC) + 1, distance);

    return value > goal ? value - moved : value + moved;
}

/*
 * What it costs as far as is known when it is first seen. Of one that ran before, the limit that an earlier daemon left is what it
 * was granted, what it cost and slack: with an estimate that is larger it would seem to have been granted less than it has.
 */
static uint64_t
first_overhead(const GuestSnapshot *guest)
{
    uint64_t estimate = overhead_estimate(guest->settings);
    uint64_t rest;

    if (!guest->adopted || !guest->has_actual || guest->paging != NULL || !limit_in_force(guest))
        return estimate;
    rest =
        saturating_sub(guest->limits.high_kib, guest->actual_kib + guest->settings->fixed_kib + LIMIT_LEAST_SLACK_KIB);
    /* it may have been granted less than its balloon leaves it */
    return rest < OVERHEAD_LEAST_KIB ? estimate : MIN(rest, estimate);
}

uint64_t
overhead_learn(OverheadMemory *memory, const GuestSnapshot *guest, uint64_t now_usec)
{
    uint64_t elapsed = saturating_sub(now_usec, memory->updated_usec);
    uint64_t beyond;
    uint64_t goal;

    if (!memory->valid) {
        *memory = (OverheadMemory){.valid = guest->has_actual || !guest->adopted,
                                   .overhead_kib = first_overhead(guest),
                                   .steady_usec = now_usec};
        elapsed = 0;
    }
    memory->updated_usec = now_usec;
    if (guest->resident_kib != 0)
        memory->resident_kib = MIN(guest->resident_kib, KIB_LIMIT);

    if (!guest->has_actual || !guest->driver_up || guest->resident_kib == 0 || guest->settings->fixed_kib != 0 ||
        distance_u64(guest->actual_kib, memory->steady_kib) > STEADY_TOLERANCE_KIB) {
        memory->steady_usec = now_usec;
        memory->steady_kib = guest->actual_kib;
        return memory->overhead_kib;
    }
    /* a size that nobody was asked for lately, as while libvirt is away, may be from before a reset */
    if (now_usec - memory->steady_usec < STEADY_USEC || saturating_sub(now_usec, guest->asked_usec) >= STEADY_USEC)
        return memory->overhead_kib;

    /* Bounded: what is far beyond is a balloon that frees nothing, and not the cost of running QEMU. */
    beyond = MIN(saturating_sub(memory->resident_kib, guest->actual_kib), 4 * overhead_estimate(guest->settings));
    if (beyond > memory->overhead_kib) {
        memory->overhead_kib = approach(memory->overhead_kib, beyond, elapsed, OVERHEAD_RISE_USEC);
    } else if (guest->has_unused) {
        /* What the guest sees and is not unused has been touched, and so is not overhead; it may be swapped out. */
        uint64_t touched = saturating_sub(guest->actual_kib, saturating_add(guest->unused_kib, guest->unseen_kib));
        uint64_t held = saturating_add(memory->resident_kib, guest->limits.usable ? guest->limits.swapped_kib : 0);

        goal = MAX(saturating_sub(held, touched), OVERHEAD_LEAST_KIB);
        if (goal < memory->overhead_kib)
            memory->overhead_kib = approach(memory->overhead_kib, goal, elapsed, OVERHEAD_FALL_USEC);
    }
    return memory->overhead_kib;
}

/* Keeps measured_kib still: never above it, and below it only by what noise needs. */
static void
smooth_budget(BudgetMemory *memory, uint64_t measured_kib, uint64_t total_kib, uint64_t now_usec)
{
    uint64_t margin = MIN(total_kib / 512, 256 * KIB_PER_MIB);

    lasting_note(&memory->above_usec, measured_kib > memory->smoothed_kib + 2 * margin, now_usec);
    if (measured_kib < memory->smoothed_kib) {
        memory->smoothed_kib = saturating_sub(measured_kib, margin);
    } else if (lasts_for(memory->above_usec, BUDGET_RISE_USEC, now_usec)) {
        memory->smoothed_kib = measured_kib - margin;
        memory->above_usec = 0;
    }
}

/* The smallest of what was measured, the group that all guests stand in, and Budget=. */
static void
take_smallest(BudgetMemory *memory, const Settings *settings, Plan *plan)
{
    plan->budget_kib = memory->smoothed_kib;
    plan->budget_limit = plan->budget_total_kib <= plan->budget_available_kib ? BUDGET_BY_TOTAL : BUDGET_BY_AVAILABLE;
    memory->overhead_room_kib = 0;
    if (memory->group_kib < plan->budget_kib) {
        plan->budget_kib = memory->group_kib;
        plan->budget_limit = BUDGET_BY_GROUP;
    }
    if (settings->budget_kib == SETTINGS_BUDGET_NONE || settings->budget_kib > plan->budget_kib)
        return;
    memory->overhead_room_kib = plan->budget_kib - settings->budget_kib;
    plan->budget_kib = settings->budget_kib;
    plan->budget_limit = BUDGET_BY_SETTING;
}

void
budget_work_out(BudgetMemory *memory, const HostSnapshot *host, const Settings *settings, const LedgerSums *sums,
                uint64_t group_kib, uint64_t now_usec, Plan *plan)
{
    const HostFigures *figures = &host->figures;
    uint64_t usable = usable_of(figures);
    uint64_t available = MIN(figures->available_kib, usable);
    uint64_t used = saturating_sub(usable, saturating_add(available, sums->resident_kib));
    uint64_t unseen = MIN(sums->unseen_kib, saturating_sub(used, recent_most(&memory->other)));
    uint64_t other = used - unseen;
    uint64_t measured;

    plan->other_kib = recent_note(&memory->other, other, OTHER_WINDOW_USEC, now_usec);
    if (broken(FAULT_NO_BUDGET_SMOOTHING))
        plan->other_kib = other;
    /* the same memory that is added to the others is taken off what is available */
    available = saturating_sub(available, plan->other_kib - other);

    plan->budget_total_kib = saturating_sub(usable, plan->reserve_kib + plan->other_kib + sums->overhead_kib);
    available += MIN(sums->slack_kib, plan->reserve_kib / 2);
    plan->budget_available_kib = saturating_sub(sums->committed_kib + available,
                                                plan->reserve_kib + sums->untouched_kib + sums->unseen_kib - unseen);
    if (broken(FAULT_NO_AVAILABLE))
        plan->budget_available_kib = plan->budget_total_kib;
    measured = MIN(plan->budget_total_kib, plan->budget_available_kib);

    if (memory->smoothed_kib == 0 || broken(FAULT_NO_BUDGET_SMOOTHING))
        memory->smoothed_kib = measured;
    smooth_budget(memory, measured, usable, now_usec);
    memory->group_kib = saturating_sub(group_kib, sums->overhead_kib);
    take_smallest(memory, settings, plan);
}

void
budget_book_overhead(BudgetMemory *memory, const Settings *settings, uint64_t overhead_kib, Plan *plan)
{
    memory->smoothed_kib = saturating_sub(memory->smoothed_kib, overhead_kib);
    plan->budget_total_kib = saturating_sub(plan->budget_total_kib, overhead_kib);
    plan->budget_available_kib = saturating_sub(plan->budget_available_kib, overhead_kib);
    memory->group_kib = saturating_sub(memory->group_kib, overhead_kib);
    take_smallest(memory, settings, plan);
}
