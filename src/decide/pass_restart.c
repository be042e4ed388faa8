/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"
#include "decide/pass.h"
#include "decide/restart.h"

#include <string.h>

/*
 * Boots under a limit. From a start or reset until its driver is back a guest may touch all of its memory, whatever its
 * balloon was told. Where memory.high holds it, it is booked at what it is granted, and no more: what it had before a
 * reset, what was booked for a start, what its claim has brought it since. So it is from here that both the booking
 * and, in pass_limit.c, the limit come; and as long as the limit is not seen in force nobody relies on it.
 *
 * Its balloon is told startup at once, which its new driver will go to; when the driver is back and there was not that much,
 * it is told what there is.
 */

/* A limit that was ordered with a start or reset is in force by then, or there is none. */
#define LIMIT_GRACE_USEC (5 * USEC_PER_SEC)
/* A limit counts as holding a guest when it is no more than so many slacks above what is granted. */
#define HOLDING_SLACKS 3
#define ENFORCED_SLACKS 2
/* A guest that is held back in its boot is given more, by such a part of what it has, and at least by so much. */
#define GARBAGE_PART 8
#define GARBAGE_LEAST_KIB (32 * KIB_PER_MIB)
/* Files of guests that nobody knows are left alone until libvirt has been there for so long. */
#define UNKNOWN_FILE_USEC (10 * USEC_PER_SEC)

static GuestMemory *
memory_of(const Pass *pass, size_t i)
{
    return &pass->state->memories.guests[i];
}

/* How long its limit could be ordered in this boot, which may have begun before libvirt could be asked for it. */
static uint64_t
known_for(const Pass *pass, const GuestSnapshot *guest)
{
    const GuestMemory *memory = memory_of(pass, (size_t)(guest - pass->snapshot->guests));
    uint64_t since = MAX(guest->boot_usec, memory->begun ? memory->begun_usec : pass->now_usec);

    return pass->now_usec - MIN(since, pass->now_usec);
}

/* Right after its start a guest's cgroup may not be found yet. */
static bool
limit_is_usable(const Pass *pass, const GuestSnapshot *guest)
{
    return guest->limits.usable || (pass->state->limits_work && guest->boots > 0 && !guest->adopted &&
                                    known_for(pass, guest) < LIMIT_GRACE_USEC);
}

static bool
can_be_limited(const Pass *pass, const GuestSnapshot *guest)
{
    const GuestSettings *settings = guest->settings;

    return guest->life != GUEST_LIFE_OFF && !pass->observe && settings->managed &&
           settings->mode == GUEST_MODE_DYNAMIC && settings->bar == BALLOON_USABLE &&
           (paging_file(guest) != NULL || (limit_is_usable(pass, guest) && pass->settings->memory_high));
}

static int
compare_start(gconstpointer a, gconstpointer b)
{
    return strcmp(((const BookedStart *)a)->uuid, ((const BookedStart *)b)->uuid);
}

/* What was booked for the start of this guest in the tick before it was seen running; NULL: nothing was. */
static const BookedStart *
booked_start(const Pass *pass, const char *uuid)
{
    const GArray *starts = pass->state->booked_starts;
    BookedStart key;

    if (starts == NULL || starts->len == 0)
        return NULL;
    g_strlcpy(key.uuid, uuid, sizeof key.uuid);
    return bsearch(&key, starts->data, starts->len, sizeof key, compare_start);
}

