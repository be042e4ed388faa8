/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/pass.h"

/*
 * The sharing runs a second time where there are guests that get a target without being counted on: observed ones, and those that
 * lag behind. The first run, with them, shows what they would have if they were like the others; the second, without them, is for
 * everybody else.
 */

/* Two or three rounds do, nearly always. What is left then is over the budget, and rule G sees to that. */
#define LEAST_ROUNDS 32

/* What limited the sharing's answer. */
static PlanRule
share_rule(const Pass *pass, const Work *work, const SharingGuest *shared)
{
    const GuestSettings *settings = work->guest->settings;
    uint64_t want = work->plan->want_kib;

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

/* It is to have that, or what it must be left with. */
static void
take_share(const Pass *pass, const SharingGuest *shared)
{
    Work *work = &pass->first[shared->index];
    GuestPlan *plan = work->plan;
    bool at_least = shared->target_kib < work->least_kib;

    plan->ideal_kib = at_least ? work->least_kib : shared->target_kib;
    plan->stage = shared->stage;
    plan->weight = shared->weight;
    work->share_rule = at_least ? work->least_rule : share_rule(pass, work, shared);
}

/*
 * Shares budget_kib among the guests that are counted on, with apart also among those that are not. Whoever would get less than
 * it must be left with gets just that, and the rest is shared anew among the others; so nobody gains in weight
 * by being spared. Returns the stage that could not be filled.
 */
static PlanStage
share(const Pass *pass, uint64_t budget_kib, bool apart)
{
    SharingGuest *sharing = pass->state->sharing;
    size_t count = 0, before;
    unsigned rounds = 0;
    PlanStage short_stage;
    bool pressure = pass->plan->host_pressure;
    /* what nobody lacks is there for a claim first */
    PlanStage last = pass->given_kib > 0 || pass->unserved ? PLAN_STAGE_WANT
                     : pressure                            ? PLAN_STAGE_GROWTH
                     : pass->settings->give_away           ? PLAN_STAGE_SURPLUS
                                                           : PLAN_STAGE_PEAK;

    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestPlan *plan = work->plan;

        if (!is_counted_on(work) && !(apart && is_apart(work)))
            continue;
        sharing[count++] = (SharingGuest){
            .level_kib = {[PLAN_STAGE_MINIMUM] = work->minimum_kib,
                          [PLAN_STAGE_DEMAND] = plan->demand_kib,
                          [PLAN_STAGE_WANT] = pressure ? plan->demand_kib : plan->want_kib,
                          [PLAN_STAGE_GROWTH] = work->demand.growth_kib,
                          [PLAN_STAGE_PEAK] = work->demand.peak_kib,
                          [PLAN_STAGE_SURPLUS] =
                              work->cap_kib != 0 ? MIN(work->maximum_kib, work->cap_kib) : work->maximum_kib},
            .weight = MIN(work->guest->settings->priority, 100) + 1,
            .index = (uint32_t)(work - pass->first),
        };
    }
    do {
        short_stage = sharing_share(sharing, count, budget_kib, last, pass->state->scratch);
        before = count;
        count = 0;
        for (size_t slot = 0; slot < before; slot++) {
            uint64_t least = pass->first[sharing[slot].index].least_kib;

            if (sharing[slot].target_kib >= least) {
                sharing[count++] = sharing[slot];
                continue;
            }
            take_share(pass, &sharing[slot]);
            budget_kib = saturating_sub(budget_kib, least);
        }
    } while (count < before && ++rounds < LEAST_ROUNDS);
    for (size_t slot = 0; slot < count; slot++)
        take_share(pass, &sharing[slot]);
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
    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestPlan *guest = work->plan;

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

    if (any_apart)
        share(pass, plan->sharing_kib + apart, true);
    short_stage = share(pass, plan->sharing_kib, false);
    pass->shortage = short_stage != PLAN_STAGE_NONE && short_stage <= PLAN_STAGE_WANT;
}
