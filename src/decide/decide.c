/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/decide.h"

#include "decide/faults.h"
#include "decide/gate.h"
#include "decide/guest_memory.h"
#include "decide/pressure.h"
#include "decide/sharing.h"
#include "decide/standing.h"
#include "units.h"

/*
 * One pass in seven steps: how does each guest stand and what is it booked at; what is the budget; what does
 * each need; how is the budget shared; which of the changes are worth telling; which of the raises fit
 * into free memory; what is to be said of each guest.
 *
 * The sharing runs a second time where there are guests that get a target without being counted on:
 * observed ones, and those that lag behind. The first run, without them, is for everybody else; the second shows
 * what they would have if they were like the others.
 */

/* A target that was told and not taken is told again after this time. */
#define TELL_AGAIN_USEC (5 * USEC_PER_SEC)
/* A raise that waits for memory is told in parts of at least this size. */
#define LEAST_PART_KIB (32 * KIB_PER_MIB)
/* A target that is off by less than this part still covers want: small differences are held back. */
#define COVERED_PERCENT 5

/* What is worked out for one guest in one tick besides its plan. */
typedef struct Work {
    Standing standing;
    Demand demand;
    uint64_t held_kib;
    uint64_t committed_kib; /* now; with fixed memory */
    uint64_t minimum_kib;   /* below it nothing is taken now */
    PlanRule share_rule;
} Work;

struct DecideState {
    GuestMemories memories;
    LedgerMemory ledger;
    PressureMemory pressure;
    uint32_t faults;
    /* room to work in, one entry per guest, kept from tick to tick */
    size_t capacity;
    Work *work;
    SharingGuest *sharing;
    SharingScratch *scratch;
    uint32_t *sharers; /* sharing[i] is guest sharers[i] */
    CalmGuest *calm;
    GateGuest *gate;
};

/* The inputs and what the steps hand on to one another. */
typedef struct Pass {
    DecideState *state;
    const Snapshot *snapshot;
    const Settings *settings;
    Plan *plan;
    uint64_t now_usec;
    uint32_t faults;
    bool observe; /* nothing is told to any guest */
    bool link_down;
    bool adopting;             /* a guest's first report is awaited: nobody is squeezed for what is not known of it */
    uint64_t adopted_risk_kib; /* what guests that are adopted might have beyond their booking */
    LedgerSums sums;
    bool any_apart;     /* somebody gets a target without being counted on */
    bool shortage;      /* somebody does not have all the want */
    uint64_t share_kib; /* what the guests in the sharing may have */
    uint64_t apart_kib; /* ... if those apart were in it as well */
} Pass;

DecideState *
decide_state_new(void)
{
    return g_new0(DecideState, 1);
}

void
decide_state_free(DecideState *state)
{
    if (state == NULL)
        return;
    guest_memories_clear(&state->memories);
    g_free(state->work);
    g_free(state->sharing);
    g_free(state->scratch);
    g_free(state->sharers);
    g_free(state->calm);
    g_free(state->gate);
    g_free(state);
}

void
decide_state_set_faults(DecideState *state, uint32_t faults)
{
    state->faults = faults;
}

void
plan_clear(Plan *plan)
{
    g_free(plan->guests);
    *plan = (Plan){.guests = NULL};
}

/* The plan's array has the state's capacity or is grown to what is needed: it may come from elsewhere. */
static void
make_room(DecideState *state, size_t count, Plan *plan)
{
    if (plan->guests == NULL || plan->guest_count < count)
        plan->guests = g_renew(GuestPlan, plan->guests, MAX(count, 1));
    if (count <= state->capacity)
        return;
    state->capacity = MAX(count, state->capacity * 2);
    state->work = g_renew(Work, state->work, state->capacity);
    state->sharing = g_renew(SharingGuest, state->sharing, state->capacity);
    state->scratch = g_renew(SharingScratch, state->scratch, state->capacity);
    state->sharers = g_renew(uint32_t, state->sharers, state->capacity);
    state->calm = g_renew(CalmGuest, state->calm, state->capacity);
    state->gate = g_renew(GateGuest, state->gate, state->capacity);
}

/* Gets a target, and what it has is not part of what is shared. */
static bool
is_apart(const Work *work)
{
    return work->standing.part == PART_OBSERVED ||
           (work->standing.part == PART_SHARES && work->standing.not_counted_on);
}

