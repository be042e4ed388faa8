/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must hold in every second of every run, whatever the guests do. Looked at from outside of the decision:
 * the plan is held against what the simulated guests really have.
 */

#include "restart_invariants.h"

typedef struct Invariants {
    const SimScenario *scenario;
    bool was_over_budget; /* once: what the guests hold may be too much since */
    bool honest_host;     /* every guest frees what it gives and takes nothing by itself */
    RestartInvariants restarts;
} Invariants;

void invariants_init(Invariants *invariants, const SimScenario *scenario);
void invariants_clear(Invariants *invariants);

/*
 * What must have come about by the last second of a run: where nothing has happened for a while, all guests cooperate
 * and all they need fits, all of them have it. NULL when that is so, or the run is not of that kind. Caller frees.
 */
char *invariants_check_end(const Invariants *invariants, const SimStep *step);

/* NULL when all of them hold in that second, else which does not, with the figures. Caller frees. */
char *invariants_check(Invariants *invariants, const SimStep *step);
