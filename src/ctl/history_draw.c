/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history_draw.h"

#include "draw/svg_plot.h"
#include "draw/text_plot.h"
#include "output.h"
#include "text.h"
#include "units.h"

#include <string.h>

#define ROWS 8
/* So many lines at most tell how it stood; what happened stands between them. */
#define STANDS 24
/* A stretch in which it lacked memory has as much to say as one so many times as long in which it did not. */
#define WORSE_COUNTS 10
#define TEXT_WIDTH_MOST 100

#define PICTURE_WIDTH 1000
#define PICTURE_HEIGHT 400
#define PICTURE_COLUMNS 900
#define MARGIN 24
#define AXIS_WIDTH 66
#define PLOT_TOP 82
#define PLOT_HEIGHT 260

/* ---- columns ---- */

static int
badness(const char *status)
{
    return g_str_equal(status, "warning") ? 2 : g_str_equal(status, "low") ? 1 : 0;
}

/* Adds a part of a point to a column, as sums. */
static void
add_part(HistoryColumn *column, const HistoryView *view, size_t i, uint64_t usec)
{
    const guint64 *const *figures = view->figures;
    uint64_t assigned_kib = kib_from_bytes(figures[HISTORY_ASSIGNED][i]);
    uint64_t demand_kib = kib_from_bytes(figures[HISTORY_DEMAND][i]);
    uint64_t lacked_kib = kib_from_bytes(figures[HISTORY_LACKED][i]);
    bool first = column->known_usec == 0;
    bool off = assigned_kib == 0;

    column->known_usec += usec;
    column->draw.assigned_kib += assigned_kib * (usec / USEC_PER_MSEC);
    if (demand_kib != 0) {
        column->needs_usec += usec;
        column->draw.demand_kib += demand_kib * (usec / USEC_PER_MSEC);
        column->draw.want_kib += kib_from_bytes(figures[HISTORY_WANT][i]) * (usec / USEC_PER_MSEC);
    }
    /* all of it, where it is not known what it needs */
    column->draw.need_kib += (demand_kib != 0 ? demand_kib : assigned_kib) * (usec / USEC_PER_MSEC);
    if (lacked_kib > 0)
        column->draw.lacked_to_kib = MAX(column->draw.lacked_to_kib, assigned_kib + lacked_kib);
    column->draw.paged_kib = MAX(column->draw.paged_kib, kib_from_bytes(figures[HISTORY_PAGED][i]));
    column->draw.off = off && (first || column->draw.off);
    column->demand_most_kib = MAX(column->demand_most_kib, kib_from_bytes(figures[HISTORY_DEMAND_MOST][i]));
    column->lacked_kib = MAX(column->lacked_kib, lacked_kib);
    column->state = view->words[HISTORY_STATE][i];
    if (first || badness(view->words[HISTORY_STATUS][i]) >= badness(column->status)) {
        column->status = view->words[HISTORY_STATUS][i];
        column->rule = view->words[HISTORY_RULE][i];
    }
}

static void
finish_column(HistoryColumn *column)
{
    uint64_t msec = MAX(column->known_usec / USEC_PER_MSEC, 1);
    uint64_t needs_msec = MAX(column->needs_usec / USEC_PER_MSEC, 1);

    column->draw.assigned_kib /= msec;
    column->draw.demand_kib /= needs_msec;
    column->draw.want_kib /= needs_msec;
    column->draw.need_kib /= msec;
    column->draw.off |= column->known_usec == 0;
}

static uint64_t
first_usec(const HistoryView *view)
{
    return view->figures[HISTORY_TIME][0];
}

/* Not 0. */
static uint64_t
length_usec(const HistoryView *view)
{
    return MAX(saturating_sub(view->until_usec, first_usec(view)), USEC_PER_SEC);
}

