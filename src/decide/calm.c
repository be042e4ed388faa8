/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/calm.h"

#include "decide/faults.h"
#include "decide/recent.h"
#include "units.h"

/* A buffer, or whatever else the guest is to have beyond its need, is refilled when half of it is gone: the other half is for
   what comes until the next report. */
#define LACKING_PART 2
/* Less than this is nobody's lack: it is half of the share's last percent, and less than a guest's own noise. */
#define TINY_PART 256
/* Less than this is a crumb: each time that one guest's need moves, the shares of all move by so little. Who gives to others
   gives at least this part of what it has, and crumbs move only when they have lasted, so that they are moved once for many. */
#define CRUMB_PART 32
#define CRUMB_USEC (5 * USEC_PER_SEC)
/* A large buffer is refilled, and a surplus collected, from this part of what the guest has on. */
#define SMALL_PART 16
/* Work that comes again after a coffee finds its memory; what is idle for longer is free for starts. */
#define SURPLUS_USEC (300 * USEC_PER_SEC)
/* What the slowest balloons of the field follow within a tick or two (4 KiB pages, about 0.9 GiB/s). */
#define STEP_KIB (256 * KIB_PER_MIB)
#define STEP_PERCENT 10

uint64_t
calm_ignored(uint64_t buffer_kib, uint64_t held_kib)
{
    return MIN(buffer_kib / LACKING_PART, held_kib / SMALL_PART);
}

static void
keep(CalmGuest *guest, PlanRule why)
{
    guest->target_kib = guest->held_kib;
    guest->delay = why;
}

/* What a difference that there is since then must come to before it is moved. */
static uint64_t
noticed(const CalmGuest *guest, uint64_t since_usec, uint64_t now_usec)
{
    bool lasts = lasts_for(since_usec, CRUMB_USEC, now_usec);

    return guest->held_kib / (lasts || broken(FAULT_CRUMBS) ? TINY_PART : CRUMB_PART);
}

static void
settle_raise(CalmGuest *guest, uint64_t now_usec)
{
    uint64_t lacks = guest->ideal_kib - guest->held_kib;
    uint64_t ignored = guest->held_kib / TINY_PART;

    if (guest->held_kib >= guest->need_kib)
        ignored = MAX(calm_ignored(guest->ideal_kib - guest->need_kib, guest->held_kib),
                      noticed(guest, guest->memory->below_usec, now_usec));
    if (lacks < ignored)
        keep(guest, PLAN_RULE_SMALL);
}

static void
settle_shrink(CalmGuest *guest, const CalmTerms *terms)
{
    uint64_t surplus = guest->held_kib - guest->ideal_kib;

    if (surplus < guest->held_kib / (terms->pressure ? TINY_PART : SMALL_PART))
        keep(guest, PLAN_RULE_SMALL);
    else if (!terms->pressure && terms->now_usec - guest->memory->surplus_usec < SURPLUS_USEC)
        keep(guest, PLAN_RULE_WAIT_SURPLUS);
}

static void
follow_differences(const CalmGuest *guest, uint64_t now_usec)
{
    uint64_t held = guest->held_kib;
    uint64_t small = held / SMALL_PART;
    uint64_t tiny = held / TINY_PART;

    /* what it does not want lasts, whether it is left to it for a while or not */
    lasting_note(&guest->memory->surplus_usec, held >= MIN(guest->want_kib, guest->ideal_kib) + small, now_usec);
    lasting_note(&guest->memory->above_usec, held >= guest->ideal_kib + tiny, now_usec);
    lasting_note(&guest->memory->below_usec, held + tiny <= guest->ideal_kib, now_usec);
}

