/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "invariants.h"

#include "sim/world.h"
#include "units.h"

#include <inttypes.h>

/* So long nothing may have happened for a run to have come to rest. */
#define REST_SECONDS 120

/* Balloons are told whole pages; a size in a file may be any. */

/* However small the reserve is, a limit leaves so much. */
#define LEAST_SLACK_KIB (32 * KIB_PER_MIB)

/* A limit that is told with a start or reset is in force by then. */
#define LIMITED_SECONDS 7

#define MIB(kib) ((kib) / (double)KIB_PER_MIB)

void
invariants_init(Invariants *invariants, const SimScenario *scenario)
{
    *invariants = (Invariants){.scenario = scenario, .honest_host = true};
    restart_invariants_init(&invariants->restarts, scenario);
    for (guint i = 0; i < scenario->guests->len; i++) {
        const SimGuestSpec *spec = g_ptr_array_index(scenario->guests, i);

        if ((spec->behaviours & (SIM_LYING | SIM_INHIBITED)) != 0)
            invariants->honest_host = false;
    }
}

void
invariants_clear(Invariants *invariants)
{
    restart_invariants_clear(&invariants->restarts);
}

/* What the guest was booked at before this plan, as far as its balloon goes. */
static uint64_t
booked_before(const GuestSnapshot *guest)
{
    return guest->target_known ? MAX(guest->actual_kib, guest->target_kib) : guest->actual_kib;
}

/* Its balloon is void, and what it is told gives it nothing: it is booked at its maximum, or held at what is granted. */
static bool
is_booting(const GuestPlan *plan)
{
    return plan->rule == PLAN_RULE_RESET || plan->rule == PLAN_RULE_RESTART || plan->rule == PLAN_RULE_STARTING ||
           plan->rule == PLAN_RULE_PAGING || plan->rule == PLAN_RULE_PAGING_LEAVE;
}

/* memory.high holds it at what it is granted, and that may be nothing. */
static bool
is_limited(const GuestPlan *plan)
{
    return plan->granted_kib > 0 || plan->rule == PLAN_RULE_RESTART || plan->rule == PLAN_RULE_PAGING ||
           plan->rule == PLAN_RULE_PAGING_LEAVE || plan->paging_phase != PAGING_PHASE_NONE;
}

static bool
is_raise(const GuestPlan *plan)
{
    return plan->tell && !is_booting(plan) && plan->target_kib > booked_before(plan->guest);
}

static char *
check_told(const GuestPlan *plan)
{
    const GuestSnapshot *guest = plan->guest;
    const GuestSettings *settings = guest->settings;
    double told = MIB(plan->target_kib);
    uint64_t least;

    if (!plan->tell)
        return NULL;
    if (plan->target_kib < settings->minimum_kib || plan->target_kib > settings->maximum_kib)
        return g_strdup_printf("told %.1f MiB, outside of its limits", told);
    if (!settings->managed || settings->mode != GUEST_MODE_DYNAMIC || settings->bar != BALLOON_USABLE)
        return g_strdup_printf("told %.1f MiB though it is not to be touched", told);
    if (guest->life != GUEST_LIFE_RUNNING || guest->migrating || !guest->answering)
        return g_strdup_printf("told %.1f MiB while it is off, frozen, migrating or not answering", told);
    /* where statistics are missing it is the balloon, seen to move, that says there is a driver */
    if (!guest->driver_up && plan->rule != PLAN_RULE_PAGING_LEAVE && plan->rule != PLAN_RULE_RESTART &&
        plan->target_kib < settings->startup_kib)
        return g_strdup_printf("told %.1f MiB, less than its startup, before its driver was up", told);
    least = guest->target_known ? MIN(guest->actual_kib, guest->target_kib) : guest->actual_kib;
    if (guest->driver_up && !guest->fresh && plan->target_kib + PAGE_KIB <= least)
        return g_strdup_printf("shrunk to %.1f MiB on stale statistics", told);
    return NULL;
}

