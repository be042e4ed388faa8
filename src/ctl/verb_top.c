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
    {"sort", 0, 0, G_OPTION_ARG_STRING, &option_sort, "order: name, priority or pressure", "KEY"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

typedef struct Top {
    const CtlOptions *options;
    GMainLoop *loop;
    GDBusConnection *bus;
    GCancellable *cancellable;
    bool live;    /* draws on the whole terminal */
    bool reading; /* an answer of the daemon is awaited */
    int drawn;    /* refreshes so far */
    GPtrArray *guests;
    HostView *host_owned;
    char *notice;
    char *selected_uuid;
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

static void
draw_live(Top *top)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *clock = g_date_time_format(now, "%H:%M:%S");
    g_autofree char *frame = NULL;

    if (top->guests == NULL)
        return;
    term_size(&top->view.columns, &top->view.rows);
    top_sort_guests(top->guests, top->view.sort);
    settle_selection(top);
    top->view.guests = top->guests;
    top->view.host = top->host_owned;
    top->view.notice = top->notice;
    top->view.clock = clock;
    frame = top_draw_screen(&top->view);
    term_draw(frame);
}

static void
print_plain(Top *top)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *clock = g_date_time_format(now, "%H:%M:%S");
    g_autofree char *text = NULL;
    GError *error = NULL;

    top_sort_guests(top->guests, top->view.sort);
    if (top->options->json) {
        output_print_json_object(guests_to_json(top->guests), false);
    } else {
        top->view.guests = top->guests;
        top->view.host = top->host_owned;
        top->view.clock = clock;
        text = top_draw_plain(&top->view);
        printf("%s%s", top->drawn > 0 ? "\n" : "", text);
    }
    if (!output_flush(&error))
        top_fail(top, error);
}

static void
on_read(GPtrArray *guests, HostView *host, const GError *error, void *user_data)
{
    Top *top = user_data;

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
        top->notice = g_strdup(error->message);
        draw_live(top);
        return;
    }

    g_clear_pointer(&top->guests, g_ptr_array_unref);
    g_clear_pointer(&top->host_owned, host_view_free);
    top->guests = g_ptr_array_ref(guests);
    top->host_owned = host_view_new(host->properties);
    if (top->live && top->drawn == 0) {
        GError *term_error = NULL;

        if (!term_enter(&term_error)) {
            top_fail(top, term_error);
            return;
        }
    }
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

static void
select_guest(Top *top, gint64 index)
{
    gint64 last = (gint64)top->guests->len - 1;

    top->view.selected = (guint)CLAMP(index, 0, MAX(last, 0));
    g_clear_pointer(&top->selected_uuid, g_free);
    if (last >= 0)
        top->selected_uuid = g_strdup(((const GuestView *)g_ptr_array_index(top->guests, top->view.selected))->uuid);
}

static void
on_key(int key, void *user_data)
{
    Top *top = user_data;
    gint64 selected = top->view.selected;
    guint page = top_guest_rows(top->view.rows);

    if (top->guests == NULL)
        return;
    switch (key) {
    case 'q':
    case 'Q':
        top_quit(top);
        return;
    case 'n':
        top->view.sort = TOP_SORT_NAME;
        break;
    case 'p':
        top->view.sort = TOP_SORT_PRIORITY;
        break;
    case 'r':
        top->view.sort = TOP_SORT_PRESSURE;
        break;
    case 's':
        top->view.own_scale = !top->view.own_scale;
        break;
    case 'k':
    case TERM_KEY_UP:
        select_guest(top, selected - 1);
        break;
    case 'j':
    case TERM_KEY_DOWN:
        select_guest(top, selected + 1);
        break;
    case TERM_KEY_PAGE_UP:
        select_guest(top, selected - page);
        break;
    case TERM_KEY_PAGE_DOWN:
        select_guest(top, selected + page);
        break;
    case TERM_KEY_HOME:
        select_guest(top, 0);
        break;
    case TERM_KEY_END:
        select_guest(top, G_MAXINT32);
        break;
    case TERM_KEY_SUSPEND:
        term_suspend();
        break;
    default:
        return;
    }
    draw_live(top);
}

static gboolean
on_input(gint fd, GIOCondition condition, gpointer user_data)
{
    Top *top = user_data;

    if ((condition & G_IO_IN) != 0 && term_read_keys(on_key, top))
        return G_SOURCE_CONTINUE;
    top_quit(top);
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
    if (option_sort != NULL && !top_sort_parse(option_sort, sort)) {
        g_autofree char *shown = text_clean(option_sort);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--sort=%s: there is no such order; name, priority and pressure are possible", shown);
        return false;
    }
    return true;
}

bool
verb_top(const CtlOptions *options, char **arguments, GError **error)
{
    Top top = {.options = options, .live = !options->json && term_usable()};
    guint sources[6];
    size_t count = 0;

    if (!check_options(&top.view.sort, error))
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
    if (top.live) {
        sources[count++] = g_unix_signal_add(SIGWINCH, on_resize, &top);
        sources[count++] = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, &top);
    }
    on_interval(&top);
    g_main_loop_run(top.loop);

    term_leave();
    g_cancellable_cancel(top.cancellable);
    while (top.reading) /* the call ends before its user data goes */
        g_main_context_iteration(NULL, TRUE);
    for (size_t i = 0; i < count; i++)
        g_source_remove(sources[i]);
    g_main_loop_unref(top.loop);
    g_object_unref(top.cancellable);
    g_object_unref(top.bus);
    g_clear_pointer(&top.guests, g_ptr_array_unref);
    host_view_free(top.host_owned);
    g_free(top.notice);
    g_free(top.selected_uuid);
    g_clear_pointer(&option_sort, g_free);
    if (top.error != NULL) {
        g_propagate_error(error, top.error);
        return false;
    }
    return true;
}