static bool
is_counted_on(const Work *work)
{
    return work->standing.part == PART_SHARES && !work->standing.not_counted_on;
}

/* The target in force. Where nothing is told it is the one of the last plan, so that plans follow one another. */
static uint64_t
held_target(const GuestMemory *memory, const GuestSnapshot *guest, bool observe)
{
    if (memory->told && (observe || guest->target_pending))
        return memory->told_kib;
    if (guest->target_known)
        return guest->target_kib;
    return guest->has_actual ? guest->actual_kib : guest->settings->maximum_kib;
}

static void
book_guests(Pass *pass)
{
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        GuestMemory *memory = &pass->state->memories.guests[i];
        Work *work = &pass->state->work[i];
        uint64_t overhead = 0;

        *work = (Work){.share_rule = PLAN_RULE_COUNT};
        work->held_kib = held_target(memory, guest, pass->observe);
        if (guest->life != GUEST_LIFE_OFF)
            overhead = ledger_learn_overhead(&memory->overhead, guest, pass->now_usec);
        standing_work_out(memory, guest, work->held_kib, pass->observe, overhead, pass->settings->interval_usec,
                          pass->now_usec, pass->faults, &work->standing);
        work->committed_kib =
            ledger_committed(work->standing.booking, guest, overhead, memory->committed_kib, pass->faults);
        ledger_add(&pass->sums, work->committed_kib, overhead, memory->overhead.resident_kib);
        if (work->standing.rule == PLAN_RULE_ADOPTING) {
            pass->adopting = true;
            pass->adopted_risk_kib +=
                saturating_sub(guest->settings->maximum_kib + guest->settings->fixed_kib, work->committed_kib);
        }
        pass->plan->guests[i] = (GuestPlan){
            .guest = guest,
            .state = work->standing.state,
            .rule = work->standing.rule,
            .overhead_kib = overhead,
            .committed_kib = work->committed_kib,
        };
    }
}

static void
work_out_budget(Pass *pass)
{
    Plan *plan = pass->plan;
    LedgerBudget budget;

    ledger_work_out_budget(&pass->state->ledger, &pass->snapshot->host, pass->settings, &pass->sums, pass->now_usec,
                           pass->faults, &budget);
    plan->budget_kib = budget.budget_kib;
    plan->budget_limit = budget.limit;
    plan->budget_total_kib = budget.total_kib;
    plan->budget_available_kib = budget.available_kib;
    plan->reserve_kib = budget.reserve_kib;
    plan->other_kib = budget.other_kib;
    plan->overhead_kib = pass->sums.overhead_kib;
    plan->host_pressure = pressure_judge(&pass->state->pressure, &pass->snapshot->host, pass->now_usec, pass->faults);
}

/* The least a guest has to be left with now: its minimum, or what it has while it must not be squeezed. */
static uint64_t
least_target(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const Work *work = &pass->state->work[i];
    uint64_t least = guest->settings->minimum_kib;

    if (work->standing.not_squeezed || pass->adopting)
        least = MAX(least, work->held_kib);
    least = MAX(least, stuck_lower_limit(&pass->state->memories.guests[i].stuck, pass->now_usec));
    return MIN(least, guest->settings->maximum_kib);
}

static void
work_out_demands(Pass *pass)
{
    uint64_t out = 0;
    uint64_t apart = 0;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        GuestPlan *plan = &pass->plan->guests[i];
        Work *work = &pass->state->work[i];

        if (guest->settings->managed && guest->life != GUEST_LIFE_OFF)
            demand_work_out(&pass->state->memories.guests[i].demand, guest, pass->settings, pass->now_usec,
                            pass->faults, &work->demand);
        if (work->demand.known) {
            plan->demand_kib = MIN(work->demand.demand_kib, guest->settings->maximum_kib);
            plan->want_kib =
                clamp_u64(work->demand.want_kib, guest->settings->minimum_kib, guest->settings->maximum_kib);
            plan->floor_kib = work->demand.floor_kib;
            plan->starved = work->demand.starved;
        }
        if (is_counted_on(work)) {
            out += guest->settings->fixed_kib;
        } else {
            out += work->committed_kib;
            if (is_apart(work)) {
                pass->any_apart = true;
                apart += work->committed_kib - MIN(guest->settings->fixed_kib, work->committed_kib);
            }
        }
        work->minimum_kib = least_target(pass, i);
    }
    pass->share_kib = saturating_sub(pass->plan->budget_kib, out);
    pass->apart_kib = saturating_sub(pass->plan->budget_kib + apart, out);
}

