/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text_plot.h"

#include "units.h"

#include <string.h>

#define AXIS_COLUMNS 11
/* Rows so few that only the topmost has its size beside it. */
#define LOW_ROWS 3

static const struct {
    const char *unicode;
    const char *ascii;
    const char *colour;
} looks[DRAW_CELL_COUNT] = {
    [DRAW_CELL_EMPTY] = {" ", " ", NULL},        [DRAW_CELL_USED] = {"█", "#", "\033[34m"},
    [DRAW_CELL_HELD] = {"▒", "=", "\033[36m"},   [DRAW_CELL_UNMET] = {"!", "!", "\033[1;31m"},
    [DRAW_CELL_BUDGET] = {"─", "-", "\033[35m"}, [DRAW_CELL_PAGED] = {"░", ":", "\033[33m"},
};

size_t
draw_text_columns(unsigned width)
{
    return width > AXIS_COLUMNS + 20 ? width - AXIS_COLUMNS - 1 : 20;
}

/* Cells of one colour are put together, so that a drawing is not ten times as long as what is seen of it. */
void
draw_text_cells(const DrawBrush *brush, const DrawCell *cells, size_t count)
{
    const char *colour = NULL;

    for (size_t i = 0; i < count; i++) {
        if (brush->colour && looks[cells[i]].colour != colour) {
            if (colour != NULL)
                fputs("\033[0m", brush->file);
            colour = looks[cells[i]].colour;
            if (colour != NULL)
                fputs(colour, brush->file);
        }
        fputs(brush->unicode ? looks[cells[i]].unicode : looks[cells[i]].ascii, brush->file);
    }
    if (colour != NULL)
        fputs("\033[0m", brush->file);
}

void
draw_text_axis(const DrawBrush *brush, uint64_t kib, bool label)
{
    g_autofree char *size = units_format_size(kib);

    fprintf(brush->file, "%*s %s", AXIS_COLUMNS - 2, label ? size : "", brush->unicode ? "┤" : "+");
}

void
draw_text_time(const DrawBrush *brush, size_t columns, const char *from, const char *to)
{
    int space = (int)columns - (int)strlen(from) - (int)strlen(to);

    fprintf(brush->file, "%*s %s", AXIS_COLUMNS - 2, "0", brush->unicode ? "└" : "+");
    for (size_t i = 0; i < columns; i++)
        fputs(brush->unicode ? "─" : "-", brush->file);
    fprintf(brush->file, "\n%*s%s%*s%s\n\n", AXIS_COLUMNS, "", from, MAX(space, 1), "", to);
}

static DrawCell
guest_cell(const DrawPoint *point, uint64_t level)
{
    if (point->off)
        return DRAW_CELL_EMPTY;
    if (level < point->assigned_kib && level + point->paged_kib >= point->assigned_kib)
        return DRAW_CELL_PAGED;
    if (level < MIN(point->need_kib, point->assigned_kib))
        return DRAW_CELL_USED;
    if (level < point->assigned_kib)
        return DRAW_CELL_HELD;
    return level < point->lacked_to_kib ? DRAW_CELL_UNMET : DRAW_CELL_EMPTY;
}

void
draw_text_guest(const DrawBrush *brush, const DrawPoint *points, size_t columns, size_t rows, const char *from,
                const char *to)
{
    g_autofree DrawCell *cells = g_malloc0_n(columns, sizeof *cells);
    uint64_t top = 1;

    for (size_t column = 0; column < columns; column++)
        top = MAX(top, MAX(points[column].lacked_to_kib, points[column].assigned_kib));
    for (size_t row = 0; row < rows; row++) {
        draw_text_axis(brush, top * (rows - row) / rows, row == 0 || rows > LOW_ROWS);
        for (size_t column = 0; column < columns; column++)
            cells[column] = guest_cell(&points[column], (2 * (rows - row) - 1) * top / (2 * rows));
        draw_text_cells(brush, cells, columns);
        fputc('\n', brush->file);
    }
    draw_text_time(brush, columns, from, to);
}

void
draw_text_legend(const DrawBrush *brush, DrawCell cell, const char *text)
{
    draw_text_cells(brush, &cell, 1);
    fprintf(brush->file, " %s   ", text);
}
