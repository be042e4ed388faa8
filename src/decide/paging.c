/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/paging.h"

#include "decide/claims.h"
#include "decide/faults.h"
#include "decide/ledger.h"
#include "decide/limit.h"
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

/* What it must be booked at for its file to be ended: what it holds and what is in the file, less what its QEMU costs. */
static uint64_t
takes_back(const PagingLook *look)
{
    const GuestSnapshot *guest = look->guest;
    uint64_t held = guest->resident_kib != 0 ? guest->resident_kib : guest->limits.charged_kib;
    uint64_t swapped = paging_in_file(guest);

    if (swapped == 0)
        return 0;
    /* more than its maximum where its QEMU costs more than is known */
    return saturating_sub(saturating_add(held, swapped), look->overhead_kib);
}

PagingUrgency
paging_urgency(const GuestSnapshot *guest, uint64_t deadline_usec, uint64_t now_usec)
{
    const PagingRecord *file = paging_file(guest);
    uint64_t age = file != NULL ? saturating_sub(now_usec, file->since_usec) : 0;

    if (file == NULL || broken(FAULT_NO_DEADLINES))
        return PAGING_URGENCY_NONE;
    if (age >= deadline_usec)
        return PAGING_URGENCY_OVERDUE;
    if (age >= deadline_usec / 10 * 8)
        return PAGING_URGENCY_HARDEST;
    return age >= deadline_usec / 2 ? PAGING_URGENCY_HARDER : PAGING_URGENCY_NONE;
}

const char *
paging_bar(const GuestSnapshot *guest, const Settings *settings, const char *host_bar)
{
    if (!settings->paging_enabled)
        return "Smart Paging is off (Enabled=no in [SmartPaging])";
    if (!guest->settings->smart_paging)
        return "the guest's element says smart-paging='no'";
    if (!settings->memory_high)
        return "memory.high is not kept (MemoryHigh=no in [Enforcement])";
    if (!guest->limits.usable)
        return guest->limits.bar != NULL ? guest->limits.bar : "its memory cgroup is not known";
    return host_bar;
}

/* Likewise of this boot of it. */
static const char *
bar_of(const PagingMemory *memory, const PagingLook *look)
{
    return look->bar == NULL && memory->bar[0] != '\0' ? memory->bar : look->bar;
}

/* Part of startup that is not there: to come from others, from a file, or missing. */
static uint64_t
shortfall_of(const PagingLook *look)
{
    return saturating_sub(look->startup_kib, look->granted_kib);
}

/* Others have had the time that they need to give up memory for it. */
static bool
has_been_patient(const PagingLook *look)
{
    return saturating_sub(look->now_usec, look->guest->boot_usec) >= CLAIM_PATIENCE_USEC;
}

PagingNeed
paging_work_out_need(const PagingMemory *memory, const PagingLook *look)
{
    const PagingRecord *file = paging_file(look->guest);
    /* one whose driver never comes is to have all that it may touch, but not out of a file; one whose driver is back gives up what is in
       its file by itself */
    uint64_t least = file != NULL && !look->booting ? look->minimum_kib
                     : file == NULL && look->hangs  ? look->natural_kib
                                                    : look->startup_kib;
    PagingNeed need = {.need_kib = MAX(look->granted_kib, least)};
    PagingUrgency urgency;
    uint64_t back = takes_back(look);

    if (file == NULL) {
        /* it boots and gets no file: all that others can give must do */
        need.presses =
            look->restart != RESTART_NONE && look->booting && bar_of(memory, look) != NULL && has_been_patient(look);
        return need;
    }
    urgency = paging_urgency(look->guest, look->deadline_usec, look->now_usec);
    need.overdue = urgency >= PAGING_URGENCY_HARDER;
    need.presses = urgency >= PAGING_URGENCY_HARDEST;
    /* one that is paused or migrates touches nothing more either */
    if (back > look->granted_kib && (!look->booting || look->hangs || need.overdue || !look->can_make))
        need.need_kib =
            MAX(need.need_kib, back + STILL_KIB); /* what its QEMU costs is learnt to be less and less meanwhile */
    return need;
}

/* What comes back from the file is booked, and the host has it: bookings may be wrong. */
static bool
has_room(const PagingLook *look)
{
    uint64_t back = takes_back(look);

    /* the kernel kills for what does not fit into memory.max */
    return paging_in_file(look->guest) == 0 || broken(FAULT_END_UNBOOKED) ||
           (back <= look->granted_kib && back <= saturating_sub(memory_max(look->guest), look->overhead_kib) &&
            paging_in_file(look->guest) <= look->available_kib);
}

/*
 * memory.high lets in what comes back. Where nothing else keeps the guest within what it was granted it must leave room for that
 * first (limit.c), or the guest touches what is to come back while it does.
 */
static bool
limit_is_ready(const PagingLook *look, PagingUrgency urgency)
{
    const GuestLimits *limits = &look->guest->limits;
    uint64_t in_file = paging_in_file(look->guest);

    if (in_file == 0 || broken(FAULT_END_UNBOOKED) || !limits->usable || limits->high_kib == LIMIT_NONE ||
        urgency >= PAGING_URGENCY_HARDEST)
        return true;
    if (limits->pending)
        return false;
    if (look->settled)
        return limits->high_kib >= takes_back(look) + look->overhead_kib;
    return limits->high_kib + in_file <= look->granted_kib + look->overhead_kib + 2 * LIMIT_LEAST_SLACK_KIB;
}