static void
settle_alone(CalmGuest *guest, const CalmTerms *terms)
{
    bool moves_anyway =
        guest->held_kib < guest->minimum_kib || guest->held_kib > guest->maximum_kib || broken(FAULT_NO_HYSTERESIS);

    guest->target_kib = guest->ideal_kib;
    guest->delay = PLAN_RULE_COUNT;
    follow_differences(guest, terms->now_usec);
    if (guest->ideal_kib > guest->held_kib && !moves_anyway)
        settle_raise(guest, terms->now_usec);
    if (guest->ideal_kib < guest->held_kib && !moves_anyway)
        settle_shrink(guest, terms);
    if (guest->cap_kib != 0 && guest->target_kib > guest->cap_kib && !broken(FAULT_CLAIM_PATIENT)) {
        guest->target_kib = guest->cap_kib;
        guest->delay = PLAN_RULE_MAKE_ROOM;
    }
}

/*
 * Takes what the targets are beyond the budget from those that hold more than their ideal, which leaves those with most all the
 * same. What is missing for raises can wait for crumbs, what is held beyond the budget can't.
 */
static void
take_surplus(CalmGuest *guests, size_t count, const CalmTerms *terms, SharingScratch *scratch)
{
    uint64_t held = 0;
    uint64_t sum = 0;
    uint64_t surplus = 0;
    size_t gaps = 0;

    for (size_t i = 0; i < count; i++) {
        sum += guests[i].target_kib;
        held += MIN(guests[i].target_kib, guests[i].held_kib);
    }
    if (sum <= terms->budget_kib)
        return;

    for (size_t i = 0; i < count; i++) {
        uint64_t gap = saturating_sub(guests[i].target_kib, guests[i].ideal_kib);

        if (gap == 0 ||
            (held <= terms->budget_kib && gap < noticed(&guests[i], guests[i].memory->above_usec, terms->now_usec)))
            continue;
        surplus += gap;
        scratch[gaps++] = (SharingScratch){.gap_kib = gap, .weight = 1, .index = (uint32_t)i};
    }
    sharing_fill(scratch, gaps, saturating_sub(surplus, sum - terms->budget_kib));
    for (size_t i = 0; i < gaps; i++) {
        CalmGuest *guest = &guests[scratch[i].index];
        uint64_t target = guest->ideal_kib + scratch[i].gap_kib;

        if (target == guest->target_kib)
            continue;
        /* a crumb a tick would be a change a tick */
        if (!broken(FAULT_CRUMBS))
            target = MAX(MIN(target, guest->held_kib - guest->held_kib / CRUMB_PART), guest->ideal_kib);
        guest->target_kib = target;
        guest->delay = PLAN_RULE_COUNT;
    }
}

/* Keeps a shrink ahead of the guest, but not further than it can follow, and without a new target each tick. */
static void
limit_step(CalmGuest *guest, uint64_t interval_usec)
{
    uint64_t rate, step, reachable;

    /* above what it may have at all there is no time for steps */
    if (guest->target_kib >= guest->held_kib || guest->actual_kib > guest->maximum_kib)
        return;
    rate = guest->rate_kib * 2 * (interval_usec / USEC_PER_MSEC) / 1000;
    step = MAX(MAX(percent_of(guest->actual_kib, STEP_PERCENT), STEP_KIB), rate);
    reachable = saturating_sub(guest->actual_kib, step);
    if (guest->target_kib >= reachable)
        return;
    if (guest->delay != PLAN_RULE_MAKE_ROOM)
        guest->delay = PLAN_RULE_STEP;
    guest->target_kib = MIN(guest->held_kib, reachable);
    if (guest->held_kib - guest->target_kib < step / 4)
        guest->target_kib = guest->held_kib;
}

void
calm_settle(CalmGuest *guests, size_t count, const CalmTerms *terms, SharingScratch *scratch)
{
    for (size_t i = 0; i < count; i++)
        settle_alone(&guests[i], terms);
    if (!broken(FAULT_KEEP_SURPLUS))
        take_surplus(guests, count, terms, scratch);
    for (size_t i = 0; i < count; i++) {
        if (!guests[i].instant && !broken(FAULT_SHRINK_AT_ONCE))
            limit_step(&guests[i], terms->interval_usec);
    }
}