HistoryColumn *
history_columns(const HistoryView *view, size_t count)
{
    HistoryColumn *columns = g_new0(HistoryColumn, count);
    uint64_t first = first_usec(view);
    uint64_t length = length_usec(view);

    for (size_t i = 0; i < count; i++)
        columns[i].start_usec = first + length * i / count;
    for (size_t i = 0; i < view->count; i++) {
        uint64_t start = saturating_sub(view->figures[HISTORY_TIME][i], first);
        uint64_t end = MIN(saturating_add(start, view->figures[HISTORY_LENGTH][i]), length);

        for (size_t c = (size_t)MIN(start * count / length, (uint64_t)count); c < count; c++) {
            uint64_t low = MAX(start, length * c / count);
            uint64_t high = MIN(end, length * (c + 1) / count);

            if (low >= end)
                break;
            if (high > low)
                add_part(&columns[c], view, i, high - low);
        }
    }
    for (size_t i = 0; i < count; i++)
        finish_column(&columns[i]);
    return columns;
}

static DrawPoint *
draw_points(const HistoryColumn *columns, size_t count)
{
    DrawPoint *points = g_new(DrawPoint, count);

    for (size_t i = 0; i < count; i++)
        points[i] = columns[i].draw;
    return points;
}

/* ---- text ---- */

static char *
time_text(uint64_t usec, const char *format)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(usec / USEC_PER_SEC));

    return time != NULL ? g_date_time_format(time, format) : g_strdup("?");
}

static const char *
time_format(const HistoryView *view)
{
    uint64_t length = length_usec(view);

    if (length <= 3600 * USEC_PER_SEC)
        return "%H:%M:%S";
    return length <= 12 * 3600 * USEC_PER_SEC ? "%H:%M" : "%a %H:%M";
}

/* Which time of which guest that is. Caller frees. */
static char *
title(const HistoryView *view, const GuestView *guest)
{
    g_autofree char *name = text_clean(view->name);
    g_autofree char *from = time_text(first_usec(view), "%Y-%m-%d %H:%M");
    g_autofree char *to = time_text(view->until_usec, "%H:%M");
    g_autofree char *minimum = guest != NULL ? text_size(guest->minimum) : NULL;
    g_autofree char *maximum = guest != NULL ? text_size(guest->maximum) : NULL;

    if (guest == NULL)
        return g_strdup_printf("%s, %s to %s; it is gone", name, from, to);
    return g_strdup_printf("%s, %s to %s; minimum %s, maximum %s", name, from, to, minimum, maximum);
}

static void
print_line(const HistoryView *view, uint64_t usec, const char *text, unsigned width)
{
    g_autofree char *time = time_text(usec, time_format(view));
    g_autofree char *clean = text_clean(text);
    unsigned indent = (unsigned)strlen(time) + 2;
    g_autofree char *wrapped = text_wrap(clean, width, indent);

    printf("%s%s", time, wrapped + strlen(time));
}

/* How it stood in a stretch of time. Caller frees. */
static char *
stand_text(const HistoryView *view, const HistoryColumn *stand)
{
    g_autofree char *assigned = units_format_size(stand->draw.assigned_kib);
    g_autofree char *demand = units_format_size(stand->demand_most_kib);
    g_autofree char *want = units_format_size(stand->draw.want_kib);
    g_autofree char *lacked = units_format_size(stand->lacked_kib);
    GString *text = g_string_new(stand->state);

    if (stand->draw.assigned_kib > 0)
        g_string_append_printf(text, ", %s: has %s", stand->status, assigned);
    if (stand->demand_most_kib > 0)
        g_string_append_printf(text, ", needs up to %s, wants %s", demand, want);
    if (stand->lacked_kib > 0)
        g_string_append_printf(text, ", lacked up to %s", lacked);
    if (stand->draw.assigned_kib > 0)
        g_string_append_printf(text, "; %s", history_view_rule_text(view, stand->rule));
    return g_string_free(text, FALSE);
}

/* ---- the course: stretches of time, and what happened ---- */

/* How much a stretch has to say: the longer, and the worse. */
static uint64_t
weight(const HistoryColumn *stand)
{
    return stand->known_usec * (uint64_t)(1 + WORSE_COUNTS * badness(stand->status));
}

