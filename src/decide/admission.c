/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/admission.h"

#include "decide/faults.h"
#include "units.h"

#include <string.h>

/* What a restart still lacks may as well come from its paging file when less than this part of it comes in time. */
#define NEXT_TO_NOTHING_PART 64

static bool
is_restart(const StartRequest *request)
{
    return request->restart != RESTART_NONE && !broken(FAULT_START_REFUSES_RESTART);
}

static bool
is_forced(const StartRequest *request, const AdmissionTerms *terms)
{
    return request->forced || terms->observe;
}

bool
admission_is_booked(const StartRequest *request)
{
    return !request->waiting || request->booked_kib > 0;
}

void
admission_claim(const StartRequest *request, uint64_t need_kib, const AdmissionTerms *terms, Claim *claim)
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
    claim->all_or_nothing = request->waiting && !is_restart(request) && !is_forced(request, terms);
}

/* Whether a paging file can make up for what a restart lacks. Its directory is not known to be good before it is tried. */
static bool
may_page(const StartRequest *request, const AdmissionTerms *terms)
{
    const GuestSettings *settings = &request->settings;

    return terms->settings->paging_enabled && terms->paging_bar == NULL && settings->smart_paging &&
           guest_settings_are_ours(settings);
}

/* The next tick might come after the deadline, so the answer must be given now. */
static bool
time_is_over(const StartRequest *request, const AdmissionTerms *terms)
{
    uint64_t span = saturating_sub(request->deadline_usec, request->asked_usec);

    return terms->now_usec + MIN(terms->settings->interval_usec, span / 4) > request->deadline_usec ||
           terms->now_usec >= request->deadline_usec;
}

/* Who is never refused waits for what is not certain no longer than others need to give up memory. */
static bool
is_certain_by_now(const StartRequest *request, const AdmissionTerms *terms)
{
    bool waited = saturating_sub(terms->now_usec, request->asked_usec) >= CLAIM_PATIENCE_USEC;

    return terms->valid && (terms->certain || waited);
}

/*
 * A restart waits as long as others give up memory for it, so that its paging file is small; with a file to fall back on
 * not for long.
 */
static StartVerdict
judge_restart(const StartRequest *request, const Claim *claim, const AdmissionTerms *terms, uint64_t lacking_kib)
{
    uint64_t waited = saturating_sub(terms->now_usec, request->asked_usec);
    uint64_t coming = MIN(lacking_kib, claim->reclaimable_kib);

    if (!is_certain_by_now(request, terms))
        return START_WAITS;
    if (coming <= claim->need_kib / NEXT_TO_NOTHING_PART && coming < lacking_kib)
        return START_ADMITTED;
    return may_page(request, terms) && waited >= CLAIM_PATIENCE_USEC ? START_ADMITTED : START_WAITS;
}

/* At once where it can't fit even if all that may be taken were, and nobody stood before it. */
static bool
is_hopeless(const Claim *claim, const AdmissionTerms *terms)
{
    return terms->valid && terms->certain && !broken(FAULT_START_HOPES) && claim->missing_kib > claim->ahead_kib;
}

/*
 * What it lacks on the NUMA nodes that it is strictly bound to. The guests there are not squeezed for it, so there is nothing
 * to wait for but what is not certain yet.
 */
static uint64_t
lacking_on_nodes(const StartRequest *request, const Claim *claim, const AdmissionTerms *terms)
{
    uint64_t needed = saturating_sub(claim->need_kib, claim->booked_kib) + claim->overhead_kib;

    return !request->waiting || is_forced(request, terms) || is_restart(request)
               ? 0
               : saturating_sub(needed, terms->node_room_kib);
}

static StartVerdict
judge_waiting(const StartRequest *request, const Claim *claim, const AdmissionTerms *terms, StartPlan *plan)
{
    uint64_t lacking = saturating_sub(saturating_sub(claim->need_kib, claim->booked_kib) + claim->overhead_kib,
                                      claim->took_kib + claim->room_kib);
    bool over = time_is_over(request, terms);
    bool forced = is_forced(request, terms);
    bool restart = is_restart(request);

    if (lacking == 0 && lacking_on_nodes(request, claim, terms) > 0)
        return over || (terms->valid && terms->certain) ? START_REFUSED : START_WAITS;
    if (lacking == 0)
        return START_ADMITTED;
    if (broken(FAULT_START_BEFORE_FREE) && plan->missing_kib == 0)
        return START_ADMITTED;
    if (over) {
        plan->timed_out = true;
        return forced || restart ? START_ADMITTED : START_REFUSED;
    }
    if (forced)
        return terms->observe || (is_certain_by_now(request, terms) && claim->given_kib == 0) ? START_ADMITTED
                                                                                              : START_WAITS;
    if (restart)
        return judge_restart(request, claim, terms, lacking);
    return is_hopeless(claim, terms) ? START_REFUSED : START_WAITS;
}

void
admission_judge(const StartRequest *request, const Claim *claim, const AdmissionTerms *terms, StartPlan *plan)
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
    /* the host has the memory, and its nodes have not: nobody else is in the way */
    if (claim->missing_kib == 0 && lacking_on_nodes(request, claim, terms) > 0) {
        plan->blockers[0] = (StartBlocker){.kept_kib = terms->node_kept_kib, .rule = START_BLOCK_NODE};
        plan->blocker_count = 1;
    }
    plan->verdict = request->waiting ? judge_waiting(request, claim, terms, plan) : START_ADMITTED;
    if (plan->verdict == START_ADMITTED) {
        plan->booked_kib = broken(FAULT_START_BEFORE_FREE) ? claim->need_kib : claim->granted_kib;
        if (is_restart(request))
            plan->shortfall_kib = claim->need_kib - plan->booked_kib;
    }
}
