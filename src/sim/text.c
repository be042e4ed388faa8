/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include "draw/text_plot.h"
#include "units.h"

#include <string.h>

#define TALL_ROWS 6
#define LOW_ROWS 3
#define TALL_UP_TO_GUESTS 8
#define FIGURE_COLUMNS 61 /* of the table, besides the name */

typedef struct Brush {
    DrawBrush draw;
    FILE *file;
    bool colour;
    unsigned width;
} Brush;

static DrawCell
host_cell(const SimHostPoint *point, uint64_t low, uint64_t high)
{
    uint64_t middle = low / 2 + high / 2;

    if (middle < point->committed_kib)
        return middle < point->budget_kib ? DRAW_CELL_USED : DRAW_CELL_UNMET;
    return point->budget_kib > low && point->budget_kib <= high ? DRAW_CELL_BUDGET : DRAW_CELL_EMPTY;
}

static void
draw_host(const Brush *brush, const SimHistory *history, size_t rows, const char *end)
{
    g_autofree DrawCell *cells = g_new0(DrawCell, history->columns);
    uint64_t top = 1;

    for (size_t column = 0; column < history->columns; column++)
        top = MAX(top, MAX(history->hosts[column].budget_kib, history->hosts[column].committed_kib));
    for (size_t row = 0; row < rows; row++) {
        uint64_t low = top * (rows - row - 1) / rows;
        uint64_t high = top * (rows - row) / rows;

        draw_text_axis(&brush->draw, high, row == 0 || rows > LOW_ROWS);
        for (size_t column = 0; column < history->columns; column++)
            cells[column] = host_cell(&history->hosts[column], low, high);
        draw_text_cells(&brush->draw, cells, history->columns);
        fputc('\n', brush->file);
    }
    draw_text_time(&brush->draw, history->columns, "0 s", end);
}

static void
put_legend(const Brush *brush)
{
    draw_text_legend(&brush->draw, DRAW_CELL_USED, "needed and there, or committed");
    draw_text_legend(&brush->draw, DRAW_CELL_HELD, "there beyond the need");
    draw_text_legend(&brush->draw, DRAW_CELL_BUDGET, "budget");
    fputc('\n', brush->file);
    draw_text_legend(&brush->draw, DRAW_CELL_UNMET, "needed and not there, or committed above the budget");
    draw_text_legend(&brush->draw, DRAW_CELL_PAGED, "in its paging file");
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
        const DrawPoint *last = sim_history_point(history, i, history->columns - 1);
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

void
sim_text_draw(const SimScenario *scenario, const SimHistory *history, const SimSummary *summary,
              const SimOutput *output)
{
    Brush brush = {{output->text, output->colour, output->unicode}, output->text, output->colour, output->width};
    size_t rows = history->guest_count <= TALL_UP_TO_GUESTS ? TALL_ROWS : LOW_ROWS;
    g_autofree char *memory = units_format_size(scenario->memory_kib);
    g_autofree char *budget = units_format_size(history->hosts[history->columns - 1].budget_kib);
    g_autofree char *end = units_format_span(history->seconds * USEC_PER_SEC);

    fprintf(brush.file, "host: memory %s, budget at the end %s\n", memory, budget);
    draw_host(&brush, history, rows, end);
    for (size_t i = 0; i < history->guest_count; i++) {
        put_guest_title(&brush, g_ptr_array_index(scenario->guests, i), scenario->settings);
        draw_text_guest(&brush.draw, sim_history_point(history, i, 0), history->columns, rows, "0 s", end);
    }
    if (output->legend)
        put_legend(&brush);
    put_table(&brush, history, summary, output->legend);
    put_verdict(&brush, summary);
}
