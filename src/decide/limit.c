/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/limit.h"

#include "decide/faults.h"
#include "decide/pass.h"
#include "units.h"

/* A limit that was told and is not there is told again after this time: a guest that boots relies on it. */
#define TELL_AGAIN_USEC USEC_PER_SEC
#define LEARN_USEC (2 * USEC_PER_SEC)
#define LEARN_LEAST_KIB (16 * KIB_PER_MIB)
#define LEARN_PART 4
/* So quickly no more than twice what its QEMU is thought to cost, and this: it may be a balloon that frees nothing. */
#define LEARN_MOST_KIB (64 * KIB_PER_MIB)
/* Beyond that it must last. Some QEMUs cost far more than is thought: librbd, virgl, many vhost queues. */
#define LEARN_SLOWLY_USEC (30 * USEC_PER_SEC)
#define LEARN_SLOWLY_PART 8
/* But not more than all its guest's memory, and this: whoever takes ever more does not get the host. */
#define LEARN_LAST_KIB KIB_PER_GIB
#define SLACK_PART 8

/* So many 1,024th parts of what the host can give are booked_kib, rounded down. */
static uint64_t
part_of(const HostFigures *figures, uint64_t reserve_kib, uint64_t booked_kib)
{
    uint64_t most = saturating_sub(figures->total_kib, figures->hugepages_kib + reserve_kib);

    return MIN(booked_kib / (most / 1024 + 1), 1024);
}

uint64_t
limit_slack(const HostFigures *figures, uint64_t reserve_kib, uint64_t booked_kib)
{
    uint64_t share = reserve_kib / 2 / 1024 * part_of(figures, reserve_kib, booked_kib);

    return clamp_u64(share, LIMIT_LEAST_SLACK_KIB, MAX(booked_kib / SLACK_PART, LIMIT_LEAST_SLACK_KIB));
}

uint64_t
limit_raise_slack(const HostFigures *figures, uint64_t reserve_kib, uint64_t raise_kib)
{
    uint64_t share = reserve_kib / 2 / 1024 * (part_of(figures, reserve_kib, raise_kib) + 1);

    return MIN(share + share / 2, limit_most_slack(raise_kib));
}

/* What its cgroup can't give back without swapping; page cache of its disks is charged as well, and no trouble. */
static uint64_t
held_kib(const GuestSnapshot *guest)
{
    return guest->resident_kib != 0 ? MIN(guest->resident_kib, guest->limits.charged_kib) : guest->limits.charged_kib;
}

uint64_t
limit_learn(LimitMemory *memory, const GuestSnapshot *guest, bool excused, uint64_t now_usec)
{
    const GuestLimits *limits = &guest->limits;
    uint64_t estimate, most;
    bool lasts;
    bool grew = limits->usable && memory->counted && limits->held_back > memory->held_back;
    /* reclaim of page cache counts as being held back, too */
    bool full = held_kib(guest) + LIMIT_LEAST_SLACK_KIB >= limits->high_kib;

    if (limits->usable) {
        memory->counted = true;
        memory->held_back = limits->held_back;
    }
    memory->held_now = grew && full;
    if (!memory->held_now || excused || !limits->set || broken(FAULT_LIMIT_NOT_LEARNT))
        return memory->extra_kib;
    estimate = overhead_estimate(guest->settings);
    most = 2 * estimate + LEARN_MOST_KIB;
    lasts = memory->extra_kib >= most;
    if (saturating_sub(now_usec, memory->learnt_usec) < (lasts ? LEARN_SLOWLY_USEC : LEARN_USEC))
        return memory->extra_kib;
    memory->learnt_usec = now_usec;
    memory->extra_kib += MAX(LEARN_LEAST_KIB, lasts ? memory->extra_kib / LEARN_SLOWLY_PART : estimate / LEARN_PART);
    if (lasts && !broken(FAULT_LEARN_CAPPED))
        most = MAX(most, guest->settings->maximum_kib + LEARN_LAST_KIB);
    memory->extra_kib = MIN(memory->extra_kib, most);
    return memory->extra_kib;
}

bool
limit_is_late(const LimitMemory *memory, const GuestSnapshot *guest, uint64_t slack_kib)
{
    /* the first of a guest is none that others' memory hangs on: there was nothing to be lowered */
    return memory->told_kib != 0 && limit_in_force(guest) &&
           saturating_add(memory->told_kib, slack_kib / 2) < guest->limits.high_kib;
}

static bool
tells(LimitMemory *memory, uint64_t limit_kib, uint64_t now_usec)
{
    if (memory->told_kib == limit_kib && now_usec - memory->told_usec < TELL_AGAIN_USEC)
        return false;
    memory->told_kib = limit_kib;
    memory->told_usec = now_usec;
    return true;
}

