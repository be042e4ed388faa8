/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"
#include "decide/pass.h"

#include <string.h>

/*
 * Guests that boot. From a start or reset until its driver is back a guest may touch all of its memory, whatever its
 * balloon was told. Where memory.high holds it, it is booked at what it is granted, and no more: what it had before a
 * reset, what was booked for a start, what its claim has brought it since. As long as the limit is not seen in force nobody
 * relies on it.
 *
 * Its balloon is told startup at once, which its new driver will go to; when the driver is back and there was not that much,
 * it is told what there is. A guest that is let go claims its startup memory in the same way.
 */

/* A limit that was ordered with a start or reset is in force by then, or there is none. */
#define LIMIT_GRACE_USEC (5 * USEC_PER_SEC)
/* A guest that is held back in its boot is given more, by such a part of what it has, and at least by so much. */
#define GARBAGE_PART 8
#define GARBAGE_LEAST_KIB (32 * KIB_PER_MIB)
/* Files of guests that nobody knows are left alone until libvirt has been there for so long. */
#define UNKNOWN_FILE_USEC (10 * USEC_PER_SEC)

/* What a limit of ours that is in force lets the guest have at most; UINT64_MAX: there is none. */
static uint64_t
in_force(const Work *work, uint64_t slack_kib)
{
    const GuestSnapshot *guest = work->guest;

    return limit_in_force(guest)
               ? saturating_sub(guest->limits.high_kib, work->overhead_kib + guest->settings->fixed_kib + slack_kib)
               : UINT64_MAX;
}

/* Right after its start a guest's cgroup may not be found yet. */
bool
pass_limit_may_come(const Work *work)
{
    return work->guest->limits.usable || work->guest->limits.bar == NULL;
}

uint64_t
pass_restart_enforced(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const BeliefState state = work->memory->belief.state;
    uint64_t told = work->memory->limit.told_kib;
    /* a limit is left where it is within half a slack (limit.c) */
    uint64_t slack = work->slack_kib;
    uint64_t limit = in_force(work, slack + slack / 2);
    /* its boot may have begun before libvirt could be asked for it; where it is over by then it went on without a limit */
    uint64_t ordered_usec = MAX(guest->boot_usec, guest->driver_up ? 0 : work->memory->belief.seen_usec);
    uint64_t before;

    if (broken(FAULT_TRUST_NO_LIMIT))
        return 0;
    /* started paused, it has not run yet and can touch nothing */
    if (state == BELIEF_BOOTING && guest->life != GUEST_LIFE_RUNNING && work->memory->belief.ran_usec == 0 &&
        limit == UINT64_MAX && !guest->boot_in_place && !guest->driver_up)
        return 0;
    if (broken(FAULT_ADOPT_UNHELD) && guest->adopted)
        return UINT64_MAX;
    /* one that is to have none loses it in this tick, or with its file; what it was started with is to be read first */
    if (!pass->observe && !work->wants_limit && paging_file(guest) == NULL && !guest->settings->presumed)
        return UINT64_MAX;
    /* one that was brought holds what it brought before any is there, and of one that ran before nobody ordered any */
    if (limit != UINT64_MAX || pass->observe || !pass_limit_may_come(work) || state != BELIEF_BOOTING ||
        guest->adopted || saturating_sub(pass->now_usec, ordered_usec) >= LIMIT_GRACE_USEC)
        return limit;
    /* it is on its way, and may be one that was ordered before the reset, for more; till then it keeps what it had */
    before = guest->boot_in_place ? work->entry->booked_kib : 0;
    if (told != LIMIT_NONE)
        before = MAX(before, saturating_sub(told, work->overhead_kib + slack + slack / 2));
    return saturating_sub(before, guest->settings->fixed_kib);
}

/* What it physically may have as its run begins, or is first seen. */
static uint64_t
first_grant(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const GuestSettings *settings = guest->settings;
    const LedgerEntry *entry = work->entry;
    uint64_t has = MAX(guest->has_actual ? guest->actual_kib : settings->maximum_kib, guest->target_kib);
    uint64_t holds = saturating_sub(guest->resident_kib, work->overhead_kib);
    uint64_t booked = saturating_sub(entry->start_kib, settings->fixed_kib);

    if (guest->adopted || guest->boot_in_place)
        return MIN(has, in_force(work, LIMIT_LEAST_SLACK_KIB));
    /* what its snapshot's balloon leaves it is not known yet */
    if (guest->boot_resumed)
        return MAX(booked, holds);
    /* a cold start that nobody was asked about has its startup memory, booked or not */
    return work->memory->restart == RESTART_NONE && entry->start_kib == 0 ? settings->startup_kib : booked;
}

