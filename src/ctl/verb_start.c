/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-ctl start GUEST: asks the daemon to find memory for the guest and to start it, and shows meanwhile who gives up
 * memory for it. ^C calls it off.
 */

#include "ctl.h"
#include "error.h"
#include "guest_find.h"
#include "names.h"
#include "output.h"
#include "start_text.h"
#include "text.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* How often it is looked at who gives up memory. */
#define LOOK_MSEC 500
/* Lines in a file are for starts that take their time, and not too many. */
#define FIRST_LINE_USEC (2 * G_USEC_PER_SEC)
#define NEXT_LINE_USEC (5 * G_USEC_PER_SEC)
/* What was called off is answered at once, unless libvirt is at it. */
#define CALLED_OFF_MSEC 3000

typedef struct Start {
    GDBusConnection *bus;
    GMainLoop *loop;
    GCancellable *cancellable;
    const char *uuid;
    const char *name; /* cleaned */
    GPtrArray *first; /* of GuestView: what they had when it began */
    bool quiet;       /* no progress */
    bool terminal;    /* progress is one line that changes */
    gint64 began_usec;
    gint64 told_usec; /* of the last line of progress; 0: none yet */
    char *told;
    bool looking;
    unsigned patience; /* since it was called off: how long that is waited for; 0: it was not */
    bool left;         /* it was called off, and nobody waits for libvirt any more */
    gboolean started;
    char *reason;
    GError *error;
} Start;

/* ---- progress ---- */

static void
clear_line(Start *start)
{
    if (start->terminal && start->told != NULL)
        fputs("\r\033[K", stderr);
}

/* Takes text over. */
static void
tell(Start *start, char *text)
{
    gint64 now_usec = g_get_monotonic_time();
    gint64 due_usec = start->told_usec == 0 ? start->began_usec + FIRST_LINE_USEC : start->told_usec + NEXT_LINE_USEC;

    if (g_strcmp0(text, start->told) == 0 || (!start->terminal && now_usec < due_usec)) {
        g_free(text);
        return;
    }
    if (start->terminal) {
        unsigned columns = output_columns();
        g_autofree char *line = text_shorten(text, columns > 1 ? columns - 1 : 79);

        fprintf(stderr, "\r\033[K%s", line);
    } else {
        fprintf(stderr, "%s\n", text);
    }
    fflush(stderr);
    g_free(start->told);
    start->told = text;
    start->told_usec = now_usec;
}

static void
on_looked(GPtrArray *guests, HostView *host, const GError *error, void *data)
{
    Start *start = data;

    start->looking = false;
    if (guests == NULL || g_cancellable_is_cancelled(start->cancellable))
        return;
    if (start->first == NULL)
        start->first = g_ptr_array_ref(guests);
    tell(start, start_progress_text(start->uuid, start->name, start->first, guests));
}

static gboolean
look(gpointer data)
{
    Start *start = data;

    if (!start->looking) {
        start->looking = true;
        client_read_all(start->bus, start->cancellable, on_looked, start);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- the start ---- */

static void
on_answered(GObject *source, GAsyncResult *result, gpointer data)
{
    Start *start = data;
    GError *raw = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &raw);

    if (reply != NULL)
        g_variant_get(reply, "(bs)", &start->started, &start->reason);
    else if (g_error_matches(raw, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_error_free(raw);
    else
        client_take_error(raw, &start->error);
    g_main_loop_quit(start->loop);
}

static gboolean
leave(gpointer data)
{
    Start *start = data;

    start->left = true;
    g_cancellable_cancel(start->cancellable);
    return G_SOURCE_CONTINUE; /* run() removes it */
}

/* The first ^C takes the request back and waits for the answer to that; the second does not wait. */
static gboolean
on_stop_signal(gpointer data)
{
    Start *start = data;

    if (start->patience != 0) {
        g_cancellable_cancel(start->cancellable);
        start->left = true;
        return G_SOURCE_CONTINUE;
    }
    g_dbus_connection_call(start->bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Release",
                           g_variant_new("(s)", start->uuid), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALLED_OFF_MSEC,
                           NULL, NULL, NULL);
    start->patience = g_timeout_add(CALLED_OFF_MSEC, leave, start);
    return G_SOURCE_CONTINUE;
}

/* No time-out: the daemon ends the waiting itself, and libvirt's own time is not known. */
static void
run(Start *start)
{
    GDBusCallFlags flags = client_asking_flags();
    unsigned interrupt = g_unix_signal_add(SIGINT, on_stop_signal, start);
    unsigned terminate = g_unix_signal_add(SIGTERM, on_stop_signal, start);
    unsigned looks = start->quiet ? 0 : g_timeout_add(LOOK_MSEC, look, start);

    g_dbus_connection_call(start->bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Start",
                           g_variant_new("(s)", start->uuid), G_VARIANT_TYPE("(bs)"), flags, G_MAXINT,
                           start->cancellable, on_answered, start);
    g_main_loop_run(start->loop);
    if (looks != 0)
        g_source_remove(looks);
    g_clear_handle_id(&start->patience, g_source_remove);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    /* an answer to look() may still be on its way */
    g_cancellable_cancel(start->cancellable);
    while (start->looking)
        g_main_context_iteration(NULL, TRUE);
    clear_line(start);
}

static void
print_result(const Start *start, const GuestView *guest, bool json)
{
    double seconds = (double)(g_get_monotonic_time() - start->began_usec) / G_USEC_PER_SEC;

    if (json) {
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", guest->name);
        json_object_set_string_member(object, "uuid", guest->uuid);
        json_object_set_boolean_member(object, "started", start->started);
        json_object_set_string_member(object, "reason", start->reason != NULL ? start->reason : "");
        json_object_set_double_member(object, "seconds", seconds);
        output_print_json_object(object, true);
    } else if (start->started) {
        printf("%s runs, after %.1f s\n", start->name, seconds);
    }
}

static bool
finish(Start *start, const GuestView *guest, bool json, GError **error)
{
    g_autofree char *reason = text_clean(start->reason != NULL ? start->reason : "");

    if (start->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&start->error));
        return false;
    }
    if (start->left) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "start %s: called off, but libvirt may be starting it already; 'virsh destroy' would end it",
                    start->name);
        return false;
    }
    print_result(start, guest, json);
    if (start->started)
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "start %s: %s", start->name, reason);
    return false;
}

bool
verb_start(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = bus != NULL ? guest_find_read(bus, arguments, error) : NULL;
    const GuestView *guest = guests != NULL ? guest_find_whole(guests, arguments[0], error) : NULL;
    g_autofree char *name = NULL;
    Start start = {.bus = bus, .began_usec = g_get_monotonic_time()};
    bool done;

    if (guest == NULL)
        return false;
    name = text_clean(guest->name);
    start.uuid = guest->uuid;
    start.name = name;
    start.quiet = options->json;
    start.terminal = isatty(STDERR_FILENO) && output_columns() > 0;
    start.loop = g_main_loop_new(NULL, FALSE);
    start.cancellable = g_cancellable_new();
    run(&start);
    done = finish(&start, guest, options->json, error);
    g_clear_pointer(&start.first, g_ptr_array_unref);
    g_free(start.told);
    g_free(start.reason);
    g_main_loop_unref(start.loop);
    g_object_unref(start.cancellable);
    return done;
}
