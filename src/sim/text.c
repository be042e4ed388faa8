/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include "units.h"

#include <string.h>

#define AXIS_COLUMNS 11
#define TALL_ROWS 6
#define LOW_ROWS 3
#define TALL_UP_TO_GUESTS 8
#define FIGURE_COLUMNS 61 /* of the table, besides the name */

typedef enum Cell {
    CELL_EMPTY,
    CELL_USED,   /* needed and there */
    CELL_HELD,   /* there beyond the need */
    CELL_UNMET,  /* needed and not there */
    CELL_BUDGET, /* the line of the budget */
    CELL_PAGED,  /* there, and in the paging file */
    CELL_COUNT,
} Cell;

typedef struct Brush {
    FILE *file;
    bool colour;
    bool unicode;
    unsigned width;
    size_t columns; /* of the plots */
} Brush;

static const struct {
    const char *unicode;
    const char *ascii;
    const char *colour;
} looks[CELL_COUNT] = {
    [CELL_EMPTY] = {" ", " ", NULL},        [CELL_USED] = {"█", "#", "\033[34m"},
    [CELL_HELD] = {"▒", "=", "\033[36m"},   [CELL_UNMET] = {"!", "!", "\033[1;31m"},
    [CELL_BUDGET] = {"─", "-", "\033[35m"}, [CELL_PAGED] = {"░", ":", "\033[33m"},
};

/* Cells of one colour are put together, so that a drawing is not ten times as long as what is seen of it. */
static void
put_cells(const Brush *brush, const Cell *cells, size_t count)
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

static void
put_axis(const Brush *brush, uint64_t kib, bool label, bool tick)
{
    g_autofree char *size = units_format_size(kib);

    fprintf(brush->file, "%*s %s", AXIS_COLUMNS - 2, label ? size : "",
            brush->unicode ? (tick ? "┤" : "│") : (tick ? "+" : "|"));
}

static void
put_time(const Brush *brush, uint64_t seconds)
{
    g_autofree char *span = units_format_span(seconds * USEC_PER_SEC);
    int space = (int)brush->columns - 3 - (int)strlen(span);

    fprintf(brush->file, "%*s %s", AXIS_COLUMNS - 2, "0", brush->unicode ? "└" : "+");
    for (size_t i = 0; i < brush->columns; i++)
        fputs(brush->unicode ? "─" : "-", brush->file);
    fprintf(brush->file, "\n%*s0 s%*s%s\n\n", AXIS_COLUMNS, "", MAX(space, 1), "", span);
}

static Cell
guest_cell(const SimPoint *point, uint64_t level)
{
    if (point->off)
        return CELL_EMPTY;
    if (level < point->assigned_kib && level + point->paged_kib >= point->assigned_kib)
        return CELL_PAGED;
    if (level < MIN(point->need_kib, point->assigned_kib))
        return CELL_USED;
    if (level < point->assigned_kib)
        return CELL_HELD;
    return level < point->lacked_to_kib ? CELL_UNMET : CELL_EMPTY;
}

static void
draw_guest(const Brush *brush, const SimHistory *history, size_t guest, size_t rows)
{
    g_autofree Cell *cells = g_new0(Cell, history->columns);
    uint64_t top = 1;

    for (size_t column = 0; column < history->columns; column++) {
        const SimPoint *point = sim_history_point(history, guest, column);

        top = MAX(top, MAX(point->lacked_to_kib, point->assigned_kib));
    }
    for (size_t row = 0; row < rows; row++) {
        put_axis(brush, top * (rows - row) / rows, row == 0 || rows > LOW_ROWS, true);
        for (size_t column = 0; column < history->columns; column++)
            cells[column] =
                guest_cell(sim_history_point(history, guest, column), (2 * (rows - row) - 1) * top / (2 * rows));
        put_cells(brush, cells, history->columns);
        fputc('\n', brush->file);
    }
    put_time(brush, history->seconds);
}

