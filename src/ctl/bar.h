/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One guest's memory as a bar: what it has, how much of that it needs, what it wants and has not got, and
 * its limits, all on one scale.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Sizes in bytes; one that is 0 is not known and has no mark. */
typedef struct BarFigures {
    bool unmarked;  /* no marks, fills only */
    uint64_t scale; /* what the whole width stands for; not 0 */
    uint64_t minimum;
    uint64_t demand;
    uint64_t want;
    uint64_t assigned;
    uint64_t maximum;
} BarFigures;

/* Neither: ASCII characters without colours. */
typedef enum BarStyle {
    BAR_BLOCKS = 1 << 0, /* block characters of Unicode */
    BAR_COLOUR = 1 << 1,
} BarStyle;

/* Appends a bar of exactly width columns to line. style: BarStyle bits. */
void bar_append(GString *line, const BarFigures *figures, unsigned width, unsigned style);

/* What the parts and marks of a bar mean, in at most 80 columns. Appended to line. */
void bar_append_legend(GString *line, unsigned style);