/* What limited the sharing's answer. */
static PlanRule
share_rule(const Pass *pass, size_t i, const SharingGuest *shared)
{
    const GuestSettings *settings = pass->snapshot->guests[i].settings;
    const Work *work = &pass->state->work[i];
    uint64_t want = pass->plan->guests[i].want_kib;

    if (shared->target_kib == work->minimum_kib && work->minimum_kib > settings->minimum_kib &&
        work->standing.not_squeezed)
        return work->standing.rule;
    if (!pass->plan->minimums_fit && shared->target_kib < want)
        return PLAN_RULE_MINIMUMS;
    if (shared->target_kib < want)
        return pass->plan->host_pressure && shared->target_kib >= shared->demand_kib ? PLAN_RULE_PRESSURE
                                                                                     : PLAN_RULE_SHORTAGE;
    if (shared->stage == PLAN_STAGE_SURPLUS)
        return PLAN_RULE_SURPLUS;
    if (work->demand.want_kib < settings->minimum_kib)
        return PLAN_RULE_AT_MINIMUM;
    if (shared->target_kib >= settings->maximum_kib && work->demand.want_kib > settings->maximum_kib)
        return PLAN_RULE_AT_MAXIMUM;
    return work->demand.starved ? PLAN_RULE_STARVED : PLAN_RULE_SATISFIED;
}

/* Shares budget_kib among the guests that are counted on, and those apart if with_apart. */
static size_t
run_sharing(Pass *pass, uint64_t budget_kib, bool with_apart, SharingResult *result)
{
    DecideState *state = pass->state;
    size_t count = 0;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSettings *settings = pass->snapshot->guests[i].settings;
        const Work *work = &state->work[i];
        const GuestPlan *plan = &pass->plan->guests[i];

        if (!is_counted_on(work) && !(with_apart && is_apart(work)))
            continue;
        state->sharers[count] = (uint32_t)i;
        state->sharing[count++] = (SharingGuest){
            .minimum_kib = work->minimum_kib,
            .demand_kib = plan->demand_kib,
            .want_kib = pass->plan->host_pressure ? plan->demand_kib : plan->want_kib,
            .maximum_kib = settings->maximum_kib,
            .weight = MIN(settings->priority, 100) + 1,
        };
    }
    sharing_share(state->sharing, count, budget_kib, pass->settings->give_away && !pass->plan->host_pressure,
                  pass->faults, state->scratch, result);
    return count;
}

static void
take_share(Pass *pass, size_t slot)
{
    size_t i = pass->state->sharers[slot];
    const SharingGuest *shared = &pass->state->sharing[slot];
    GuestPlan *plan = &pass->plan->guests[i];

    plan->ideal_kib = shared->target_kib;
    plan->stage = shared->stage;
    plan->weight = shared->weight;
    pass->state->work[i].share_rule = share_rule(pass, i, shared);
}

static void
share(Pass *pass)
{
    DecideState *state = pass->state;
    Plan *plan = pass->plan;
    SharingResult result;
    uint64_t assigned = 0;
    size_t count = run_sharing(pass, pass->share_kib, false, &result);

    plan->sharing_kib = pass->share_kib;
    plan->demands_kib = result.demands_kib;
    for (size_t slot = 0; slot < count; slot++) {
        size_t i = state->sharers[slot];

        plan->minimums_kib += pass->snapshot->guests[i].settings->minimum_kib;
        plan->wants_kib += plan->guests[i].want_kib;
        assigned += pass->snapshot->guests[i].actual_kib;
    }
    plan->minimums_fit = plan->minimums_kib <= pass->share_kib;
    plan->pressure_percent = assigned == 0 ? 0 : (uint32_t)MIN(plan->wants_kib * 100 / assigned, UINT32_MAX);
    pass->shortage = result.short_stage != PLAN_STAGE_NONE;
    for (size_t slot = 0; slot < count; slot++)
        take_share(pass, slot);

    if (!pass->any_apart)
        return;
    count = run_sharing(pass, pass->apart_kib, true, &result);
    for (size_t slot = 0; slot < count; slot++) {
        if (is_apart(&state->work[state->sharers[slot]]))
            take_share(pass, slot);
    }
}