static bool
is_same(const HistoryColumn *a, const HistoryColumn *b)
{
    return g_str_equal(a->state, b->state) && g_str_equal(a->status, b->status) && g_str_equal(a->rule, b->rule);
}

/* Takes more, which is next to it, into stand, whose words stay. */
static void
join(HistoryColumn *stand, const HistoryColumn *more)
{
    stand->draw.assigned_kib += more->draw.assigned_kib;
    stand->draw.want_kib += more->draw.want_kib;
    stand->demand_most_kib = MAX(stand->demand_most_kib, more->demand_most_kib);
    stand->lacked_kib = MAX(stand->lacked_kib, more->lacked_kib);
    stand->known_usec += more->known_usec;
    stand->needs_usec += more->needs_usec;
    stand->start_usec = MIN(stand->start_usec, more->start_usec);
}

/* Takes the stretch that says least into the one beside it that says more. */
static void
drop_least(GArray *stands)
{
    HistoryColumn *all = (HistoryColumn *)(void *)stands->data;
    unsigned least = 0;
    unsigned into;

    for (unsigned i = 1; i < stands->len; i++)
        if (weight(&all[i]) < weight(&all[least]))
            least = i;
    if (least == 0)
        into = 1;
    else if (least + 1 == stands->len)
        into = least - 1;
    else
        into = weight(&all[least - 1]) >= weight(&all[least + 1]) ? least - 1 : least + 1;
    join(&all[into], &all[least]);
    g_array_remove_index(stands, least);
}

/* Those that follow each other and say the same become one. */
static void
join_same(GArray *stands)
{
    for (unsigned i = 1; i < stands->len;) {
        HistoryColumn *stand = &g_array_index(stands, HistoryColumn, i);

        if (is_same(stand - 1, stand)) {
            join(stand - 1, stand);
            g_array_remove_index(stands, i);
        } else {
            i++;
        }
    }
}

/* How it stood, in STANDS stretches at most. Caller unrefs. */
static GArray *
make_stands(const HistoryView *view)
{
    GArray *stands = g_array_new(FALSE, TRUE, sizeof(HistoryColumn));

    for (size_t i = 0; i < view->count; i++) {
        HistoryColumn stand = {.start_usec = view->figures[HISTORY_TIME][i]};

        add_part(&stand, view, i, MIN(view->figures[HISTORY_LENGTH][i], length_usec(view)));
        g_array_append_val(stands, stand);
    }
    join_same(stands);
    while (stands->len > STANDS) {
        drop_least(stands);
        join_same(stands);
    }
    for (unsigned i = 0; i < stands->len; i++)
        finish_column(&g_array_index(stands, HistoryColumn, i));
    return stands;
}

/* How it stood, and what happened, in the order of time. */
static void
print_course(const HistoryView *view, unsigned width)
{
    g_autoptr(GArray) stands = make_stands(view);
    size_t events = history_view_event_count(view);
    size_t next = 0;

    for (unsigned i = 0; i <= stands->len; i++) {
        uint64_t until_usec = i < stands->len ? g_array_index(stands, HistoryColumn, i).start_usec : UINT64_MAX;

        for (; next < events; next++) {
            HistoryViewEvent event;
            g_autofree char *text = NULL;

            history_view_event(view, next, &event);
            if (event.time_usec >= until_usec)
                break;
            text = g_strconcat("* ", event.message, NULL);
            print_line(view, event.time_usec, text, width);
        }
        if (i < stands->len) {
            g_autofree char *text = stand_text(view, &g_array_index(stands, HistoryColumn, i));

            print_line(view, until_usec, text, width);
        }
    }
}

static void
print_nothing(const HistoryView *view, const GuestView *guest)
{
    g_autofree char *name = text_clean(view->name);
    g_autofree char *since = time_text(view->since_usec, "%Y-%m-%d %H:%M");
    g_autofree char *began = time_text(view->began_usec, "%Y-%m-%d %H:%M");

    printf("%s: nothing is known of it since %s; dynmemd keeps what it sees since %s.\n", name,
           view->began_usec > view->since_usec ? began : since, began);
}

