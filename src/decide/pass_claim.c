/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/admission.h"
#include "decide/faults.h"
#include "decide/pass.h"

#include <string.h>

/*
 * Claims are settled between the demands and the sharing: what claims take from free memory and from others is not
 * shared, those who are squeezed for it are capped, and what is granted is booked in this very tick.
 */

/*
 * The budget is measured and held below what was measured, by about so much: what a start lacks within it may well be there.
 */
#define HAIR_PART 256
#define HAIR_MOST_KIB (256 * KIB_PER_MIB)

Claim *
pass_add_claim(Pass *pass, size_t guest, size_t start)
{
    DecideState *state = pass->state;
    Claim *claim;

    if (state->claim_count == state->claim_capacity) {
        state->claim_capacity = MAX(16, state->claim_capacity * 2);
        state->claims = g_renew(Claim, state->claims, state->claim_capacity);
    }
    claim = &state->claims[state->claim_count++];
    *claim = (Claim){.guest = guest, .start = start};
    if (guest != SIZE_MAX) {
        claim->uuid = pass->snapshot->guests[guest].uuid;
        claim->name = pass->snapshot->guests[guest].name;
        state->work[guest].claim = (uint32_t)state->claim_count;
    }
    return claim;
}

const Claim *
pass_claim_of(const Pass *pass, size_t guest)
{
    uint32_t place = pass->state->work[guest].claim;

    return place != 0 ? &pass->state->claims[place - 1] : NULL;
}

/* Nothing of what it has can be had. */
static void
keeps_all(ClaimGiver *giver, uint64_t booked_kib, int rule)
{
    giver->booked_kib = giver->told_kib = giver->least_kib = giver->demand_kib = giver->want_kib = booked_kib;
    giver->kept_rule = rule;
}

/* What guest i has, and how much of it may be taken. */
static ClaimGiver
giver_of(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];
    const GuestSettings *settings = guest->settings;
    const GuestMemory *memory = &pass->state->memories.guests[i];
    const Work *work = &pass->state->work[i];
    ClaimGiver giver = {.uuid = guest->uuid, .name = guest->name, .priority = settings->priority};

    if (work->claim != 0) {
        keeps_all(&giver, work->committed_kib, PLAN_RULE_RESTART);
    } else if (work->standing.rule == PLAN_RULE_STARTING || work->standing.rule == PLAN_RULE_RESET) {
        /* what it is booked at beyond its startup memory comes free when its driver is up */
        keeps_all(&giver, work->committed_kib, work->standing.rule);
        giver.least_kib = giver.demand_kib = MIN(settings->startup_kib + settings->fixed_kib, work->committed_kib);
        giver.late = true;
    } else if (pass->observe || pass->link_down || work->standing.part == PART_OBSERVED) {
        keeps_all(&giver, work->committed_kib, pass->link_down ? PLAN_RULE_LINK_DOWN : PLAN_RULE_OBSERVE);
    } else if (!is_counted_on(work)) {
        keeps_all(&giver, work->committed_kib,
                  work->standing.rule != PLAN_RULE_COUNT ? work->standing.rule : PLAN_RULE_STUCK);
    } else {
        giver.booked_kib = saturating_sub(work->committed_kib, settings->fixed_kib);
        giver.told_kib = MIN(work->held_kib, giver.booked_kib);
        giver.least_kib = MAX(settings->minimum_kib, work->least_kib);
        giver.demand_kib = pass->plan->guests[i].demand_kib;
        giver.want_kib = pass->plan->guests[i].want_kib;
        giver.rate_kib = memory->stuck.rate_kib;
        giver.kept_rule = work->least_kib > settings->minimum_kib ? work->least_rule : PLAN_RULE_AT_MINIMUM;
    }
    return giver;
}

/*
 * Notes whether guest i can't be squeezed at this moment, and only at this moment: it does not answer or report, or is behind
 * its target, or has just come up. When that has lasted it counts.
 */
static void
note_hindrance(Pass *pass, size_t i)
{
    GuestMemory *memory = &pass->state->memories.guests[i];
    const Standing *standing = &pass->state->work[i].standing;
    bool hindered =
        standing->rule == PLAN_RULE_UNRESPONSIVE ||
        (standing->part == PART_SHARES && (standing->not_squeezed || (standing->not_counted_on && !standing->retry)));

    if (!hindered)
        memory->hindered_usec = 0;
    else if (memory->hindered_usec == 0)
        memory->hindered_usec = pass->now_usec;
    if (hindered && pass->now_usec - memory->hindered_usec < CLAIM_PATIENCE_USEC)
        pass->hindered = true;
}

