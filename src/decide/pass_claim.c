/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/admission.h"
#include "decide/faults.h"

#include <string.h>

/*
 * Claims are settled between the demands and the sharing: what claims take from free memory and from others is not
 * shared, those who are squeezed for it are capped, and what is granted is booked in this very tick.
 */

/* Why nothing of what it has can be had; PLAN_RULE_COUNT: some of it may. */
static int
keeps_by(const Pass *pass, const Work *work)
{
    if (work->entry->asked)
        return START_BLOCK_AHEAD;
    if (work->claims)
        return PLAN_RULE_RESTART;
    if (!is_counted_on(work))
        return work->standing.rule != PLAN_RULE_COUNT ? work->standing.rule : PLAN_RULE_STUCK;
    if (pass->link_down)
        return PLAN_RULE_LINK_DOWN;
    return pass->observe ? PLAN_RULE_OBSERVE : PLAN_RULE_COUNT;
}

/* What a guest has, and how much of it may be taken. */
static ClaimGiver
giver_of(const Pass *pass, const Work *work)
{
    const GuestSettings *settings = work->guest->settings;
    const LedgerEntry *entry = work->entry;
    ClaimGiver giver = {.guest = (size_t)(work - pass->first),
                        .uuid = entry->uuid,
                        .name = work->memory->name,
                        .booked_kib = entry->booked_kib + entry->lent_kib,
                        .priority = settings->priority};
    int rule = keeps_by(pass, work);

    if (rule != PLAN_RULE_COUNT) {
        /* all but what is lent: a limit falls whatever is the matter with the guest's balloon, once it can be set */
        giver.told_kib = giver.least_kib = giver.demand_kib = giver.want_kib = entry->booked_kib;
        giver.kept_rule = rule;
        return giver;
    }
    giver.booked_kib = saturating_sub(giver.booked_kib, settings->fixed_kib);
    giver.told_kib = MIN(saturating_sub(work->target_kib, work->memory->unseen_kib), giver.booked_kib);
    giver.least_kib = saturating_sub(MAX(work->minimum_kib, work->least_kib), work->unseen_kib);
    giver.demand_kib = saturating_sub(work->plan->demand_kib, work->unseen_kib);
    giver.want_kib = saturating_sub(work->plan->want_kib, work->unseen_kib);
    giver.kept_rule = work->least_kib > work->minimum_kib ? work->least_rule : PLAN_RULE_AT_MINIMUM;
    return giver;
}

/*
 * Notes whether a guest can't be squeezed at this moment, and only at this moment: it does not answer or report, or is behind
 * its target, or has just come up. When that has lasted it counts. One that boots without a limit gives up by itself what it is
 * booked at beyond its startup memory when its driver is up, nobody knows when: who lacks no more than that is not refused.
 */
static void
note_hindrance(Pass *pass, const Work *work)
{
    GuestMemory *memory = work->memory;
    const Standing *standing = &work->standing;
    bool hindered = standing->rule == PLAN_RULE_UNRESPONSIVE ||
                    (is_told(work) && (standing->not_squeezed || (is_apart(work) && !standing->retry)));
    bool boots = !work->entry->asked && (standing->rule == PLAN_RULE_STARTING || standing->rule == PLAN_RULE_RESET);

    lasting_note(&memory->hindered_usec, hindered, pass->now_usec);
    pass->hindered |= hindered && !lasts_for(memory->hindered_usec, CLAIM_PATIENCE_USEC, pass->now_usec);
    if (boots)
        pass->boots_kib += saturating_sub(work->entry->booked_kib,
                                          work->guest->settings->startup_kib + work->guest->settings->fixed_kib);
}

static void
collect_givers(Pass *pass)
{
    DecideState *state = pass->state;

    state->giver_count = 0;
    for (const Work *work = pass->first; work < pass->end; work++)
        if (work->guest->life != GUEST_LIFE_OFF) {
            state->givers[state->giver_count++] = giver_of(pass, work);
            note_hindrance(pass, work);
        }
}

/* ---- starts ---- */

/* From its first moment on it is limited to what it was let in with. */
static bool
is_held(const Pass *pass, const StartRequest *request)
{
    return pass->settings->memory_high && pass->snapshot->limit_bar == NULL &&
           guest_settings_are_ours(&request->settings);
}