void
pass_restart_open(const Pass *pass, const Work *work, bool sized)
{
    const GuestSnapshot *guest = work->guest;
    GuestMemory *memory = work->memory;
    LedgerEntry *entry = work->entry;

    /* by a limit that an earlier daemon left, and not by one of its own, which has all its slack in it */
    if (sized && memory->belief.state == BELIEF_ADOPTED && memory->limit.told_kib == 0)
        ledger_open(entry, first_grant(work));
    if (!memory->begins)
        return;
    memory->restart = restart_of_guest(guest, pass->settings->restart_window_usec);
    /* the daemon that let it in may be gone, and with it that it had stopped a moment before */
    if (memory->restart == RESTART_NONE && !guest->boot_resumed)
        memory->restart = entry->restart;
    if (guest->boot_in_place && entry->open) {
        memory->before_kib = entry->granted_kib; /* what it had is what it goes on with */
        return;
    }
    if (guest->boot_resumed && entry->open)
        ledger_go_on(entry);
    ledger_open(entry, first_grant(work));
}

/* What its balloon leaves it, or is to leave it, where that means anything. */
static uint64_t
size_of(const Work *work)
{
    return MAX(work->guest->actual_kib, MAX(work->memory->target_kib, work->boot_to_kib));
}

bool
pass_hangs_on_limit(const Work *work)
{
    return work->limited && (work->standing.is_void || size_of(work) > work->entry->granted_kib);
}

void
pass_restart_stand(Work *work)
{
    const GuestSnapshot *guest = work->guest;
    GuestMemory *memory = work->memory;
    Standing *standing = &work->standing;

    if (standing->state == GUEST_STATE_STATIC ||
        (!standing->is_void && standing->part != PART_OUT && standing->rule != PLAN_RULE_SETTLING))
        memory->restart = RESTART_NONE;
    if (!work->limited)
        return;
    if (paging_file(guest) != NULL) {
        standing->part = PART_OUT;
        if (standing->state == GUEST_STATE_SUSPENDED || standing->state == GUEST_STATE_MIGRATING ||
            standing->state == GUEST_STATE_UNRESPONSIVE)
            return;
        standing->state = GUEST_STATE_PAGING;
        standing->rule = standing->booting ? PLAN_RULE_PAGING : PLAN_RULE_PAGING_LEAVE;
    } else if (standing->rule == PLAN_RULE_RESET ||
               (standing->rule == PLAN_RULE_STARTING && memory->restart != RESTART_NONE)) {
        standing->state = GUEST_STATE_RESTARTING;
        standing->rule = PLAN_RULE_RESTART;
    }
}

uint64_t
pass_startup(const Work *work)
{
    const GuestSnapshot *guest = work->guest;

    return pages_down(MIN(guest->settings->startup_kib + guest->unseen_kib, work->maximum_kib));
}

uint64_t
pass_let_go_need(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    bool believed = work->standing.trust == LEDGER_TRUSTS_BALLOON && guest->has_actual && !guest->target_unbounded;
    /* beyond that it is booked for no longer than a limit takes to come down */
    uint64_t has = believed ? MAX(guest->actual_kib, work->target_kib) : work->entry->balloon_kib;

    /* its memory.max keeps it from the rest, and leaves it no room for what its QEMU costs once no limit of ours does */
    return MIN(MAX(has, pass_startup(work)), MIN(guest->settings->maximum_kib, memory_max(guest)));
}

/*
 * What a guest held before it was reset is of no use to it, and is in its way: seen when it is held back in its boot though
 * it has its startup memory. A guest that was started holds nothing of before, and gets only what is free.
 */
static void
look_for_garbage(const Work *work)
{
    const GuestSettings *settings = work->guest->settings;
    GuestMemory *memory = work->memory;
    uint64_t granted = work->entry->granted_kib;
    uint64_t step = MAX(granted / GARBAGE_PART, GARBAGE_LEAST_KIB);

    if (memory->limit.held_now && work->standing.booting && paging_file(work->guest) == NULL &&
        granted >= settings->startup_kib + memory->garbage_kib)
        memory->garbage_kib = MIN(memory->garbage_kib + step, memory->before_kib);
}