static void
draw_host(const Brush *brush, const SimHistory *history, size_t rows)
{
    g_autofree Cell *cells = g_new0(Cell, history->columns);
    uint64_t top = 1;

    for (size_t column = 0; column < history->columns; column++)
        top = MAX(top, MAX(history->hosts[column].budget_kib, history->hosts[column].committed_kib));
    for (size_t row = 0; row < rows; row++) {
        uint64_t low = top * (rows - row - 1) / rows;
        uint64_t high = top * (rows - row) / rows;

        put_axis(brush, high, row == 0 || rows > LOW_ROWS, true);
        for (size_t column = 0; column < history->columns; column++) {
            const SimHostPoint *point = &history->hosts[column];

            cells[column] = CELL_EMPTY;
            if (low / 2 + high / 2 < point->committed_kib)
                cells[column] = low / 2 + high / 2 < point->budget_kib ? CELL_USED : CELL_UNMET;
            else if (point->budget_kib > low && point->budget_kib <= high)
                cells[column] = CELL_BUDGET;
        }
        put_cells(brush, cells, history->columns);
        fputc('\n', brush->file);
    }
    put_time(brush, history->seconds);
}

static void
put_legend_entry(const Brush *brush, Cell cell, const char *text)
{
    put_cells(brush, &cell, 1);
    fprintf(brush->file, " %s   ", text);
}

static void
put_legend(const Brush *brush)
{
    put_legend_entry(brush, CELL_USED, "needed and there, or committed");
    put_legend_entry(brush, CELL_HELD, "there beyond the need");
    put_legend_entry(brush, CELL_BUDGET, "budget");
    fputc('\n', brush->file);
    put_legend_entry(brush, CELL_UNMET, "needed and not there, or committed above the budget");
    put_legend_entry(brush, CELL_PAGED, "in its paging file");
    fputs("\n\n", brush->file);
}

static void
put_guest_title(const Brush *brush, const SimGuestSpec *spec, const Settings *settings)
{
    g_autofree char *minimum = units_format_size(sim_guest_spec_minimum(spec));
    g_autofree char *startup = units_format_size(sim_guest_spec_startup(spec));
    g_autofree char *maximum = units_format_size(spec->maximum_kib);
    const char *bold = brush->colour ? "\033[1m" : "";
    uint64_t priority = spec->priority == SIM_UNSET ? settings->priority : spec->priority;
    uint64_t buffer = spec->buffer_percent == SIM_UNSET ? settings->buffer_percent : spec->buffer_percent;

    fprintf(brush->file, "%s%s%s: minimum %s, startup %s, maximum %s, priority %u, buffer %u %%\n", bold, spec->name,
            brush->colour ? "\033[0m" : "", minimum, startup, maximum, (unsigned)priority, (unsigned)buffer);
}

static void
put_table(const Brush *brush, const SimHistory *history, const SimSummary *summary, bool head)
{
    int width = (int)strlen("guest");

    for (size_t i = 0; i < summary->count; i++)
        width = MAX(width, (int)g_utf8_strlen(summary->guests[i].name, -1));
    width = MIN(width, MAX((int)brush->width - FIGURE_COLUMNS, 8));
    if (head)
        fprintf(brush->file, "%-*s  %8s  %8s  %11s  %7s  %7s  %8s\n", width, "guest", "needs", "has", "unmet GiB s",
                "short s", "changes", "paging s");
    for (size_t i = 0; i < summary->count; i++) {
        const SimGuestSummary *guest = &summary->guests[i];
        const SimPoint *last = sim_history_point(history, i, history->columns - 1);
        g_autofree char *needs = last->off ? g_strdup("-") : units_format_size(last->need_kib);
        g_autofree char *has = last->off ? g_strdup("off") : units_format_size(last->assigned_kib);
        g_autofree char *name = g_utf8_substring(guest->name, 0, MIN(g_utf8_strlen(guest->name, -1), width));
        int padding = width - (int)g_utf8_strlen(name, -1);

        fprintf(brush->file,
                "%s%*s  %8s  %8s  %11.1f  %7" G_GUINT64_FORMAT "  %7" G_GUINT64_FORMAT "  %8" G_GUINT64_FORMAT "\n",
                name, padding, "", needs, has, (double)guest->unmet_kib_sec / (double)KIB_PER_GIB, guest->unmet_seconds,
                guest->target_changes, guest->paging_seconds);
    }
}

