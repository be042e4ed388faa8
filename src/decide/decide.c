/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/decide.h"

#include "decide/faults.h"
#include "decide/pass.h"

/*
 * One pass in eight steps: how does each guest stand and what is it booked at; what is the budget; what does
 * each need; who must get memory before the others share; how is the rest shared; which of the changes are worth telling; which of the raises fit
 * into free memory; what is to be said of each guest.
 */

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
    g_free(state->givers);
    g_free(state->rate_guests);
    g_free(state->claims);
    g_clear_pointer(&state->booked_starts, g_array_unref);
    g_free(state);
}

void
plan_clear(Plan *plan)
{
    g_free(plan->guests);
    g_free(plan->starts);
    g_free(plan->end_files);
    *plan = (Plan){.guests = NULL};
}

/* The plan's arrays may come from elsewhere, so their size is what they were last filled with. */
static void
make_plan_room(const Snapshot *snapshot, Plan *plan)
{
    if (plan->guests == NULL || plan->guest_count < snapshot->guest_count)
        plan->guests = g_renew(GuestPlan, plan->guests, MAX(snapshot->guest_count, 1));
    if (plan->starts == NULL || plan->start_count < snapshot->start_count)
        plan->starts = g_renew(StartPlan, plan->starts, MAX(snapshot->start_count, 1));
    if (plan->end_files == NULL || plan->file_count < snapshot->file_count)
        plan->end_files = g_renew(bool, plan->end_files, MAX(snapshot->file_count, 1));
    for (size_t i = 0; i < snapshot->file_count; i++)
        plan->end_files[i] = false;
    *plan = (Plan){.guests = plan->guests,
                   .guest_count = snapshot->guest_count,
                   .starts = plan->starts,
                   .start_count = snapshot->start_count,
                   .end_files = plan->end_files,
                   .file_count = snapshot->file_count};
}

static void
make_room(DecideState *state, size_t count, size_t start_count)
{
    if (state->giver_capacity < count + start_count) {
        state->giver_capacity = MAX(count + start_count, state->giver_capacity * 2);
        state->givers = g_renew(ClaimGiver, state->givers, state->giver_capacity);
    }
    if (count <= state->capacity)
        return;
    state->capacity = MAX(count, state->capacity * 2);
    state->work = g_renew(Work, state->work, state->capacity);
    state->sharing = g_renew(SharingGuest, state->sharing, state->capacity);
    state->scratch = g_renew(SharingScratch, state->scratch, state->capacity);
    state->sharers = g_renew(uint32_t, state->sharers, state->capacity);
    state->rate_guests = g_renew(uint32_t, state->rate_guests, state->capacity);
    state->calm = g_renew(CalmGuest, state->calm, state->capacity);
}

/*
 * The target in force. Where nothing is told it is the one of the last plan, so that plans follow one another. A guest
 * that was started is on its way to its startup memory, since libvirt tells the balloon before the guest runs
 * (qemu_process.c, qemuProcessSetupBalloon); its driver begins from the maximum.
 */
static uint64_t
held_target(const GuestMemory *memory, const GuestSnapshot *guest, bool observe)
{
    if (memory->told && (observe || guest->target_pending))
        return memory->told_kib;
    if (guest->target_known)
        return guest->target_kib;
    if (!guest->adopted && !guest->boot_in_place && !broken(FAULT_KEEP_MAXIMUM))
        return MIN(guest->has_actual ? guest->actual_kib : UINT64_MAX, guest->settings->startup_kib);
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
            overhead =
                ledger_learn_overhead(&memory->overhead, guest, pass->now_usec) +
                guest_limit_learn(&memory->limit, guest,
                                  memory->restarting || memory->restart.limited || !guest->driver_up, pass->now_usec);
        pass_restart_begin(pass, i, overhead);
        standing_work_out(memory, guest, guest->target_known ? guest->target_kib : guest->actual_kib, pass->observe,
                          overhead, pass->settings->interval_usec, pass->now_usec, &work->standing);
        work->natural_kib = ledger_committed(work->standing.booking, guest, overhead, memory->committed_kib);
        pass_restart_book(pass, i, overhead);
        ledger_add(&pass->sums, work->committed_kib, overhead, memory->overhead.resident_kib,
                   work->limited ? work->slack_kib : 0);
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

void
pass_show_budget(Pass *pass)
{
    Plan *plan = pass->plan;
    const LedgerBudget *budget = &pass->budget;

    plan->budget_kib = budget->budget_kib;
    plan->budget_limit = budget->limit;
    plan->budget_total_kib = budget->total_kib;
    plan->budget_available_kib = budget->available_kib;
    plan->reserve_kib = budget->reserve_kib;
    plan->other_kib = budget->other_kib;
    plan->overhead_kib = pass->sums.overhead_kib;
}

static void
work_out_budget(Pass *pass)
{
    ledger_work_out_budget(&pass->state->ledger, &pass->snapshot->host, pass->settings, &pass->sums, pass->now_usec,
                           &pass->budget);
    pass_show_budget(pass);
    pass->plan->host_pressure = pressure_judge(&pass->state->pressure, &pass->snapshot->host, pass->now_usec);
}

/* What a guest must be left with now whatever its share: what it has while it must not be squeezed, or can't be. */
static void
find_least(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    Work *work = &pass->state->work[i];
    uint64_t limit = stuck_lower_limit(&pass->state->memories.guests[i].stuck, pass->now_usec);

    if (work->standing.not_squeezed) {
        work->least_kib = work->held_kib;
        work->least_rule = work->standing.rule;
        /* libvirt told it its startup memory before its driver was up: to go there is no squeeze */
        if (work->least_rule == PLAN_RULE_SETTLING && !pass->adopting && !broken(FAULT_KEEP_MAXIMUM))
            work->least_kib = MIN(work->least_kib, guest->settings->startup_kib);
    } else if (pass->adopting) {
        work->least_kib = work->held_kib;
        work->least_rule = PLAN_RULE_WAIT_SURPLUS;
    }
    if (limit > work->least_kib) {
        work->least_kib = limit;
        work->least_rule = PLAN_RULE_LIMIT;
    }
    work->least_kib = MIN(work->least_kib, guest->settings->maximum_kib);
}

static void
work_out_demands(Pass *pass)
{
    uint64_t out = pass->plan->reserved_kib;
    uint64_t apart = 0;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        GuestPlan *plan = &pass->plan->guests[i];
        Work *work = &pass->state->work[i];

        if (guest->settings->managed && guest->life != GUEST_LIFE_OFF)
            demand_work_out(&pass->state->memories.guests[i].demand, guest, pass->settings, pass->now_usec,
                            &work->demand);
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
        find_least(pass, i);
    }
    pass->share_kib = saturating_sub(pass->plan->budget_kib, out);
    pass->apart_kib = saturating_sub(pass->plan->budget_kib + apart, out);
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
        .observe = dry || snapshot->host.link == WORLD_LINK_READ_ONLY,
        .link_down = snapshot->host.link == WORLD_LINK_DOWN,
    };

    make_plan_room(snapshot, plan);
    make_room(state, snapshot->guest_count, snapshot->start_count);
    guest_memories_sync(&state->memories, snapshot);
    state->claim_count = 0;

    book_guests(&pass);
    pass_book_starts(&pass);
    work_out_budget(&pass);
    work_out_demands(&pass);
    pass_restart_claim(&pass);
    pass_claim(&pass);
    pass_restart_decide(&pass);
    pass_share(&pass);
    pass_tell(&pass);
    pass_limit(&pass);
    pass_restart_finish(&pass);
}
