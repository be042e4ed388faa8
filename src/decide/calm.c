/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/calm.h"

#include "decide/faults.h"
#include "units.h"

#define BAND_KIB (64 * KIB_PER_MIB)
#define BAND_PERCENT 5
#define BAND_PART 8
#define TINY_KIB (8 * KIB_PER_MIB)
#define TINY_PART 128
#define TINY_LARGEST_PART 64
#define WANT_EVERY_USEC (10 * USEC_PER_SEC)
#define TINY_EVERY_USEC (120 * USEC_PER_SEC)
#define SURPLUS_USEC (60 * USEC_PER_SEC)
#define LEAST_TAKEN_KIB (64 * KIB_PER_MIB)
#define STEP_KIB (256 * KIB_PER_MIB)
#define STEP_PERCENT 10

/* Small differences are set right when the ideal has been still for a while, and then seldom. */
#define TRIM_STILL_USEC (30 * USEC_PER_SEC)
#define TRIM_EVERY_USEC (300 * USEC_PER_SEC)

/* For a small guest the fixed part of the band would be more than its whole buffer. */
static uint64_t
band_of(const CalmGuest *guest)
{
    return MAX(percent_of(guest->held_kib, BAND_PERCENT), MIN(BAND_KIB, guest->held_kib / BAND_PART));
}

