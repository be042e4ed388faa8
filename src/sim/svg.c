/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "svg.h"

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
#define TIME_TICKS 8
#define SIZE_TICKS 4

/* Colours that stay apart in print and for most colour-blind readers. */
#define COLOUR_HAS "#4a90c2"
#define COLOUR_HAS_AREA "#cfe3f1"
#define COLOUR_DEMAND "#d9600a"
#define COLOUR_WANT "#2e8b57"
#define COLOUR_LIMIT "#6b6b6b"
#define COLOUR_UNMET "#c62828"
#define COLOUR_BUDGET "#7b3fa0"
#define COLOUR_RESIDENT "#8a6d1f"
#define COLOUR_PAGED "#b05f95"

/* Where one plot is and what it shows. */
typedef struct Plot {
    FILE *file;
    const SimHistory *history;
    int x;
    int y;
    int width;
    int height;
    uint64_t top_kib;
} Plot;

static double
x_of(const Plot *plot, uint64_t second)
{
    return plot->x + (double)plot->width * (double)second / (double)plot->history->seconds;
}

static double
y_of(const Plot *plot, uint64_t kib)
{
    return plot->y + plot->height - (double)plot->height * (double)MIN(kib, plot->top_kib) / (double)plot->top_kib;
}

/* SVG wants a point, whatever the locale says. */
static void
put_point(FILE *file, char command, double x, double y)
{
    char texts[2][G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(texts[0], sizeof texts[0], "%.1f", x);
    g_ascii_formatd(texts[1], sizeof texts[1], "%.1f", y);
    fprintf(file, "%c%s %s", command, texts[0], texts[1]);
}

static void
put_rule(const Plot *plot, double y, const char *style)
{
    fputs("<path d=\"", plot->file);
    put_point(plot->file, 'M', plot->x, y);
    put_point(plot->file, 'L', plot->x + plot->width, y);
    fprintf(plot->file, "\" %s/>\n", style);
}

static void
put_text(FILE *file, double x, double y, const char *class, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);

    fprintf(file, "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", (int)x, (int)y, class, escaped);
}

/* The figure of one column that a line shows. */
typedef uint64_t (*Figure)(const SimHistory *history, size_t guest, size_t column);

static uint64_t
figure_assigned(const SimHistory *history, size_t guest, size_t column)
{
    return sim_history_point(history, guest, column)->assigned_kib;
}

static uint64_t
figure_demand(const SimHistory *history, size_t guest, size_t column)
{
    return sim_history_point(history, guest, column)->demand_kib;
}

static uint64_t
figure_want(const SimHistory *history, size_t guest, size_t column)
{
    return sim_history_point(history, guest, column)->want_kib;
}

static uint64_t
figure_paged(const SimHistory *history, size_t guest, size_t column)
{
    return sim_history_point(history, guest, column)->paged_kib;
}

static uint64_t
figure_budget(const SimHistory *history, size_t guest, size_t column)
{
    return history->hosts[column].budget_kib;
}

static uint64_t
figure_committed(const SimHistory *history, size_t guest, size_t column)
{
    return history->hosts[column].committed_kib;
}

static uint64_t
figure_resident(const SimHistory *history, size_t guest, size_t column)
{
    return history->hosts[column].resident_kib;
}

/* Each column is level from its first second to the next column's. */
static void
put_line(const Plot *plot, Figure figure, size_t guest, bool area, const char *style)
{
    const SimHistory *history = plot->history;
    double before = -1;

    fputs("<path d=\"", plot->file);
    if (area)
        put_point(plot->file, 'M', plot->x, plot->y + plot->height);
    for (size_t column = 0; column < history->columns; column++) {
        double y = y_of(plot, figure(history, guest, column));

        if (column > 0 && y == before && column + 1 < history->columns)
            continue;
        if (column > 0)
            put_point(plot->file, 'L', x_of(plot, sim_history_second(history, column)), before);
        put_point(plot->file, column == 0 && !area ? 'M' : 'L', x_of(plot, sim_history_second(history, column)), y);
        before = y;
    }
    put_point(plot->file, 'L', plot->x + plot->width, before);
    if (area)
        put_point(plot->file, 'L', plot->x + plot->width, plot->y + plot->height);
    fprintf(plot->file, "%s\" %s/>\n", area ? "Z" : "", style);
}

