/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory over time as a drawing in characters. */

#include "series.h"

#include <stdio.h>

typedef enum DrawCell {
    DRAW_CELL_EMPTY,
    DRAW_CELL_USED,   /* needed and there */
    DRAW_CELL_HELD,   /* there beyond the need */
    DRAW_CELL_UNMET,  /* needed and not there */
    DRAW_CELL_BUDGET, /* the line of the budget */
    DRAW_CELL_PAGED,  /* there, and in the paging file */
    DRAW_CELL_COUNT,
} DrawCell;

typedef struct DrawBrush {
    FILE *file;
    bool colour;
    bool unicode;
} DrawBrush;

/* How many columns fit a drawing of that width. */
size_t draw_text_columns(unsigned width);

/* A row of cells, without a newline. */
void draw_text_cells(const DrawBrush *brush, const DrawCell *cells, size_t count);

/* What stands before a row of cells whose upper edge is kib. */
void draw_text_axis(const DrawBrush *brush, uint64_t kib, bool label);

/* The axis of time below the rows, with a text at each end, and an empty line. */
void draw_text_time(const DrawBrush *brush, size_t columns, const char *from, const char *to);

/* A guest, in so many rows, with draw_text_time below. */
void draw_text_guest(const DrawBrush *brush, const DrawPoint *points, size_t columns, size_t rows, const char *from,
                     const char *to);

/* One cell and what it means. */
void draw_text_legend(const DrawBrush *brush, DrawCell cell, const char *text);
