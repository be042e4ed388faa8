/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/pass.h"

/*
 * The sharing runs a second time where there are guests that get a target without being counted on:
 * observed ones, and those that lag behind. The first run, without them, is for everybody else; the second
 * shows what they would have if they were like the others.
 */

/* Two or three rounds do, nearly always. What is left then is over the budget, and rule G sees to that. */
#define LEAST_ROUNDS 32

/* What limited the sharing's answer. */
static PlanRule
share_rule(const Pass *pass, size_t i, const SharingGuest *shared)
{
    const GuestSettings *settings = pass->snapshot->guests[i].settings;
    const Work *work = &pass->state->work[i];
    uint64_t want = pass->plan->guests[i].want_kib;

    if (work->standing.rule == PLAN_RULE_LET_BE && shared->target_kib <= work->minimum_kib)
        return PLAN_RULE_LET_BE;
    if (work->cap_kib != 0 && shared->target_kib == work->cap_kib && shared->target_kib < want)
        return PLAN_RULE_MAKE_ROOM;
    if (!pass->plan->minimums_fit && shared->target_kib < want)
        return PLAN_RULE_MINIMUMS;
    if (shared->target_kib < want)
        return pass->plan->host_pressure && shared->target_kib >= shared->level_kib[PLAN_STAGE_DEMAND]
                   ? PLAN_RULE_PRESSURE
                   : PLAN_RULE_SHORTAGE;
    if (shared->target_kib >= work->maximum_kib && work->demand.want_kib > work->maximum_kib)
        return work->maximum_kib < settings->maximum_kib ? PLAN_RULE_BOUND : PLAN_RULE_AT_MAXIMUM;
    if (work->demand.starved)
        return PLAN_RULE_STARVED;
    if (shared->stage == PLAN_STAGE_SURPLUS)
        return PLAN_RULE_SURPLUS;
    if (shared->stage == PLAN_STAGE_PEAK)
        return PLAN_RULE_PEAK;
    return work->demand.want_kib < work->minimum_kib ? PLAN_RULE_AT_MINIMUM : PLAN_RULE_SATISFIED;
}

static PlanStage
stage_of(const GuestPlan *plan, uint64_t kib)
{
    if (kib > plan->demand_kib)
        return PLAN_STAGE_WANT;
    return kib > plan->guest->settings->minimum_kib ? PLAN_STAGE_DEMAND : PLAN_STAGE_MINIMUM;
}

/* Writes down the answers of a run: for those that were counted on, or for those apart. */
static void
take_shares(Pass *pass, size_t count, bool apart)
{
    DecideState *state = pass->state;

    for (size_t slot = 0; slot < count; slot++) {
        const SharingGuest *shared = &state->sharing[slot];
        size_t i = shared->index;
        GuestPlan *plan = &pass->plan->guests[i];

        if (is_apart(&state->work[i]) != apart)
            continue;
        plan->ideal_kib = shared->target_kib;
        plan->stage = shared->stage;
        plan->weight = shared->weight;
        state->work[i].share_rule = share_rule(pass, i, shared);
    }
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSettings *settings = pass->snapshot->guests[i].settings;
        Work *work = &state->work[i];
        GuestPlan *plan = &pass->plan->guests[i];

        if (!work->at_least || is_apart(work) != apart)
            continue;
        plan->ideal_kib = work->least_kib;
        plan->stage = stage_of(plan, work->least_kib);
        plan->weight = MIN(settings->priority, 100) + 1;
        work->share_rule = work->least_rule;
    }
}

/*
 * Shares budget_kib among the guests that are counted on, or for those apart: among both. Whoever would get less than
 * it must be left with gets just that, and the rest is shared anew among the others; so nobody gains in weight
 * by being spared. Returns the stage that could not be filled.
 */
static PlanStage
share(Pass *pass, uint64_t budget_kib, bool apart)
{
    DecideState *state = pass->state;
    size_t count;
    unsigned rounds = 0;
    bool again;
    PlanStage short_stage;
    bool pressure = pass->plan->host_pressure;
    /* what nobody lacks is there for a claim first */
    PlanStage last = pass->given_kib > 0 || pass->unserved ? PLAN_STAGE_WANT
                     : pressure                            ? PLAN_STAGE_GROWTH
                     : pass->settings->give_away           ? PLAN_STAGE_SURPLUS
                                                           : PLAN_STAGE_PEAK;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++)
        state->work[i].at_least = false;
    do {
        count = 0;
        again = false;
        for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
            const GuestSettings *settings = pass->snapshot->guests[i].settings;
            const Work *work = &state->work[i];
            const GuestPlan *plan = &pass->plan->guests[i];

            if (work->at_least || (!is_counted_on(work) && !(apart && is_apart(work))))
                continue;
            state->sharing[count++] = (SharingGuest){
                .level_kib = {[PLAN_STAGE_MINIMUM] = work->minimum_kib,
                              [PLAN_STAGE_DEMAND] = plan->demand_kib,
                              [PLAN_STAGE_WANT] = pressure ? plan->demand_kib : plan->want_kib,
                              [PLAN_STAGE_GROWTH] = work->demand.growth_kib,
                              [PLAN_STAGE_PEAK] = work->demand.peak_kib,
                              [PLAN_STAGE_SURPLUS] =
                                  work->cap_kib != 0 ? MIN(work->maximum_kib, work->cap_kib) : work->maximum_kib},
                .weight = MIN(settings->priority, 100) + 1,
                .index = (uint32_t)i,
            };
        }
        short_stage = sharing_share(state->sharing, count, budget_kib, last, state->scratch);
        for (size_t slot = 0; slot < count; slot++) {
            Work *work = &state->work[state->sharing[slot].index];

            if (state->sharing[slot].target_kib >= work->least_kib)
                continue;
            work->at_least = true;
            budget_kib = saturating_sub(budget_kib, work->least_kib);
            again = true;
        }
    } while (again && ++rounds < LEAST_ROUNDS);
    take_shares(pass, count, apart);
    return short_stage;
}

void
pass_share(Pass *pass)
{
    Plan *plan = pass->plan;
    PlanStage short_stage;
    uint64_t assigned = 0;
    uint64_t apart = 0;
    bool any_apart = false;

    plan->sharing_kib = pass_shared(pass);
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const Work *work = &pass->state->work[i];
        const GuestPlan *guest = &plan->guests[i];

        if (is_apart(work)) {
            any_apart = true;
            apart += saturating_sub(work->entry->booked_kib, guest->guest->settings->fixed_kib);
        }
        if (!is_counted_on(work))
            continue;
        plan->minimums_kib += work->minimum_kib;
        plan->demands_kib += MAX(guest->demand_kib, work->minimum_kib);
        plan->wants_kib += guest->want_kib;
        assigned += guest->guest->actual_kib;
    }
    plan->minimums_fit = plan->minimums_kib <= plan->sharing_kib;
    plan->pressure_percent = assigned == 0 ? 0 : (uint32_t)MIN(plan->wants_kib * 100 / assigned, UINT32_MAX);

    short_stage = share(pass, plan->sharing_kib, false);
    pass->shortage = short_stage != PLAN_STAGE_NONE && short_stage <= PLAN_STAGE_WANT;
    if (any_apart)
        share(pass, plan->sharing_kib + apart, true);
}
