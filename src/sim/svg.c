/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "svg.h"

#include "draw/svg_plot.h"
#include "units.h"

#define WIDTH 1000
#define MARGIN 24
#define HEADER_HEIGHT 92
#define PANEL_TITLE 24
#define PANEL_FOOT 38
#define AXIS_WIDTH 66
#define HOST_PLOT_HEIGHT 170
#define GUEST_PLOT_HEIGHT 130
#define ONE_COLUMN_UP_TO_GUESTS 6
#define NAME_PART 23 /* pixels of a panel's width for each character of its guest's name */

static uint64_t
figure_budget(const void *hosts, size_t column)
{
    return ((const SimHostPoint *)hosts)[column].budget_kib;
}

static uint64_t
figure_committed(const void *hosts, size_t column)
{
    return ((const SimHostPoint *)hosts)[column].committed_kib;
}

static uint64_t
figure_resident(const void *hosts, size_t column)
{
    return ((const SimHostPoint *)hosts)[column].resident_kib;
}

static void
draw_host(FILE *file, const SimScenario *scenario, const SimHistory *history, int y)
{
    DrawPlot plot = {file,
                     {history->columns, history->seconds, 0},
                     MARGIN + AXIS_WIDTH,
                     y + PANEL_TITLE,
                     WIDTH - 2 * MARGIN - AXIS_WIDTH,
                     HOST_PLOT_HEIGHT,
                     scenario->memory_kib};
    g_autofree char *memory = units_format_size(scenario->memory_kib);
    g_autofree char *title = g_strdup_printf("Host: memory %s", memory);

    for (size_t column = 0; column < history->columns; column++)
        plot.top_kib = MAX(plot.top_kib, history->hosts[column].committed_kib);
    plot.top_kib += plot.top_kib / 20;
    draw_svg_text(file, MARGIN, y + 14, "title", title);
    draw_svg_line(&plot, figure_committed, history->hosts, true, "fill=\"" DRAW_COLOUR_HAS_AREA "\"");
    draw_svg_axes(&plot);
    draw_svg_line(&plot, figure_resident, history->hosts, false,
                  "class=\"line\" stroke=\"" DRAW_COLOUR_RESIDENT "\" stroke-dasharray=\"2 3\"");
    draw_svg_line(&plot, figure_committed, history->hosts, false, "class=\"line\" stroke=\"" DRAW_COLOUR_HAS "\"");
    draw_svg_line(&plot, figure_budget, history->hosts, false,
                  "class=\"line\" stroke=\"" DRAW_COLOUR_BUDGET "\" stroke-dasharray=\"8 3\"");
    draw_svg_limit(&plot, scenario->memory_kib, "memory", false);
}

/* text with at most length characters, the last being … where some are missing. Caller frees. */
static char *
shortened(const char *text, size_t length)
{
    g_autofree char *start = NULL;

    if ((size_t)g_utf8_strlen(text, -1) <= length)
        return g_strdup(text);
    start = g_utf8_substring(text, 0, (glong)length - 1);
    return g_strconcat(start, "…", NULL);
}

static void
draw_guest(FILE *file, const SimScenario *scenario, const SimHistory *history, const SimSummary *summary, size_t guest,
           int x, int y, int width)
{
    const SimGuestSpec *spec = g_ptr_array_index(scenario->guests, guest);
    DrawPlot plot = {file,
                     {history->columns, history->seconds, 0},
                     x + AXIS_WIDTH,
                     y + PANEL_TITLE,
                     width - AXIS_WIDTH,
                     GUEST_PLOT_HEIGHT,
                     spec->maximum_kib + spec->maximum_kib / 20 + 1};
    uint64_t priority = spec->priority == SIM_UNSET ? scenario->settings->priority : spec->priority;
    uint64_t buffer = spec->buffer_percent == SIM_UNSET ? scenario->settings->buffer_percent : spec->buffer_percent;
    g_autofree char *title = shortened(spec->name, (size_t)width / NAME_PART);
    g_autofree char *figures =
        g_strdup_printf("priority %u, buffer %u %%, unmet %.1f GiB s, %u target changes", (unsigned)priority,
                        (unsigned)buffer, (double)summary->guests[guest].unmet_kib_sec / (double)KIB_PER_GIB,
                        (unsigned)summary->guests[guest].target_changes);

    draw_svg_text(file, x, y + 14, "title", title);
    draw_svg_text(file, x + width, y + 13, "label", figures);
    draw_svg_guest(&plot, sim_history_point(history, guest, 0), sim_guest_spec_minimum(spec), spec->maximum_kib);
}

static void
put_header(FILE *file, const SimScenario *scenario, int height)
{
    g_autofree char *base = g_path_get_basename(scenario->name);
    g_autofree char *title = g_strdup_printf("Simulation of %s", base);
    int x = MARGIN;

    draw_svg_begin(file, WIDTH, height);
    draw_svg_text(file, MARGIN, MARGIN + 14, "head", title);
    draw_svg_guest_legend(file, x, MARGIN + 38, "actual; on the host: committed");
    x = draw_svg_legend(file, x, MARGIN + 56,
                        "class=\"line\" stroke=\"" DRAW_COLOUR_BUDGET "\" stroke-dasharray=\"8 3\"",
                        "budget of the host");
    x = draw_svg_legend(file, x, MARGIN + 56,
                        "class=\"line\" stroke=\"" DRAW_COLOUR_RESIDENT "\" stroke-dasharray=\"2 3\"",
                        "held by the guests' QEMUs");
    draw_svg_legend(file, x, MARGIN + 56, "class=\"limit\"", "minimum, maximum, memory");
}

void
sim_svg_draw(FILE *file, const SimScenario *scenario, const SimHistory *history, const SimSummary *summary)
{
    size_t across = history->guest_count > ONE_COLUMN_UP_TO_GUESTS ? 2 : 1;
    size_t rows = (history->guest_count + across - 1) / across;
    int guest_height = PANEL_TITLE + GUEST_PLOT_HEIGHT + PANEL_FOOT;
    int host_height = PANEL_TITLE + HOST_PLOT_HEIGHT + PANEL_FOOT;
    int panel_width = (WIDTH - 2 * MARGIN - ((int)across - 1) * MARGIN) / (int)across;

    put_header(file, scenario, HEADER_HEIGHT + host_height + (int)rows * guest_height + MARGIN);
    draw_host(file, scenario, history, HEADER_HEIGHT);
    for (size_t i = 0; i < history->guest_count; i++)
        draw_guest(file, scenario, history, summary, i, MARGIN + (int)(i % across) * (panel_width + MARGIN),
                   HEADER_HEIGHT + host_height + (int)(i / across) * guest_height, panel_width);
    fputs("</svg>\n", file);
}