static void
judge_start(Pass *pass, const Claim *claim)
{
    const StartRequest *request = pass->snapshot->starts[claim->start];
    StartPlan *plan = &pass->plan->starts[claim->start];
    LedgerEntry *entry = ledger_start(&pass->state->ledger, claim->start);
    uint64_t overhead = broken(FAULT_RESERVED_BARE) ? 0 : claim->overhead_kib;

    admission_judge(pass, request, claim, plan);
    if (plan->verdict == START_REFUSED) {
        ledger_reserve(entry, 0, 0);
        return;
    }
    if (plan->verdict == START_ADMITTED) {
        /* whoever is let in has all that it starts with or brings, free or not; only a restart is held to what there is, if it can be */
        if (request->waiting && (request->restart == RESTART_NONE || !is_held(pass, request)))
            plan->booked_kib = MAX(plan->booked_kib, claim->need_kib);
        budget_book_overhead(&pass->state->budget, pass->settings, overhead, pass->plan);
        bounds_take(&pass->state->bounds, entry,
                    saturating_sub(plan->booked_kib, claim->booked_kib) + claim->overhead_kib);
        if (!broken(FAULT_RESERVED_NOT_BOOKED))
            ledger_reserve(entry, plan->booked_kib, entry->overhead_kib + overhead);
    } else if (!broken(FAULT_CLAIM_OUTBID)) {
        /* set aside until it is answered */
        ledger_reserve(entry, claim->booked_kib + claim->took_kib, entry->overhead_kib);
    }
    /* that it is about to start shows at its guest, where that is known and off */
    if (entry->guest != SIZE_MAX && pass->first[entry->guest].guest->life == GUEST_LIFE_OFF) {
        pass->plan->guests[entry->guest].state = GUEST_STATE_RESERVED;
        pass->plan->guests[entry->guest].rule = PLAN_RULE_RESERVED;
    }
}

/* What other starts take of the pool before this one: those that were let in, and those before it in the list. */
static uint64_t
pool_taken(const Pass *pass, size_t start)
{
    const Snapshot *snapshot = pass->snapshot;
    uint64_t taken = 0;

    for (size_t i = 0; i < snapshot->start_count; i++)
        if (i != start && (i < start || admission_is_booked(snapshot->starts[i])) &&
            snapshot->starts[i]->pool_page_kib == snapshot->starts[start]->pool_page_kib &&
            !ledger_start(&pass->state->ledger, i)->open)
            taken = saturating_add(taken, snapshot->starts[i]->pool_kib);
    return taken;
}

/*
 * Ordinary memory that it needs beyond its own: the huge pages that its pool lacks, which are made while it starts by a hook
 * of the administrator. When they have been made they are the pool's, and nobody's ordinary memory any more.
 */
static uint64_t
need_of(const Pass *pass, size_t start)
{
    const StartRequest *request = pass->snapshot->starts[start];
    uint64_t need = request->need_kib;

    for (unsigned i = 0; request->pool_page_kib != 0 && i < HOST_POOLS_MAX; i++) {
        const HostPool *pool = &pass->snapshot->host.figures.pools[i];

        if (pool->page_kib == request->pool_page_kib && !ledger_start(&pass->state->ledger, start)->open)
            need = saturating_add(
                need, saturating_sub(request->pool_kib, saturating_sub(pool->free_kib, pool_taken(pass, start))));
    }
    return request->waiting ? need : MIN(need, MAX(request->booked_kib, request->need_kib));
}

void
pass_book_starts(Pass *pass)
{
    for (size_t i = 0; i < pass->snapshot->start_count; i++) {
        const StartRequest *request = pass->snapshot->starts[i];
        LedgerEntry *entry = ledger_start(&pass->state->ledger, i);
        uint64_t booked = MIN(request->booked_kib, need_of(pass, i));
        uint64_t overhead =
            admission_is_booked(request) && !broken(FAULT_RESERVED_BARE) ? overhead_estimate(&request->settings) : 0;

        ledger_reserve(entry, broken(FAULT_RESERVED_NOT_BOOKED) ? 0 : booked, overhead);
    }
}

