/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A simulated host with simulated guests behind the ports of the real engine, in virtual time. One
 * simulation file (a key file) is one run; the same file always gives the same run.
 */

#include "outcome.h"

typedef struct SimScenario SimScenario;

/*
 * Reads a simulation file; name is for messages. Returns NULL and sets error (DYNMEM_ERROR_INVALID) with
 * file, line, what is wrong and why.
 */
SimScenario *sim_scenario_parse(const char *name, const char *text, gssize length, GError **error);
void sim_scenario_free(SimScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimScenario, sim_scenario_free)
