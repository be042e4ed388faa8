/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-ctl top: guests and host, again and again. On a terminal it takes the screen and listens to keys; into a
 * file or pipe it prints plain lines, with --json a document a line. The figures are asked for at each refresh,
 * since the daemon gathers small changes before it announces them.
 */

#include "client.h"
#include "ctl.h"
#include "error.h"
#include "guest_text.h"
#include "output.h"
#include "term.h"
#include "text.h"
#include "top_view.h"
#include "top_why.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define PLAIN_COLUMNS 80
#define INTERVAL_MINIMUM 0.1
#define INTERVAL_MAXIMUM 3600.0

static int option_count;
static double option_interval = 1.0;
static char *option_sort;

const GOptionEntry verb_top_options[] = {
    {"count", 0, 0, G_OPTION_ARG_INT, &option_count, "end after N refreshes", "N"},
    {"interval", 0, 0, G_OPTION_ARG_DOUBLE, &option_interval, "seconds between two refreshes, 1 by default", "SECONDS"},
    {"sort", 0, 0, G_OPTION_ARG_STRING, &option_sort,
     "order: name, trouble, priority, demand, want, assigned, target or pressure", "KEY"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

typedef struct Top {
    const CtlOptions *options;
    GMainLoop *loop;
    GDBusConnection *bus;
    GCancellable *cancellable;
    guint input;  /* the source that listens to keys, 0 before the terminal is taken */
    bool live;    /* draws on the whole terminal */
    bool reading; /* an answer of the daemon is awaited */
    int drawn;    /* refreshes so far */
    GPtrArray *guests;
    HostView *host;
    char *clock; /* when they were read */
    char *notice;
    char *selected_uuid; /* NULL: nobody was selected, the first one is */
    TopWhy *why;         /* shown in place of the guests; NULL: they are */
    guint why_first;
    TopView view;
    GError *error; /* why it ended; NULL: as asked */
} Top;

static void
top_quit(Top *top)
{
    g_main_loop_quit(top->loop);
}

/* Takes error over. */
static void
top_fail(Top *top, GError *error)
{
    if (top->error == NULL)
        top->error = error;
    else
        g_error_free(error);
    top_quit(top);
}

static char *
time_of_day(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return g_date_time_format(now, "%H:%M:%S");
}

/* Finds the selected guest again after guests came, went or changed places, and keeps it on the screen. */
static void
settle_selection(Top *top)
{
    guint rows = top_guest_rows(top->view.rows);
    guint count = top->guests->len;

    for (guint i = 0; i < count && top->selected_uuid != NULL; i++)
        if (g_str_equal(((const GuestView *)g_ptr_array_index(top->guests, i))->uuid, top->selected_uuid))
            top->view.selected = i;
    if (top->view.selected >= count)
        top->view.selected = count > 0 ? count - 1 : 0;
    if (top->view.selected < top->view.first)
        top->view.first = top->view.selected;
    if (top->view.selected >= top->view.first + rows)
        top->view.first = top->view.selected - rows + 1;
    if (top->view.first + rows > count)
        top->view.first = count > rows ? count - rows : 0;
}

/* Puts what was read last in order, and into the view. */
static void
prepare_view(Top *top)
{
    top_sort_guests(top->guests, top->view.order);
    top->view.guests = top->guests;
    top->view.host = top->host;
    top->view.notice = top->notice;
    top->view.clock = top->clock;
}

static void
draw_live(void *user_data)
{
    Top *top = user_data;
    g_autofree char *frame = NULL;

    if (top->guests == NULL)
        return;
    term_size(&top->view.columns, &top->view.rows);
    prepare_view(top);
    settle_selection(top);
    if (top->why != NULL) {
        g_autofree char *text = top_why_text(top->why, top->view.columns);

        frame = top_draw_text(&top->view, text, &top->why_first);
    } else {
        frame = top_draw_screen(&top->view);
    }
    term_draw(frame);
}

static void
print_plain(Top *top)
{
    g_autofree char *text = NULL;
    GError *error = NULL;

    prepare_view(top);
    if (top->options->json) {
        output_print_json_object(guests_to_json(top->guests), false);
    } else {
        text = top_draw_plain(&top->view);
        printf("%s%s", top->drawn > 0 ? "\n" : "", text);
    }
    if (!output_flush(&error))
        top_fail(top, error);
}

static gboolean on_input(gint fd, GIOCondition condition, gpointer user_data);

static void
on_read(GPtrArray *guests, HostView *host, const GError *error, void *user_data)
{
    Top *top = user_data;
    GError *term_error = NULL;

    top->reading = false;
    if (g_cancellable_is_cancelled(top->cancellable))
        return;
    if (error != NULL && (!top->live || top->guests == NULL || g_dbus_connection_is_closed(top->bus))) {
        top_fail(top, g_error_copy(error));
        return;
    }
    g_clear_pointer(&top->notice, g_free);
    if (error != NULL) {
        /* who watches wants to see it come back */
        top->notice = g_strdup_printf("figures of %s: %s", top->clock, error->message);
        draw_live(top);
        return;
    }

    g_clear_pointer(&top->guests, g_ptr_array_unref);
    g_clear_pointer(&top->host, host_view_free);
    g_free(top->clock);
    top->guests = g_ptr_array_ref(guests);
    top->host = host_view_new(host->properties);
    top->clock = time_of_day();
    if (top->live && top->drawn == 0) {
        if (!term_enter(&term_error)) {
            top_fail(top, term_error);
            return;
        }
        top->input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, top);
    }
    if (top->why != NULL)
        top_why_ask(top->why);
    if (top->live)
        draw_live(top);
    else
        print_plain(top);
    top->drawn++;
    if (option_count > 0 && top->drawn >= option_count)
        top_quit(top);
}

static gboolean
on_interval(gpointer user_data)
{
    Top *top = user_data;

    if (!top->reading) {
        top->reading = true;
        client_read_all(top->bus, top->cancellable, on_read, top);
    }
    return G_SOURCE_CONTINUE;
}

/* By how much a key moves what is selected, 0: it is no such key. */
static gint64
step_of(int key, guint page)
{
    switch (key) {
    case 'k':
    case KEY_UP:
        return -1;
    case 'j':
    case KEY_DOWN:
        return 1;
    case KEY_PPAGE:
        return -(gint64)page;
    case KEY_NPAGE:
        return page;
    case KEY_HOME:
        return -(gint64)G_MAXINT32;
    case KEY_END:
        return G_MAXINT32;
    default:
        return 0;
    }
}

static const GuestView *
selected_guest(const Top *top)
{
    return top->view.selected < top->guests->len ? g_ptr_array_index(top->guests, top->view.selected) : NULL;
}

static void
move_selection(Top *top, gint64 step)
{
    const GuestView *guest;

    top->view.selected = (guint)CLAMP(top->view.selected + step, 0, MAX((gint64)top->guests->len - 1, 0));
    guest = selected_guest(top);
    g_free(top->selected_uuid);
    top->selected_uuid = guest != NULL ? g_strdup(guest->uuid) : NULL;
}

/* Shows why the selected guest has what it has, or the guests again. */
static void
toggle_why(Top *top)
{
    const GuestView *guest = selected_guest(top);

    if (top->why != NULL) {
        g_clear_pointer(&top->why, top_why_free);
    } else if (guest != NULL) {
        move_selection(top, 0); /* it stays selected wherever it moves */
        top->why_first = 0;
        top->why = top_why_new(top->bus, guest, draw_live, top);
    }
}

static void
obey(Top *top, int key)
{
    TopOrder *order = &top->view.order;
    gint64 step = step_of(key, top_guest_rows(top->view.rows));

    if (key == '\n' || key == '\r' || key == KEY_ENTER)
        toggle_why(top);
    else if (top->why != NULL && (key == 'q' || key == TERM_KEY_ESCAPE))
        toggle_why(top);
    else if (top->why != NULL) /* the last page is found as it is drawn */
        top->why_first = (guint)CLAMP(top->why_first + step, 0, G_MAXINT32);
    else if (key == 'q' || key == 'Q')
        top_quit(top);
    else if (key == 'R' || key == 'I')
        order->reverse = !order->reverse;
    else if (key == '<' || key == '>')
        order->sort = (order->sort + (key == '>' ? 1 : TOP_SORTS - 1)) % TOP_SORTS;
    else if (key == 's')
        top->view.own_scale = !top->view.own_scale;
    else if (step != 0)
        move_selection(top, step);
    else
        top_sort_find(NULL, key, &order->sort);
}

static gboolean
on_input(gint fd, GIOCondition condition, gpointer user_data)
{
    Top *top = user_data;
    int key;

    if ((condition & (G_IO_HUP | G_IO_ERR)) != 0) {
        top_quit(top);
        return G_SOURCE_CONTINUE;
    }
    while ((key = term_next_key()) >= 0) {
        obey(top, key);
        draw_live(top); /* a key is meant for what is seen after the one before it */
    }
    return G_SOURCE_CONTINUE;
}

static gboolean
on_resize(gpointer user_data)
{
    draw_live(user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_stop_signal(gpointer user_data)
{
    top_quit(user_data);
    return G_SOURCE_CONTINUE;
}

static bool
check_options(TopSort *sort, GError **error)
{
    if (option_count < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--count=%d: it can't be negative; 0 never ends",
                    option_count);
        return false;
    }
    if (!(option_interval >= INTERVAL_MINIMUM && option_interval <= INTERVAL_MAXIMUM)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--interval=%g: it is out of range; %g to %g seconds are possible", option_interval,
                    INTERVAL_MINIMUM, INTERVAL_MAXIMUM);
        return false;
    }
    if (option_sort != NULL && !top_sort_find(option_sort, 0, sort)) {
        g_autofree char *shown = text_clean(option_sort);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--sort=%s: there is no such order; 'dm-ctl top --help' lists them", shown);
        return false;
    }
    return true;
}

bool
verb_top(const CtlOptions *options, char **arguments, GError **error)
{
    Top top = {.options = options, .live = !options->json && term_usable()};
    guint sources[5];
    size_t count = 0;

    /* who looks sees first what needs looking at; what is written keeps its order */
    top.view.order.sort = top.live ? TOP_SORT_TROUBLE : TOP_SORT_NAME;
    if (!check_options(&top.view.order.sort, error))
        return false;
    top.bus = client_connect(error);
    if (top.bus == NULL)
        return false;
    top.loop = g_main_loop_new(NULL, FALSE);
    top.cancellable = g_cancellable_new();
    top.view.columns = PLAIN_COLUMNS;
    top.view.rows = 24;
    top.view.legend = options->legend;
    top.view.style = (text_is_utf8() ? BAR_BLOCKS : 0u) | (output_has_colour() ? BAR_COLOUR : 0u);

    sources[count++] = g_timeout_add((guint)(option_interval * 1000), on_interval, &top);
    sources[count++] = g_unix_signal_add(SIGINT, on_stop_signal, &top);
    sources[count++] = g_unix_signal_add(SIGTERM, on_stop_signal, &top);
    sources[count++] = g_unix_signal_add(SIGHUP, on_stop_signal, &top);
    if (top.live)
        sources[count++] = g_unix_signal_add(SIGWINCH, on_resize, &top);
    on_interval(&top);
    g_main_loop_run(top.loop);

    term_leave();
    g_clear_handle_id(&top.input, g_source_remove);
    for (size_t i = 0; i < count; i++)
        g_source_remove(sources[i]);
    g_cancellable_cancel(top.cancellable);
    top_why_free(top.why);
    /* calls end before their user data goes */
    while (top.reading || g_main_context_pending(NULL))
        g_main_context_iteration(NULL, TRUE);
    g_main_loop_unref(top.loop);
    g_object_unref(top.cancellable);
    g_object_unref(top.bus);
    g_clear_pointer(&top.guests, g_ptr_array_unref);
    host_view_free(top.host);
    g_free(top.clock);
    g_free(top.notice);
    g_free(top.selected_uuid);
    g_clear_pointer(&option_sort, g_free);
    if (top.error != NULL) {
        g_propagate_error(error, top.error);
        return false;
    }
    return true;
}
