/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top_view.h"

#include "guest_text.h"
#include "table.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

/* title, host, notice, header above the guests; reason, legend, keys below */
#define ROWS_AROUND 7
#define BAR_MINIMUM 20
/* "> " before the selected guest, and two blanks between table and bar */
#define MARKER_COLUMNS 2
#define GAP_COLUMNS 2

static const TableColumn columns[] = {
    {"NAME", false, 0},  {"STATE", false, 0}, {"STATUS", false, 3},  {"PRIO", true, 1},
    {"DEMAND", true, 4}, {"WANT", true, 2},   {"ASSIGNED", true, 0}, {"TARGET", true, 5},
};

guint
top_guest_rows(unsigned rows)
{
    return rows > ROWS_AROUND ? rows - ROWS_AROUND : 1;
}

static bool
in_colour(const TopView *view)
{
    return (view->style & BAR_COLOUR) != 0;
}

/* Appends text, cleaned and cut to the screen, in a colour. */
static void
append_text(const TopView *view, GString *screen, const char *text, CellColour colour)
{
    g_autofree char *clean = text_clean(text);
    g_autofree char *shown = text_shorten(clean, view->columns);

    if (in_colour(view) && colour != CELL_PLAIN && shown[0] != '\0')
        g_string_append_printf(screen, "%s%s" CELL_COLOUR_END, cell_colour_begin(colour), shown);
    else
        g_string_append(screen, shown);
}

static void
append_title(const TopView *view, GString *screen)
{
    guint off = 0;
    guint low = 0;
    guint warning = 0;
    guint paging = 0;
    g_autoptr(GString) title = g_string_new(NULL);

    for (guint i = 0; i < view->guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(view->guests, i);

        paging += guest->paging_size > 0;
        if (guest_is_off(guest))
            off++;
        else if (strcmp(guest->status, "low") == 0)
            low++;
        else if (strcmp(guest->status, "warning") == 0)
            warning++;
    }
    g_string_append_printf(title, "%s  %u guest%s by %s%s", view->clock, view->guests->len,
                           view->guests->len == 1 ? "" : "s", top_sort_name(view->order.sort),
                           view->order.reverse ? " reversed" : "");
    if (off > 0)
        g_string_append_printf(title, ", %u off", off);
    if (low > 0)
        g_string_append_printf(title, ", %u low", low);
    if (warning > 0)
        g_string_append_printf(title, ", %u in warning", warning);
    if (paging > 0)
        g_string_append_printf(title, ", %u with a paging file", paging);
    append_text(view, screen, title->str, CELL_PLAIN);
}

static void
append_host(const TopView *view, GString *screen)
{
    const HostView *host = view->host;
    g_autofree char *committed = text_size(host->committed);
    g_autofree char *budget = text_size(host->budget);
    g_autofree char *free_size = text_size(host->free);
    g_autofree char *text = g_strdup_printf("%s of %s committed, %s free, pressure %" PRIu32 " %%", committed, budget,
                                            free_size, host->pressure);
    size_t around = strlen("Host  ") + GAP_COLUMNS + text_width(text);
    uint64_t scale = MAX(host->budget, host->committed);
    /* what is committed above the budget shows as missing */
    BarFigures figures = {
        .unmarked = true,
        .scale = MAX(scale, 1),
        .demand = host->budget,
        .want = host->committed,
        .assigned = MIN(host->committed, host->budget),
        .maximum = host->budget,
    };

    if (around + 10 > view->columns) {
        append_text(view, screen, text, host->over_budget ? CELL_BAD : CELL_PLAIN);
        return;
    }
    g_string_append(screen, "Host  ");
    bar_append(screen, &figures, view->columns - (unsigned)around, view->style);
    g_string_append_printf(screen, "%*s%s%s%s", GAP_COLUMNS, "",
                           in_colour(view) && host->over_budget ? cell_colour_begin(CELL_BAD) : "", text,
                           in_colour(view) && host->over_budget ? CELL_COLOUR_END : "");
}

