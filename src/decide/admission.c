/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/admission.h"

#include "decide/faults.h"
#include "units.h"

#include <string.h>

/* What a restart still lacks may as well come from its paging file when others can give less than this part of it. */
#define NEXT_TO_NOTHING_PART 64

static bool
is_restart(const StartRequest *request)
{
    return request->restart != RESTART_NONE && !broken(FAULT_START_REFUSES_RESTART);
}

/* Where nothing is told to any guest nothing is refused either. */
static bool
is_never_refused(const Pass *pass, const StartRequest *request)
{
    return is_restart(request) || request->forced || pass->observe;
}

/*
 * Whether what can't be had now can't be had in a moment either: the host's figures are those of now, all guests are known, nobody's
 * first report is awaited, libvirt is there to squeeze those who run, and nobody is out of reach for a moment only.
 */
static bool
is_certain(const Pass *pass)
{
    return pass->snapshot->host.figures_valid && !pass->snapshot->host.unread && !pass->adopting && !pass->hindered &&
           !(pass->link_down && pass->state->giver_count > 0);
}

bool
admission_is_booked(const StartRequest *request)
{
    return !request->waiting || request->booked_kib > 0;
}

void
admission_claim(const Pass *pass, const StartRequest *request, uint64_t need_kib, Claim *claim)
{
    claim->uuid = request->uuid;
    claim->name = request->name;
    claim->need_kib = need_kib;
    claim->booked_kib = MIN(request->booked_kib, need_kib);
    if (is_restart(request))
        claim->base_kib = MIN(request->settings.minimum_kib, request->need_kib);
    claim->priority = request->settings.priority;
    claim->asked_usec = request->asked_usec;
    if (!admission_is_booked(request))
        claim->overhead_kib = overhead_estimate(&request->settings);
    claim->all_or_nothing = request->waiting && !is_never_refused(pass, request);
}

/* Whether a paging file can make up for what it lacks. Its directory is not known to be good before it is tried. */
static bool
may_page(const Pass *pass, const StartRequest *request)
{
    const GuestSettings *settings = &request->settings;

    return is_restart(request) && pass->settings->paging_enabled && pass->snapshot->paging_bar == NULL &&
           settings->smart_paging && guest_settings_are_ours(settings);
}

/* The next tick might come after the deadline, so the answer must be given now. */
static bool
time_is_over(const Pass *pass, const StartRequest *request)
{
    uint64_t span = saturating_sub(request->deadline_usec, request->asked_usec);

    return pass->now_usec + MIN(pass->settings->interval_usec, span / 4) > request->deadline_usec ||
           pass->now_usec >= request->deadline_usec;
}

/*
 * Who is never refused waits as long as others give up memory for it, so that a restart's paging file is small; with a file to fall
 * back on, and for what is not certain, no longer than others need for that.
 */
static bool
has_all_it_gets(const Pass *pass, const StartRequest *request, const Claim *claim, uint64_t lacking_kib)
{
    bool waited = saturating_sub(pass->now_usec, request->asked_usec) >= CLAIM_PATIENCE_USEC;
    bool certain = pass->snapshot->host.figures_valid && (waited || is_certain(pass));
    uint64_t coming = MIN(saturating_sub(lacking_kib, claim->beyond_kib), claim->reclaimable_kib);
    bool nothing_comes = coming <= claim->need_kib / NEXT_TO_NOTHING_PART && coming < lacking_kib;

    return pass->observe || (certain && (nothing_comes || (waited && may_page(pass, request))));
}

/* What the limits above it leave it (bounds.h). */
static uint64_t
bounds_leave(const Pass *pass, const Claim *claim)
{
    return bounds_room(&pass->state->bounds, ledger_start(&pass->state->ledger, claim->start));
}

static const Bound *
tightest_bound(const Pass *pass, const Claim *claim)
{
    return bounds_tightest(&pass->state->bounds, ledger_start(&pass->state->ledger, claim->start));
}

/*
 * What it lacks of that. The guests that have the rest are not squeezed for it, so there is nothing to wait for but what is not certain
 * yet.
 */
static uint64_t
lacking_in_bounds(const Pass *pass, const StartRequest *request, const Claim *claim)
{
    return request->waiting && !is_never_refused(pass, request)
               ? saturating_sub(claim->lacking_kib, bounds_leave(pass, claim))
               : 0;
}

static StartVerdict
judge_waiting(const Pass *pass, const StartRequest *request, const Claim *claim, StartPlan *plan)
{
    uint64_t lacking = saturating_sub(claim->lacking_kib, claim->took_kib + claim->room_kib);
    uint64_t in_bounds = lacking_in_bounds(pass, request, claim);
    bool over = time_is_over(pass, request), hopeless;

    if ((lacking == 0 || claim->beyond_kib > 0) && in_bounds > 0) {
        /* what is lent comes back */
        hopeless = is_certain(pass) && in_bounds > tightest_bound(pass, claim)->lent_kib;
        return over || hopeless ? START_REFUSED : START_WAITS;
    }
    if (lacking == 0 || (broken(FAULT_START_BEFORE_FREE) && plan->missing_kib == 0))
        return START_ADMITTED;
    plan->timed_out = over;
    if (is_never_refused(pass, request))
        return over || has_all_it_gets(pass, request, claim, lacking) ? START_ADMITTED : START_WAITS;
    /* at once where it can't fit even if all that may be taken were, and nobody stood before it */
    hopeless =
        is_certain(pass) && claim->missing_kib > claim->ahead_kib + pass->boots_kib && !broken(FAULT_START_HOPES);
    return over || hopeless ? START_REFUSED : START_WAITS;
}

void
admission_judge(const Pass *pass, const StartRequest *request, const Claim *claim, StartPlan *plan)
{
    uint64_t overhead = overhead_estimate(&request->settings);

    *plan = (StartPlan){.request = request,
                        .overhead_kib = overhead,
                        .pool_kib = saturating_sub(claim->need_kib, request->need_kib),
                        .needed_kib = claim->need_kib + overhead,
                        /* what is booked for it is as good as free to it */
                        .free_kib = claim->free_kib + claim->booked_kib + (overhead - claim->overhead_kib),
                        .reclaimable_kib = claim->reclaimable_kib,
                        .missing_kib = claim->missing_kib,
                        .blocker_count = claim->blocker_count};
    memcpy(plan->blockers, claim->blockers, sizeof plan->blockers);
    /* whatever the host has, its group or its nodes have not: nobody else is in the way */
    if ((claim->missing_kib == 0 || claim->beyond_kib > 0) && lacking_in_bounds(pass, request, claim) > 0) {
        const Bound *bound = tightest_bound(pass, claim);

        plan->blockers[0] = (StartBlocker){.kept_kib = saturating_sub(bound->total_kib, bounds_leave(pass, claim)),
                                           .rule = bound->nodes != 0 ? START_BLOCK_NODE : START_BLOCK_GROUP};
        plan->blocker_count = 1;
    }
    plan->verdict = request->waiting ? judge_waiting(pass, request, claim, plan) : START_ADMITTED;
    if (plan->verdict == START_ADMITTED) {
        plan->booked_kib = broken(FAULT_START_BEFORE_FREE) ? claim->need_kib : claim->granted_kib;
        if (is_restart(request)) {
            plan->booked_kib =
                MIN(plan->booked_kib,
                    saturating_add(claim->booked_kib, saturating_sub(bounds_leave(pass, claim), claim->overhead_kib)));
            plan->shortfall_kib = claim->need_kib - plan->booked_kib;
        }
    }
}
