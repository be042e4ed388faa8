/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/belief.h"

#include "decide/faults.h"
#include "decide/pass.h"
#include "units.h"

/* A driver that has not answered after so long a boot will not: the guest counts as static until it does. */
#define BOOT_GRACE_USEC (300 * USEC_PER_SEC)
/* A balloon that moves has a driver, and is believed; when no statistics have come with it by then, none will. */
#define MUTE_GRACE_USEC (60 * USEC_PER_SEC)
/* A guest that ran before the daemon has this long for its first fresh report, in periods and at least. */
#define ADOPT_GRACE_PERIODS 4
#define ADOPT_GRACE_USEC (10 * USEC_PER_SEC)
/*
 * After a reset the driver's first word comes before its balloon has begun to move, and the size QEMU tells
 * is still the one from before (hw/virtio/virtio-balloon.c keeps it). So the size is believed a little later, when
 * it has changed or is near the target; and in any case after a while.
 */
#define RESET_SETTLE_USEC (4 * USEC_PER_SEC)
#define RESET_GIVE_UP_USEC (60 * USEC_PER_SEC)
/* Statistics that have not come for so long do not count as stale any more but as missing. */
#define NO_STATISTICS_USEC (300 * USEC_PER_SEC)

/* ---- the state machine ---- */

/* libvirt was away: a reset may have been missed, and what its balloon did before tells nothing. */
static void
begin_anew(BeliefMemory *memory, const GuestSnapshot *guest)
{
    memory->gap_usec = guest->gap_usec;
    memory->moved = false;
    memory->first_actual_kib = 0;
    memory->fresh_usec = 0;
    /* who is still coming here can't be reset */
    if (memory->state == BELIEF_GOOD || memory->state == BELIEF_RETURNING ||
        (memory->state == BELIEF_BROUGHT && (!guest->migrating || guest->life == GUEST_LIFE_RUNNING))) {
        memory->state = BELIEF_ADOPTED;
        memory->ran_usec = 0;
    }
}

static void
count_time(const Pass *pass, BeliefMemory *memory, const GuestSnapshot *guest)
{
    bool runs = guest->life == GUEST_LIFE_RUNNING && !guest->migrating && guest->answering && !pass->link_down;
    bool first = memory->seen_usec == pass->now_usec && !guest->adopted;
    uint64_t from = first ? MAX(guest->boot_usec, 1) : memory->looked_usec;

    if (runs && from != 0)
        memory->ran_usec += saturating_sub(pass->now_usec, from);
    memory->looked_usec = runs ? pass->now_usec : 0;
}

static void
watch_balloon(BeliefMemory *memory, const GuestSnapshot *guest)
{
    /* a size from before the boot, or from before libvirt was away, would make the next one look like a movement */
    if (!guest->has_actual || guest->asked_usec < MAX(guest->boot_usec, memory->gap_usec))
        return;
    if (memory->first_actual_kib == 0)
        memory->first_actual_kib = guest->actual_kib;
    else if (guest->actual_kib != memory->first_actual_kib)
        memory->moved = true;
}

static uint64_t
told_or_actual(const GuestSnapshot *guest)
{
    return guest->target_known ? guest->target_kib : guest->actual_kib;
}

/* Its driver is back; is the size that QEMU tells the new driver's, so that it can be believed? */
static bool
has_returned(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    uint64_t up = saturating_sub(pass->now_usec, guest->driver_usec);
    uint64_t off = distance_u64(guest->actual_kib, told_or_actual(guest));

    /* a new QEMU's size is true from its beginning: all its memory, until its driver takes of it */
    if (!guest->boot_in_place && !guest->adopted && (!work->held || guest->actual_kib < guest->settings->maximum_kib))
        return true;
    /* a size that has changed since the reset is the new driver's, wherever it is on its way */
    return up >= RESET_SETTLE_USEC &&
           (work->memory->belief.moved || off <= stuck_tolerance(guest->actual_kib) || up >= RESET_GIVE_UP_USEC);
}