/* What was needed and not there, as bars above what was. */
static void
put_unmet(const Plot *plot, size_t guest)
{
    for (size_t column = 0; column < plot->history->columns; column++) {
        const SimPoint *point = sim_history_point(plot->history, guest, column);
        double left = x_of(plot, sim_history_second(plot->history, column));
        double right = x_of(plot, sim_history_second(plot->history, column + 1));
        double low = y_of(plot, point->assigned_kib);
        double high = y_of(plot, point->lacked_to_kib);

        if (point->lacked_to_kib <= point->assigned_kib)
            continue;
        fputs("<path d=\"", plot->file);
        put_point(plot->file, 'M', left, low);
        put_point(plot->file, 'L', left, high);
        put_point(plot->file, 'L', right, high);
        put_point(plot->file, 'L', right, low);
        fprintf(plot->file, "Z\" fill=\"" COLOUR_UNMET "\" fill-opacity=\"0.55\"/>\n");
    }
}

static uint64_t
time_step(uint64_t seconds)
{
    static const uint64_t steps[] = {1,   2,    5,    10,   15,    30,    60,    120,   300,    600,
                                     900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800};

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
        if (seconds / steps[i] <= TIME_TICKS)
            return steps[i];
    return seconds / TIME_TICKS;
}

static char *
time_label(uint64_t second, uint64_t seconds)
{
    if (seconds <= 3600)
        return g_strdup_printf("%u:%02u", (unsigned)(second / 60), (unsigned)(second % 60));
    return g_strdup_printf("%u:%02u", (unsigned)(second / 3600), (unsigned)(second / 60 % 60));
}

static void
put_axes(const Plot *plot)
{
    uint64_t seconds = plot->history->seconds;
    uint64_t step = time_step(seconds);
    uint64_t size_step = KIB_PER_MIB;

    while (plot->top_kib / size_step > SIZE_TICKS)
        size_step *= 2;
    for (uint64_t kib = 0; kib <= plot->top_kib; kib += size_step) {
        g_autofree char *label = kib == 0 ? g_strdup("0") : units_format_size(kib);

        put_rule(plot, y_of(plot, kib), kib == 0 ? "class=\"frame\"" : "class=\"grid\"");
        put_text(plot->file, plot->x - 6, y_of(plot, kib) + 4, "size", label);
    }
    for (uint64_t second = 0; second <= seconds; second += step) {
        g_autofree char *label = time_label(second, seconds);
        double x = x_of(plot, second);

        fputs("<path d=\"", plot->file);
        put_point(plot->file, 'M', x, plot->y + plot->height);
        put_point(plot->file, 'L', x, plot->y + plot->height + 4);
        fputs("\" class=\"frame\"/>\n", plot->file);
        put_text(plot->file, x, plot->y + plot->height + 17, "time", label);
    }
    put_text(plot->file, plot->x + plot->width, plot->y + plot->height + 32, "unit",
             seconds <= 3600 ? "time, minutes:seconds" : "time, hours:minutes");
}

static void
put_limit(const Plot *plot, uint64_t kib, const char *name, bool left)
{
    g_autofree char *size = units_format_size(kib);
    g_autofree char *label = g_strdup_printf("%s %s", name, size);
    double y = y_of(plot, kib);

    put_rule(plot, y, "class=\"limit\"");
    put_text(plot->file, left ? plot->x + 4 : plot->x + plot->width - 4, y - 4, left ? "low" : "label", label);
}