/* It is not known yet what it may have: nothing is lowered. One that boots is limited before it runs, and while it migrates away;
   the others are let be until more is known of them, but for what was lent to them. The first limit of a boot waits for no libvirt. */
static bool
is_waited_for(const Pass *pass, const Work *work, uint64_t back_kib)
{
    const GuestSnapshot *guest = work->guest;
    bool first = work->standing.is_void && !guest->limits.set && !broken(FAULT_LIMIT_BY_LIBVIRT);
    bool lent = work->entry->lent_kib > 0;

    return work->plan->rule == PLAN_RULE_ADOPTING || (pass->link_down && back_kib == 0 && !first && !lent) ||
           ((guest->life != GUEST_LIFE_RUNNING || guest->migrating) && !work->standing.is_void && !lent);
}

/* Whether the limit in force, or none where there is none, is to be lowered to that. */
static bool
may_fall(const Work *work, uint64_t high_kib, uint64_t lowest_kib, uint64_t slack_kib, bool waits)
{
    const GuestSnapshot *guest = work->guest;
    bool little = saturating_sub(high_kib, lowest_kib) <= slack_kib / (work->limited ? 8 : 2);
    bool follows = guest->target_pending && high_kib != LIMIT_NONE; /* what its balloon is to take is not known yet */

    return lowest_kib < high_kib && !guest->limits.pending &&
           (broken(FAULT_LIMIT_AT_ONCE) || (!little && !waits && !follows));
}

/* What a guest touches while its file is emptied, or about to be, must leave room for what comes back, which the kernel lets in
   whatever the limit is. A balloon that keeps the guest within what it was granted leaves that room. */
static uint64_t
coming_back(const Work *work)
{
    return work->plan->paging_phase == PAGING_PHASE_EMPTY && pass_hangs_on_limit(work) &&
                   !broken(FAULT_NO_ROOM_TO_RETURN)
               ? paging_in_file(work->guest)
               : 0;
}

static void
set_limit(const Pass *pass, const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const GuestLimits *limits = &guest->limits;
    LimitMemory *memory = &work->memory->limit;
    GuestPlan *plan = work->plan;
    uint64_t high = limits->set ? limits->high_kib : LIMIT_NONE;
    uint64_t back = coming_back(work);
    /* what is in a file may come back at any time: no more than the least that errors need */
    uint64_t slack = guest->paging != NULL && pass_hangs_on_limit(work) ? LIMIT_LEAST_SLACK_KIB : work->slack_kib;
    uint64_t limit =
        saturating_sub(work->entry->granted_kib + guest->settings->fixed_kib, back) + work->entry->overhead_kib + slack;

    /* who is lent all that it could touch is not to be held back at all */
    if (memory->lends && memory->lent_kib >= saturating_sub(guest->settings->maximum_kib, work->entry->granted_kib))
        limit = MAX(limit, pass->snapshot->host.figures.total_kib);
    else
        limit += memory->lent_kib;
    /* above memory.max it would hold nobody back before the kernel kills */
    plan->limit_kib = pages_up(MIN(limit, saturating_sub(memory_max(guest), LIMIT_LEAST_SLACK_KIB)));
    /* a lower one that is under way must not come after */
    if (plan->limit_kib <= high && !(limits->pending && memory->told_kib != 0 && memory->told_kib < plan->limit_kib)) {
        uint64_t lowest = plan->limit_kib;

        if (!work->limited && !broken(FAULT_LIMIT_AT_ONCE))
            lowest = MAX(lowest, pages_up(held_kib(guest) + LIMIT_LEAST_SLACK_KIB));
        if (!may_fall(work, high, lowest, slack, is_waited_for(pass, work, back)))
            return;
        plan->limit_kib = lowest;
    }
    plan->limit_tell = tells(memory, plan->limit_kib, pass->now_usec);
}

void
pass_limit(Pass *pass)
{
    for (const Work *work = pass->first; work < pass->end; work++) {
        const GuestSnapshot *guest = work->guest;
        GuestPlan *plan = work->plan;

        plan->limit_kib = LIMIT_NONE;
        if (pass->observe || guest->life == GUEST_LIFE_OFF || !guest->limits.usable)
            continue;
        /* where none are kept who is started paused is held by that alone */
        if (work->wants_limit || (work->limited && (pass->settings->memory_high || limit_in_force(guest))))
            set_limit(pass, work);
        else
            plan->limit_tell = guest->limits.set && tells(&work->memory->limit, LIMIT_NONE, pass->now_usec);
    }
}