/* What it physically may have as its boot begins. Returns false where nothing holds it there. */
static bool
first_grant(const Pass *pass, size_t i, uint64_t overhead_kib, uint64_t *granted_kib)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const GuestSettings *settings = guest->settings;
    const RestartMemory *restart = &memory_of(pass, i)->restart;
    const BookedStart *booked = booked_start(pass, guest->uuid);
    bool limited = guest->limits.set || paging_file(guest) != NULL;
    uint64_t enforced =
        guest_limit_enforced(limited ? guest->limits.high_kib : LIMIT_NONE, overhead_kib + settings->fixed_kib,
                             ENFORCED_SLACKS * pass->state->work[i].slack_kib);
    uint64_t granted;

    if (guest->adopted || guest->boots == 0) {
        granted = guest->has_actual ? guest->actual_kib : settings->maximum_kib;
        granted = MAX(granted, guest->target_known ? guest->target_kib : 0);
        if (paging_file(guest) != NULL)
            granted = MIN(granted, enforced);
        else if (enforced == UINT64_MAX || broken(FAULT_ADOPT_UNHELD))
            return false;
        else /* it may be in the middle of its boot: what an earlier daemon's limit lets it have is what it has */
            granted = MAX(granted, enforced);
    } else if (guest->boot_in_place) {
        granted = saturating_sub(restart->before_kib, settings->fixed_kib);
        if (granted == 0 && enforced == UINT64_MAX)
            return false;
        if (enforced != UINT64_MAX && !restart->before_limited)
            granted = MAX(granted, enforced);
    } else if (booked != NULL) {
        /* a cold start that was let in by force has its startup memory, booked or not */
        granted = restart->kind == RESTART_NONE ? MAX(booked->booked_kib, settings->startup_kib) : booked->booked_kib;
        /* seen late it may hold more already */
        granted = MAX(granted, MIN(saturating_sub(guest->resident_kib, overhead_kib), settings->startup_kib));
    } else if (guest->boot_resumed) {
        return false;
    } else if (restart->kind != RESTART_NONE) {
        granted = MIN(saturating_sub(guest->resident_kib, overhead_kib), settings->startup_kib);
    } else {
        granted = settings->startup_kib;
    }
    *granted_kib = MIN(granted, settings->maximum_kib);
    return true;
}

void
pass_restart_begin(Pass *pass, size_t i, uint64_t overhead_kib)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    GuestMemory *memory = memory_of(pass, i);
    RestartMemory *restart = &memory->restart;
    Work *work = &pass->state->work[i];
    bool first = !memory->begun;

    if (guest->life == GUEST_LIFE_OFF)
        return;
    if (guest->limits.usable)
        pass->state->limits_work = true;
    work->slack_kib =
        guest_limit_slack(pass->state->reserve_kib, memory->committed_kib + overhead_kib, pass->state->booked_kib);
    if (first)
        memory->begun_usec = pass->now_usec;
    memory->begun = true;
    if (first)
        restart->kind = restart_of_guest(guest, pass->settings->restart_window_usec, pass->now_usec);
    /* its cgroup may be known a moment later than itself, and what an earlier daemon left later still */
    if (restart->limited || !can_be_limited(pass, guest) || broken(FAULT_NO_RESET_BOOKING))
        return;
    if (!first && paging_file(guest) == NULL && (guest->driver_up || known_for(pass, guest) >= LIMIT_GRACE_USEC))
        return;
    restart->limited = first_grant(pass, i, overhead_kib, &restart->granted_kib);
    /* its driver begins from the maximum, and until it is down from there the size tells nothing */
    if (restart->limited && (!guest->adopted || paging_file(guest) != NULL) && !guest->boot_resumed)
        memory->restarting = true;
}

/* Whether the limit is seen in force, or may be expected to be in a moment. */
static bool
limit_holds(const Pass *pass, size_t i, uint64_t overhead_kib)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    uint64_t granted = memory_of(pass, i)->restart.granted_kib + guest->settings->fixed_kib;

    if (paging_file(guest) != NULL || broken(FAULT_TRUST_NO_LIMIT))
        return true;
    if (guest->limits.high_kib != LIMIT_NONE &&
        guest->limits.high_kib <= granted + overhead_kib + HOLDING_SLACKS * pass->state->work[i].slack_kib)
        return true;
    return known_for(pass, guest) < LIMIT_GRACE_USEC;
}

/* Its driver is not back: it has not reported, nor has the balloon moved. */
static bool
is_booting(const GuestMemory *memory, const GuestSnapshot *guest, const Standing *standing)
{
    return !guest->driver_up && !memory->balloon_moved && standing->rule != PLAN_RULE_NO_STATISTICS;
}

/* The balloon is not known to be where it was told to go. */
static bool
is_void(const GuestMemory *memory, const GuestSnapshot *guest, const Standing *standing)
{
    return standing->rule != PLAN_RULE_NO_STATISTICS && (memory->restarting || (!guest->driver_up && !guest->adopted));
}

