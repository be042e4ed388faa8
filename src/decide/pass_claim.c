/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/pass.h"

/*
 * Claims are settled between the demands and the sharing: what claims take from free memory and from others is not
 * shared, those who are squeezed for it are capped, and what is granted is booked in this very tick.
 */

Claim *
pass_add_claim(Pass *pass, size_t guest, size_t start)
{
    DecideState *state = pass->state;
    Claim *claim;

    if (state->claim_count == state->claim_capacity) {
        state->claim_capacity = MAX(16, state->claim_capacity * 2);
        state->claims = g_renew(Claim, state->claims, state->claim_capacity);
    }
    claim = &state->claims[state->claim_count++];
    *claim = (Claim){.guest = guest, .start = start};
    if (guest != SIZE_MAX) {
        claim->uuid = pass->snapshot->guests[guest].uuid;
        claim->name = pass->snapshot->guests[guest].name;
        state->work[guest].claim = (uint32_t)state->claim_count;
    }
    return claim;
}

const Claim *
pass_claim_of(const Pass *pass, size_t guest)
{
    uint32_t place = pass->state->work[guest].claim;

    return place != 0 ? &pass->state->claims[place - 1] : NULL;
}

/* Nothing of what it has can be had. */
static void
keeps_all(ClaimGiver *giver, uint64_t booked_kib, PlanRule rule)
{
    giver->booked_kib = giver->told_kib = giver->least_kib = giver->demand_kib = booked_kib;
    giver->kept_rule = rule;
}

/* What guest i has, and how much of it may be taken. */
static ClaimGiver
giver_of(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const GuestSettings *settings = guest->settings;
    const GuestMemory *memory = &pass->state->memories.guests[i];
    const Work *work = &pass->state->work[i];
    ClaimGiver giver = {.uuid = guest->uuid, .name = guest->name, .priority = settings->priority};

    if (work->claim != 0) {
        keeps_all(&giver, work->committed_kib, PLAN_RULE_RESTART);
    } else if (work->standing.rule == PLAN_RULE_STARTING || work->standing.rule == PLAN_RULE_RESET) {
        /* what it is booked at beyond its startup memory comes free when its driver is up */
        keeps_all(&giver, work->committed_kib, work->standing.rule);
        giver.least_kib = giver.demand_kib = MIN(settings->startup_kib + settings->fixed_kib, work->committed_kib);
        giver.late = true;
    } else if (pass->observe || pass->link_down || work->standing.part == PART_OBSERVED) {
        keeps_all(&giver, work->committed_kib, pass->link_down ? PLAN_RULE_LINK_DOWN : PLAN_RULE_OBSERVE);
    } else if (!is_counted_on(work)) {
        keeps_all(&giver, work->committed_kib,
                  work->standing.rule != PLAN_RULE_COUNT ? work->standing.rule : PLAN_RULE_STUCK);
    } else {
        giver.booked_kib = saturating_sub(work->committed_kib, settings->fixed_kib);
        giver.told_kib = MIN(work->held_kib, giver.booked_kib);
        giver.least_kib = MAX(settings->minimum_kib, work->least_kib);
        giver.demand_kib = pass->plan->guests[i].demand_kib;
        giver.rate_kib = memory->stuck.rate_kib;
        giver.kept_rule = work->least_kib > settings->minimum_kib ? work->least_rule : PLAN_RULE_AT_MINIMUM;
    }
    return giver;
}

static void
collect_givers(Pass *pass)
{
    DecideState *state = pass->state;

    state->giver_count = 0;
    for (size_t i = 0; i < pass->snapshot->guest_count; i++)
        if (pass->snapshot->guests[i].life != GUEST_LIFE_OFF) {
            state->sharers[state->giver_count] = (uint32_t)i;
            state->givers[state->giver_count++] = giver_of(pass, i);
        }
}

/* What is granted to a guest is booked; what is kept for it or given up for it is not shared. */
static void
take_claim(Pass *pass, Claim *claim)
{
    uint64_t taken = claim->took_kib + claim->given_kib;
    uint64_t granted = claim->granted_kib - claim->booked_kib;

    pass->share_kib = saturating_sub(pass->share_kib, taken);
    pass->apart_kib = saturating_sub(pass->apart_kib, taken);
    if (claim->guest == SIZE_MAX)
        return;
    pass->kept_kib += claim->took_kib - granted;
    pass->sums.committed_kib += granted;
    pass->state->work[claim->guest].committed_kib += granted;
    pass->plan->guests[claim->guest].committed_kib += granted;
}

void
pass_claim(Pass *pass)
{
    DecideState *state = pass->state;
    ClaimTerms terms = {
        .free_kib = saturating_sub(pass->plan->budget_kib, pass->sums.committed_kib + pass->adopted_risk_kib),
        .faults = pass->faults,
    };

    if (!pass->snapshot->host.figures_valid)
        terms.free_kib = 0;
    collect_givers(pass);
    claims_settle(state->claims, state->claim_count, state->givers, state->giver_count, &terms);
    for (size_t i = 0; i < state->claim_count; i++) {
        if (state->claims[i].guest != SIZE_MAX)
            state->work[state->claims[i].guest].claim = (uint32_t)(i + 1);
        take_claim(pass, &state->claims[i]);
    }
    for (size_t i = 0; i < state->giver_count; i++)
        if (state->givers[i].keep_kib < state->givers[i].booked_kib)
            state->work[state->sharers[i]].cap_kib = MAX(state->givers[i].keep_kib, 1);
}
