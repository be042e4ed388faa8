/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What came of all runs of one family, and how it is shown. */

#include "policy_world.h"

#define POLICIES_MAX 16

/*
 * A limit that has next to nothing unmet can't be divided by: then the unmet is compared with what comes of serving every
 * rise of a need late by a fiftieth of a second, which no program could tell from its own page faults. It grows with the
 * load as unmet memory does. Where needs never rise, with so much a guest.
 */
#define FLOOR_SEC 0.02
#define FLOOR_GIB_SEC 0.05
/* Changes of one that follows each need, at least: a guest in ten minutes. */
#define FLOOR_CHANGES 2.0

typedef struct Run {
    uint64_t seed;
    size_t guests;
    double capacity_gib;
    double limit_gib_sec; /* unmet of the limit */
    double floor_gib_sec;
    double follow_changes; /* of one that follows each need at once */
    Figures figures[POLICIES_MAX];
} Run;

typedef struct Results {
    const Family *family;
    const Policy *const *policies;
    size_t policy_count;
    Run *runs;
    size_t run_count;
} Results;

typedef enum Measure {
    MEASURE_UNMET,
    MEASURE_RATIO, /* of unmet to the limit's, or to the floor */
    MEASURE_CHANGES,
    MEASURE_CHANGES_RATIO,
    MEASURE_WAIT
} Measure;

double run_measure(const Run *run, size_t policy, Measure measure);

/* Over all runs; part 0.5 is the median, 1 the worst. */
double results_at(const Results *results, size_t policy, Measure measure, double part);

void results_print_head(void);
void results_print(const Results *results);
/* What the guests waited for while they lacked memory, over all runs. */
void results_print_causes(const Results *results);
/* One JSON object a run and policy, comma before each but the first. */
void results_print_json(const Results *results, bool *first);
