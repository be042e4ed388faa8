/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl set, mode and unset: change the settings of one guest. */

#include "ctl.h"
#include "guest_change.h"
#include "guest_find.h"
#include "output.h"
#include "settings_words.h"

static gboolean dry_run;

const GOptionEntry verb_set_options[] = {
    {"dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "show what would be changed, and change nothing", NULL},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

/* settings is taken over; NULL: error is set. */
static bool
change_guest(const CtlOptions *options, const char *wanted, GVariant *settings, bool unset, const char *verb,
             GError **error)
{
    g_autoptr(GVariant) owned = settings != NULL ? g_variant_ref_sink(settings) : NULL;
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(GuestChange) change = NULL;
    const GuestView *guest;

    if (owned == NULL) {
        g_prefix_error(error, "%s: ", verb);
        return false;
    }
    bus = client_connect(error);
    guests = bus != NULL ? guest_find_read(bus, (char *const[]){(char *)wanted, NULL}, error) : NULL;
    guest = guests != NULL ? guest_find_whole(guests, wanted, error) : NULL;
    change = guest != NULL ? guest_change_make(bus, guest, owned, unset, dry_run, error) : NULL;
    if (change == NULL)
        return false;
    if (options->json)
        output_print_json(g_steal_pointer(&change->node), true);
    else
        guest_change_print(change, options->legend);
    return true;
}

bool
verb_set(const CtlOptions *options, char **arguments, GError **error)
{
    return change_guest(options, arguments[0], settings_words_set(arguments + 1, error), false, "set", error);
}

bool
verb_mode(const CtlOptions *options, char **arguments, GError **error)
{
    return change_guest(options, arguments[0], settings_words_mode(arguments[1], error), false, "mode", error);
}

bool
verb_unset(const CtlOptions *options, char **arguments, GError **error)
{
    return change_guest(options, arguments[0], settings_words_unset(arguments + 1, error), arguments[1] == NULL,
                        "unset", error);
}