/* Running guests, then starts that are booked: those are in the way, and no more. */
static void
collect_givers(Pass *pass)
{
    DecideState *state = pass->state;
    const Snapshot *snapshot = pass->snapshot;

    state->giver_count = 0;
    for (size_t i = 0; i < snapshot->guest_count; i++)
        if (snapshot->guests[i].life != GUEST_LIFE_OFF) {
            state->rate_guests[state->giver_count] = (uint32_t)i;
            state->givers[state->giver_count++] = giver_of(pass, i);
            note_hindrance(pass, i);
        }
    state->rate_givers = state->giver_count;
    for (size_t i = 0; i < snapshot->start_count; i++) {
        const StartRequest *request = snapshot->starts[i];
        ClaimGiver giver = {.uuid = request->uuid, .name = request->name, .priority = request->settings.priority};

        if (request->waiting)
            continue;
        keeps_all(&giver, request->booked_kib, START_BLOCK_AHEAD);
        state->givers[state->giver_count++] = giver;
    }
}

/* ---- starts ---- */

void
pass_book_starts(Pass *pass)
{
    if (broken(FAULT_RESERVED_NOT_BOOKED))
        return;
    for (size_t i = 0; i < pass->snapshot->start_count; i++) {
        const StartRequest *request = pass->snapshot->starts[i];

        if (request->waiting)
            continue;
        ledger_add(&pass->sums, request->booked_kib, broken(FAULT_RESERVED_BARE) ? 0 : admission_overhead(request), 0,
                   0);
        pass->plan->reserved_kib += request->booked_kib;
    }
}

