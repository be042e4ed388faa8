/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happens on a host in one run of the policy bench: the guests, what each truly needs at every moment, and how much
 * there is for all of them. Drawn from a family and a seed, and the same for every policy.
 */

#include "policy_random.h"
#include "units.h"

#include <stddef.h>

/* The world moves in steps of this length. A target takes one step until the balloon begins to move. */
#define STEP_USEC (50 * USEC_PER_MSEC)
#define STEPS_PER_SEC (USEC_PER_SEC / STEP_USEC)
/* What happens before is not measured: policies that remember have seen something by then. */
#define WARM_SEC 60
#define RUN_SEC 600
#define LOAD_STEPS ((WARM_SEC + RUN_SEC) * STEPS_PER_SEC)

typedef enum Misfit {
    MISFIT_NONE,
    MISFIT_STUCK,     /* its balloon does not move */
    MISFIT_SLOW,      /* its balloon moves far slower than others */
    MISFIT_OVERSTATES /* its statistics say that it uses all it has and swaps */
} Misfit;

typedef struct LoadGuest {
    uint64_t minimum_kib;
    uint64_t maximum_kib;
    uint64_t start_kib; /* what it has at first */
    uint32_t buffer_percent;
    uint32_t priority;
    /* A second. Memory that a guest never touched is given back faster. */
    uint64_t grow_kib;
    uint64_t shrink_touched_kib;
    uint64_t shrink_untouched_kib;
    Misfit misfit;
    uint32_t report_phase; /* the step of a second in which it reports */
    uint32_t *need_kib;    /* LOAD_STEPS of them, within (0, maximum] */
} LoadGuest;

typedef struct Load {
    uint64_t capacity_kib; /* what all guests together may have */
    LoadGuest *guests;
    size_t guest_count;
    /* In some families something is waited for: that the first `waiters` guests have their buffers. 0: nothing is. */
    size_t event_step;
    size_t waiters;
} Load;

typedef struct Family Family;

/* The families in the order in which they are shown; NULL after the last. */
const Family *family_get(size_t index);
const char *family_name(const Family *family);
const char *family_what(const Family *family);

/* Draws a run. The same family and seed give the same one everywhere. load must be clear. */
void load_draw(const Family *family, uint64_t seed, Load *load);
void load_clear(Load *load);

/* By how much all needs rise while it is measured, in GiB, falls left out. */
double load_rises(const Load *load);