static char *
check_booking(const GuestPlan *plan)
{
    const GuestSnapshot *guest = plan->guest;
    uint64_t least = plan->tell ? plan->target_kib : 0;

    if (guest->life == GUEST_LIFE_OFF)
        return plan->committed_kib == 0 || plan->state == GUEST_STATE_RESERVED
                   ? NULL
                   : g_strdup("committed though it is off and not about to start");
    /* where statistics are missing it is the balloon, seen to move, that says there is a driver */
    if (guest->boots > 0 && !guest->driver_up && !guest->boot_resumed && plan->rule != PLAN_RULE_NO_STATISTICS)
        least = MAX(least, guest->settings->maximum_kib);
    else if (guest->has_actual && (guest->doubts & DOUBT_ACTUAL_ABOVE_MAXIMUM) == 0)
        least = MAX(least, guest->actual_kib);
    if (is_limited(plan))
        least = MIN(least, plan->granted_kib);
    /* memory.high keeps it to less, but for slack */
    if (guest->limits.set && guest->limits.high_kib != LIMIT_NONE)
        least = MIN(least, saturating_sub(guest->limits.high_kib,
                                          plan->overhead_kib + MAX(guest->limits.high_kib / 4, 64 * KIB_PER_MIB)));
    if (plan->committed_kib < least)
        return g_strdup_printf("committed %.1f MiB, less than the %.1f MiB it may touch", MIB(plan->committed_kib),
                               MIB(least));
    return NULL;
}

/* What the guest can really take of the host's memory, beyond what its QEMU costs, is what it is booked at. */
static char *
check_truth(const SimStep *step, size_t i)
{
    const SimGuest *guest = sim_world_guest(step->world, i);
    const GuestPlan *plan = step->samples[i].plan;
    uint64_t has = guest->has_kib;
    uint64_t slack = 0;

    /* of one that ran before the daemon it is what QEMU holds that tells whether there is a driver */
    if ((guest->spec->behaviours & SIM_LYING) != 0 || plan->guest->adopted)
        return NULL;
    if (guest->high_kib != LIMIT_NONE) {
        has = MIN(has, saturating_sub(guest->high_kib, MAX(guest->overhead_kib, plan->overhead_kib)));
        slack = MAX(guest->high_kib / 4, 64 * KIB_PER_MIB);
    } else if (is_limited(plan) && step->second - guest->boot_second < LIMITED_SECONDS) {
        return NULL; /* its limit comes into force in a moment */
    }
    if (has <= plan->committed_kib + slack)
        return NULL;
    return g_strdup_printf("can have %.1f MiB and is committed at %.1f MiB", MIB(has), MIB(plan->committed_kib));
}

static char *
check_guest(const SimStep *step, size_t i)
{
    const GuestPlan *plan = step->samples[i].plan;
    const GuestSettings *settings = plan->guest->settings;
    char *broken = check_told(plan);

    if (broken == NULL)
        broken = check_booking(plan);
    if (broken == NULL)
        broken = check_truth(step, i);
    if (broken == NULL && plan->weight > 0 &&
        (plan->want_kib < settings->minimum_kib || plan->want_kib > settings->maximum_kib))
        broken = g_strdup_printf("wants %.1f MiB, outside of its limits", MIB(plan->want_kib));
    return broken;
}

/* Somebody must get memory before the others share: who was told to give it up does not share what others have over. */
static bool
anybody_claims(const Plan *plan)
{
    for (size_t i = 0; i < plan->start_count; i++)
        if (plan->starts[i].verdict != START_ADMITTED || plan->starts[i].shortfall_kib > 0)
            return true;
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].state == GUEST_STATE_RESTARTING || is_limited(&plan->guests[i]))
            return true;
    return false;
}