static bool
is_overdue(const TopView *view)
{
    for (guint i = 0; i < view->guests->len; i++)
        if (strcmp(((const GuestView *)g_ptr_array_index(view->guests, i))->paging_state, "overdue") == 0)
            return true;
    return false;
}

/* The one thing to know now, the worst first; "" if all is well. */
static const char *
notice_of(const TopView *view)
{
    const HostView *host = view->host;

    if (view->notice != NULL)
        return view->notice;
    if (strcmp(host->link, "down") == 0)
        return "libvirt is away: guests keep their targets, these are the last figures known";
    if (is_overdue(view))
        return "a paging file should have been gone by now: see 'dm-ctl paging'";
    if (host->over_budget)
        return "more is committed than the budget allows";
    if (!host->minimums_fit)
        return "not even the minimums of all guests fit in the budget";
    if (host->starts_waiting > 0)
        return "a guest waits for memory to be started: others are squeezed for it";
    if (host->host_pressure)
        return "the host suffers from lack of memory: buffers are given up";
    if (strcmp(host->link, "read-only") == 0)
        return "read-only connection to libvirt: nothing is changed in any guest";
    return host->dry_run ? "dry run: nothing is changed in any guest" : "";
}

static void
add_guest(Table *table, const GuestView *guest, bool old)
{
    CellColour faint = guest_is_off(guest) ? CELL_FAINT : CELL_PLAIN;

    table_add(table, g_strdup(guest->name), faint);
    table_add(table, g_strdup(guest->state), guest_state_colour(guest));
    guest_add_status(table, guest, old);
    table_add(table, guest->managed ? g_strdup_printf("%" PRIu32, guest->priority) : g_strdup("-"), faint);
    table_add(table, guest_size_cell(guest->demand), faint);
    table_add(table, guest_size_cell(guest->want), faint);
    table_add(table, guest_size_cell(guest->assigned), faint);
    table_add(table, guest_size_cell(guest->target), faint);
}

/* What the longest bar of all guests stands for. */
static uint64_t
common_scale(const GPtrArray *guests)
{
    uint64_t scale = 1;

    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        if (!guest_is_off(guest))
            scale = MAX(scale, MAX(guest->maximum, guest->assigned));
    }
    return scale;
}

static void
append_bar(const TopView *view, GString *screen, const GuestView *guest, uint64_t scale, unsigned width)
{
    BarFigures figures = {
        .scale = view->own_scale ? MAX(MAX(guest->maximum, guest->assigned), 1) : scale,
        .minimum = guest->minimum,
        .demand = guest->demand,
        .want = guest->want,
        .assigned = guest->assigned,
        .maximum = guest->maximum,
    };

    if (!guest_is_off(guest))
        bar_append(screen, &figures, width, view->style);
}

/* The scale above the bars: "0          4.0 GiB". */
static void
append_scale(const TopView *view, GString *screen, uint64_t scale, unsigned width)
{
    g_autofree char *size = view->own_scale ? g_strdup("each to its maximum") : text_size(scale);

    if (strlen(size) + 2 <= width)
        g_string_append_printf(screen, "0%*s", (int)width - 1, size);
}