/* While it boots under a limit, and while it has a file, it is out of the sharing, whatever else is the matter with it. */
static void
stand_under_limit(const GuestSnapshot *guest, const RestartMemory *restart, Work *work)
{
    Standing *standing = &work->standing;

    if (paging_file(guest) != NULL) {
        standing->part = PART_OUT;
        standing->drawn_back = false;
        if (standing->state == GUEST_STATE_SUSPENDED || standing->state == GUEST_STATE_MIGRATING ||
            standing->state == GUEST_STATE_UNRESPONSIVE)
            return;
        standing->state = GUEST_STATE_PAGING;
        standing->rule = work->booting ? PLAN_RULE_PAGING : PLAN_RULE_PAGING_LEAVE;
    } else if (standing->rule == PLAN_RULE_RESET && !guest->boot_in_place && restart->kind == RESTART_NONE) {
        standing->state = GUEST_STATE_STARTING;
        standing->rule = PLAN_RULE_STARTING;
    } else if (standing->part == PART_SHARES || standing->rule == PLAN_RULE_RESET ||
               (standing->rule == PLAN_RULE_STARTING && restart->kind != RESTART_NONE)) {
        /* with its balloon where it was told to go it may have more than it was granted still */
        standing->part = PART_OUT;
        standing->state = GUEST_STATE_RESTARTING;
        standing->rule = PLAN_RULE_RESTART;
    }
}

void
pass_restart_book(Pass *pass, size_t i, uint64_t overhead_kib)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    GuestMemory *memory = memory_of(pass, i);
    RestartMemory *restart = &memory->restart;
    Work *work = &pass->state->work[i];
    uint64_t granted = restart->granted_kib + guest->settings->fixed_kib;
    bool void_balloon = is_void(memory, guest, &work->standing);

    work->committed_kib = work->natural_kib;
    work->booting = is_booting(memory, guest, &work->standing);
    if (restart->limited && (!can_be_limited(pass, guest) || !limit_holds(pass, i, overhead_kib)))
        restart->limited = false;
    if (restart->limited && paging_file(guest) == NULL && !void_balloon && work->natural_kib < granted + PAGE_KIB)
        restart->limited = false;
    if (work->standing.state == GUEST_STATE_STATIC ||
        (!restart->limited && !void_balloon && work->standing.part != PART_OUT &&
         work->standing.rule != PLAN_RULE_SETTLING))
        restart->kind = RESTART_NONE;
    if (!restart->limited)
        return;
    work->limited = true;
    work->committed_kib = paging_file(guest) != NULL ? granted : MIN(work->natural_kib, granted);
    stand_under_limit(guest, restart, work);
}

static PagingLook
look_at(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const GuestMemory *memory = memory_of(pass, i);
    const Work *work = &pass->state->work[i];
    const GuestSettings *settings = guest->settings;
    bool hangs = work->standing.booking == BOOKING_FULL && work->booting;

    return (PagingLook){
        .guest = guest,
        .restart = hangs ? RESTART_NONE : memory->restart.kind,
        .booting = work->limited && work->booting,
        .hangs = hangs,
        .settled = !work->limited || (!work->booting && !is_void(memory, guest, &work->standing)),
        .limited = work->limited,
        .can_order = !pass->observe && !pass->link_down && guest->life == GUEST_LIFE_RUNNING && !guest->migrating,
        .bar = paging_bar(guest, pass->settings, pass->snapshot->paging_bar),
        .startup_kib = MIN(settings->startup_kib + memory->restart.garbage_kib, settings->maximum_kib),
        .granted_kib =
            work->limited ? memory->restart.granted_kib : saturating_sub(work->committed_kib, settings->fixed_kib),
        .natural_kib = saturating_sub(work->natural_kib, settings->fixed_kib),
        .overhead_kib = pass->plan->guests[i].overhead_kib + settings->fixed_kib,
        .slack_kib = work->slack_kib,
        .available_kib = pass->snapshot->host.figures_valid
                             ? saturating_sub(pass->snapshot->host.figures.available_kib, pass->read_back_kib)
                             : 0,
        .deadline_usec = pass->settings->paging_deadline_usec,
        .now_usec = pass->now_usec,
    };
}

/*
 * What a guest held before it was reset is of no use to it, and is in its way: seen when it is held back in its boot though
 * it has its startup memory. A guest that was started holds nothing of before, and gets only what is free.
 */
static void
look_for_garbage(Pass *pass, size_t i)
{
    const GuestSettings *settings = pass->snapshot->guests[i].settings;
    GuestMemory *memory = memory_of(pass, i);
    RestartMemory *restart = &memory->restart;
    uint64_t most = MIN(saturating_sub(restart->before_kib, settings->fixed_kib),
                        saturating_sub(settings->maximum_kib, settings->startup_kib));
    uint64_t step = MAX(restart->granted_kib / GARBAGE_PART, GARBAGE_LEAST_KIB);

    if (memory->limit.held_now && restart->kind == RESTART_RESET && pass->state->work[i].booting &&
        restart->granted_kib >= settings->startup_kib + restart->garbage_kib)
        restart->garbage_kib = MIN(restart->garbage_kib + step, most);
}

