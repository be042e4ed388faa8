/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"
#include "decide/pass.h"

/* A target that was told and not taken is told again after this time. */
#define TELL_AGAIN_USEC (5 * USEC_PER_SEC)
/* A raise that waits for memory is told in parts of at least this size, for small guests this part of it; smaller ones not more
   often than so, since the last bit may never come free as a whole. */
#define LEAST_PART_KIB (128 * KIB_PER_MIB)
#define LEAST_PART 12
#define PART_USEC (5 * USEC_PER_SEC)

/* A small change held back is nothing to tell where the ideal is less than the guest wants, too. */
static PlanRule
final_rule(const Work *work)
{
    bool lacks = work->plan->ideal_kib < work->demand.want_kib;

    return work->delay == PLAN_RULE_COUNT || (work->delay == PLAN_RULE_SMALL && lacks) ? work->share_rule : work->delay;
}

/* A raise beyond what it is booked at leaves the limits above it what they have promised to others. */
static void
stay_in_bounds(const Pass *pass, const Work *work, uint64_t booked_kib)
{
    GuestPlan *plan = work->plan;
    uint64_t raise = plan->target_kib - booked_kib;
    uint64_t taken = bounds_take(&pass->state->bounds, work->entry, raise);

    if (taken == raise)
        return;
    plan->target_kib = booked_kib + taken;
    plan->rule = PLAN_RULE_BOUND;
}

/*
 * Where its balloon stays while there is no room for its minimum: at what it was told or is granted, and, where a limit holds it,
 * at its minimum from when something is plugged in. Where it may be on its way to more it is told to stop, no lower than at what
 * its QEMU is seen to hold: a size below its minimum is somebody's mistake.
 */
static uint64_t
waits_at(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const LedgerEntry *entry = work->entry;
    uint64_t own = entry->granted_kib;

    if (work->memory->unbounded)
        own = MIN(own, saturating_sub(entry->resident_kib, entry->overhead_kib + guest->settings->fixed_kib));
    /* its limit, and not its balloon, keeps it within what it is granted; and its balloon would take what was plugged from what it
       sees */
    if (work->memory->unseen_kib < work->unseen_kib)
        own = work->minimum_kib;
    /* but not above its memory.max, which would kill it there */
    return MIN(MAX(work->target_kib, MIN(own + work->unseen_kib, work->minimum_kib)), work->maximum_kib);
}

/*
 * Rule G: a raise is told only as far as the budget has room beyond all that is committed. What there is goes first
 * to those below their demand, then to the rest, by weight: the same water-filling, from what each is booked at.
 */
static void
admit_raises(Pass *pass)
{
    DecideState *state = pass->state;
    uint64_t free_kib = pass_free(pass);
    bool owes = pass_owed(pass) > 0;
    uint64_t booked = 0;
    size_t count = 0;

    if (broken(FAULT_NO_GATE))
        free_kib = KIB_LIMIT;
    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestPlan *plan = work->plan;
        /* as if nothing were booked for what it may be on its way to: it is told where to stop */
        uint64_t size = MAX(plan->guest->actual_kib, plan->guest->target_kib);
        uint64_t granted = work->entry->granted_kib + work->unseen_kib;
        uint64_t committed = work->memory->unbounded ? MIN(size, granted)
                             : owes                  ? MIN(work->target_kib, granted)
                                                     : granted;

        if (!is_told(work) || plan->target_kib <= committed)
            continue;
        booked += committed;
        state->sharing[count++] = (SharingGuest){
            .level_kib = {[PLAN_STAGE_MINIMUM] = committed,
                          [PLAN_STAGE_DEMAND] = MAX(plan->demand_kib, work->minimum_kib),
                          [PLAN_STAGE_WANT] = plan->want_kib,
                          [PLAN_STAGE_GROWTH] = plan->target_kib,
                          [PLAN_STAGE_SURPLUS] = plan->target_kib},
            .weight = plan->weight,
            .index = (uint32_t)(work - pass->first),
        };
    }
    sharing_share(state->sharing, count, booked + free_kib, PLAN_STAGE_GROWTH, state->scratch);
    for (size_t slot = 0; slot < count; slot++) {
        const SharingGuest *admitted = &state->sharing[slot];
        Work *work = &pass->first[admitted->index];
        GuestPlan *plan = work->plan;
        uint64_t held = work->target_kib;
        uint64_t least = MIN(LEAST_PART_KIB, held / LEAST_PART);
        uint64_t whole = plan->target_kib;

        if (admitted->target_kib < plan->target_kib) {
            if (!plan->retry && plan->target_kib - admitted->target_kib >= least)
                plan->rule = PLAN_RULE_WAIT_FREE;
            plan->target_kib = admitted->target_kib;
        }
        if (plan->target_kib > admitted->level_kib[PLAN_STAGE_MINIMUM])
            stay_in_bounds(pass, work, admitted->level_kib[PLAN_STAGE_MINIMUM]);
        if (plan->target_kib < whole && plan->target_kib > held && plan->target_kib - held < least &&
            plan->guest->target_known && pass->now_usec - work->memory->told_usec < PART_USEC)
            plan->target_kib = held;
        /* a guest that sees less than its minimum dies of that; it waits until there is room for it */
        work->ungranted = plan->target_kib < work->minimum_kib;
        if (work->ungranted)
            plan->target_kib = waits_at(work);
    }
}