static void
put_paging(const Brush *brush, const SimSummary *summary)
{
    for (size_t i = 0; i < summary->count; i++) {
        const SimGuestSummary *guest = &summary->guests[i];
        g_autofree char *peak = units_format_size(guest->paging_peak_kib);

        if (guest->paging_seconds > 0)
            fprintf(brush->file, "%s had a paging file for %" G_GUINT64_FORMAT " s, with at most %s in it.\n",
                    guest->name, guest->paging_seconds, peak);
    }
}

static void
put_verdict(const Brush *brush, const SimSummary *summary)
{
    const SimGuestSummary *longest = NULL;
    size_t count = 0;
    double unmet = 0;

    for (size_t i = 0; i < summary->count; i++) {
        const SimGuestSummary *guest = &summary->guests[i];

        count += guest->unmet_seconds > 0;
        unmet += (double)guest->unmet_kib_sec / (double)KIB_PER_GIB;
        if (longest == NULL || guest->unmet_seconds > longest->unmet_seconds)
            longest = guest;
    }
    fputc('\n', brush->file);
    if (summary->over_budget_ticks > 0)
        fprintf(brush->file, "More than the budget was committed for %" G_GUINT64_FORMAT " s.\n",
                summary->over_budget_ticks);
    if (summary->exhausted_seconds > 0)
        fprintf(brush->file,
                "The guests held more than the host's memory for %" G_GUINT64_FORMAT
                " s: a real host would have swapped or killed.\n",
                summary->exhausted_seconds);
    for (guint i = 0; i < summary->refused->len; i++) {
        const SimRefusal *refusal = g_ptr_array_index(summary->refused, i);

        fprintf(brush->file, "The start of %s in second %" G_GUINT64_FORMAT " was refused: %s\n", refusal->name,
                refusal->second, refusal->reason);
    }
    for (size_t i = 0; i < summary->count; i++) {
        const SimGuestSummary *guest = &summary->guests[i];

        if (guest->delayed_seconds > 0)
            fprintf(brush->file, "%s waited %" G_GUINT64_FORMAT " s for the memory to start.\n", guest->name,
                    guest->delayed_seconds);
    }
    put_paging(brush, summary);
    if (count == 0)
        fprintf(brush->file, "Every guest had what it needed all the time.\n");
    else
        fprintf(brush->file,
                "%zu of %zu guests had less than they needed: %.1f GiB s in all; longest %s, for %" G_GUINT64_FORMAT
                " s.\n",
                count, summary->count, unmet, longest->name, longest->unmet_seconds);
}

size_t
sim_text_columns(unsigned width)
{
    return width > AXIS_COLUMNS + 20 ? width - AXIS_COLUMNS - 1 : 20;
}

void
sim_text_draw(const SimScenario *scenario, const SimHistory *history, const SimSummary *summary,
              const SimOutput *output)
{
    Brush brush = {output->text, output->colour, output->unicode, output->width, history->columns};
    size_t rows = history->guest_count <= TALL_UP_TO_GUESTS ? TALL_ROWS : LOW_ROWS;
    g_autofree char *memory = units_format_size(scenario->memory_kib);
    g_autofree char *budget = units_format_size(history->hosts[history->columns - 1].budget_kib);

    fprintf(brush.file, "host: memory %s, budget at the end %s\n", memory, budget);
    draw_host(&brush, history, rows);
    for (size_t i = 0; i < history->guest_count; i++) {
        put_guest_title(&brush, g_ptr_array_index(scenario->guests, i), scenario->settings);
        draw_guest(&brush, history, i, rows);
    }
    if (output->legend)
        put_legend(&brush);
    put_table(&brush, history, summary, output->legend);
    put_verdict(&brush, summary);
}