void
pass_restart_claim(Pass *pass)
{
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        Work *work = &pass->state->work[i];
        PagingLook look;
        Claim *claim;

        if (!work->limited)
            continue;
        if (paging_file(guest) == NULL)
            look_for_garbage(pass, i);
        look = look_at(pass, i);
        work->paging_need = paging_work_out_need(&memory_of(pass, i)->restart.paging, &look);
        if (work->paging_need.need_kib <= look.granted_kib || work->standing.part != PART_OUT)
            continue;
        claim = pass_add_claim(pass, i, SIZE_MAX);
        claim->need_kib = work->paging_need.need_kib;
        claim->base_kib = MIN(guest->settings->minimum_kib, claim->need_kib);
        claim->booked_kib = look.granted_kib;
        claim->priority = guest->settings->priority;
        claim->first = work->paging_need.first;
        claim->presses = work->paging_need.presses;
        claim->asked_usec = guest->boot_usec;
    }
}

/* What those that share don't need. */
static uint64_t
spare_of(const Pass *pass)
{
    uint64_t needed = 0;

    for (size_t i = 0; i < pass->snapshot->guest_count; i++)
        if (is_counted_on(&pass->state->work[i]))
            needed += MAX(pass->plan->guests[i].demand_kib, pass->snapshot->guests[i].settings->minimum_kib);
    return saturating_sub(pass->share_kib, needed);
}

/* Memory that nobody claims or needs, for a guest that is held back in its boot. Returns what it gets. */
static uint64_t
give_free(Pass *pass, size_t i)
{
    const GuestSettings *settings = pass->snapshot->guests[i].settings;
    const GuestMemory *memory = memory_of(pass, i);
    Work *work = &pass->state->work[i];
    uint64_t free_kib =
        saturating_sub(pass->plan->budget_kib, pass->sums.committed_kib + pass->kept_kib + pass->adopted_risk_kib);
    uint64_t step = MAX(memory->restart.granted_kib, GARBAGE_LEAST_KIB);

    if (!memory->limit.held_now || !work->booting || pass->link_down || !pass->snapshot->host.figures_valid)
        return 0;
    free_kib = MIN(free_kib, pass->spare_kib);
    step = MIN(MIN(step, free_kib), saturating_sub(settings->maximum_kib, memory->restart.granted_kib));
    pass->spare_kib -= step;
    pass->sums.committed_kib += step;
    work->committed_kib += step;
    pass->plan->guests[i].committed_kib += step;
    pass->share_kib = saturating_sub(pass->share_kib, step);
    pass->apart_kib = saturating_sub(pass->apart_kib, step);
    return step;
}

/* What the balloon is to be told while its guest is out of the sharing because it boots. */
static uint64_t
boot_target(const Pass *pass, size_t i, bool with_file)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const GuestSettings *settings = guest->settings;
    const GuestMemory *memory = memory_of(pass, i);
    const Work *work = &pass->state->work[i];
    uint64_t has = work->limited ? memory->restart.granted_kib : settings->maximum_kib;
    uint64_t target;
    bool boots = work->standing.rule == PLAN_RULE_RESET || work->standing.rule == PLAN_RULE_RESTART ||
                 (work->limited && work->standing.rule == PLAN_RULE_STARTING);

    if (settings->mode != GUEST_MODE_DYNAMIC || (guest->boot_resumed && !with_file))
        return 0;
    if (!with_file && (!boots || broken(FAULT_RESTART_AT_TARGET)))
        return 0;
    if (with_file && (!guest->answering || guest->life != GUEST_LIFE_RUNNING || guest->migrating))
        return 0;
    if (work->booting)
        return settings->startup_kib;
    /* with a target between two sizes that a balloon can have it would end above what is granted, and never be done */
    has = pages_down(has);
    if (has < settings->startup_kib)
        return MAX(has, settings->minimum_kib);
    /* its services are up and need more than startup: what it has already is not taken from it first */
    target = clamp_u64(pass->plan->guests[i].demand_kib, settings->startup_kib, has);
    target = pages_down(target);
    if (work->held_kib >= settings->startup_kib && work->held_kib <= has &&
        MAX(target, work->held_kib) - MIN(target, work->held_kib) < stuck_tolerance(work->held_kib))
        return work->held_kib;
    return target;
}

