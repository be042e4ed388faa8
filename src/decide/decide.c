/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/decide.h"

#include "decide/faults.h"
#include "decide/pass.h"

/* A balloon that has not come nearer to its target for so long is told it again: somebody else may have told it another. */
#define STANDS_USEC (10 * USEC_PER_SEC)

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
    ledger_clear(&state->ledger);
    g_free(state->bounds.bounds);
    g_free(state->bounds.before);
    g_free(state->work);
    g_free(state->sharing);
    g_free(state->scratch);
    g_free(state->givers);
    g_free(state->claims);
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
    *plan = (Plan){.guests = plan->guests,
                   .guest_count = snapshot->guest_count,
                   .starts = plan->starts,
                   .start_count = snapshot->start_count,
                   .end_files = plan->end_files,
                   .file_count = snapshot->file_count};
}

/* For so many guests and starts together; for one where there are none. */
static void
make_room(DecideState *state, size_t count)
{
    if (count < state->capacity)
        return;
    state->capacity = MAX(count + 1, state->capacity * 2);
    state->work = g_renew(Work, state->work, state->capacity);
    state->sharing = g_renew(SharingGuest, state->sharing, state->capacity);
    state->scratch = g_renew(SharingScratch, state->scratch, state->capacity);
    state->givers = g_renew(ClaimGiver, state->givers, state->capacity);
    state->claims = g_renew(Claim, state->claims, state->capacity);
}

/*
 * The target in force. Where nothing is told it is the one of the last plan, so that plans follow one another. A guest
 * that was started is on its way to its startup memory, since libvirt tells the balloon before the guest runs
 * (qemu_process.c, qemuProcessSetupBalloon); its driver begins from the maximum.
 */
static uint64_t
target_in_force(const GuestMemory *memory, const GuestSnapshot *guest, bool observe)
{
    /* what was only shown meanwhile is not under way */
    if (memory->told_kib != 0 && (observe || guest->target_pending))
        return observe ? memory->told_kib : MIN(memory->told_kib, guest->target_kib);
    if (guest->target_known)
        return guest->target_kib;
    if (memory->told_kib == 0 && !guest->adopted && !guest->boot_in_place && !guest->boot_resumed &&
        !broken(FAULT_KEEP_MAXIMUM))
        return MIN(guest->has_actual ? guest->actual_kib : UINT64_MAX, guest->settings->startup_kib);
    return guest->has_actual ? guest->actual_kib : guest->settings->maximum_kib;
}

/*
 * The largest target that its balloon may have followed up to now. One that was lowered counts until its size was asked for
 * after that: the size in an older answer may be from before the balloon came as far as the old target let it.
 */
static void
note_target(GuestMemory *memory, const GuestSnapshot *guest)
{
    bool asked = guest->asked_usec >= guest->target_usec;

    memory->target_kib =
        asked || broken(FAULT_TARGET_UNDER_WAY) ? guest->target_kib : MAX(memory->target_kib, guest->target_kib);
    memory->unbounded = guest->target_unbounded || (memory->unbounded && !asked);
}

/*
 * Taken out of management while it is squeezed or limited, by this daemon or an earlier one. Started as one that is nobody's it
 * is owed nothing; a reset changes nothing, as what the balloon was told before is in force after it.
 */
static bool
is_let_go(GuestMemory *memory, const GuestSnapshot *guest, bool observe)
{
    const GuestSettings *settings = guest->settings;

    if (memory->begins && !guest->boot_in_place)
        memory->let_go = !guest->adopted;
    if (settings->managed && settings->mode != GUEST_MODE_STATIC) {
        memory->let_go = memory->let_go && settings->presumed;
        return false;
    }
    return !memory->let_go && (memory->told_kib != 0 || guest->limits.set) && !observe &&
           settings->bar == BALLOON_USABLE && !broken(FAULT_DROP_SQUEEZED);
}

/* Who was told its startup memory, and has all that it could have without a limit, is let go. */
static void
let_go(const Pass *pass)
{
    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;

        if (work->let_go && guest->target_known && !guest->target_pending && guest->target_kib >= pass_startup(work) &&
            work->entry->granted_kib >= pass_let_go_need(work))
            work->memory->let_go = true;
    }
}

/*
 * Whether somebody else moved its balloon: it had come to its target, or nearer to it, and is not there any more. One that
 * was told a moment ago is on its way; one that does not come nearer may have been told something else before it moved.
 */
static bool
was_moved(const Work *work, uint64_t now_usec)
{
    const GuestSnapshot *guest = work->guest;
    GuestMemory *memory = work->memory;
    uint64_t off = distance_u64(guest->actual_kib, work->target_kib);
    uint64_t tolerance = stuck_tolerance(guest->actual_kib);
    bool returns = memory->belief.state == BELIEF_RETURNING;
    bool moved;

    if ((work->standing.trust != LEDGER_TRUSTS_BALLOON && !returns) || guest->target_pending || !guest->target_known ||
        memory->told_kib == 0)
        return false;
    /* its size may be from before its reset, and says no more than that somebody else may have told it another since it was told */
    if (returns) {
        memory->moved = off > tolerance && now_usec - MAX(guest->driver_usec, memory->told_usec) >= STANDS_USEC;
        return false;
    }
    moved = off > saturating_add(memory->nearest_kib > tolerance ? memory->nearest_kib : 0, tolerance);
    if (moved || off < memory->nearest_kib) {
        memory->nearest_kib = off;
        memory->nearest_usec = now_usec;
    }
    memory->moved = off > tolerance &&
                    (memory->moved || moved || now_usec - MAX(memory->nearest_usec, memory->told_usec) >= STANDS_USEC);
    return moved;
}