/* Header and guests from first on, at most count of them; a line each, with \n before each but the first. */
static void
append_guests(const TopView *view, GString *screen, guint first, guint count, bool marker)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    uint64_t scale = common_scale(view->guests);
    unsigned bar_wanted = MAX(BAR_MINIMUM, view->columns / 3);
    unsigned around = (marker ? MARKER_COLUMNS : 0) + GAP_COLUMNS;
    unsigned table_width;
    unsigned bar_width;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (view->guests->len == 0) {
        append_text(view, screen, "No guests.", CELL_PLAIN);
        return;
    }
    /* all of them, so that columns do not change their widths while one scrolls */
    for (guint i = 0; i < view->guests->len; i++)
        add_guest(table, g_ptr_array_index(view->guests, i), strcmp(view->host->link, "down") == 0);
    text = table_draw(table, view->columns > around + bar_wanted ? view->columns - around - bar_wanted : 1, true,
                      in_colour(view));
    lines = g_strsplit(text, "\n", -1);
    table_width = (unsigned)text_width(lines[0]);
    bar_width = view->columns > around + table_width ? view->columns - around - table_width : 0;

    if (marker)
        g_string_append_printf(screen, "%*s", MARKER_COLUMNS, "");
    g_string_append_printf(screen, "%s%*s", lines[0], GAP_COLUMNS, "");
    append_scale(view, screen, scale, bar_width);
    for (guint i = first; i < view->guests->len && i - first < count; i++) {
        g_string_append_c(screen, '\n');
        if (marker)
            g_string_append(screen, i == view->selected ? "> " : "  ");
        g_string_append_printf(screen, "%s%*s", lines[i + 1], GAP_COLUMNS, "");
        if (bar_width > 0)
            append_bar(view, screen, g_ptr_array_index(view->guests, i), scale, bar_width);
    }
}

static void
append_reason(const TopView *view, GString *screen)
{
    const GuestView *guest;
    g_autofree char *text = NULL;

    if (view->selected >= view->guests->len)
        return;
    guest = g_ptr_array_index(view->guests, view->selected);
    text = g_strdup_printf("%s: %s", guest->name, guest->issue[0] != '\0' ? guest->issue : guest->reason);
    append_text(view, screen, text, guest->issue[0] != '\0' ? CELL_BAD : CELL_PLAIN);
}

char *
top_draw_screen(const TopView *view)
{
    GString *screen = g_string_new(NULL);
    guint room = top_guest_rows(view->rows);
    guint shown = MIN(room, view->guests->len - MIN(view->first, view->guests->len));

    append_title(view, screen);
    g_string_append_c(screen, '\n');
    append_host(view, screen);
    g_string_append_c(screen, '\n');
    append_text(view, screen, notice_of(view), CELL_BAD);
    g_string_append_c(screen, '\n');
    append_guests(view, screen, view->first, room, true);
    for (guint i = shown; i < room; i++)
        g_string_append_c(screen, '\n');
    g_string_append_c(screen, '\n');
    append_reason(view, screen);
    g_string_append_c(screen, '\n');
    if (view->columns >= 80)
        bar_append_legend(screen, view->style);
    g_string_append_c(screen, '\n');
    append_text(view, screen,
                view->columns >= 80 ? "q quit  Enter why  t n p d w a g r < > sort  R reverse  s scale  arrows select"
                                    : "q quit  Enter why  < > sort  R reverse",
                CELL_FAINT);
    return g_string_free(screen, FALSE);
}

char *
top_draw_text(const TopView *view, const char *text, guint *first)
{
    GString *screen = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint count = g_strv_length(lines);
    guint room = view->rows > 2 ? view->rows - 2 : 1;

    *first = MIN(*first, count > room ? count - room : 0);
    append_text(view, screen, notice_of(view), CELL_BAD);
    for (guint i = *first; i < *first + room; i++) {
        g_string_append_c(screen, '\n');
        append_text(view, screen, i < count ? lines[i] : "", CELL_PLAIN);
    }
    g_string_append_c(screen, '\n');
    append_text(view, screen, "q, Esc back  up, down scroll", CELL_FAINT);
    return g_string_free(screen, FALSE);
}

char *
top_draw_plain(const TopView *view)
{
    GString *text = g_string_new(NULL);
    const char *notice = notice_of(view);

    append_title(view, text);
    g_string_append_c(text, '\n');
    append_host(view, text);
    g_string_append_c(text, '\n');
    if (notice[0] != '\0')
        g_string_append_printf(text, "%s\n", notice);
    append_guests(view, text, 0, view->guests->len, false);
    g_string_append_c(text, '\n');
    if (view->legend) {
        bar_append_legend(text, view->style);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