static void
decide_one(Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    GuestPlan *plan = &pass->plan->guests[i];
    RestartMemory *restart = &memory_of(pass, i)->restart;
    Work *work = &pass->state->work[i];
    const Claim *claim = pass_claim_of(pass, i);
    PagingLook look = look_at(pass, i);
    uint64_t free_kib = claim != NULL ? claim->granted_kib - claim->booked_kib : 0;
    PagingAnswer answer = paging_decide(&restart->paging, &look, free_kib, claim != NULL ? claim->in_time_kib : 0);

    if (work->limited) {
        restart->granted_kib += free_kib;
        if (claim == NULL && paging_file(guest) == NULL)
            restart->granted_kib += give_free(pass, i);
        plan->granted_kib = restart->granted_kib;
    }
    if (answer.order == PAGING_ORDER_END)
        pass->read_back_kib += guest->limits.usable ? guest->limits.swapped_kib : guest->paging->used_kib;
    work->boot_to_kib = boot_target(pass, i, work->limited && paging_file(guest) != NULL);
    plan->shortfall_kib = answer.shortfall_kib;
    plan->paging_phase = answer.phase;
    plan->paging_urgency = answer.urgency;
    plan->paging_order = answer.order;
    plan->paging_size_kib = answer.size_kib;
    plan->paging_high_kib = answer.high_kib;
    plan->paging_deadline_usec = answer.deadline_usec;
    plan->paging_bar = answer.bar;
    if (answer.phase == PAGING_PHASE_MAKE && plan->state == GUEST_STATE_RESTARTING)
        plan->state = GUEST_STATE_PAGING;
}

/* Files whose guests are off, or are not there at all. */
static void
end_files(Pass *pass)
{
    const Snapshot *snapshot = pass->snapshot;
    Plan *plan = pass->plan;
    DecideState *state = pass->state;
    size_t i = 0;

    if (pass->link_down)
        state->link_usec = 0;
    else if (state->link_usec == 0)
        state->link_usec = pass->now_usec;
    for (size_t f = 0; f < snapshot->file_count; f++) {
        const PagingRecord *file = snapshot->files[f];
        bool known;

        while (i < snapshot->guest_count && strcmp(snapshot->guests[i].uuid, file->uuid) < 0)
            i++;
        known = i < snapshot->guest_count && strcmp(snapshot->guests[i].uuid, file->uuid) == 0;
        plan->end_files[f] = false;
        if (pass->observe || pass->link_down || broken(FAULT_FORGET_FILES) ||
            (file->stage != PAGING_STAGE_MAKING && file->stage != PAGING_STAGE_ON))
            continue;
        plan->end_files[f] =
            known ? snapshot->guests[i].life == GUEST_LIFE_OFF : pass->now_usec - state->link_usec >= UNKNOWN_FILE_USEC;
    }
}

void
pass_restart_decide(Pass *pass)
{
    pass->spare_kib = spare_of(pass);
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        const Work *work = &pass->state->work[i];

        if (guest->life == GUEST_LIFE_OFF)
            continue;
        pass->plan->guests[i].restart = memory_of(pass, i)->restart.kind;
        if (work->limited || guest->paging != NULL || work->standing.rule == PLAN_RULE_RESET)
            decide_one(pass, i);
    }
    end_files(pass);
}

void
pass_restart_finish(Pass *pass)
{
    DecideState *state = pass->state;
    const Snapshot *snapshot = pass->snapshot;

    state->reserve_kib = pass->plan->reserve_kib;
    state->booked_kib = pass->plan->committed_kib + pass->plan->overhead_kib;
    if (state->booked_starts == NULL)
        state->booked_starts = g_array_new(FALSE, FALSE, sizeof(BookedStart));
    g_array_set_size(state->booked_starts, 0);
    for (size_t s = 0; s < snapshot->start_count; s++) {
        BookedStart booked = {.booked_kib = pass->plan->starts != NULL && s < pass->plan->start_count
                                                ? pass->plan->starts[s].booked_kib
                                                : snapshot->starts[s]->booked_kib};

        g_strlcpy(booked.uuid, snapshot->starts[s]->uuid, sizeof booked.uuid);
        g_array_append_val(state->booked_starts, booked);
    }
}