/* Ideal targets to targets: those that are counted on together, the others each for itself. */
static void
settle(Pass *pass)
{
    DecideState *state = pass->state;
    size_t count = 0;
    uint64_t held = 0;

    for (unsigned apart = 0; apart < 2; apart++) {
        for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
            const GuestSnapshot *guest = &pass->snapshot->guests[i];
            const Work *work = &state->work[i];
            const GuestPlan *plan = &pass->plan->guests[i];

            if (!(apart == 0 ? is_counted_on(work) : is_apart(work)))
                continue;
            state->sharers[count] = (uint32_t)i;
            state->calm[count++] = (CalmGuest){
                .memory = &state->memories.guests[i].calm,
                .held_kib = work->held_kib,
                .actual_kib = guest->actual_kib,
                .ideal_kib = plan->ideal_kib,
                .need_kib = MIN(MAX(plan->demand_kib, guest->settings->minimum_kib), plan->ideal_kib),
                .minimum_kib = guest->settings->minimum_kib,
                .maximum_kib = guest->settings->maximum_kib,
                .rate_kib = state->memories.guests[i].stuck.rate_kib,
                .starved = plan->starved,
                .instant = pass->observe || work->standing.part == PART_OBSERVED,
            };
        }
        if (apart == 0)
            held = count;
    }
    calm_settle(state->calm, held, pass->share_kib, pass->shortage, pass->settings->interval_usec, pass->now_usec,
                pass->faults);
    calm_settle(state->calm + held, count - held, UINT64_MAX, false, pass->settings->interval_usec, pass->now_usec,
                pass->faults);
    for (size_t slot = 0; slot < count; slot++) {
        size_t i = state->sharers[slot];
        GuestPlan *plan = &pass->plan->guests[i];

        plan->target_kib = state->calm[slot].target_kib;
        plan->rule = state->calm[slot].delay != PLAN_RULE_COUNT ? state->calm[slot].delay : state->work[i].share_rule;
        plan->retry = state->work[i].standing.retry;
    }
}

/* Rule G. */
static void
admit_raises(Pass *pass)
{
    DecideState *state = pass->state;
    uint64_t budget = pass->plan->budget_kib;
    uint64_t free_kib = saturating_sub(budget, pass->sums.committed_kib + pass->adopted_risk_kib);
    size_t count = 0;

    if (!pass->snapshot->host.figures_valid)
        free_kib = 0;
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestPlan *plan = &pass->plan->guests[i];

        if (state->work[i].standing.part != PART_SHARES)
            continue;
        state->sharers[count] = (uint32_t)i;
        state->gate[count++] = (GateGuest){
            .committed_kib = saturating_sub(state->work[i].committed_kib, plan->guest->settings->fixed_kib),
            .need_kib = MIN(MAX(plan->demand_kib, plan->guest->settings->minimum_kib), plan->ideal_kib),
            .weight = plan->weight,
            .target_kib = plan->target_kib,
        };
    }
    gate_admit(state->gate, count, free_kib, (pass->faults & FAULT_NO_GATE) != 0);
    for (size_t slot = 0; slot < count; slot++) {
        size_t i = state->sharers[slot];
        const GateGuest *gate = &state->gate[slot];
        GuestPlan *plan = &pass->plan->guests[i];
        uint64_t held = state->work[i].held_kib;

        if (!gate->waits)
            continue;
        plan->rule = PLAN_RULE_WAIT_FREE;
        plan->target_kib = gate->target_kib;
        if (plan->target_kib > held && plan->target_kib - held < LEAST_PART_KIB && plan->guest->target_known)
            plan->target_kib = held;
    }
}

/* A stuck guest's target is drawn back to what it has, so that its driver stops trying in vain. */
static void
draw_back(Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const Work *work = &pass->state->work[i];
    GuestPlan *plan = &pass->plan->guests[i];
    uint64_t target = clamp_u64(guest->actual_kib, guest->settings->minimum_kib, guest->settings->maximum_kib);
    uint64_t off = MAX(target, work->held_kib) - MIN(target, work->held_kib);

    plan->target_kib = work->held_kib;
    if (off > stuck_tolerance(guest->actual_kib) && target + guest->settings->fixed_kib <= work->committed_kib)
        plan->target_kib = target;
}