/* The index of the guest that is to start, if it is known and off; both are sorted by uuid. */
static size_t
find_off_guest(const Snapshot *snapshot, const char *uuid)
{
    size_t low = 0;
    size_t high = snapshot->guest_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(snapshot->guests[middle].uuid, uuid);

        if (order == 0)
            return snapshot->guests[middle].life == GUEST_LIFE_OFF ? middle : SIZE_MAX;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

/* That it is about to start, and what is booked for that, shows at a guest where it is off, and is counted once. */
static void
show_reserved(Pass *pass, const StartPlan *start)
{
    size_t i = find_off_guest(pass->snapshot, start->request->uuid);

    if (i == SIZE_MAX) {
        pass->absent_kib += start->booked_kib;
        return;
    }
    pass->plan->guests[i].state = GUEST_STATE_RESERVED;
    pass->plan->guests[i].rule = PLAN_RULE_RESERVED;
    pass->plan->guests[i].committed_kib = start->booked_kib;
    pass->plan->guests[i].overhead_kib = start->overhead_kib;
}

static void
judge_start(Pass *pass, const Claim *claim, const AdmissionTerms *terms)
{
    const StartRequest *request = pass->snapshot->starts[claim->start];
    StartPlan *plan = &pass->plan->starts[claim->start];
    uint64_t booked;

    admission_judge(request, claim, terms, plan);
    /* what is kept for one that is refused goes to who stands behind it, in the next tick */
    if (plan->verdict != START_ADMITTED)
        pass->kept_kib += claim->took_kib;
    if (plan->verdict == START_WAITS)
        show_reserved(pass, plan);
    if (plan->verdict != START_ADMITTED || broken(FAULT_RESERVED_NOT_BOOKED))
        return;
    booked = plan->booked_kib - claim->booked_kib;
    pass->sums.committed_kib += booked;
    pass->plan->reserved_kib += booked;
    if (request->waiting && !broken(FAULT_RESERVED_BARE)) {
        pass->sums.overhead_kib += plan->overhead_kib;
        ledger_book_overhead(&pass->state->ledger, pass->settings, plan->overhead_kib, &pass->budget);
    }
    show_reserved(pass, plan);
}

/* ---- settling ---- */

/* What is granted to a guest is booked. */
static void
book_grant(Pass *pass, const Claim *claim)
{
    uint64_t granted = claim->granted_kib - claim->booked_kib;

    pass->kept_kib += saturating_sub(claim->took_kib, granted);
    pass->sums.committed_kib += granted;
    pass->state->work[claim->guest].committed_kib += granted;
    pass->plan->guests[claim->guest].committed_kib += granted;
}

/* What the next starts would find, for decide_rate. */
static void
remember_rest(Pass *pass, const ClaimTerms *terms)
{
    DecideState *state = pass->state;

    for (size_t i = 0; i < state->giver_count; i++) {
        ClaimGiver *giver = &state->givers[i];

        giver->booked_kib = giver->keep_kib;
        giver->told_kib = MIN(giver->told_kib, giver->keep_kib);
    }
    state->rate_known = true;
    state->rate_budget = pass->budget;
    state->rate_buffer_percent = pass->settings->buffer_percent;
    state->rate_terms = *terms;
    state->rate_terms.free_kib =
        saturating_sub(pass->budget.budget_kib, pass->sums.committed_kib + pass->adopted_risk_kib + pass->kept_kib);
    state->rate_terms.owed_kib = saturating_sub(pass->sums.committed_kib, pass->budget.budget_kib);
    state->rate_terms.overhead_room_kib = pass->budget.overhead_room_kib;
    if (!pass->snapshot->host.figures_valid)
        state->rate_terms.free_kib = 0;
}

/*
 * Whether what can't be had now can't be had in a moment either: nobody's first report is awaited, libvirt is there to
 * squeeze those who run, and nobody is out of reach for a moment only.
 */
static bool
is_certain(const Pass *pass)
{
    return !pass->adopting && !pass->hindered && !(pass->link_down && pass->state->rate_givers > 0);
}

static AdmissionTerms
admission_terms(const Pass *pass)
{
    uint64_t hair = MIN(pass->snapshot->host.figures.total_kib / HAIR_PART, HAIR_MOST_KIB);

    return (AdmissionTerms){
        .settings = pass->settings,
        .paging_bar = pass->snapshot->paging_bar,
        .valid = pass->snapshot->host.figures_valid,
        .certain = is_certain(pass),
        .observe = pass->observe,
        .budget = &pass->budget,
        .tolerance_kib = pass->budget.limit == BUDGET_BY_SETTING ? 0 : hair,
        .now_usec = pass->now_usec,
    };
}

static ClaimTerms
claim_terms(const Pass *pass, uint64_t tolerance_kib)
{
    bool valid = pass->snapshot->host.figures_valid;
    uint64_t committed = pass->sums.committed_kib;

    return (ClaimTerms){
        .free_kib = valid ? saturating_sub(pass->budget.budget_kib, committed + pass->adopted_risk_kib) : 0,
        .owed_kib = saturating_sub(committed, pass->budget.budget_kib),
        .overhead_room_kib = valid ? pass->budget.overhead_room_kib : 0,
        .tolerance_kib = tolerance_kib,
    };
}

/* What is kept for a claim or given up for it is not shared; what is granted is booked. */
static void
take_claim(Pass *pass, size_t place, const AdmissionTerms *admission)
{
    const Claim *claim = &pass->state->claims[place];
    uint64_t taken = claim->took_kib + claim->given_kib;

    pass->share_kib = saturating_sub(pass->share_kib, taken);
    pass->apart_kib = saturating_sub(pass->apart_kib, taken);
    if (claim->guest == SIZE_MAX) {
        judge_start(pass, claim, admission);
        return;
    }
    pass->state->work[claim->guest].claim = (uint32_t)(place + 1);
    book_grant(pass, claim);
}

static void
cap_givers(Pass *pass)
{
    DecideState *state = pass->state;

    for (size_t i = 0; i < state->rate_givers; i++)
        if (state->givers[i].keep_kib < state->givers[i].booked_kib)
            state->work[state->rate_guests[i]].cap_kib = MAX(state->givers[i].keep_kib, 1);
}

void
pass_claim(Pass *pass)
{
    DecideState *state = pass->state;
    AdmissionTerms admission;
    ClaimTerms terms;

    collect_givers(pass);
    admission = admission_terms(pass);
    terms = claim_terms(pass, admission.tolerance_kib);
    for (size_t i = 0; i < pass->snapshot->start_count; i++)
        admission_claim(pass->snapshot->starts[i], &admission, pass_add_claim(pass, SIZE_MAX, i));
    claims_settle(state->claims, state->claim_count, state->givers, state->giver_count, &terms);
    for (size_t i = 0; i < state->claim_count; i++)
        take_claim(pass, i, &admission);
    cap_givers(pass);
    remember_rest(pass, &terms);
    pass_show_budget(pass);
}