static char *
check_ledger(const SimStep *step)
{
    const Plan *plan = step->tick->plan;
    uint64_t committed = 0;
    uint64_t ideal = 0; /* the sharing's answers */
    uint64_t minimums = 0;
    bool raised = false;

    for (size_t i = 0; i < plan->guest_count; i++) {
        committed += plan->guests[i].committed_kib;
        raised |= is_raise(&plan->guests[i]);
        if (plan->guests[i].weight == 0)
            continue;
        ideal += plan->guests[i].ideal_kib;
        minimums += plan->guests[i].guest->settings->minimum_kib;
    }
    if (committed != plan->committed_kib)
        return g_strdup_printf("the guests are committed %.1f MiB, the ledger says %.1f MiB", MIB(committed),
                               MIB(plan->committed_kib));
    if (plan->over_budget != (committed > plan->budget_kib))
        return g_strdup_printf("committed %.1f MiB of %.1f MiB, and the plan says it is %s budget", MIB(committed),
                               MIB(plan->budget_kib), plan->over_budget ? "over" : "within");
    if (raised && committed > plan->budget_kib)
        return g_strdup_printf("a target was raised while %.1f MiB of a budget of %.1f MiB are committed",
                               MIB(committed), MIB(plan->budget_kib));
    /* Those that are counted on share all there is; whoever is planned apart is not in plan->minimums_kib. */
    if (plan->minimums_fit && !plan->host_pressure && minimums == plan->minimums_kib &&
        plan->wants_kib >= plan->sharing_kib && ideal < plan->sharing_kib && !anybody_claims(plan))
        return g_strdup_printf("%" PRIu64 " KiB were left over in a shortage", plan->sharing_kib - ideal);
    if (plan->free_kib != saturating_sub(plan->budget_kib, committed))
        return g_strdup_printf("%.1f MiB are said to be free of a budget of %.1f MiB with %.1f MiB committed",
                               MIB(plan->free_kib), MIB(plan->budget_kib), MIB(committed));
    return NULL;
}

static char *
check_order(const SimStep *step)
{
    const Outcome *outcome = step->tick->outcome;
    bool raised = false;

    for (guint i = 0; i < outcome->targets->len; i++) {
        const TargetAction *action = &g_array_index(outcome->targets, TargetAction, i);

        if (action->result != ACTION_STARTED)
            continue;
        if (action->new_kib > action->old_kib)
            raised = true;
        else if (raised && action->new_kib < action->old_kib)
            return g_strdup_printf("a guest was told to give back after another was told to take (%s)", action->uuid);
    }
    return NULL;
}

static char *
check_host(Invariants *invariants, const SimStep *step)
{
    const Plan *plan = step->tick->plan;
    const Settings *settings = step->tick->settings;
    uint64_t other = sim_level(invariants->scenario->other, step->second);
    uint64_t memory = invariants->scenario->memory_kib;
    uint64_t overhead = invariants->scenario->overhead_kib * step->count;

    if (plan->over_budget)
        invariants->was_over_budget = true;
    if (settings->reserve_kib != SETTINGS_RESERVE_AUTO &&
        plan->budget_kib > saturating_sub(memory, settings->reserve_kib))
        return g_strdup_printf("the budget of %.1f MiB leaves less than the reserve", MIB(plan->budget_kib));
    if (plan->budget_kib > settings->budget_kib)
        return g_strdup_printf("the budget is %.1f MiB, above what the settings allow", MIB(plan->budget_kib));
    /* What the ledger can't know yet of the cost of a QEMU is what the reserve is for, and so is the slack of limits. */
    memory += saturating_sub(LEAST_SLACK_KIB * step->count, plan->reserve_kib);
    if (invariants->honest_host && !invariants->was_over_budget &&
        saturating_sub(step->resident_kib + other, saturating_sub(overhead, plan->overhead_kib)) > memory)
        return g_strdup_printf("the guests hold %.1f MiB of a host of %.1f MiB though the budget was kept",
                               MIB(step->resident_kib), MIB(memory));
    return NULL;
}

