/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carries a plan out: first what frees memory, then what takes it. Remembers nothing of the guests;
 * what a balloon was told is kept by the GuestWorld that told it.
 */

#include "outcome.h"

typedef struct Actuator Actuator;

/* guests must outlive the actuator. With dry nothing is ever told; the outcome says what would have been. */
Actuator *actuator_new(const GuestWorld *guests, bool dry);
/* Calls still under way are forgotten: their ends are no longer reported. */
void actuator_free(Actuator *actuator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Actuator, actuator_free)

/*
 * Starts every action of plan, shrinks before raises. *outcome (zeroed before first use, then reused)
 * lists them and whatever ended since the last call. Free it with outcome_clear.
 */
void actuator_execute(Actuator *actuator, const Plan *plan, Outcome *outcome);

void outcome_clear(Outcome *outcome);