/* Watches whether it still touches more and more. Returns how long it has not, since its driver came at most. */
static uint64_t
still_for(PagingMemory *memory, const PagingLook *look)
{
    uint64_t held = saturating_add(look->guest->resident_kib, paging_in_file(look->guest));

    if (held > memory->most_kib + STILL_KIB || memory->still_usec == 0) {
        memory->most_kib = held;
        memory->still_usec = look->now_usec;
    }
    return saturating_sub(look->now_usec, MAX(memory->still_usec, look->guest->driver_usec));
}

/*
 * It does without its file from now on, or has had it for as long as it may. Until its balloon keeps it within what it was
 * granted it may touch more at any moment, and what comes back would have no room then; but one that hangs in its boot loader
 * touches nothing, and one that can't give up more has touched all it will.
 */
static bool
is_done_with_it(PagingMemory *memory, const PagingLook *look, PagingUrgency urgency)
{
    bool still = still_for(memory, look) >= STILL_USEC;

    if (!look->booting)
        return look->settled || still;
    return (look->granted_kib >= look->startup_kib && (still || paging_in_file(look->guest) == 0)) ||
           urgency >= PAGING_URGENCY_HARDEST;
}

/*
 * A guest that was reset in place still holds what it had before, which is of no use to it and may have to be moved out
 * before its new pages fit. In no case does it need more than its maximum, and its startup memory is as much as it
 * should touch.
 */
static void
order_file(PagingMemory *memory, const PagingLook *look, GuestPlan *plan)
{
    const GuestSettings *settings = look->guest->settings;
    uint64_t before = look->restart == RESTART_RESET ? look->granted_kib : 0;
    uint64_t size = MIN(MIN(plan->shortfall_kib + before, saturating_sub(settings->maximum_kib, look->granted_kib)),
                        settings->startup_kib);

    plan->paging_order = PAGING_ORDER_MAKE;
    plan->paging_size_kib = pages_up(size + PAGING_MARGIN_KIB);
    memory->asked_usec = look->now_usec;
}

/* What a guest without a file comes to: none, waiting, making or refused. barred: it can't have one, for whatever reason. */
static PagingPhase
paging_rule(const PagingLook *look, bool barred, uint64_t comes_kib)
{
    bool restarts = look->restart != RESTART_NONE || broken(FAULT_PAGE_COLD_STARTS);
    bool booting = look->booting || broken(FAULT_PAGE_RUNNING);
    bool waits = comes_kib > 0 && !has_been_patient(look) && !broken(FAULT_PAGE_FIRST);

    if (!restarts || !booting || shortfall_of(look) == 0)
        return PAGING_PHASE_NONE;
    if (waits)
        return PAGING_PHASE_WAIT;
    return barred ? PAGING_PHASE_REFUSED : PAGING_PHASE_MAKE;
}

static void
decide_without_file(PagingMemory *memory, const PagingLook *look, uint64_t comes_kib, GuestPlan *plan)
{
    const char *bar = bar_of(memory, look);

    plan->paging_phase = paging_rule(look, bar != NULL, comes_kib);
    if (plan->paging_phase == PAGING_PHASE_NONE)
        return;
    plan->shortfall_kib = broken(FAULT_PAGE_ALL) ? look->startup_kib : shortfall_of(look);
    if (plan->paging_phase == PAGING_PHASE_REFUSED)
        plan->paging_bar = bar;
    if (plan->paging_phase != PAGING_PHASE_MAKE)
        return;
    if (!look->can_make && memory->asked_usec == 0)
        plan->paging_phase = PAGING_PHASE_WAIT;
    /* of a file before it there may still be a record */
    if (look->can_make && look->guest->paging == NULL &&
        (memory->asked_usec == 0 || look->now_usec - memory->asked_usec >= ASK_AGAIN_USEC))
        order_file(memory, look, plan);
}

void
paging_decide(PagingMemory *memory, const PagingLook *look, uint64_t comes_kib, GuestPlan *plan)
{
    const PagingRecord *record = look->guest->paging;
    const PagingRecord *file = paging_file(look->guest);

    if (record != NULL && record->stage == PAGING_STAGE_FAILED && memory->asked_usec != 0)
        g_strlcpy(memory->bar, record->error != NULL ? record->error : "its file could not be made",
                  sizeof memory->bar);
    if (file == NULL) {
        if (look->limited)
            decide_without_file(memory, look, comes_kib, plan);
        return;
    }

    plan->paging_deadline_usec = file->since_usec + look->deadline_usec;
    plan->paging_urgency = paging_urgency(look->guest, look->deadline_usec, look->now_usec);
    if (look->booting)
        plan->shortfall_kib = shortfall_of(look);
    switch (file->stage) {
    case PAGING_STAGE_MAKING:
        plan->paging_phase = PAGING_PHASE_MAKE;
        return;
    case PAGING_STAGE_EMPTYING:
        plan->paging_phase = PAGING_PHASE_EMPTY;
        return;
    case PAGING_STAGE_ON:
    case PAGING_STAGE_GONE:
    case PAGING_STAGE_FAILED:
    default:
        break;
    }
    plan->paging_phase = look->booting ? PAGING_PHASE_BOOT : PAGING_PHASE_LEAVE;
    if (!look->can_end || !is_done_with_it(memory, look, plan->paging_urgency) || !has_room(look))
        return;
    plan->paging_phase = PAGING_PHASE_EMPTY;
    if (limit_is_ready(look, plan->paging_urgency)) {
        plan->paging_order = PAGING_ORDER_END;
        g_strlcpy(memory->bar, "it has had a paging file in this boot", sizeof memory->bar);
    }
}