static uint64_t
tiny_of(const CalmGuest *guest)
{
    return MAX(guest->held_kib / TINY_PART, MIN(TINY_KIB, guest->held_kib / TINY_LARGEST_PART));
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
may_trim(const CalmGuest *guest, const CalmTerms *terms)
{
    const CalmMemory *memory = guest->memory;

    return terms->shortage && terms->now_usec - memory->ideal_usec >= TRIM_STILL_USEC &&
           terms->now_usec - memory->changed_usec >= TRIM_STILL_USEC &&
           (memory->trimmed_usec == 0 || terms->now_usec - memory->trimmed_usec >= TRIM_EVERY_USEC);
}

/* A small difference: held back, or set right now. */
static void
hold_small(CalmGuest *guest, const CalmTerms *terms)
{
    uint64_t difference = MAX(guest->ideal_kib, guest->held_kib) - MIN(guest->ideal_kib, guest->held_kib);

    guest->target_kib = guest->held_kib;
    guest->delay = PLAN_RULE_SMALL;
    if (difference >= MAX(guest->held_kib / 512, KIB_PER_MIB) && may_trim(guest, terms)) {
        guest->memory->trimmed_usec = terms->now_usec;
        guest->target_kib = guest->ideal_kib;
        guest->delay = PLAN_RULE_COUNT;
    }
}

static void
settle_raise(CalmGuest *guest, const CalmTerms *terms)
{
    uint64_t since = terms->now_usec - guest->memory->changed_usec;
    uint64_t difference = guest->ideal_kib - guest->held_kib;

    guest->memory->surplus_usec = 0;
    if (guest->need_kib > guest->held_kib && (difference >= tiny_of(guest) || since >= TINY_EVERY_USEC))
        return;
    /* not too often, but before a growing load has eaten up its buffer: it might not wait for the next report */
    if (difference >= band_of(guest) && (since >= WANT_EVERY_USEC || saturating_sub(guest->held_kib, guest->need_kib) <
                                                                         (guest->ideal_kib - guest->need_kib) / 2))
        return;
    hold_small(guest, terms);
    if (guest->delay == PLAN_RULE_SMALL && guest->need_kib <= guest->held_kib && difference >= band_of(guest))
        guest->delay = PLAN_RULE_RECENT;
}

static void
settle_shrink(CalmGuest *guest, const CalmTerms *terms)
{
    CalmMemory *memory = guest->memory;

    if (guest->held_kib - guest->ideal_kib < (terms->pressure ? tiny_of(guest) : band_of(guest))) {
        memory->surplus_usec = 0;
        hold_small(guest, terms);
        return;
    }
    if (memory->surplus_usec == 0)
        memory->surplus_usec = terms->now_usec;
    if (terms->pressure || terms->now_usec - memory->surplus_usec >= SURPLUS_USEC)
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

    /* above what it may have at all there is no time for steps */
    if (guest->target_kib >= guest->held_kib || guest->target_kib >= reachable ||
        guest->actual_kib > guest->maximum_kib)
        return;
    guest->delay = PLAN_RULE_STEP;
    guest->target_kib = MIN(guest->held_kib, reachable);
    if (guest->held_kib - guest->target_kib < step / 4)
        guest->target_kib = guest->held_kib;
}

static void
settle_alone(CalmGuest *guest, const CalmTerms *terms)
{
    bool breaks_a_limit = guest->held_kib < guest->minimum_kib || guest->held_kib > guest->maximum_kib;

    follow_ideal(guest, terms->now_usec);
    guest->target_kib = guest->ideal_kib;
    guest->delay = PLAN_RULE_COUNT;
    if (guest->ideal_kib == guest->held_kib || breaks_a_limit || broken(FAULT_NO_HYSTERESIS))
        guest->memory->surplus_usec = 0;
    else if (guest->ideal_kib > guest->held_kib)
        settle_raise(guest, terms);
    else
        settle_shrink(guest, terms);
    if (guest->cap_kib != 0 && guest->target_kib > guest->cap_kib && !broken(FAULT_CLAIM_PATIENT)) {
        guest->target_kib = guest->cap_kib;
        guest->delay = PLAN_RULE_COUNT;
    }
}

static bool
is_raise(const CalmGuest *guest)
{
    return guest->target_kib > guest->held_kib;
}

/* What a raise must at least come to: the demand; the rest is buffer. */
static uint64_t
raise_for_need(const CalmGuest *guest)
{
    return MAX(guest->held_kib, MIN(guest->need_kib, guest->target_kib));
}

/* Raises beyond demand get what there is, by weight. */
static void
fit_buffers(CalmGuest *guests, size_t count, uint64_t budget_kib, CalmScratch *scratch)
{
    SharingResult result;

    for (size_t i = 0; i < count; i++) {
        uint64_t base = is_raise(&guests[i]) ? raise_for_need(&guests[i]) : guests[i].target_kib;

        scratch->sharing[i] = (SharingGuest){.minimum_kib = base,
                                             .demand_kib = base,
                                             .want_kib = guests[i].target_kib,
                                             .maximum_kib = guests[i].target_kib,
                                             .weight = guests[i].weight};
    }
    sharing_share(scratch->sharing, count, budget_kib, false, scratch->entries, &result);
    for (size_t i = 0; i < count; i++) {
        CalmGuest *guest = &guests[i];

        if (scratch->sharing[i].target_kib == guest->target_kib)
            continue;
        guest->target_kib = scratch->sharing[i].target_kib;
        guest->delay = PLAN_RULE_WAIT_FREE;
        if (guest->need_kib <= guest->held_kib && guest->target_kib - guest->held_kib < tiny_of(guest))
            guest->target_kib = guest->held_kib;
    }
}

/*
 * Takes what is missing, and half as much again because whoever is starved will soon need more, from those who have
 * more than their ideal. Who has most gives first: so a little noise in one guest's need does not move all the others.
 */
static void
take_surplus(CalmGuest *guests, size_t count, uint64_t missing_kib, uint64_t surplus_kib, CalmScratch *scratch)
{
    SharingResult result;
    uint64_t left = saturating_sub(surplus_kib, MAX(missing_kib + missing_kib / 2, LEAST_TAKEN_KIB));

    for (size_t i = 0; i < count; i++) {
        uint64_t surplus = saturating_sub(guests[i].target_kib, guests[i].ideal_kib);

        scratch->sharing[i] =
            (SharingGuest){.demand_kib = surplus, .want_kib = surplus, .maximum_kib = surplus, .weight = 1};
    }
    sharing_share(scratch->sharing, count, left, false, scratch->entries, &result);
    for (size_t i = 0; i < count; i++) {
        CalmGuest *guest = &guests[i];

        if (guest->target_kib <= guest->ideal_kib || scratch->sharing[i].target_kib == scratch->sharing[i].want_kib)
            continue;
        guest->target_kib = guest->ideal_kib + scratch->sharing[i].target_kib;
        guest->delay = PLAN_RULE_COUNT;
    }
}

/*
 * The targets do not fit. A buffer is no reason to take at once what another has in surplus, since the other may need it
 * again in a moment: it gets what is free, and the surplus when it has lasted. A demand is a reason.
 */
static void
make_fit(CalmGuest *guests, size_t count, uint64_t budget_kib, CalmScratch *scratch)
{
    uint64_t base = 0;
    uint64_t small = 0;
    uint64_t surplus = 0;

    for (size_t i = 0; i < count; i++) {
        CalmGuest *guest = &guests[i];
        uint64_t least = is_raise(guest) ? raise_for_need(guest) : guest->target_kib;

        base += least;
        surplus += saturating_sub(guest->target_kib, guest->ideal_kib);
        if (is_raise(guest) && least - guest->held_kib < tiny_of(guest))
            small += least - guest->held_kib;
    }
    if (base <= budget_kib) {
        fit_buffers(guests, count, budget_kib, scratch);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        CalmGuest *guest = &guests[i];

        if (!is_raise(guest))
            continue;
        if (raise_for_need(guest) < guest->target_kib) {
            guest->target_kib = raise_for_need(guest);
            guest->delay = PLAN_RULE_WAIT_FREE;
        }
        if (base - small <= budget_kib && guest->target_kib - guest->held_kib < tiny_of(guest)) {
            guest->target_kib = guest->held_kib;
            guest->delay = guest->ideal_kib - guest->held_kib >= band_of(guest) ? PLAN_RULE_WAIT_FREE : PLAN_RULE_SMALL;
        }
    }
    if (base - small > budget_kib)
        take_surplus(guests, count, base - budget_kib, surplus, scratch);
}

void
calm_settle(CalmGuest *guests, size_t count, const CalmTerms *terms, CalmScratch *scratch)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        settle_alone(&guests[i], terms);
        sum += guests[i].target_kib;
    }
    if (sum > terms->budget_kib)
        make_fit(guests, count, terms->budget_kib, scratch);
    for (size_t i = 0; i < count; i++) {
        if (!guests[i].instant && !broken(FAULT_SHRINK_AT_ONCE))
            limit_step(&guests[i], terms->interval_usec);
    }
}

void
calm_note_change(CalmMemory *memory, uint64_t now_usec)
{
    memory->changed_usec = now_usec;
}
