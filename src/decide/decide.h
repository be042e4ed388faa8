/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The decision: a function of the snapshot, the settings, the time and its own memory of earlier
 * ticks. No I/O, no clock, no log, no failure. Same inputs, same plan.
 */

#include "plan.h"

typedef struct DecideState DecideState;

DecideState *decide_state_new(void);
void decide_state_free(DecideState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DecideState, decide_state_free)

/*
 * Fills plan for the guests of snapshot, index by index. plan is zeroed before its first use and
 * may be handed in again: its array is kept and grown only when there are more guests than ever.
 * plan->guests[i].guest points into snapshot. Free with plan_clear. dry says that nothing will be told
 * to any guest, so every dynamic guest is treated as mode=observe.
 */
void decide(DecideState *state, const Snapshot *snapshot, const Settings *settings, bool dry, Plan *plan);

/*
 * How well a guest of that startup memory would fit: a look at plan, which this state has made, changing nothing. rating
 * must be clear. Before the first plan nothing is free.
 */
void decide_rate(const DecideState *state, const Plan *plan, uint64_t startup_kib, uint32_t priority,
                 StartRating *rating);

/* A report that shows more need than this is worth a tick of its own: half of the guest's buffer is gone. */
uint64_t decide_news_kib(const GuestPlan *plan);

/* What can't wait for the guest's next report, or for the next tick. */
typedef enum Alarm {
    ALARM_NONE,
    ALARM_ASK,  /* it is to be asked for a report at once */
    ALARM_TICK, /* it is held back at its limit: the next tick is to be now */
} Alarm;

/*
 * Between two ticks: what is seen now of guest i of plan, the last one that this state has made. Who is told to be asked, or
 * has caused a tick, is remembered, so that it does not come too often. Nothing that plan points to outside of itself and its
 * snapshot's figures is looked at.
 */
Alarm decide_alarm(DecideState *state, const Plan *plan, size_t i, const GuestMoment *moment, uint64_t now_usec);

void plan_clear(Plan *plan);
