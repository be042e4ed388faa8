/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "svg_plot.h"

#include "units.h"

#define TIME_TICKS 8
#define SIZE_TICKS 4

static double
x_of(const DrawPlot *plot, uint64_t second)
{
    return plot->x + (double)plot->width * (double)second / (double)plot->span.seconds;
}

static double
y_of(const DrawPlot *plot, uint64_t kib)
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
put_rule(const DrawPlot *plot, double y, const char *style)
{
    fputs("<path d=\"", plot->file);
    put_point(plot->file, 'M', plot->x, y);
    put_point(plot->file, 'L', plot->x + plot->width, y);
    fprintf(plot->file, "\" %s/>\n", style);
}

void
draw_svg_text(FILE *file, double x, double y, const char *class, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);

    fprintf(file, "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", (int)x, (int)y, class, escaped);
}

void
draw_svg_begin(FILE *file, int width, int height)
{
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<style>\n"
            "text { font-family: sans-serif; font-size: 11px; fill: #333 }\n"
            ".head { font-size: 18px; font-weight: bold; fill: #111 }\n"
            ".title { font-size: 13px; font-weight: bold; fill: #111 }\n"
            ".size, .label, .unit { text-anchor: end }\n"
            ".time { text-anchor: middle }\n"
            ".label, .low { fill: " DRAW_COLOUR_LIMIT "; font-size: 10px }\n"
            ".frame { stroke: #999; fill: none }\n"
            ".grid { stroke: #ddd; fill: none }\n"
            ".limit { stroke: " DRAW_COLOUR_LIMIT "; stroke-dasharray: 1 3; fill: none }\n"
            ".mark { stroke: #999; stroke-dasharray: 2 4; fill: none }\n"
            ".line { fill: none; stroke-width: 1.4; stroke-linejoin: round }\n"
            "</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            width, height, width, height, width, height);
}

static uint64_t
figure_assigned(const void *points, size_t column)
{
    return ((const DrawPoint *)points)[column].assigned_kib;
}

static uint64_t
figure_demand(const void *points, size_t column)
{
    return ((const DrawPoint *)points)[column].demand_kib;
}

static uint64_t
figure_want(const void *points, size_t column)
{
    return ((const DrawPoint *)points)[column].want_kib;
}

static uint64_t
figure_paged(const void *points, size_t column)
{
    return ((const DrawPoint *)points)[column].paged_kib;
}

/* Each column is level from its first second to the next column's. */
void
draw_svg_line(const DrawPlot *plot, DrawFigure figure, const void *data, bool area, const char *style)
{
    size_t columns = plot->span.columns;
    double before = -1;

    fputs("<path d=\"", plot->file);
    if (area)
        put_point(plot->file, 'M', plot->x, plot->y + plot->height);
    for (size_t column = 0; column < columns; column++) {
        double y = y_of(plot, figure(data, column));

        if (column > 0 && y == before && column + 1 < columns)
            continue;
        if (column > 0)
            put_point(plot->file, 'L', x_of(plot, draw_second(&plot->span, column)), before);
        put_point(plot->file, column == 0 && !area ? 'M' : 'L', x_of(plot, draw_second(&plot->span, column)), y);
        before = y;
    }
    put_point(plot->file, 'L', plot->x + plot->width, before);
    if (area)
        put_point(plot->file, 'L', plot->x + plot->width, plot->y + plot->height);
    fprintf(plot->file, "%s\" %s/>\n", area ? "Z" : "", style);
}

/* What was needed and not there, as bars above what was. */
static void
put_unmet(const DrawPlot *plot, const DrawPoint *points)
{
    for (size_t column = 0; column < plot->span.columns; column++) {
        const DrawPoint *point = &points[column];
        double left = x_of(plot, draw_second(&plot->span, column));
        double right = x_of(plot, draw_second(&plot->span, column + 1));
        double low = y_of(plot, point->assigned_kib);
        double high = y_of(plot, point->lacked_to_kib);

        if (point->lacked_to_kib <= point->assigned_kib)
            continue;
        fputs("<path d=\"", plot->file);
        put_point(plot->file, 'M', left, low);
        put_point(plot->file, 'L', left, high);
        put_point(plot->file, 'L', right, high);
        put_point(plot->file, 'L', right, low);
        fprintf(plot->file, "Z\" fill=\"" DRAW_COLOUR_UNMET "\" fill-opacity=\"0.55\"/>\n");
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
time_label(const DrawSpan *span, uint64_t second)
{
    uint64_t seconds = span->seconds;

    if (span->start_sec != 0) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(span->start_sec + second));

        return g_date_time_format(time, seconds <= 600 ? "%H:%M:%S" : "%H:%M");
    }
    if (seconds <= 3600)
        return g_strdup_printf("%u:%02u", (unsigned)(second / 60), (unsigned)(second % 60));
    return g_strdup_printf("%u:%02u", (unsigned)(second / 3600), (unsigned)(second / 60 % 60));
}

/* The first second that has a tick: where the clock is round, if there is one. */
static uint64_t
first_tick(const DrawSpan *span, uint64_t step)
{
    g_autoptr(GDateTime) start = span->start_sec != 0 ? g_date_time_new_from_unix_local((gint64)span->start_sec) : NULL;
    uint64_t of_day;

    if (start == NULL)
        return 0;
    of_day = (uint64_t)g_date_time_get_hour(start) * 3600 + (uint64_t)g_date_time_get_minute(start) * 60 +
             (uint64_t)g_date_time_get_second(start);
    return (step - of_day % step) % step;
}

