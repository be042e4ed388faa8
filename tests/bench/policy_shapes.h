/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How one guest's need moves over time. */

#include "policy_load.h"

typedef enum Shape {
    SHAPE_STEPS,   /* any level, for a while */
    SHAPE_RAMPS,   /* grows and shrinks at leisure */
    SHAPE_SQUARES, /* low, high, low, high */
    SHAPE_TAILS,   /* steps, most of them small, a few huge */
    SHAPE_BURSTS,  /* low, and high for seconds */
    SHAPE_DAYS,    /* much by day, little by night, all of them together */
    SHAPE_BOOTS,   /* nearly all rise within seconds of one another */
    SHAPE_FLAT,    /* stays */
    SHAPE_COUNT
} Shape;

/* What all guests of a run have in common. */
typedef struct ShapeTerms {
    double pause_sec; /* mean time on one level */
    double day_sec;
    double storm_sec[2];
    double tail; /* see random_tail */
} ShapeTerms;

void shape_terms_draw(Random *random, ShapeTerms *terms);

/* Fills LOAD_STEPS values in MiB: low and high are its usual least and most, tails and bursts may go above. */
void shape_draw(Random *random, const ShapeTerms *terms, Shape shape, double low, double high, double *need);

/* For loads that are told one by one: from `from` seconds on it is this much. */
void shape_set(double *need, double from, double mib);

/*
 * No guest touches memory faster than this, with huge pages: so much a step is the steepest rise. Adds noise in each second,
 * as much as it says up or down, and keeps the need within [floor_mib, most_mib].
 */
#define TOUCH_MIB_PER_SEC 4096.0
void shape_finish(Random *random, double *need, double noise_mib, double floor_mib, double most_mib,
                  uint32_t *need_kib);