/* It is meant to be held back at its limit: it boots, as it may while libvirt is away, or its balloon gives it more than it was granted. */
static bool
is_excused(const Pass *pass, const GuestMemory *memory, const GuestSnapshot *guest, const LedgerEntry *entry)
{
    return pass->link_down || memory->belief.state != BELIEF_GOOD || paging_file(guest) != NULL ||
           guest->actual_kib > entry->granted_kib + guest->unseen_kib + stuck_tolerance(entry->granted_kib);
}

/*
 * The kernel kills who outgrows memory.max: that bounds its minimum, too, but for what it can't live without. What its QEMU
 * costs is known to a little, which is left to it as it is by memory.high; and what was learnt of that while the guest had touched
 * little is no reason to come nearer. Its minimum comes on top of what it does not see: with less it dies for sure.
 */
static void
stay_below_memory_max(Work *work)
{
    const GuestSnapshot *guest = work->guest;
    uint64_t max = memory_max(guest), most;

    if (max == LIMIT_NONE)
        return;
    most = saturating_sub(max, MAX(work->overhead_kib, overhead_estimate(guest->settings)) +
                                   guest->settings->fixed_kib + LIMIT_LEAST_SLACK_KIB);
    if (most >= work->maximum_kib)
        return;
    most = MAX(most, MIN(guest_floor_kib(guest->settings->maximum_kib), work->minimum_kib));
    work->minimum_kib = MIN(work->minimum_kib, most + guest->unseen_kib);
    work->maximum_kib = MAX(most, work->minimum_kib);
}

static void
book_guest(Pass *pass, Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const GuestSettings *settings = guest->settings;
    LedgerEntry *entry = work->entry;
    GuestMemory *memory = work->memory;
    bool sized = memory->overhead.valid;
    uint64_t all;

    work->let_be = pass->now_usec < memory->frail.until_usec && !broken(FAULT_SQUEEZE_FRAIL);
    work->minimum_kib =
        MIN((work->let_be ? settings->startup_kib : settings->minimum_kib) + guest->unseen_kib, settings->maximum_kib);
    work->maximum_kib = settings->maximum_kib;
    work->target_kib = target_in_force(memory, guest, pass->observe);
    if (guest->life == GUEST_LIFE_OFF) {
        ledger_close(entry);
        pass_believe(pass, work);
        return;
    }
    work->overhead_kib = overhead_learn(&memory->overhead, guest, pass->now_usec) +
                         limit_learn(&memory->limit, guest, is_excused(pass, memory, guest, entry), pass->now_usec) +
                         guest->group_other_kib;
    stay_below_memory_max(work);
    pass_restart_open(pass, work, !sized && memory->overhead.valid);
    /* no more than a limit in force lets in: what was granted beyond that is not booked */
    all = entry->granted_kib + settings->fixed_kib + work->overhead_kib;
    work->slack_kib = limit_slack(&pass->snapshot->host.figures, pass->plan->reserve_kib,
                                  limit_in_force(guest) ? MIN(all, guest->limits.high_kib) : all);
    work->let_go = is_let_go(memory, guest, pass->observe);
    /* where none are kept, one that is found on a guest that is let go tells that it is owed something */
    work->wants_limit = pass->settings->memory_high ? work->let_go || guest_settings_are_ours(settings)
                                                    : work->let_go && guest->limits.set;
    work->enforced_kib = pass_restart_enforced(pass, work);
    work->held = work->enforced_kib != UINT64_MAX;
    work->lends = memory->limit.lends || entry->lent_kib > 0;
    pass_believe(pass, work);
    work->limited = work->held && (work->standing.is_void || paging_file(guest) != NULL) &&
                    work->standing.trust != LEDGER_TRUSTS_FULL;
    /* who is about to have no limit is booked at all that it may bring online */
    if (work->held && !work->let_go && work->standing.trust == LEDGER_TRUSTS_BALLOON)
        work->unseen_kib = guest->unseen_kib;
    note_target(memory, guest);
    /* one that shares or is let go is told a target in a moment, and is bounded by that */
    work->unbounded =
        (memory->unbounded && !pass->observe && (is_told(work) || work->let_go) && !broken(FAULT_TARGET_UNDER_WAY)) ||
        (work->standing.rule == PLAN_RULE_NO_STATISTICS && !broken(FAULT_TAKE_ITS_WORD));
    /* an earlier daemon may have told who can't be told where to stop more than it has, within the limit that it left; and
       before a limit is down its balloon is not taken at its word */
    work->adrift = ((guest->migrating || guest->life != GUEST_LIFE_RUNNING || !guest->answering) &&
                    guest->target_unbounded && limit_in_force(guest)) ||
                   (!work->lends && limit_is_late(&memory->limit, guest, work->slack_kib));
    ledger_book(work);
    pass_restart_stand(work);
    /* likewise where one has brought nobody knows what */
    pass->adopting |= work->standing.rule == PLAN_RULE_ADOPTING ||
                      (work->standing.trust == LEDGER_TRUSTS_BROUGHT && entry->granted_kib == 0 &&
                       (guest->migrating || !guest->has_actual));
}