/* A stuck guest's target is drawn back to what it has, so that its driver stops trying in vain; and that of one whose balloon
   frees nothing to what its QEMU keeps from the others anyway. */
static void
draw_back(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    GuestPlan *plan = work->plan;
    uint64_t booked = saturating_sub(work->entry->booked_kib + work->unseen_kib, guest->settings->fixed_kib);
    uint64_t has = plan->rule == PLAN_RULE_INHIBITED ? booked : MAX(guest->actual_kib, work->minimum_kib);
    uint64_t target = MIN(MIN(has, booked), work->maximum_kib);
    uint64_t off = distance_u64(target, work->target_kib);
    /* what it does not see on top of what it is granted takes no room, and it dies without what was plugged in since it was told */
    bool waits = pass_owed(pass) > 0 && work->memory->unseen_kib >= work->unseen_kib;
    uint64_t own = waits ? 0 : work->entry->granted_kib + work->unseen_kib;
    bool raises = target > MAX(work->target_kib, own) && pass_free(pass) == 0;

    plan->target_kib =
        off > stuck_tolerance(guest->actual_kib) && target >= work->minimum_kib && !raises ? target : work->target_kib;
}

/*
 * Its balloon would take from what the guest sees what it does not see; with the size that it has it takes nothing. Where no target above
 * that may be told, as its XML is older than what was plugged, the one in force is the better one: what was plugged has come on top of it.
 * So it is where the XML is newer than the size.
 */
static bool
takes_unseen(const GuestSnapshot *guest, uint64_t target_kib)
{
    bool shrinks = target_kib < guest->actual_kib || (guest->doubts & DOUBT_ACTUAL_ABOVE_MAXIMUM) != 0;

    return guest->announced_kib > 0 ||
           (guest->unseen_kib > 0 && shrinks && target_kib < guest->settings->minimum_kib + guest->unseen_kib);
}

/* What is to be told is not told now. Where the guest dies of what is in force, a call that failed is made again in the next tick. */
static bool
waits(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const GuestMemory *memory = work->memory;
    uint64_t target = work->plan->target_kib;

    if (guest->target_pending || takes_unseen(guest, target))
        return true;
    if (guest->unseen_kib > 0 && guest->actual_kib < guest->settings->minimum_kib + guest->unseen_kib)
        return false;
    return memory->told_kib == target && pass->now_usec - memory->told_usec < TELL_AGAIN_USEC;
}

/* Decides whether the target is told now, and books it if so. */
static void
tell(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    GuestMemory *memory = work->memory;
    GuestPlan *plan = work->plan;
    bool stands;

    if (pass->link_down) {
        plan->target_kib = work->target_kib;
        plan->rule = PLAN_RULE_LINK_DOWN;
        return;
    }
    if (is_only_shown(pass, work)) {
        if (pass->observe)
            memory->told_kib = plan->target_kib;
        return;
    }
    /* with a target between two sizes a guest would end above it, and with a host that is full above what is booked */
    if (plan->target_kib != work->target_kib && !broken(FAULT_PART_PAGES))
        plan->target_kib = pages_down(plan->target_kib);
    /* what was not booked of it because it did not see it is booked by telling it again */
    stands = plan->target_kib == work->target_kib && guest->target_known && !memory->moved &&
             memory->unseen_kib <= work->unseen_kib;
    if (!stands && waits(pass, work)) {
        plan->target_kib = work->target_kib;
        return;
    }
    /* also one that was told before there was that much, and there is now. Who waits for its minimum is granted nothing by it, but
       may have what its limit lets in where that is not down yet; without a limit it is told no more than it is booked at. Others are
       told no more than they are booked at, or are held at what they were granted */
    if (is_told(work))
        ledger_tell(work->entry, plan->target_kib, work->ungranted ? plan->target_kib : work->unseen_kib);
    if (stands)
        return;
    plan->tell = true;
    if (plan->target_kib < MAX(guest->actual_kib, work->target_kib))
        memory->shrunk_usec = pass->now_usec;
    if (memory->told_kib != plan->target_kib)
        memory->nearest_kib = UINT64_MAX;
    memory->moved = false;
    memory->told_kib = plan->target_kib;
    memory->unseen_kib = work->unseen_kib;
    memory->told_usec = pass->now_usec;
}

