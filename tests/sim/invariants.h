/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must hold in every second of every run, whatever the guests do. Looked at from outside of the decision:
 * the plan is held against what the simulated guests really have.
 */

#include "sim/scenario.h"
#include "sim/sim.h"

typedef struct Invariants {
    const SimScenario *scenario;
    bool was_over_budget; /* once: what the guests hold may be too much since */
    bool honest_host;     /* every guest frees what it gives and takes nothing by itself */
} Invariants;

void invariants_init(Invariants *invariants, const SimScenario *scenario);

/* NULL when all of them hold in that second, else which does not, with the figures. Caller frees. */
char *invariants_check(Invariants *invariants, const SimStep *step);