static void
book_guests(Pass *pass)
{
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        Work *work = &pass->first[i];
        GuestPlan *plan = &pass->plan->guests[i];

        *work = (Work){.guest = guest, .plan = plan, .entry = ledger_guest(&pass->state->ledger, i)};
        work->memory = guest_memory_sync(work->entry, guest, pass->now_usec);
        book_guest(pass, work);
        *plan = (GuestPlan){.guest = guest,
                            .state = work->standing.state,
                            .rule = work->standing.rule,
                            .moved = guest->life != GUEST_LIFE_OFF && was_moved(work, pass->now_usec)};
    }
}

static void
work_out_budget(Pass *pass)
{
    const LedgerSums sums = ledger_sums(&pass->state->ledger);
    uint64_t group_kib;

    /* what guests hold that nobody knows yet is no use by others, to be remembered for a while */
    if (!pass->state->linked)
        pass->state->budget = (BudgetMemory){.smoothed_kib = 0};
    pass->state->linked |= !pass->link_down;
    group_kib = bounds_find(&pass->state->bounds, pass->snapshot, &pass->state->ledger, pass->plan->reserve_kib);
    budget_work_out(&pass->state->budget, &pass->snapshot->host, pass->settings, &sums, group_kib, pass->now_usec,
                    pass->plan);
    pass->plan->host_pressure =
        pressure_judge(&pass->state->pressure, &pass->snapshot->host, pass->plan->reserve_kib, pass->now_usec);
}

/* What a guest must be left with now whatever its share: what it has while it must not be squeezed, or can't be. */
static void
find_least(const Pass *pass, Work *work)
{
    /* what its balloon alone gave it is not its own */
    uint64_t limit =
        MIN(stuck_lower_limit(&work->memory->stuck, pass->now_usec), work->entry->granted_kib + work->unseen_kib);

    if (work->standing.not_squeezed || pass->adopting) {
        work->least_kib = work->target_kib;
        work->least_rule = work->standing.not_squeezed ? work->standing.rule : PLAN_RULE_WAIT_SURPLUS;
        /* libvirt told it its startup memory before its driver was up: to go there is no squeeze */
        if (work->least_rule == PLAN_RULE_SETTLING && !pass->adopting && !broken(FAULT_KEEP_MAXIMUM))
            work->least_kib = MIN(work->least_kib, work->guest->settings->startup_kib);
    }
    if (limit > work->least_kib) {
        work->least_kib = limit;
        work->least_rule = PLAN_RULE_LIMIT;
    }
    work->least_kib = MIN(work->least_kib, work->maximum_kib);
}

static void
work_out_demands(const Pass *pass)
{
    for (Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;
        GuestPlan *plan = work->plan;

        if (guest->settings->managed && guest->life != GUEST_LIFE_OFF)
            demand_work_out(&work->memory->demand, guest, pass->settings, pass->now_usec, &work->demand);
        if (work->demand.known) {
            work->demand.demand_kib += guest->unseen_kib; /* beside what it needs of what it sees */
            work->demand.want_kib += guest->unseen_kib;
            plan->demand_kib = MIN(work->demand.demand_kib, work->maximum_kib);
            plan->want_kib = clamp_u64(work->demand.want_kib, work->minimum_kib, work->maximum_kib);
            plan->floor_kib = guest_floor_kib(guest->settings->maximum_kib);
            plan->starved = work->demand.starved;
            plan->doubtful = work->demand.doubtful;
            plan->shown_kib = work->demand.shown_kib + guest->unseen_kib;
        }
        find_least(pass, work);
    }
}

uint64_t
pass_shared(const Pass *pass)
{
    uint64_t others = ledger_sums(&pass->state->ledger).committed_kib + pass->given_kib;
    uint64_t unseen = 0; /* their targets contain it, and what is booked does not */

    for (const Work *work = pass->first; work < pass->end; work++) {
        if (!is_counted_on(work))
            continue;
        unseen += work->unseen_kib;
        others -= work->entry->booked_kib - MIN(work->guest->settings->fixed_kib, work->entry->booked_kib);
    }
    return saturating_sub(pass->plan->budget_kib + unseen, others);
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
    make_room(state, snapshot->guest_count + snapshot->start_count);
    pass.first = state->work;
    pass.end = state->work + snapshot->guest_count;
    plan->reserve_kib = budget_reserve(settings, &snapshot->host.figures);
    ledger_match(&state->ledger, snapshot);
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
    let_go(&pass);
    pass_lend(&pass);
    pass_limit(&pass);
}