static const char *
time_unit(const DrawSpan *span)
{
    if (span->start_sec != 0)
        return "time of day";
    return span->seconds <= 3600 ? "time, minutes:seconds" : "time, hours:minutes";
}

void
draw_svg_axes(const DrawPlot *plot)
{
    uint64_t seconds = plot->span.seconds;
    uint64_t step = time_step(seconds);
    uint64_t size_step = KIB_PER_MIB;

    while (plot->top_kib / size_step > SIZE_TICKS)
        size_step *= 2;
    for (uint64_t kib = 0; kib <= plot->top_kib; kib += size_step) {
        g_autofree char *label = kib == 0 ? g_strdup("0") : units_format_size(kib);

        put_rule(plot, y_of(plot, kib), kib == 0 ? "class=\"frame\"" : "class=\"grid\"");
        draw_svg_text(plot->file, plot->x - 6, y_of(plot, kib) + 4, "size", label);
    }
    for (uint64_t second = first_tick(&plot->span, step); second <= seconds; second += step) {
        g_autofree char *label = time_label(&plot->span, second);
        double x = x_of(plot, second);

        fputs("<path d=\"", plot->file);
        put_point(plot->file, 'M', x, plot->y + plot->height);
        put_point(plot->file, 'L', x, plot->y + plot->height + 4);
        fputs("\" class=\"frame\"/>\n", plot->file);
        draw_svg_text(plot->file, x, plot->y + plot->height + 17, "time", label);
    }
    draw_svg_text(plot->file, plot->x + plot->width, plot->y + plot->height + 32, "unit", time_unit(&plot->span));
}

void
draw_svg_limit(const DrawPlot *plot, uint64_t kib, const char *name, bool left)
{
    g_autofree char *size = units_format_size(kib);
    g_autofree char *label = g_strdup_printf("%s %s", name, size);
    double y = y_of(plot, kib);

    put_rule(plot, y, "class=\"limit\"");
    draw_svg_text(plot->file, left ? plot->x + 4 : plot->x + plot->width - 4, y - 4, left ? "low" : "label", label);
}

void
draw_svg_mark(const DrawPlot *plot, uint64_t second, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);

    fputs("<path d=\"", plot->file);
    put_point(plot->file, 'M', x_of(plot, second), plot->y);
    put_point(plot->file, 'L', x_of(plot, second), plot->y + plot->height);
    fprintf(plot->file, "\" class=\"mark\"><title>%s</title></path>\n", escaped);
}

void
draw_svg_guest(const DrawPlot *plot, const DrawPoint *points, uint64_t minimum_kib, uint64_t maximum_kib)
{
    bool paged = false;

    for (size_t column = 0; column < plot->span.columns; column++)
        paged |= points[column].paged_kib > 0;
    draw_svg_line(plot, figure_assigned, points, true, "fill=\"" DRAW_COLOUR_HAS_AREA "\"");
    if (paged)
        draw_svg_line(plot, figure_paged, points, true, "fill=\"" DRAW_COLOUR_PAGED "\" fill-opacity=\"0.7\"");
    put_unmet(plot, points);
    draw_svg_axes(plot);
    if (maximum_kib != 0)
        draw_svg_limit(plot, maximum_kib, "maximum", false);
    if (minimum_kib != 0)
        draw_svg_limit(plot, minimum_kib, "minimum", true);
    draw_svg_line(plot, figure_want, points, false,
                  "class=\"line\" stroke=\"" DRAW_COLOUR_WANT "\" stroke-dasharray=\"5 3\"");
    draw_svg_line(plot, figure_demand, points, false, "class=\"line\" stroke=\"" DRAW_COLOUR_DEMAND "\"");
    draw_svg_line(plot, figure_assigned, points, false, "class=\"line\" stroke=\"" DRAW_COLOUR_HAS "\"");
}

int
draw_svg_legend(FILE *file, int x, int y, const char *look, const char *text)
{
    fprintf(file, "<path d=\"M%d %dh22\" %s/>\n", x, y - 4, look);
    draw_svg_text(file, x + 28, y, "key", text);
    return x + 28 + (int)g_utf8_strlen(text, -1) * 6 + 22;
}

int
draw_svg_guest_legend(FILE *file, int x, int y, const char *has)
{
    x = draw_svg_legend(file, x, y, "stroke=\"" DRAW_COLOUR_HAS "\" stroke-width=\"3\"", has);
    x = draw_svg_legend(file, x, y, "class=\"line\" stroke=\"" DRAW_COLOUR_DEMAND "\"", "demand");
    x = draw_svg_legend(file, x, y, "class=\"line\" stroke=\"" DRAW_COLOUR_WANT "\" stroke-dasharray=\"5 3\"", "want");
    x = draw_svg_legend(file, x, y, "stroke=\"" DRAW_COLOUR_UNMET "\" stroke-opacity=\"0.55\" stroke-width=\"9\"",
                        "needed and not there");
    return draw_svg_legend(file, x, y, "stroke=\"" DRAW_COLOUR_PAGED "\" stroke-opacity=\"0.7\" stroke-width=\"9\"",
                           "in its paging file");
}