static BeliefState
next_state(const Pass *pass, const Work *work)
{
    const BeliefMemory *memory = &work->memory->belief;
    const GuestSnapshot *guest = work->guest;
    uint64_t grace =
        MAX(ADOPT_GRACE_PERIODS * MAX(guest->period_usec, pass->settings->interval_usec), ADOPT_GRACE_USEC);

    switch (memory->state) {
    case BELIEF_BOOTING:
        if (guest->driver_up)
            return BELIEF_RETURNING;
        if (memory->moved && memory->ran_usec >= MUTE_GRACE_USEC)
            return BELIEF_GOOD;
        return memory->ran_usec >= BOOT_GRACE_USEC ? BELIEF_ABSENT : BELIEF_BOOTING;
    case BELIEF_RETURNING:
        return has_returned(pass, work) ? BELIEF_GOOD : BELIEF_RETURNING;
    case BELIEF_BROUGHT:
        if (guest->driver_up)
            return BELIEF_GOOD;
        return memory->ran_usec >= BOOT_GRACE_USEC ? BELIEF_ABSENT : BELIEF_BROUGHT;
    case BELIEF_ADOPTED:
        /* one with a paging file restarts, and what its balloon held before means nothing */
        if (paging_file(guest) != NULL)
            return guest->driver_up ? BELIEF_RETURNING : BELIEF_BOOTING;
        if (guest->driver_up)
            return BELIEF_GOOD;
        return memory->ran_usec >= grace && saturating_sub(pass->now_usec, guest->boot_usec) >= grace ? BELIEF_ABSENT
                                                                                                      : BELIEF_ADOPTED;
    case BELIEF_ABSENT:
        if (guest->driver_up)
            return BELIEF_RETURNING;
        return memory->moved ? BELIEF_GOOD : BELIEF_ABSENT;
    case BELIEF_GOOD:
    case BELIEF_OFF:
    default:
        return memory->state;
    }
}

/* ---- how it stands ---- */

static bool
is_observed(const Pass *pass, const GuestSnapshot *guest)
{
    return pass->observe || guest->settings->mode == GUEST_MODE_OBSERVE;
}

/* What follows from the state of its balloon alone. */
static void
stand_by_belief(const Pass *pass, Work *work)
{
    const BeliefMemory *memory = &work->memory->belief;
    Standing *standing = &work->standing;

    /* A guest that others may move at any time, also while it is not looked at, can be anything up to its full memory; one that nobody
       moves because all of the daemon only looks on is shown as it would stand. */
    if (memory->state == BELIEF_GOOD)
        standing->trust = is_observed(pass, work->guest) && !pass->observe ? LEDGER_TRUSTS_FULL : LEDGER_TRUSTS_BALLOON;
    else if (memory->state == BELIEF_BROUGHT)
        standing->trust = LEDGER_TRUSTS_BROUGHT;
    standing->booting = memory->state == BELIEF_ABSENT || (memory->state == BELIEF_BOOTING && !memory->moved);
    standing->is_void = standing->booting || memory->state == BELIEF_BOOTING || memory->state == BELIEF_RETURNING;
}

static void
stay_out(Standing *standing, GuestState state, PlanRule rule)
{
    standing->state = state;
    standing->rule = rule;
}

/* Settings that leave nothing to decide. Returns whether there was one. */
static bool
stands_by_settings(Work *work)
{
    const GuestSettings *settings = work->guest->settings;
    Standing *standing = &work->standing;
    PlanRule rule = !settings->managed                    ? PLAN_RULE_UNMANAGED
                    : settings->mode == GUEST_MODE_STATIC ? PLAN_RULE_STATIC
                    : settings->bar != BALLOON_USABLE     ? PLAN_RULE_BAR
                                                          : PLAN_RULE_COUNT;

    if (work->guest->life == GUEST_LIFE_OFF) {
        stay_out(standing, GUEST_STATE_OFF, PLAN_RULE_OFF);
        return true;
    }
    if (rule == PLAN_RULE_COUNT || work->let_go)
        return false;
    stay_out(standing, GUEST_STATE_STATIC, rule);
    standing->trust = LEDGER_TRUSTS_FULL;
    return true;
}