/* A guest's claim is what it is to have physically at least: it is not squeezed, and what is granted to it is booked. */
static void
add_claim(Pass *pass, Work *work, const Claim *need)
{
    const GuestSnapshot *guest = work->guest;
    /* It may be booked at more than it was granted, and need not claim that again; but where all that is booked does not fit, what
       a limit lets in that comes down in a moment is none of its own. */
    uint64_t least = pass_owed(pass) == 0 ? saturating_sub(work->entry->booked_kib, guest->settings->fixed_kib) : 0;
    uint64_t booked = MAX(work->entry->granted_kib, MIN(need->need_kib, least));
    /* what others can give up is of no use to it beyond what the limits above it leave it */
    uint64_t most = saturating_add(booked, bounds_claimable(&pass->state->bounds, work->entry));
    uint64_t need_kib = MIN(need->need_kib, most);

    work->claims = true;
    pass->state->claims[pass->state->claim_count++] = (Claim){.uuid = guest->uuid,
                                                              .name = guest->name,
                                                              .guest = (size_t)(work - pass->first),
                                                              .need_kib = need_kib,
                                                              .base_kib = MIN(work->minimum_kib, need_kib),
                                                              .booked_kib = booked,
                                                              .priority = guest->settings->priority,
                                                              .overdue = need->overdue,
                                                              .presses = need->presses,
                                                              .asked_usec = guest->boot_usec};
}

void
pass_restart_claim(Pass *pass)
{
    for (Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;
        Claim need = {.need_kib = 0};

        if (work->limited) {
            look_for_garbage(work);
            need = paging_claim(pass, work);
        }
        /* what it may be on its way to is no need: it is told where to stop */
        if (work->let_go && !guest->target_unbounded)
            need.need_kib = MAX(need.need_kib, pass_let_go_need(work));
        /* of one whose next start is asked for that is the claim */
        if (need.need_kib > work->entry->granted_kib && work->standing.part == PART_OUT && !work->entry->asked &&
            !(broken(FAULT_PAGE_FIRST) && paging_file(guest) == NULL))
            add_claim(pass, work, &need);
    }
}

/* What those that share don't need. */
static uint64_t
spare_of(const Pass *pass)
{
    uint64_t needed = 0;

    for (const Work *work = pass->first; work < pass->end; work++)
        if (is_counted_on(work))
            needed += MAX(work->plan->demand_kib, work->minimum_kib);
    return MIN(saturating_sub(pass_shared(pass), needed), pass_free(pass));
}

/* Memory that nobody claims or needs, for a guest that is held back as it boots or loads, or that has a file and could do without. */
static void
give_spare(const Pass *pass, const Work *work)
{
    uint64_t granted = work->entry->granted_kib;
    uint64_t lacks = 0;

    if (paging_file(work->guest) != NULL)
        lacks = work->standing.is_void ? 0 : saturating_sub(size_of(work), granted);
    else if (work->memory->limit.held_now && work->standing.is_void)
        lacks = MIN(MAX(granted, GARBAGE_LEAST_KIB), saturating_sub(work->maximum_kib, granted));
    if (lacks > 0 && !pass->link_down)
        bounds_grant(&pass->state->bounds, work->entry, MIN(lacks, spare_of(pass)));
}