static GuestStatus
status_of(const Work *work)
{
    const GuestPlan *plan = work->plan;
    uint64_t covered = plan->assigned_kib + stuck_tolerance(plan->assigned_kib);

    /* a starved one lacks what its maximum keeps from it as well, which is no part of the demand that is shown */
    if (plan->demand_kib > covered || (work->demand.starved_lately && work->demand.demand_kib > work->maximum_kib))
        return GUEST_STATUS_WARNING;
    /* the part of a buffer that is not refilled yet is no lack */
    covered += calm_ignored(saturating_sub(plan->want_kib, plan->demand_kib), plan->assigned_kib);
    return plan->want_kib > covered ? GUEST_STATUS_LOW : GUEST_STATUS_OK;
}

static uint64_t
assigned_of(const GuestPlan *plan, const Work *work)
{
    if (work->standing.is_void && work->limited)
        return plan->granted_kib;
    return plan->guest->has_actual && !work->standing.is_void ? plan->guest->actual_kib
                                                              : plan->guest->settings->maximum_kib;
}

static void
finish(const Pass *pass)
{
    Plan *plan = pass->plan;
    LedgerSums sums;

    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;
        const GuestMemory *memory = work->memory;
        GuestPlan *guest_plan = work->plan;
        PlanRule rule = work->standing.rule;
        /* of one whose balloon is of no use: its target is to be what it has */
        bool drawn_back = rule == PLAN_RULE_STUCK || (rule == PLAN_RULE_INHIBITED && work->held);
        bool left_alone = work->standing.part == PART_OUT && !drawn_back && work->boot_to_kib == 0;

        if (drawn_back)
            draw_back(pass, work);
        else if (work->boot_to_kib != 0)
            guest_plan->target_kib = work->boot_to_kib;
        if (!left_alone)
            tell(pass, work);
        else if (guest->life != GUEST_LIFE_OFF && guest_plan->state != GUEST_STATE_STATIC)
            guest_plan->target_kib = work->target_kib; /* it keeps what it was told, or what it has */
        guest_plan->ground = work->entry->ground;
        guest_plan->balloon_kib = work->entry->balloon_kib;
        guest_plan->committed_kib = work->entry->booked_kib;
        guest_plan->overhead_kib = work->entry->overhead_kib;
        if (guest->life != GUEST_LIFE_OFF)
            guest_plan->assigned_kib = assigned_of(guest_plan, work);
        if (guest_plan->assigned_kib != 0)
            guest_plan->pressure_percent =
                (uint32_t)MIN(guest_plan->want_kib * 100 / guest_plan->assigned_kib, UINT32_MAX);
        guest_plan->status = status_of(work);
        guest_plan->flagged_usec = memory->stuck.flagged_usec;
        guest_plan->retry_usec = memory->stuck.flagged_usec != 0 ? memory->stuck.retry_usec : 0;
    }
    sums = ledger_sums(&pass->state->ledger);
    plan->overhead_kib = sums.overhead_kib;
    plan->reserved_kib = sums.reserved_kib;
    plan->committed_kib = sums.committed_kib;
    plan->free_kib = saturating_sub(plan->budget_kib, plan->committed_kib);
    plan->over_budget = plan->committed_kib > plan->budget_kib;
}

void
pass_tell(Pass *pass)
{
    pass_calm(pass);
    for (const Work *work = pass->first; work < pass->end; work++) {
        GuestPlan *plan = work->plan;

        if (work->standing.part == PART_OUT)
            continue;
        plan->retry = work->standing.retry;
        plan->rule = is_only_shown(pass, work) ? PLAN_RULE_OBSERVE : plan->retry ? PLAN_RULE_RETRY : final_rule(work);
    }
    if (!pass->observe)
        admit_raises(pass);
    finish(pass);
}