/* Nothing can be told to it now. Returns whether that is so. */
static bool
stands_frozen(Work *work)
{
    const GuestSnapshot *guest = work->guest;
    Standing *standing = &work->standing;

    if (guest->migrating)
        stay_out(standing, GUEST_STATE_MIGRATING, PLAN_RULE_FROZEN);
    else if (guest->life != GUEST_LIFE_RUNNING)
        stay_out(standing, GUEST_STATE_SUSPENDED, PLAN_RULE_FROZEN);
    else if (!guest->answering)
        stay_out(standing, GUEST_STATE_UNRESPONSIVE, PLAN_RULE_UNRESPONSIVE);
    else
        return false;
    /* one that ran before its daemon may be about to boot, or to load what it brings */
    standing->is_void |= work->memory->belief.state == BELIEF_ADOPTED;
    return true;
}

/* Its balloon is not believed yet, or will not be. */
static void
stands_in_doubt(const Pass *pass, Work *work)
{
    const GuestSnapshot *guest = work->guest;
    Standing *standing = &work->standing;
    BeliefState state = work->memory->belief.state;

    if (state == BELIEF_ADOPTED)
        stay_out(standing, is_observed(pass, guest) ? GUEST_STATE_OBSERVED : GUEST_STATE_ACTIVE, PLAN_RULE_ADOPTING);
    else if (state == BELIEF_BROUGHT)
        stay_out(standing, GUEST_STATE_STARTING, PLAN_RULE_BROUGHT);
    else if (state == BELIEF_ABSENT)
        stay_out(standing, GUEST_STATE_STATIC, guest->driver_known ? PLAN_RULE_NO_STATISTICS : PLAN_RULE_NO_DRIVER);
    else if (guest->boot_in_place || guest->adopted)
        stay_out(standing, GUEST_STATE_RESTARTING, PLAN_RULE_RESET);
    else
        stay_out(standing, GUEST_STATE_STARTING, PLAN_RULE_STARTING);
}

static void
stands_with_balloon(const Pass *pass, Work *work, StuckVerdict verdict)
{
    const GuestSnapshot *guest = work->guest;
    Standing *standing = &work->standing;
    bool observed = is_observed(pass, guest), settles;

    standing->state = observed ? GUEST_STATE_OBSERVED : GUEST_STATE_ACTIVE;
    standing->part = observed && !pass->observe ? PART_OBSERVED : PART_SHARES;
    standing->rule = observed ? PLAN_RULE_OBSERVE : PLAN_RULE_COUNT;
    if (observed)
        return;
    if (verdict == STUCK_TRIAL) {
        standing->state = GUEST_STATE_STUCK;
        standing->retry = true;
        standing->rule = PLAN_RULE_RETRY;
    }
    /* of those on trial one that lacks memory has nothing to give, and is to have what it needs */
    if (verdict == STUCK_SLOW || (verdict == STUCK_TRIAL && !work->memory->demand.starved))
        standing->part = PART_LAGS;
    settles = saturating_sub(pass->now_usec, guest->driver_usec) < BELIEF_SETTLE_USEC && !guest->adopted;
    standing->not_squeezed = true;
    if (!guest->fresh && !broken(FAULT_NO_STALE_FREEZE))
        standing->rule = PLAN_RULE_STALE;
    else if (settles && !broken(FAULT_SQUEEZE_STARTING))
        standing->rule = PLAN_RULE_SETTLING;
    else if (work->let_be)
        standing->rule = PLAN_RULE_LET_BE;
    else
        standing->not_squeezed = false;
}