/* What the balloon is to be told while its guest is out of the sharing because it boots. */
static uint64_t
boot_target(const Pass *pass, const Work *work, bool with_file)
{
    const GuestSnapshot *guest = work->guest;
    const GuestSettings *settings = guest->settings;
    uint64_t has = work->limited ? work->entry->granted_kib + guest->unseen_kib : settings->maximum_kib;
    uint64_t target = work->target_kib, startup = pass_startup(work), minimum = work->minimum_kib;
    uint64_t keeps = guest->has_actual && !guest->target_known ? guest->actual_kib : 0;
    bool services_are_up =
        guest->fresh && work->demand.known && saturating_sub(pass->now_usec, guest->driver_usec) >= BELIEF_SETTLE_USEC;
    bool boots = work->standing.rule == PLAN_RULE_RESET || work->standing.rule == PLAN_RULE_RESTART ||
                 (work->limited && work->standing.rule == PLAN_RULE_STARTING);

    if (!guest->answering || guest->life != GUEST_LIFE_RUNNING || guest->migrating)
        return 0;
    if (work->let_go && guest->target_known && target >= startup)
        /* its balloon is on the way; what it has beyond may be what it does not see */
        return work->memory->moved && guest->actual_kib < target ? target : 0;
    if (work->let_go && (work->standing.rule == PLAN_RULE_LET_GO || work->standing.rule == PLAN_RULE_BROUGHT)) {
        /* with its minimum it does not die of what it does not see, and its limit holds it, once that is down */
        bool down = work->entry->enforced_kib <= work->entry->granted_kib;
        uint64_t least = down && guest->unseen_kib > 0 ? work->minimum_kib : 0;
        uint64_t own = pass_owed(pass) > 0 ? target : pages_down(work->entry->granted_kib);

        return MIN(MAX(MAX(target, own), least), MAX(startup, keeps));
    }
    if (work->let_go && (boots || work->memory->belief.state == BELIEF_ABSENT))
        return startup; /* where its balloon is to go when its driver comes, if it does */
    if (settings->mode != GUEST_MODE_DYNAMIC || (guest->boot_resumed && !with_file))
        return 0;
    if (!with_file && (!boots || broken(FAULT_RESTART_AT_TARGET)))
        return 0;
    if (work->standing.booting)
        return startup;
    /* where memory is owed it is told to keep nothing that it gives up, its minimum neither, but for what it does not see */
    if (pass_owed(pass) > 0 && guest->target_known && guest->unseen_kib == 0)
        has = minimum = MIN(MAX(has, minimum), target);
    /* with a target between two sizes that a balloon can have it would end above what is granted, and never be done */
    has = pages_down(has);
    if (has < startup)
        return MAX(has, minimum);
    /* what lacks for its file to come back may be what the guest itself does not need of its startup memory */
    if (services_are_up && paging_urgency(pass, guest) >= PAGING_URGENCY_HARDER)
        startup = MIN(startup, work->minimum_kib);
    /* its services are up and need more than startup: what it has already is not taken from it first */
    target = clamp_u64(work->plan->demand_kib, startup, has);
    target = pages_down(target);
    if (work->target_kib >= startup && work->target_kib <= has &&
        distance_u64(target, work->target_kib) < stuck_tolerance(work->target_kib))
        return work->target_kib;
    return target;
}

static void
decide_one(Pass *pass, Work *work)
{
    const GuestSnapshot *guest = work->guest;
    GuestPlan *plan = work->plan;

    /* what it is told now it may have by the time its file is emptied */
    work->boot_to_kib = MIN(boot_target(pass, work, work->limited && paging_file(guest) != NULL), work->maximum_kib);
    paging_decide(pass, work);
    if (work->limited) {
        if (!work->claims)
            give_spare(pass, work);
        plan->granted_kib = work->entry->granted_kib;
    }
    if (plan->paging_phase == PAGING_PHASE_MAKE && plan->state == GUEST_STATE_RESTARTING)
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

    lasting_note(&state->link_usec, !pass->link_down, pass->now_usec);
    for (size_t f = 0; f < snapshot->file_count; f++) {
        const PagingRecord *file = snapshot->files[f];
        bool known;

        while (i < snapshot->guest_count && strcmp(snapshot->guests[i].uuid, file->uuid) < 0)
            i++;
        known = i < snapshot->guest_count && strcmp(snapshot->guests[i].uuid, file->uuid) == 0;
        plan->end_files[f] = false;
        if (pass->observe || broken(FAULT_FORGET_FILES) ||
            (file->stage != PAGING_STAGE_MAKING && file->stage != PAGING_STAGE_ON))
            continue;
        plan->end_files[f] = known ? snapshot->guests[i].life == GUEST_LIFE_OFF
                                   : lasts_for(state->link_usec, UNKNOWN_FILE_USEC, pass->now_usec);
    }
}

void
pass_restart_decide(Pass *pass)
{
    for (Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;

        if (guest->life == GUEST_LIFE_OFF)
            continue;
        work->plan->restart = work->memory->restart;
        if (work->limited || guest->paging != NULL || work->standing.rule == PLAN_RULE_RESET || work->let_go)
            decide_one(pass, work);
    }
    end_files(pass);
}
