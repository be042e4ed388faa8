/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/calm.h"

#include "decide/faults.h"
#include "decide/pass.h"
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
keep(Work *work, PlanRule why)
{
    work->plan->target_kib = work->target_kib;
    work->delay = why;
}

/* What a difference that there is since then must come to before it is moved. */
static uint64_t
noticed(const Work *work, uint64_t since_usec, uint64_t now_usec)
{
    bool lasts = lasts_for(since_usec, CRUMB_USEC, now_usec);

    return work->target_kib / (lasts || broken(FAULT_CRUMBS) ? TINY_PART : CRUMB_PART);
}

static void
settle_raise(Work *work, uint64_t now_usec)
{
    const GuestPlan *plan = work->plan;
    uint64_t held = work->target_kib;
    uint64_t need = MIN(MAX(plan->demand_kib, work->minimum_kib), plan->ideal_kib);
    uint64_t ignored = held / TINY_PART;

    if (held >= need)
        ignored =
            MAX(calm_ignored(plan->ideal_kib - need, held), noticed(work, work->memory->calm.below_usec, now_usec));
    if (plan->ideal_kib - held < ignored)
        keep(work, PLAN_RULE_SMALL);
}

static void
settle_shrink(const Pass *pass, Work *work)
{
    uint64_t surplus = work->target_kib - work->plan->ideal_kib;
    bool pressure = pass->plan->host_pressure;

    if (surplus < work->target_kib / (pressure ? TINY_PART : SMALL_PART))
        keep(work, PLAN_RULE_SMALL);
    else if (!pressure && pass->now_usec - work->memory->calm.surplus_usec < SURPLUS_USEC)
        keep(work, PLAN_RULE_WAIT_SURPLUS);
}

static void
follow_differences(const Work *work, uint64_t now_usec)
{
    const GuestPlan *plan = work->plan;
    CalmMemory *memory = &work->memory->calm;
    uint64_t held = work->target_kib;
    uint64_t small = held / SMALL_PART;
    uint64_t tiny = held / TINY_PART;

    /* what it does not want lasts, whether it is left to it for a while or not */
    lasting_note(&memory->surplus_usec, held >= MIN(plan->want_kib, plan->ideal_kib) + small, now_usec);
    lasting_note(&memory->above_usec, held >= plan->ideal_kib + tiny, now_usec);
    lasting_note(&memory->below_usec, held + tiny <= plan->ideal_kib, now_usec);
}

static void
settle_alone(const Pass *pass, Work *work)
{
    GuestPlan *plan = work->plan;
    uint64_t held = work->target_kib;
    bool moves_anyway = held < work->minimum_kib || held > work->maximum_kib || broken(FAULT_NO_HYSTERESIS);
    /* what those apart have too much is wanted by somebody, or it is not; of the others together see take_surplus */
    bool is_wanted = is_apart(work) && (pass->shortage || pass->unserved);

    plan->target_kib = plan->ideal_kib;
    work->delay = PLAN_RULE_COUNT;
    follow_differences(work, pass->now_usec);
    if (plan->ideal_kib > held && !moves_anyway)
        settle_raise(work, pass->now_usec);
    if (plan->ideal_kib < held && !moves_anyway && !is_wanted)
        settle_shrink(pass, work);
    if (work->cap_kib != 0 && plan->target_kib > work->cap_kib && !broken(FAULT_CLAIM_PATIENT)) {
        plan->target_kib = work->cap_kib;
        work->delay = PLAN_RULE_MAKE_ROOM;
    }
}

/*
 * Takes so much from those that hold more than their ideal, which leaves those with most all the same. What is missing for raises
 * can wait for crumbs, what is held beyond the budget (at_once) can't.
 */
static void
take_surplus(const Pass *pass, uint64_t kib, bool at_once)
{
    SharingScratch *scratch = pass->state->scratch;
    uint64_t surplus = 0;
    size_t gaps = 0;

    for (const Work *work = pass->first; work < pass->end; work++) {
        uint64_t gap = saturating_sub(work->plan->target_kib, work->plan->ideal_kib);

        if (!is_counted_on(work) || gap == 0 ||
            (!at_once && gap < noticed(work, work->memory->calm.above_usec, pass->now_usec)))
            continue;
        surplus += gap;
        scratch[gaps++] = (SharingScratch){.gap_kib = gap, .weight = 1, .index = (uint32_t)(work - pass->first)};
    }
    sharing_fill(scratch, gaps, saturating_sub(surplus, kib));
    for (size_t i = 0; i < gaps; i++) {
        Work *work = &pass->first[scratch[i].index];
        uint64_t ideal = work->plan->ideal_kib;
        uint64_t target = ideal + scratch[i].gap_kib;

        if (target == work->plan->target_kib)
            continue;
        /* a crumb a tick would be a change a tick */
        if (!broken(FAULT_CRUMBS))
            target = MAX(MIN(target, work->target_kib - work->target_kib / CRUMB_PART), ideal);
        work->plan->target_kib = target;
        work->delay = PLAN_RULE_COUNT;
    }
}

/* Keeps a shrink ahead of the guest, but not further than it can follow, and without a new target each tick. */
static void
limit_step(Work *work, uint64_t interval_usec)
{
    GuestPlan *plan = work->plan;
    uint64_t actual = work->guest->actual_kib;
    uint64_t rate, step, reachable;

    /* above what it may have at all there is no time for steps */
    if (plan->target_kib >= work->target_kib || actual > work->maximum_kib)
        return;
    rate = work->memory->stuck.rate_kib * 2 * (interval_usec / USEC_PER_MSEC) / 1000;
    step = MAX(MAX(percent_of(actual, STEP_PERCENT), STEP_KIB), rate);
    reachable = saturating_sub(actual, step);
    if (plan->target_kib >= reachable)
        return;
    if (work->delay != PLAN_RULE_MAKE_ROOM)
        work->delay = PLAN_RULE_STEP;
    plan->target_kib = MIN(work->target_kib, reachable);
    if (work->target_kib - plan->target_kib < step / 4)
        plan->target_kib = work->target_kib;
}

void
pass_calm(const Pass *pass)
{
    uint64_t budget = pass->plan->sharing_kib;
    uint64_t held = 0;
    uint64_t sum = 0;

    for (Work *work = pass->first; work < pass->end; work++) {
        if (work->standing.part == PART_OUT)
            continue;
        settle_alone(pass, work);
        if (!is_counted_on(work))
            continue;
        sum += work->plan->target_kib;
        held += MIN(work->plan->target_kib, work->target_kib);
    }
    if (sum > budget && !broken(FAULT_KEEP_SURPLUS))
        take_surplus(pass, sum - budget, held > budget);
    for (Work *work = pass->first; work < pass->end; work++)
        if (is_told(work) && !pass->observe && !broken(FAULT_SHRINK_AT_ONCE))
            limit_step(work, pass->settings->interval_usec);
}
