/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A run condensed for drawing: at most so many columns of equal time, each with the means of its
 * seconds. Memory does not grow with the length of the run.
 */

#include "draw/series.h"
#include "sim.h"

typedef struct SimHostPoint {
    uint64_t budget_kib;
    uint64_t committed_kib;
    uint64_t resident_kib;
    bool over_budget; /* in one of its seconds */
} SimHostPoint;

typedef struct SimHistory {
    size_t guest_count;
    size_t columns;
    uint64_t seconds;    /* of the whole run */
    DrawPoint *points;   /* guest by guest, columns each */
    SimHostPoint *hosts; /* columns */
    uint64_t *samples;   /* seconds taken into each column */
} SimHistory;

/* max_columns at least 1. */
SimHistory *sim_history_new(size_t guest_count, uint64_t seconds, size_t max_columns);
void sim_history_free(SimHistory *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimHistory, sim_history_free)

void sim_history_add(SimHistory *history, const SimStep *step);

/* Sums become means; once, after the last second. */
void sim_history_finish(SimHistory *history);

const DrawPoint *sim_history_point(const SimHistory *history, size_t guest, size_t column);