/* Decides whether the target is told now, and books it if so. */
static void
tell(Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    GuestMemory *memory = &pass->state->memories.guests[i];
    Work *work = &pass->state->work[i];
    GuestPlan *plan = &pass->plan->guests[i];

    if (pass->link_down) {
        plan->target_kib = work->held_kib;
        plan->rule = PLAN_RULE_LINK_DOWN;
        return;
    }
    if (pass->observe || work->standing.part == PART_OBSERVED) {
        plan->rule = PLAN_RULE_OBSERVE;
        memory->told = true;
        memory->told_kib = plan->target_kib;
        return;
    }
    if (plan->target_kib == work->held_kib && guest->target_known)
        return;
    if (guest->target_pending || (memory->told && memory->told_kib == plan->target_kib &&
                                  pass->now_usec - memory->told_usec < TELL_AGAIN_USEC)) {
        plan->target_kib = work->held_kib;
        return;
    }
    plan->tell = true;
    plan->committed_kib = MAX(work->committed_kib, plan->target_kib + guest->settings->fixed_kib);
    memory->told = true;
    memory->told_kib = plan->target_kib;
    memory->told_usec = pass->now_usec;
    calm_note_change(&memory->calm, pass->now_usec);
}

static GuestStatus
status_of(const GuestPlan *plan)
{
    uint64_t covered = plan->assigned_kib + stuck_tolerance(plan->assigned_kib);

    if (plan->demand_kib > covered)
        return GUEST_STATUS_WARNING;
    covered = plan->assigned_kib + percent_of(plan->assigned_kib, COVERED_PERCENT);
    return plan->want_kib > covered ? GUEST_STATUS_LOW : GUEST_STATUS_OK;
}

static void
finish(Pass *pass)
{
    Plan *plan = pass->plan;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        GuestMemory *memory = &pass->state->memories.guests[i];
        const Work *work = &pass->state->work[i];
        GuestPlan *guest_plan = &plan->guests[i];

        if (work->standing.drawn_back) {
            draw_back(pass, i);
            tell(pass, i);
            if (!pass->link_down)
                guest_plan->rule = PLAN_RULE_STUCK;
        } else if (work->standing.part != PART_OUT) {
            tell(pass, i);
        } else if (guest->target_known && guest->life != GUEST_LIFE_OFF && guest->settings->managed) {
            guest_plan->target_kib = guest->target_kib;
        }
        if (work->standing.booking == BOOKING_MAXIMUM)
            guest_plan->assigned_kib = guest->settings->maximum_kib;
        else if (guest->life != GUEST_LIFE_OFF)
            guest_plan->assigned_kib = guest->has_actual ? guest->actual_kib : guest->settings->maximum_kib;
        if (guest_plan->assigned_kib != 0)
            guest_plan->pressure_percent =
                (uint32_t)MIN(guest_plan->want_kib * 100 / guest_plan->assigned_kib, UINT32_MAX);
        guest_plan->status = status_of(guest_plan);
        guest_plan->flagged_usec = memory->stuck.flagged_usec;
        guest_plan->retry_usec = memory->stuck.flagged_usec != 0 ? memory->stuck.retry_usec : 0;
        memory->committed_kib = guest_plan->committed_kib;
        plan->committed_kib += guest_plan->committed_kib;
    }
    plan->free_kib = saturating_sub(plan->budget_kib, plan->committed_kib);
    plan->over_budget = plan->committed_kib > plan->budget_kib;
}

void
decide(DecideState *state, const Snapshot *snapshot, const Settings *settings, bool dry, Plan *plan)
{
    Pass pass = {
        .state = state,
        .snapshot = snapshot,
        .settings = settings,
        .plan = plan,
        .now_usec = snapshot->now_usec,
        .faults = state->faults,
        .observe = dry || snapshot->host.link == WORLD_LINK_READ_ONLY,
        .link_down = snapshot->host.link == WORLD_LINK_DOWN,
    };

    make_room(state, snapshot->guest_count, plan);
    *plan = (Plan){.guests = plan->guests, .guest_count = snapshot->guest_count};
    guest_memories_sync(&state->memories, snapshot);

    book_guests(&pass);
    work_out_budget(&pass);
    work_out_demands(&pass);
    share(&pass);
    settle(&pass);
    if (!pass.observe)
        admit_raises(&pass);
    finish(&pass);
}
