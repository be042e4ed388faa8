/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/paging.h"

#include "decide/faults.h"
#include "decide/pass.h"
#include "units.h"

/* A file that was asked for and does not show is asked for again after this time. */
#define ASK_AGAIN_USEC (10 * USEC_PER_SEC)
/* A guest that has not touched more for so long hangs in its boot. */
#define STILL_USEC (20 * USEC_PER_SEC)
#define STILL_KIB (4 * KIB_PER_MIB)

uint64_t
paging_in_file(const GuestSnapshot *guest)
{
    uint64_t swapped = guest->limits.usable ? guest->limits.swapped_kib : UINT64_MAX;

    /* the rest is in the host's own swap, and stays there when the file is ended */
    return guest->paging != NULL ? MIN(swapped, guest->paging->used_kib) : 0;
}

uint64_t
paging_coming_back(const GuestSnapshot *guest)
{
    return guest->paging != NULL && guest->paging->stage == PAGING_STAGE_EMPTYING ? paging_in_file(guest) : 0;
}

/* ---- what of a guest's work counts here. Sizes without overhead and fixed memory, but for overhead_of ---- */

static uint64_t
overhead_of(const Work *work)
{
    return work->entry->overhead_kib + work->guest->settings->fixed_kib;
}

/* What it must have to boot. */
static uint64_t
startup_of(const Work *work)
{
    const GuestSettings *settings = work->guest->settings;

    return MIN(settings->startup_kib + work->memory->garbage_kib, settings->maximum_kib);
}

/* Part of that which is not there: to come from others, from a file, or missing. */
static uint64_t
shortfall_of(const Work *work)
{
    return saturating_sub(startup_of(work), work->entry->granted_kib);
}

/* Its driver is not back. */
static bool
is_booting(const Work *work)
{
    return work->limited && work->standing.booting;
}

/* It runs, here, and libvirt says what becomes of it. */
static bool
can_make(const Pass *pass, const Work *work)
{
    return !pass->observe && !pass->link_down && work->guest->life == GUEST_LIFE_RUNNING && !work->guest->migrating;
}

/* What it must be booked at for its file to be ended: what it holds and what is in the file, less what its QEMU costs. */
static uint64_t
takes_back(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    uint64_t held = guest->resident_kib != 0 ? guest->resident_kib : guest->limits.charged_kib;
    uint64_t swapped = paging_in_file(guest);

    if (swapped == 0)
        return 0;
    /* more than its maximum where its QEMU costs more than is known */
    return saturating_sub(saturating_add(held, swapped), overhead_of(work));
}

PagingUrgency
paging_urgency(const Pass *pass, const GuestSnapshot *guest)
{
    const PagingRecord *file = paging_file(guest);
    uint64_t deadline_usec = pass->settings->paging_deadline_usec;
    uint64_t age = file != NULL ? saturating_sub(pass->now_usec, file->since_usec) : 0;

    if (file == NULL || broken(FAULT_NO_DEADLINES))
        return PAGING_URGENCY_NONE;
    if (age >= deadline_usec)
        return PAGING_URGENCY_OVERDUE;
    if (age >= deadline_usec / 10 * 8)
        return PAGING_URGENCY_HARDEST;
    return age >= deadline_usec / 2 ? PAGING_URGENCY_HARDER : PAGING_URGENCY_NONE;
}

/* Why a guest can't have a paging file, one clause; NULL: it can. */
static const char *
bar_of(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;

    if (!pass->settings->paging_enabled)
        return "Smart Paging is off (Enabled=no in [SmartPaging])";
    if (!guest->settings->smart_paging)
        return "the guest's element says smart-paging='no'";
    if (!pass->settings->memory_high)
        return "memory.high is not kept (MemoryHigh=no in [Enforcement])";
    if (!guest->limits.usable)
        return guest->limits.bar != NULL ? guest->limits.bar : "its memory cgroup is not known";
    if (pass->snapshot->paging_bar != NULL)
        return pass->snapshot->paging_bar;
    return work->memory->paging.bar[0] != '\0' ? work->memory->paging.bar : NULL;
}

/* Others have had the time that they need to give up memory for it. */
static bool
has_been_patient(const Pass *pass, const Work *work)
{
    return saturating_sub(pass->now_usec, work->guest->boot_usec) >= CLAIM_PATIENCE_USEC;
}

