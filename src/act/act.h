/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carries a plan out: first what frees memory, then what takes it. What a balloon was told is kept by the
 * GuestWorld that told it, limits and paging files by their worlds; the actuator remembers only which calls are under
 * way and in which guests it switched statistics on.
 */

#include "outcome.h"

typedef struct Actuator Actuator;

/* The worlds of ports must outlive the actuator. With dry nothing is ever changed in any guest. */
Actuator *actuator_new(const Ports *ports, bool dry);
/* Calls still under way are forgotten: their ends are no longer reported. */
void actuator_free(Actuator *actuator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Actuator, actuator_free)

/*
 * Starts every action of plan: raises of limits, targets (shrinks before raises), limits that are lowered, then the ends
 * of paging files and new ones. Switches the statistics of managed guests on (one report every period_sec), asks for that
 * again where they keep another rhythm, and lets those of guests go that are no longer managed. *outcome (zeroed before first use, then reused) lists
 * the targets and limits told and whatever ended since the last call. Free it with outcome_clear.
 */
void actuator_execute(Actuator *actuator, const Plan *plan, const Settings *settings, uint32_t period_sec,
                      uint64_t now_usec, Outcome *outcome);

void outcome_clear(Outcome *outcome);
