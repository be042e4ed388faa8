/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/alarm.h"

#include "decide/faults.h"
#include "decide/pass.h"

/*
 * To ask a guest at once is to set its statistics period twice, and libvirt writes and syncs its status file each time
 * (qemu_driver.c, qemuDomainSetMemoryStatsPeriod), some 10 ms on a disk. So a guest that grows for long is asked at once in
 * every third of its reports, and one in which nothing comes of it (the host's page cache of its disks grows, or its own)
 * once a minute.
 */
#define PAUSE_USEC (3 * USEC_PER_SEC)
#define PAUSE_MAX_USEC (60 * USEC_PER_SEC)

/* Less growth than this part of what a guest has is its own noise, however little it has left. */
#define NOISE_PART 128

/* Whether it is done now. figure_kib: has it risen since the last time, something has come of that. */
static bool
pause_is_over(AlarmPause *last, uint64_t figure_kib, uint64_t now_usec)
{
    uint64_t since_usec = now_usec - last->usec;

    if (last->usec != 0 && since_usec < last->pause_usec && !broken(FAULT_ALWAYS_ASKING))
        return false;
    last->pause_usec = last->usec == 0 || since_usec >= 2 * last->pause_usec || figure_kib > last->figure_kib
                           ? PAUSE_USEC
                           : MIN(2 * last->pause_usec, PAUSE_MAX_USEC);
    last->usec = now_usec;
    last->figure_kib = figure_kib;
    return true;
}

/* With less than this left a guest is to have more: half of its buffer, and what it can't use. */
static uint64_t
least_left(const GuestPlan *plan)
{
    return saturating_sub(plan->want_kib, plan->demand_kib) / 2 + demand_air(plan->demand_kib);
}

uint64_t
decide_news_kib(const GuestPlan *plan)
{
    return saturating_sub(MAX(plan->want_kib, plan->demand_kib), least_left(plan));
}

/*
 * Were all that it has grown by need: whether less than half of its buffer is left, or, while it lacks something anyway, of what
 * it said that it can still use.
 */
static bool
outgrows(const GuestPlan *plan, uint64_t grown_kib)
{
    const GuestSnapshot *guest = plan->guest;
    uint64_t need_kib = saturating_sub(guest->report_actual_kib + guest->unseen_kib, guest->usable_kib);
    uint64_t edge_kib;

    if (plan->starved || plan->status != GUEST_STATUS_OK)
        edge_kib = need_kib + guest->usable_kib / 2;
    else
        edge_kib = MAX(decide_news_kib(plan), saturating_sub(plan->target_kib, least_left(plan)));
    return grown_kib > guest->report_actual_kib / NOISE_PART && need_kib + grown_kib > edge_kib;
}

/* Its reports count, and it is told targets by them. */
static bool
is_followed(const GuestPlan *plan)
{
    const GuestSnapshot *guest = plan->guest;

    return plan->weight != 0 && plan->state != GUEST_STATE_OBSERVED && guest->life == GUEST_LIFE_RUNNING &&
           guest->answering && !guest->migrating && guest->fresh && guest->has_usable;
}

static bool
is_to_ask(DecideState *state, const GuestPlan *plan, AlarmMemory *memory, uint64_t grown_kib, uint64_t now_usec)
{
    uint64_t *oldest_usec = &state->asked_usec[state->oldest_ask];

    if (broken(FAULT_NO_ASKING) || !is_followed(plan) || !outgrows(plan, grown_kib))
        return false;
    if (*oldest_usec != 0 && now_usec - *oldest_usec < USEC_PER_SEC && !broken(FAULT_ALWAYS_ASKING))
        return false;
    if (!pause_is_over(&memory->ask, plan->want_kib, now_usec))
        return false;
    *oldest_usec = now_usec;
    state->oldest_ask = (state->oldest_ask + 1) % ALARM_ASKS_PER_SEC;
    return true;
}

/* Reclaim of the page cache of its disks counts as being held back too: a limit that is not raised for it costs a tick a minute. */
static bool
is_held_back(const GuestPlan *plan, AlarmMemory *memory, uint64_t held_back, uint64_t now_usec)
{
    const GuestLimits *limits = &plan->guest->limits;

    return !broken(FAULT_NO_CROSSING) && limits->usable && limits->set && held_back > limits->held_back &&
           pause_is_over(&memory->tick, plan->limit_kib, now_usec);
}

Alarm
decide_alarm(DecideState *state, const Plan *plan, size_t i, const GuestMoment *moment, uint64_t now_usec)
{
    AlarmMemory *memory = &ledger_guest(&state->ledger, i)->memory->alarm;

    if (is_held_back(&plan->guests[i], memory, moment->held_back, now_usec))
        return ALARM_TICK;
    return is_to_ask(state, &plan->guests[i], memory, moment->grown_kib, now_usec) ? ALARM_ASK : ALARM_NONE;
}
