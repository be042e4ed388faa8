/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The run as one JSON document, written while it goes on: a day of fifty guests is a gigabyte. */

#include "sim.h"

typedef struct SimJson SimJson;

/* every: samples of seconds 0, every, 2 * every, … file stays the caller's. */
SimJson *sim_json_new(FILE *file, uint64_t every);
void sim_json_free(SimJson *json);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimJson, sim_json_free)

void sim_json_add(SimJson *json, const SimStep *step);

/* Writes the summary and the end. The caller looks at ferror(file). */
void sim_json_finish(SimJson *json, const SimSummary *summary);