Claim
paging_claim(const Pass *pass, const Work *work)
{
    const PagingRecord *file = paging_file(work->guest);
    bool hangs = work->memory->belief.state == BELIEF_ABSENT;
    uint64_t granted = work->entry->granted_kib;
    /* its balloon is told no less than its minimum. One whose driver never comes is to have all that it may touch, but not out of a file;
       one whose driver is back gives up what is in its file by itself */
    uint64_t least = file != NULL && !is_booting(work) ? saturating_sub(work->minimum_kib, work->guest->unseen_kib)
                     : file == NULL && hangs           ? work->entry->balloon_kib
                                                       : startup_of(work);
    Claim need = {.need_kib = MAX(granted, least)};
    uint64_t back = takes_back(work);

    if (file == NULL) {
        /* it boots and gets no file: all that others can give must do */
        need.presses = work->memory->restart != RESTART_NONE && is_booting(work) && bar_of(pass, work) != NULL &&
                       has_been_patient(pass, work);
        return need;
    }
    need.overdue = paging_urgency(pass, work->guest) >= PAGING_URGENCY_HARDER;
    need.presses = paging_urgency(pass, work->guest) >= PAGING_URGENCY_HARDEST;
    /* one that is paused or migrates touches nothing more either */
    if (back > granted && (!is_booting(work) || hangs || need.overdue || !can_make(pass, work)))
        need.need_kib =
            MAX(need.need_kib, back + STILL_KIB); /* what its QEMU costs is learnt to be less and less meanwhile */
    return need;
}

/* What comes back from the file is booked, and the host has it: bookings may be wrong. */
static bool
has_room(const Pass *pass, const Work *work)
{
    const HostSnapshot *host = &pass->snapshot->host;
    uint64_t back = takes_back(work);
    uint64_t available = host->figures_valid ? saturating_sub(host->figures.available_kib, pass->read_back_kib) : 0;

    /* the kernel kills for what does not fit into memory.max */
    return back <= work->entry->granted_kib && back <= saturating_sub(memory_max(work->guest), overhead_of(work)) &&
           paging_in_file(work->guest) <= available;
}

/*
 * memory.high lets in what comes back. Where nothing else keeps the guest within what it was granted it must leave room for that
 * first (limit.c), or the guest touches what is to come back while it does.
 */
static bool
limit_is_ready(const Work *work, PagingUrgency urgency)
{
    const GuestLimits *limits = &work->guest->limits;
    uint64_t in_file = paging_in_file(work->guest);

    if (!limits->usable || limits->high_kib == LIMIT_NONE || urgency >= PAGING_URGENCY_HARDEST)
        return true;
    if (limits->pending)
        return false;
    if (!pass_hangs_on_limit(work))
        return limits->high_kib >= takes_back(work) + overhead_of(work);
    return limits->high_kib + in_file <= work->entry->granted_kib + overhead_of(work) + 2 * LIMIT_LEAST_SLACK_KIB;
}

/* Watches whether it still touches more and more. Returns how long it has not, since its driver came at most. */
static uint64_t
still_for(const Pass *pass, const Work *work)
{
    PagingMemory *memory = &work->memory->paging;
    uint64_t held = saturating_add(work->guest->resident_kib, paging_in_file(work->guest));

    if (held > memory->most_kib + STILL_KIB || memory->still_usec == 0) {
        memory->most_kib = held;
        memory->still_usec = pass->now_usec;
    }
    return saturating_sub(pass->now_usec, MAX(memory->still_usec, work->guest->driver_usec));
}

/*
 * It does without its file from now on, or has had it for as long as it may. Until its balloon keeps it within what it was
 * granted it may touch more at any moment, and what comes back would have no room then; but one that hangs in its boot loader
 * touches nothing, and one that can't give up more has touched all it will.
 */
static bool
is_done_with_it(const Pass *pass, const Work *work, PagingUrgency urgency)
{
    bool still = still_for(pass, work) >= STILL_USEC;

    if (!is_booting(work))
        return !pass_hangs_on_limit(work) || still;
    return (shortfall_of(work) == 0 && (still || paging_in_file(work->guest) == 0)) ||
           urgency >= PAGING_URGENCY_HARDEST;
}

