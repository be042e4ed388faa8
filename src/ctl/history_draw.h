/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's history as a drawing with what happened below it, and as a picture. */

#include "client.h"
#include "draw/series.h"
#include "history_view.h"

#include <stdio.h>

/* What the points come to in one of several columns of equal time. */
typedef struct HistoryColumn {
    DrawPoint draw;
    uint64_t start_usec;
    uint64_t known_usec; /* how much of it is known; 0: nothing, and the rest is 0 */
    uint64_t needs_usec; /* ... and of that, how long its demand is known */
    uint64_t demand_most_kib;
    uint64_t lacked_kib;
    const char *state;
    const char *status; /* the worst */
    const char *rule;   /* that held then */
} HistoryColumn;

/* From the first point to the end of what was asked for; there must be a point. Caller frees; strings are the view's. */
HistoryColumn *history_columns(const HistoryView *view, size_t count);

/*
 * Prints it to stdout, in so many columns. guest: how it is now, for its limits; NULL: it is gone. legend: with what the
 * characters mean.
 */
void history_print(const HistoryView *view, const GuestView *guest, unsigned width, bool legend);

/* As an SVG document. */
void history_picture(const HistoryView *view, const GuestView *guest, FILE *file);