char *
invariants_check(Invariants *invariants, const SimStep *step)
{
    char *broken = check_ledger(step);

    if (broken == NULL)
        broken = check_order(step);
    if (broken == NULL)
        broken = check_host(invariants, step);
    if (broken == NULL)
        broken = restart_invariants_check(&invariants->restarts, step);
    for (size_t i = 0; i < step->count && broken == NULL; i++) {
        const SimGuestSpec *spec = g_ptr_array_index(invariants->scenario->guests, i);
        g_autofree char *wrong = check_guest(step, i);

        if (wrong != NULL)
            broken = g_strdup_printf("guest %s: %s", spec->name, wrong);
    }
    if (broken != NULL) {
        char *placed = g_strdup_printf("second %" PRIu64 ": %s", step->second, broken);

        g_free(broken);
        return placed;
    }
    return NULL;
}

static bool
rests(const GArray *levels, uint64_t from)
{
    return levels->len == 0 || g_array_index(levels, SimLevel, levels->len - 1).second <= from;
}

static bool
seconds_rest(const GArray *seconds, uint64_t from)
{
    return seconds->len == 0 || g_array_index(seconds, uint64_t, seconds->len - 1) <= from;
}

/* Not when it is still paused, say, or silent. */
static bool
events_rest(const GArray *events, uint64_t from)
{
    const SimEvent *last;

    if (events->len == 0)
        return true;
    last = &g_array_index(events, SimEvent, events->len - 1);
    for (guint i = 0; i < events->len; i++) {
        SimEventKind kind = g_array_index(events, SimEvent, i).kind;

        if (kind != SIM_EVENT_REBOOT && kind != SIM_EVENT_START && kind != SIM_EVENT_STOP && kind != SIM_EVENT_SAVE &&
            last->kind != SIM_EVENT_RESUME)
            return false;
    }
    return last->second <= from;
}

static bool
guest_rests(const SimGuestSpec *spec, uint64_t from)
{
    return (spec->behaviours & ~(uint32_t)SIM_AUTODEFLATE) == 0 && spec->managed && spec->mode == GUEST_MODE_DYNAMIC &&
           !spec->square && spec->noise_kib == 0 && rests(spec->steps, from) && spec->inflate_kib >= SIM_INFLATE_KIB &&
           spec->swapping_kib >= SIM_SWAPPING_KIB && spec->deflate_kib >= SIM_DEFLATE_KIB &&
           events_rest(spec->events, from);
}

char *
invariants_check_end(const Invariants *invariants, const SimStep *step)
{
    const SimScenario *scenario = invariants->scenario;
    uint64_t from = saturating_sub(scenario->seconds, REST_SECONDS);
    uint64_t needed = 0;
    char *broken;

    if (from == 0 || scenario->pressure->len > 0 || !rests(scenario->other, from) ||
        !seconds_rest(scenario->daemon_restarts, from) || !seconds_rest(scenario->host_reboots, from))
        return NULL;
    for (size_t i = 0; i < step->count; i++) {
        const SimGuestSpec *spec = g_ptr_array_index(scenario->guests, i);
        const SimSample *sample = &step->samples[i];

        if (sample->plan->state == GUEST_STATE_OFF && events_rest(spec->events, from))
            continue;
        if (!guest_rests(spec, from) || sample->plan->weight == 0)
            return NULL;
        /* with the little that a guest must have unused so as not to look starved */
        needed += MAX(sample->need_kib + sample->need_kib / 16 + 4 * KIB_PER_MIB, sim_guest_spec_minimum(spec));
    }
    if (needed > step->tick->plan->sharing_kib)
        return NULL;
    broken = restart_invariants_check_end(step);
    for (size_t i = 0; i < step->count && broken == NULL; i++) {
        const SimGuestSpec *spec = g_ptr_array_index(scenario->guests, i);
        const SimSample *sample = &step->samples[i];

        /* small changes are held back */
        if (sample->assigned_kib < percent_of(MIN(sample->need_kib, spec->maximum_kib), 99))
            broken =
                g_strdup_printf("at the end guest %s has %.1f MiB and needs %.1f MiB, though all that is needed fits",
                                spec->name, MIB(sample->assigned_kib), MIB(sample->need_kib));
    }
    return broken;
}