/*
 * A guest that was reset in place still holds what it had before, which is of no use to it and may have to be moved out
 * before its new pages fit. In no case does it need more than its maximum, and its startup memory is as much as it
 * should touch.
 */
static void
order_file(const Pass *pass, const Work *work)
{
    const GuestSettings *settings = work->guest->settings;
    GuestPlan *plan = work->plan;
    uint64_t granted = work->entry->granted_kib;
    uint64_t before = work->memory->restart == RESTART_RESET ? granted : 0;
    uint64_t size =
        MIN(MIN(plan->shortfall_kib + before, saturating_sub(settings->maximum_kib, granted)), settings->startup_kib);

    plan->paging_order = PAGING_ORDER_MAKE;
    plan->paging_size_kib = pages_up(size + PAGING_MARGIN_KIB);
    work->memory->paging.asked_usec = pass->now_usec;
}

static void
decide_without_file(const Pass *pass, const Work *work)
{
    const char *bar = bar_of(pass, work);
    bool restarts = work->memory->restart != RESTART_NONE || broken(FAULT_PAGE_COLD_STARTS);
    bool booting = is_booting(work) || broken(FAULT_PAGE_RUNNING);
    bool waits = work->comes_kib > 0 && !has_been_patient(pass, work) && !broken(FAULT_PAGE_FIRST);
    uint64_t asked_usec = work->memory->paging.asked_usec;
    GuestPlan *plan = work->plan;

    if (!restarts || !booting || shortfall_of(work) == 0)
        return;
    plan->shortfall_kib = broken(FAULT_PAGE_ALL) ? startup_of(work) : shortfall_of(work);
    if (waits || (bar == NULL && asked_usec == 0 && !can_make(pass, work))) {
        plan->paging_phase = PAGING_PHASE_WAIT;
        return;
    }
    plan->paging_phase = bar != NULL ? PAGING_PHASE_REFUSED : PAGING_PHASE_MAKE;
    plan->paging_bar = bar;
    /* of a file before it there may still be a record */
    if (bar == NULL && can_make(pass, work) && work->guest->paging == NULL &&
        (asked_usec == 0 || pass->now_usec - asked_usec >= ASK_AGAIN_USEC))
        order_file(pass, work);
}

void
paging_decide(Pass *pass, Work *work)
{
    PagingMemory *memory = &work->memory->paging;
    const PagingRecord *record = work->guest->paging;
    const PagingRecord *file = paging_file(work->guest);
    GuestPlan *plan = work->plan;
    bool is_empty = paging_in_file(work->guest) == 0 || broken(FAULT_END_UNBOOKED);

    if (record != NULL && record->stage == PAGING_STAGE_FAILED && memory->asked_usec != 0)
        g_strlcpy(memory->bar, record->error != NULL ? record->error : "its file could not be made",
                  sizeof memory->bar);
    if (file == NULL) {
        if (work->limited)
            decide_without_file(pass, work);
        return;
    }

    plan->paging_deadline_usec = file->since_usec + pass->settings->paging_deadline_usec;
    plan->paging_urgency = paging_urgency(pass, work->guest);
    if (is_booting(work))
        plan->shortfall_kib = shortfall_of(work);
    if (file->stage != PAGING_STAGE_ON) {
        plan->paging_phase = file->stage == PAGING_STAGE_MAKING ? PAGING_PHASE_MAKE : PAGING_PHASE_EMPTY;
        return;
    }
    plan->paging_phase = is_booting(work) ? PAGING_PHASE_BOOT : PAGING_PHASE_LEAVE;
    /* a file is ended whenever there is room, whatever becomes of its guest */
    if (pass->observe || !is_done_with_it(pass, work, plan->paging_urgency) || !(is_empty || has_room(pass, work)))
        return;
    plan->paging_phase = PAGING_PHASE_EMPTY;
    if (is_empty || limit_is_ready(work, plan->paging_urgency)) {
        plan->paging_order = PAGING_ORDER_END;
        pass->read_back_kib += paging_in_file(work->guest);
        g_strlcpy(memory->bar, "it has had a paging file in this boot", sizeof memory->bar);
    }
}