/* ---- settling ---- */

static ClaimTerms
claim_terms(const Pass *pass)
{
    return (ClaimTerms){
        .free_kib = pass_free(pass),
        .owed_kib = pass_owed(pass),
        .overhead_room_kib = pass->snapshot->host.figures_valid ? pass->state->budget.overhead_room_kib : 0,
        .plan = pass->plan,
    };
}

/* What the next starts would find, for decide_rate. What is lent comes back as soon as it is asked for. */
static void
remember_rest(const Pass *pass)
{
    DecideState *state = pass->state;
    uint64_t lent_kib = 0;

    for (size_t i = 0; i < state->giver_count; i++) {
        ClaimGiver *giver = &state->givers[i];
        uint64_t back = MIN(pass->first[giver->guest].entry->lent_kib, giver->keep_kib);

        lent_kib += back;
        giver->booked_kib = giver->keep_kib -= back;
        giver->told_kib = MIN(giver->told_kib, giver->keep_kib);
    }
    state->rate_buffer_percent = pass->settings->buffer_percent;
    state->rate_terms = claim_terms(pass);
    state->rate_terms.free_kib += lent_kib;
}

/* What is set aside or granted is booked; what others are to give up is not shared. */
static void
take_claim(Pass *pass, const Claim *claim)
{
    Work *work;

    pass->given_kib += claim->given_kib;
    pass->unserved |= claim->granted_kib < claim->need_kib;
    if (claim->guest == SIZE_MAX) {
        judge_start(pass, claim);
        return;
    }
    work = &pass->first[claim->guest];
    work->comes_kib = claim->reclaimable_kib;
    bounds_grant(&pass->state->bounds, work->entry, saturating_sub(claim->granted_kib, work->entry->granted_kib));
}

static void
cap_givers(const Pass *pass)
{
    for (size_t i = 0; i < pass->state->giver_count; i++) {
        const ClaimGiver *giver = &pass->state->givers[i];
        Work *work = &pass->first[giver->guest];

        if (giver->keep_kib < giver->booked_kib)
            work->cap_kib = MAX(giver->keep_kib + work->unseen_kib, 1);
    }
}

/*
 * What a guest still holds of the run before comes free for the next one. Its QEMU may be gone already: then nothing is known of
 * it, and what it is booked at beyond the budget was not there to be had.
 */
static void
claim_start(Pass *pass, size_t start)
{
    const LedgerEntry *entry = ledger_start(&pass->state->ledger, start);
    const StartRequest *request = pass->snapshot->starts[start];
    const Bounds *bounds = &pass->state->bounds;
    Claim *claim = &pass->state->claims[pass->state->claim_count++];

    *claim = (Claim){.guest = SIZE_MAX, .start = start, .runs = entry->open};
    admission_claim(pass, request, need_of(pass, start), claim);
    if (claim->runs) {
        uint64_t owed = MAX(saturating_sub(ledger_sums(&pass->state->ledger).committed_kib, pass->plan->budget_kib),
                            bounds_owed(bounds, entry));

        claim->booked_kib = MAX(claim->booked_kib, MIN(claim->need_kib, saturating_sub(entry->booked_kib, owed)));
        claim->overhead_kib = 0;
    }
    /* who comes with all of its memory takes that of the host, whatever the limits above it are */
    if (claim->all_or_nothing || (request->restart != RESTART_NONE && is_held(pass, request)))
        claim->beyond_kib =
            saturating_sub(claim->need_kib - claim->booked_kib + claim->overhead_kib, bounds_claimable(bounds, entry));
}

void
pass_claim(Pass *pass)
{
    DecideState *state = pass->state;
    ClaimTerms terms;

    collect_givers(pass);
    terms = claim_terms(pass);
    for (size_t i = 0; i < pass->snapshot->start_count; i++)
        claim_start(pass, i);
    claims_settle(state->claims, state->claim_count, state->givers, state->giver_count, &terms, state->scratch);
    for (size_t i = 0; i < state->claim_count; i++)
        take_claim(pass, &state->claims[i]);
    cap_givers(pass);
    remember_rest(pass);
}
