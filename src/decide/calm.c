/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/calm.h"

#include "decide/faults.h"
#include "units.h"

#define BAND_KIB (64 * KIB_PER_MIB)
#define BAND_PERCENT 5
#define TINY_KIB (8 * KIB_PER_MIB)
#define TINY_PART 128
#define WANT_EVERY_USEC (10 * USEC_PER_SEC)
#define TINY_EVERY_USEC (120 * USEC_PER_SEC)
#define SURPLUS_USEC (60 * USEC_PER_SEC)
#define STEP_KIB (256 * KIB_PER_MIB)
#define STEP_PERCENT 10

/* Small differences are set right when the ideal has been still for a while, and then seldom. */
#define TRIM_STILL_USEC (30 * USEC_PER_SEC)
#define TRIM_EVERY_USEC (300 * USEC_PER_SEC)

static uint64_t
band_of(const CalmGuest *guest)
{
    return MAX(percent_of(guest->held_kib, BAND_PERCENT), BAND_KIB);
}

static uint64_t
tiny_of(const CalmGuest *guest)
{
    return MAX(guest->held_kib / TINY_PART, TINY_KIB);
}

static void
follow_ideal(const CalmGuest *guest, uint64_t now_usec)
{
    CalmMemory *memory = guest->memory;
    uint64_t moved = MAX(guest->ideal_kib, memory->ideal_kib) - MIN(guest->ideal_kib, memory->ideal_kib);

    if (memory->ideal_usec == 0 || moved > MAX(guest->ideal_kib / 512, KIB_PER_MIB)) {
        memory->ideal_kib = guest->ideal_kib;
        memory->ideal_usec = now_usec;
    }
}

static bool
may_trim(const CalmGuest *guest, bool shortage, uint64_t now_usec)
{
    const CalmMemory *memory = guest->memory;

    return shortage && now_usec - memory->ideal_usec >= TRIM_STILL_USEC &&
           now_usec - memory->changed_usec >= TRIM_STILL_USEC &&
           (memory->trimmed_usec == 0 || now_usec - memory->trimmed_usec >= TRIM_EVERY_USEC);
}

/* A small difference: held back, or set right now. */
static void
hold_small(CalmGuest *guest, bool shortage, uint64_t now_usec)
{
    uint64_t difference = MAX(guest->ideal_kib, guest->held_kib) - MIN(guest->ideal_kib, guest->held_kib);

    guest->target_kib = guest->held_kib;
    guest->delay = PLAN_RULE_SMALL;
    if (difference >= MAX(guest->held_kib / 512, KIB_PER_MIB) && may_trim(guest, shortage, now_usec)) {
        guest->memory->trimmed_usec = now_usec;
        guest->target_kib = guest->ideal_kib;
        guest->delay = PLAN_RULE_COUNT;
    }
}

static void
settle_raise(CalmGuest *guest, bool shortage, uint64_t now_usec)
{
    uint64_t since = now_usec - guest->memory->changed_usec;
    uint64_t difference = guest->ideal_kib - guest->held_kib;

    guest->memory->surplus_usec = 0;
    if (guest->need_kib > guest->held_kib && (difference >= tiny_of(guest) || since >= TINY_EVERY_USEC))
        return;
    if (difference >= band_of(guest) && since >= WANT_EVERY_USEC)
        return;
    hold_small(guest, shortage, now_usec);
}

static void
settle_shrink(CalmGuest *guest, bool shortage, uint64_t now_usec)
{
    CalmMemory *memory = guest->memory;

    if (guest->held_kib - guest->ideal_kib < band_of(guest)) {
        memory->surplus_usec = 0;
        hold_small(guest, shortage, now_usec);
        return;
    }
    if (memory->surplus_usec == 0)
        memory->surplus_usec = now_usec;
    if (now_usec - memory->surplus_usec >= SURPLUS_USEC)
        return;
    guest->target_kib = guest->held_kib;
    guest->delay = PLAN_RULE_WAIT_SURPLUS;
}

/* Keeps a shrink ahead of the guest, but not further than it can follow, and without a new target each tick. */
static void
limit_step(CalmGuest *guest, uint64_t interval_usec)
{
    uint64_t rate = guest->rate_kib * 2 * (interval_usec / USEC_PER_MSEC) / 1000;
    uint64_t step = MAX(MAX(percent_of(guest->actual_kib, STEP_PERCENT), STEP_KIB), rate);
    uint64_t reachable = saturating_sub(guest->actual_kib, step);

    if (guest->target_kib >= guest->held_kib || guest->target_kib >= reachable)
        return;
    guest->delay = PLAN_RULE_STEP;
    guest->target_kib = MIN(guest->held_kib, reachable);
    if (guest->held_kib - guest->target_kib < step / 4)
        guest->target_kib = guest->held_kib;
}

static void
settle_alone(CalmGuest *guest, bool shortage, uint64_t now_usec, uint32_t faults)
{
    bool breaks_a_limit = guest->held_kib < guest->minimum_kib || guest->held_kib > guest->maximum_kib;

    follow_ideal(guest, now_usec);
    guest->target_kib = guest->ideal_kib;
    guest->delay = PLAN_RULE_COUNT;
    if (guest->ideal_kib == guest->held_kib || breaks_a_limit || (faults & FAULT_NO_HYSTERESIS) != 0)
        guest->memory->surplus_usec = 0;
    else if (guest->ideal_kib > guest->held_kib)
        settle_raise(guest, shortage, now_usec);
    else
        settle_shrink(guest, shortage, now_usec);
}

/*
 * The targets do not fit: first those go to their ideal that have clearly more, then as many as it takes put small raises
 * off, then as many as it takes give up what little they have above the ideal. So noise in one guest's need does not move all the others.
 */
static void
make_fit(CalmGuest *guests, size_t count, uint64_t budget_kib, uint64_t sum_kib)
{
    for (unsigned pass = 0; pass < 3 && sum_kib > budget_kib; pass++) {
        for (size_t i = 0; i < count; i++) {
            CalmGuest *guest = &guests[i];
            uint64_t target = guest->ideal_kib;
            PlanRule delay = PLAN_RULE_COUNT;

            if (pass == 1) {
                if (guest->target_kib <= guest->held_kib || guest->target_kib - guest->held_kib >= tiny_of(guest))
                    continue;
                target = guest->held_kib;
                delay = PLAN_RULE_SMALL;
            } else if (guest->target_kib <= target || (pass == 0 && guest->target_kib - target < tiny_of(guest))) {
                continue;
            }
            sum_kib -= guest->target_kib - target;
            guest->target_kib = target;
            guest->delay = delay;
            if (pass > 0 && sum_kib <= budget_kib)
                return;
        }
    }
}

void
calm_settle(CalmGuest *guests, size_t count, uint64_t budget_kib, bool shortage, uint64_t interval_usec,
            uint64_t now_usec, uint32_t faults)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        settle_alone(&guests[i], shortage, now_usec, faults);
        sum += guests[i].target_kib;
    }
    make_fit(guests, count, budget_kib, sum);
    for (size_t i = 0; i < count; i++) {
        if (!guests[i].instant && (faults & FAULT_SHRINK_AT_ONCE) == 0)
            limit_step(&guests[i], interval_usec);
    }
}

void
calm_note_change(CalmMemory *memory, uint64_t now_usec)
{
    memory->changed_usec = now_usec;
    memory->surplus_usec = 0;
}
