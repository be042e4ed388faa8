/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scenarios by chance: every kind of guest, mixed. The same number always makes the same scenario. */

#include "sim/scenario.h"

SimScenario *random_scenario_new(uint64_t number);

/* Guests that cooperate and need the same all the time, give or take the noise, on a host that may be too small. */
SimScenario *random_constant_scenario_new(uint64_t number, uint64_t seconds, uint64_t noise_kib);

/* What is wrong with a run of the scenario, NULL where nothing is. Caller frees. */
typedef char *(*ScenarioTrial)(const SimScenario *scenario);

/*
 * A scenario as small as can be found that trial still finds something wrong with: fewer guests, fewer seconds, simpler
 * guests. scenario is one of those, and is taken over.
 */
SimScenario *scenario_shrink(SimScenario *scenario, ScenarioTrial trial);