static void
draw_host(FILE *file, const SimScenario *scenario, const SimHistory *history, int y)
{
    Plot plot = {file,
                 history,
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
    put_text(file, MARGIN, y + 14, "title", title);
    put_line(&plot, figure_committed, 0, true, "fill=\"" COLOUR_HAS_AREA "\"");
    put_axes(&plot);
    put_line(&plot, figure_resident, 0, false,
             "class=\"line\" stroke=\"" COLOUR_RESIDENT "\" stroke-dasharray=\"2 3\"");
    put_line(&plot, figure_committed, 0, false, "class=\"line\" stroke=\"" COLOUR_HAS "\"");
    put_line(&plot, figure_budget, 0, false, "class=\"line\" stroke=\"" COLOUR_BUDGET "\" stroke-dasharray=\"8 3\"");
    put_limit(&plot, scenario->memory_kib, "memory", false);
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
    Plot plot = {file,
                 history,
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

    put_text(file, x, y + 14, "title", title);
    put_text(file, x + width, y + 13, "label", figures);
    put_line(&plot, figure_assigned, guest, true, "fill=\"" COLOUR_HAS_AREA "\"");
    if (summary->guests[guest].paging_seconds > 0)
        put_line(&plot, figure_paged, guest, true, "fill=\"" COLOUR_PAGED "\" fill-opacity=\"0.7\"");
    put_unmet(&plot, guest);
    put_axes(&plot);
    put_limit(&plot, spec->maximum_kib, "maximum", false);
    put_limit(&plot, sim_guest_spec_minimum(spec), "minimum", true);
    put_line(&plot, figure_want, guest, false, "class=\"line\" stroke=\"" COLOUR_WANT "\" stroke-dasharray=\"5 3\"");
    put_line(&plot, figure_demand, guest, false, "class=\"line\" stroke=\"" COLOUR_DEMAND "\"");
    put_line(&plot, figure_assigned, guest, false, "class=\"line\" stroke=\"" COLOUR_HAS "\"");
}

static int
put_legend_entry(FILE *file, int x, int y, const char *look, const char *text)
{
    fprintf(file, "<path d=\"M%d %dh22\" %s/>\n", x, y - 4, look);
    put_text(file, x + 28, y, "key", text);
    return x + 28 + (int)g_utf8_strlen(text, -1) * 6 + 22;
}

static void
put_header(FILE *file, const SimScenario *scenario, int height)
{
    g_autofree char *base = g_path_get_basename(scenario->name);
    g_autofree char *title = g_strdup_printf("Simulation of %s", base);
    int x = MARGIN;

    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<style>\n"
            "text { font-family: sans-serif; font-size: 11px; fill: #333 }\n"
            ".head { font-size: 18px; font-weight: bold; fill: #111 }\n"
            ".title { font-size: 13px; font-weight: bold; fill: #111 }\n"
            ".size, .label, .unit { text-anchor: end }\n"
            ".time { text-anchor: middle }\n"
            ".label, .low { fill: " COLOUR_LIMIT "; font-size: 10px }\n"
            ".frame { stroke: #999; fill: none }\n"
            ".grid { stroke: #ddd; fill: none }\n"
            ".limit { stroke: " COLOUR_LIMIT "; stroke-dasharray: 1 3; fill: none }\n"
            ".line { fill: none; stroke-width: 1.4; stroke-linejoin: round }\n"
            "</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            WIDTH, height, WIDTH, height, WIDTH, height);
    put_text(file, MARGIN, MARGIN + 14, "head", title);
    x = put_legend_entry(file, x, MARGIN + 38, "stroke=\"" COLOUR_HAS "\" stroke-width=\"3\"",
                         "actual; on the host: committed");
    x = put_legend_entry(file, x, MARGIN + 38, "class=\"line\" stroke=\"" COLOUR_DEMAND "\"", "demand");
    x = put_legend_entry(file, x, MARGIN + 38, "class=\"line\" stroke=\"" COLOUR_WANT "\" stroke-dasharray=\"5 3\"",
                         "want");
    x = put_legend_entry(file, x, MARGIN + 38, "stroke=\"" COLOUR_UNMET "\" stroke-opacity=\"0.55\" stroke-width=\"9\"",
                         "needed and not there");
    put_legend_entry(file, x, MARGIN + 38, "stroke=\"" COLOUR_PAGED "\" stroke-opacity=\"0.7\" stroke-width=\"9\"",
                     "in its paging file");
    x = MARGIN;
    x = put_legend_entry(file, x, MARGIN + 56, "class=\"line\" stroke=\"" COLOUR_BUDGET "\" stroke-dasharray=\"8 3\"",
                         "budget of the host");
    x = put_legend_entry(file, x, MARGIN + 56, "class=\"line\" stroke=\"" COLOUR_RESIDENT "\" stroke-dasharray=\"2 3\"",
                         "held by the guests' QEMUs");
    put_legend_entry(file, x, MARGIN + 56, "class=\"limit\"", "minimum, maximum, memory");
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