void
history_print(const HistoryView *view, const GuestView *guest, unsigned width, bool legend)
{
    DrawBrush brush = {stdout, output_has_colour(), text_is_utf8()};
    size_t count = draw_text_columns(width);
    g_autofree HistoryColumn *columns = NULL;
    g_autofree DrawPoint *points = NULL;
    g_autofree char *head = NULL;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;

    if (view->count == 0) {
        print_nothing(view, guest);
        return;
    }
    columns = history_columns(view, count);
    points = draw_points(columns, count);
    head = title(view, guest);
    from = time_text(first_usec(view), time_format(view));
    to = time_text(view->until_usec, time_format(view));
    puts(head);
    draw_text_guest(&brush, points, count, ROWS, from, to);
    if (legend) {
        draw_text_legend(&brush, DRAW_CELL_USED, "needed and there");
        draw_text_legend(&brush, DRAW_CELL_HELD, "there beyond the need");
        fputc('\n', stdout);
        draw_text_legend(&brush, DRAW_CELL_UNMET, "needed and not there");
        draw_text_legend(&brush, DRAW_CELL_PAGED, "in its paging file");
        fputs("\n\n", stdout);
    }
    print_course(view, MIN(width, TEXT_WIDTH_MOST));
}

/* ---- picture ---- */

static void
mark_events(const HistoryView *view, const DrawPlot *plot)
{
    for (size_t i = 0; i < history_view_event_count(view); i++) {
        HistoryViewEvent event;
        g_autofree char *clean = NULL;

        history_view_event(view, i, &event);
        clean = text_clean(event.message);
        if (event.time_usec >= first_usec(view) && event.time_usec <= view->until_usec)
            draw_svg_mark(plot, (event.time_usec - first_usec(view)) / USEC_PER_SEC, clean);
    }
}

void
history_picture(const HistoryView *view, const GuestView *guest, FILE *file)
{
    g_autofree HistoryColumn *columns = NULL;
    g_autofree DrawPoint *points = NULL;
    g_autofree char *head = NULL;
    DrawPlot plot = {.file = file,
                     .x = MARGIN + AXIS_WIDTH,
                     .y = PLOT_TOP,
                     .width = PICTURE_WIDTH - 2 * MARGIN - AXIS_WIDTH,
                     .height = PLOT_HEIGHT,
                     .top_kib = 1};
    int x;

    draw_svg_begin(file, PICTURE_WIDTH, PICTURE_HEIGHT);
    if (view->count > 0) {
        plot.span =
            (DrawSpan){PICTURE_COLUMNS, MAX(length_usec(view) / USEC_PER_SEC, 1), first_usec(view) / USEC_PER_SEC};
        columns = history_columns(view, PICTURE_COLUMNS);
        points = draw_points(columns, PICTURE_COLUMNS);
        head = title(view, guest);
        draw_svg_text(file, MARGIN, MARGIN + 10, "title", head);
        x = draw_svg_guest_legend(file, MARGIN, MARGIN + 36, "assigned");
        draw_svg_legend(file, x, MARGIN + 36, "class=\"mark\"", "event");
        for (size_t i = 0; i < PICTURE_COLUMNS; i++)
            plot.top_kib =
                MAX(plot.top_kib, MAX(points[i].lacked_to_kib, MAX(points[i].assigned_kib, points[i].want_kib)));
        if (guest != NULL)
            plot.top_kib = MAX(plot.top_kib, kib_from_bytes(guest->maximum));
        plot.top_kib += plot.top_kib / 20;
        mark_events(view, &plot);
        draw_svg_guest(&plot, points, guest != NULL ? kib_from_bytes(guest->minimum) : 0,
                       guest != NULL ? kib_from_bytes(guest->maximum) : 0);
    }
    fputs("</svg>\n", file);
}
