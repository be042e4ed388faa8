/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carries a plan out: first what frees memory, then what takes it. What a balloon was told is kept by the
 * GuestWorld that told it; the actuator remembers only which calls are under way and in which guests it
 * switched statistics on.
 */

#include "outcome.h"

typedef struct Actuator Actuator;

/* guests must outlive the actuator. With dry nothing is ever changed in any guest. */
Actuator *actuator_new(const GuestWorld *guests, bool dry);
/* Calls still under way are forgotten: their ends are no longer reported. */
void actuator_free(Actuator *actuator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Actuator, actuator_free)

/*
 * Starts every action of plan, shrinks before raises, and switches the statistics of managed guests on
 * (one report every period_sec) and those of guests that are no longer managed back to what their XML
 * says. *outcome (zeroed before first use, then reused) lists the targets told and whatever ended since the
 * last call. Free it with outcome_clear.
 */
void actuator_execute(Actuator *actuator, const Plan *plan, uint32_t period_sec, Outcome *outcome);

void outcome_clear(Outcome *outcome);
