/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl history GUEST: what became of it, as far as the daemon has kept it. */

#include "ctl.h"
#include "error.h"
#include "guest_find.h"
#include "history_draw.h"
#include "output.h"
#include "since.h"

#include <stdlib.h>

static char *option_since;
static char *option_svg;

const GOptionEntry verb_history_options[] = {
    {"since", 0, 0, G_OPTION_ARG_STRING, &option_since, "how far back, as 15min, 2h, 1d or 22:00; 1h by default",
     "TIME"},
    {"svg", 0, 0, G_OPTION_ARG_FILENAME, &option_svg, "also write it as a picture", "FILE"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

/* guest: NULL if the daemon does not know it any more, but may know its history. */
static GVariant *
ask(GDBusConnection *bus, const GuestView *guest, GError *not_found, const char *wanted, uint64_t seconds,
    GError **error)
{
    g_autoptr(GError) unknown = not_found;
    g_autoptr(GError) failure = NULL;
    GVariant *reply = client_history(bus, guest != NULL ? guest->uuid : wanted, seconds, &failure);

    if (reply != NULL)
        return reply;
    if (unknown != NULL && g_error_matches(failure, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&unknown));
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

static bool
write_svg(const HistoryView *view, const GuestView *guest, GError **error)
{
    char *picture = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&picture, &length);
    bool written;

    history_picture(view, guest, file);
    fclose(file);
    written = output_write_picture(option_svg, picture, length, error);
    free(picture);
    return written;
}

bool
verb_history(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(HistoryView) view = NULL;
    GError *not_found = NULL;
    const GuestView *guest;
    uint64_t seconds;

    if (!since_parse(option_since != NULL ? option_since : "1h", (uint64_t)g_get_real_time() / G_USEC_PER_SEC, &seconds,
                     error))
        return false;
    bus = client_connect(error);
    guests = bus != NULL ? client_read_guests(bus, error) : NULL;
    if (guests == NULL)
        return false;
    guest = guest_find(guests, arguments[0], &not_found);
    reply = ask(bus, guest, not_found, arguments[0], seconds, error);
    if (reply == NULL)
        return false;
    view = history_view_new(reply);
    if (option_svg != NULL && !write_svg(view, guest, error))
        return false;
    if (options->json)
        output_print_json_object(history_view_json(view), true);
    else
        history_print(view, guest, output_drawing_columns(), options->legend);
    return true;
}