/* Its balloon is believed. Does it tell what the guest needs? Returns whether it stands by that. */
static bool
stands_by_statistics(const Pass *pass, Work *work)
{
    const GuestSnapshot *guest = work->guest;
    uint64_t fresh_usec = work->memory->belief.fresh_usec;
    Standing *standing = &work->standing;
    bool waits = guest->adopted && saturating_sub(pass->now_usec, guest->boot_usec) < ADOPT_GRACE_USEC;
    bool missing = fresh_usec != 0
                       ? !pass->link_down && saturating_sub(pass->now_usec, fresh_usec) >= NO_STATISTICS_USEC
                       : !guest->has_usable || (guest->adopted && !guest->fresh);

    if (guest->has_actual && !missing)
        return false;
    stay_out(standing, GUEST_STATE_STATIC, PLAN_RULE_NO_STATISTICS);
    if (!guest->has_actual) {
        standing->trust = LEDGER_TRUSTS_FULL;
    } else if (waits) {
        stay_out(standing, is_observed(pass, guest) ? GUEST_STATE_OBSERVED : GUEST_STATE_ACTIVE, PLAN_RULE_ADOPTING);
        standing->trust = LEDGER_TRUSTS_BROUGHT;
    }
    return true;
}

void
pass_believe(const Pass *pass, Work *work)
{
    const GuestSnapshot *guest = work->guest;
    BeliefMemory *memory = &work->memory->belief;
    StuckMemory *stuck = &work->memory->stuck;
    Standing *standing = &work->standing;
    StuckVerdict verdict = STUCK_FOLLOWS;
    BeliefState before;

    *standing = (Standing){.rule = PLAN_RULE_COUNT};
    if (guest->fresh && guest->has_usable)
        memory->fresh_usec = pass->now_usec;
    count_time(pass, memory, guest);
    if (stands_by_settings(work)) {
        /* nobody asks it for reports, so that there are none says nothing of it */
        if (memory->state == BELIEF_ADOPTED)
            memory->ran_usec = 0;
        return;
    }
    if (guest->gap_usec > memory->gap_usec)
        begin_anew(memory, guest);
    watch_balloon(memory, guest);
    if (broken(FAULT_NO_RESET_BOOKING))
        memory->state = BELIEF_GOOD;
    /* states may be passed through, and none of them comes again (belief.h) */
    do {
        before = memory->state;
        memory->state = next_state(pass, work);
    } while (memory->state != before);
    stand_by_belief(pass, work);
    if (stands_frozen(work)) {
        stuck_suspend(stuck);
        return;
    }
    if (work->let_go && memory->state == BELIEF_GOOD) {
        stay_out(standing, GUEST_STATE_ACTIVE, PLAN_RULE_LET_GO);
        return;
    }
    if (memory->state != BELIEF_GOOD) {
        if (memory->state != BELIEF_RETURNING)
            stuck_suspend(stuck);
        stands_in_doubt(pass, work);
        return;
    }
    /* where its balloon is by now is not known */
    if (pass->link_down)
        stuck_suspend(stuck);
    /* whoever is not told anything, or tells nothing, can't fail to follow */
    if (guest->has_actual && guest->driver_up && !is_observed(pass, guest))
        verdict = stuck_judge(stuck, guest, told_or_actual(guest), work->memory->demand.starved, work->overhead_kib,
                              pass->now_usec);
    if (stuck->inhibited) {
        /* a limit goes on holding it at what it has */
        stay_out(standing, GUEST_STATE_STATIC, PLAN_RULE_INHIBITED);
        standing->trust = work->held ? LEDGER_TRUSTS_NOTHING : LEDGER_TRUSTS_FULL;
        return;
    }
    if (stands_by_statistics(pass, work))
        return;
    if (verdict == STUCK_STUCK)
        stay_out(standing, GUEST_STATE_STUCK, PLAN_RULE_STUCK);
    else
        stands_with_balloon(pass, work, verdict);
}
