/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"
#include "decide/pass.h"

/*
 * What limits leave to the page cache of guests' disks. The host's cache of a disk is charged to the group of its guest, so
 * a limit at what the guest may have would leave it its slack only; and a kernel that has little room for what is written
 * lets the writer wait for the disk (mm/page-writeback.c, domain_dirty_limits: of each group by what it has left).
 *
 * Memory that nobody is booked at is lent to those that use it so: their limits are higher by it. What a limit lets in a
 * guest could take for itself, after a reset, so what is lent is booked as long as a limit that lets it in is in force; no
 * more of it than the guest could touch in the end, its maximum. Whose maximum is covered is not held back at all.
 *
 * One half of what is free is lent, so that most raises find what they need at once. What somebody waits for is not free any
 * more: it is taken back, which costs the host no more than dropping cache.
 */

/* Less is what any QEMU reads in its life: its program, its firmware. */
#define USER_LEAST_KIB (8 * KIB_PER_MIB)
/* Who fills what it was lent is lent this many times as much, and at least enough for a burst. */
#define TIMES 4
#define BURST_KIB (256 * KIB_PER_MIB)
/* Each change is a limit that is written: less than this part of it is none. */
#define NOISE_PART 8

static uint64_t
cache_of(const GuestSnapshot *guest)
{
    uint64_t own = saturating_add(guest->resident_kib, guest->group_other_kib);

    return guest->resident_kib == 0 ? 0 : MIN(saturating_sub(guest->limits.charged_kib, own), KIB_LIMIT / TIMES);
}

/* Whether its cache fills half of what its limit without anything lent leaves to it. */
static bool
fills_room(const Work *work, uint64_t cache_kib)
{
    const GuestSnapshot *guest = work->guest;
    uint64_t room = saturating_sub(work->entry->granted_kib + guest->settings->fixed_kib + work->entry->overhead_kib +
                                       work->slack_kib,
                                   guest->limits.charged_kib - cache_kib);

    return cache_kib >= room / (work->memory->limit.lends ? 4 : 2);
}

/* Who is counted on has a balloon that is believed, and no paging file; neither boots it nor is it let go. */
static bool
may_borrow(const Pass *pass, const Work *work, uint64_t cache_kib)
{
    return cache_kib >= USER_LEAST_KIB && !pass->observe && work->held && is_counted_on(work) &&
           fills_room(work, cache_kib);
}

/* What others wait for: claims, all that guests are to have beyond what they were granted, a host that lacks memory itself. What
   they wait for within limits above them is noted there. */
static uint64_t
note_waiting(Pass *pass)
{
    const DecideState *state = pass->state;
    Bounds *bounds = &pass->state->bounds;
    uint64_t kib = pass->given_kib;

    for (const Work *work = pass->first; work < pass->end; work++) {
        uint64_t lacks = saturating_sub(work->plan->ideal_kib, work->entry->granted_kib + work->unseen_kib);

        if (!is_told(work))
            continue;
        bounds_wait(bounds, work->entry, lacks);
        kib += lacks;
    }
    for (size_t i = 0; i < state->claim_count; i++) {
        const Claim *claim = &state->claims[i];
        bool starts = claim->guest == SIZE_MAX;

        if (!starts || pass->plan->starts[claim->start].verdict == START_WAITS)
            bounds_wait(bounds, starts ? ledger_start(&state->ledger, claim->start) : pass->first[claim->guest].entry,
                        saturating_sub(claim->need_kib + claim->overhead_kib, claim->granted_kib));
    }
    if (broken(FAULT_LEND_ON))
        return 0;
    return pass->plan->host_pressure || !pass->snapshot->host.figures_valid ? UINT64_MAX : kib;
}

/* All that may be lent. It follows what is free without haste, as each change is a write a guest. */
static uint64_t
lendable(Pass *pass)
{
    DecideState *state = pass->state;
    uint64_t free_kib = saturating_sub(
        saturating_sub(pass->plan->budget_kib, ledger_sums(&state->ledger).committed_kib), note_waiting(pass));

    if (state->lend_kib > free_kib / 4 * 3 || state->lend_kib < free_kib / 8 * 3)
        state->lend_kib = free_kib / 2;
    return state->lend_kib;
}

/* Raises stay within what is free now: what is being taken back from others is not. */
static void
lend(Pass *pass, const Work *work, uint64_t share_kib, uint64_t most_kib)
{
    LedgerEntry *entry = work->entry;
    LimitMemory *memory = &work->memory->limit;
    uint64_t raise, before = MIN(memory->lent_kib, most_kib);
    uint64_t off;

    share_kib = MIN(share_kib, bounds_lendable(&pass->state->bounds, entry));
    off = distance_u64(share_kib, before);
    if (share_kib > 0 && share_kib < most_kib && off <= before / NOISE_PART)
        share_kib = before;
    raise = saturating_sub(share_kib, entry->lent_kib);
    if (!broken(FAULT_LEND_UNBOOKED)) {
        raise = bounds_take(&pass->state->bounds, entry, MIN(raise, pass_free(pass)));
        share_kib = MIN(share_kib, entry->lent_kib + raise);
        ledger_lend(entry, share_kib);
    }
    memory->lends = true;
    memory->lent_kib = share_kib;
}

void
pass_lend(Pass *pass)
{
    DecideState *state = pass->state;
    size_t count = 0;

    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;
        LimitMemory *memory = &work->memory->limit;
        uint64_t cache = cache_of(guest), most;

        if (!may_borrow(pass, work, cache)) {
            memory->lends = false;
            memory->lent_kib = 0;
            continue;
        }
        most = saturating_sub(guest->settings->maximum_kib, work->entry->granted_kib);
        state->sharing[count++] =
            (SharingGuest){.level_kib = {[PLAN_STAGE_DEMAND] = MIN(MAX(TIMES * cache, BURST_KIB), most),
                                         [PLAN_STAGE_WANT] = most,
                                         [PLAN_STAGE_SURPLUS] = most},
                           .weight = 1,
                           .index = (uint32_t)(work - pass->first)};
    }
    if (count > 0) {
        sharing_share(state->sharing, count, lendable(pass), PLAN_STAGE_WANT, state->scratch);
        for (size_t slot = 0; slot < count; slot++)
            lend(pass, &pass->first[state->sharing[slot].index], state->sharing[slot].target_kib,
                 state->sharing[slot].level_kib[PLAN_STAGE_WANT]);
    }
    for (const Work *work = pass->first; work < pass->end; work++) {
        work->plan->lent_kib = work->entry->lent_kib;
        pass->plan->lent_kib += work->plan->lent_kib;
    }
}
