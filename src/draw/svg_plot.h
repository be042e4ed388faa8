/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory over time as a picture: the parts of an SVG document. */

#include "series.h"

#include <stdio.h>

/* Colours that stay apart in print and for most colour-blind readers. */
#define DRAW_COLOUR_HAS "#4a90c2"
#define DRAW_COLOUR_HAS_AREA "#cfe3f1"
#define DRAW_COLOUR_DEMAND "#d9600a"
#define DRAW_COLOUR_WANT "#2e8b57"
#define DRAW_COLOUR_LIMIT "#6b6b6b"
#define DRAW_COLOUR_UNMET "#c62828"
#define DRAW_COLOUR_BUDGET "#7b3fa0"
#define DRAW_COLOUR_RESIDENT "#8a6d1f"
#define DRAW_COLOUR_PAGED "#b05f95"

/* Where one plot is, and what its edges stand for. */
typedef struct DrawPlot {
    FILE *file;
    DrawSpan span;
    int x;
    int y;
    int width;
    int height;
    uint64_t top_kib; /* not 0 */
} DrawPlot;

/* The document up to its first drawing: its style, and a white ground. The caller ends it with "</svg>". */
void draw_svg_begin(FILE *file, int width, int height);

/* class: of the style; "head", "title", "label" (ends at x), "low", "key", ... text is escaped. */
void draw_svg_text(FILE *file, double x, double y, const char *class, const char *text);

/* The figure of one column that a line shows. */
typedef uint64_t (*DrawFigure)(const void *data, size_t column);

/* A line, or the area below it. style: attributes. */
void draw_svg_line(const DrawPlot *plot, DrawFigure figure, const void *data, bool area, const char *style);

void draw_svg_axes(const DrawPlot *plot);

/* A level with its name, at the left or the right end. */
void draw_svg_limit(const DrawPlot *plot, uint64_t kib, const char *name, bool left);

/* A moment, with a text that is shown to who points at it. */
void draw_svg_mark(const DrawPlot *plot, uint64_t second, const char *text);

/* A guest, with axes and limits; a limit of 0 is not known and not drawn. */
void draw_svg_guest(const DrawPlot *plot, const DrawPoint *points, uint64_t minimum_kib, uint64_t maximum_kib);

/* An entry of the legend: look is attributes of a short line. Returns where the next one begins. */
int draw_svg_legend(FILE *file, int x, int y, const char *look, const char *text);

/* All entries of draw_svg_guest; has: what its own line is. Likewise. */
int draw_svg_guest_legend(FILE *file, int x, int y, const char *has);
