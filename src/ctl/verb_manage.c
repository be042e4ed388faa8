/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl manage GUEST... | --all: gives the element to guests that have none. */

#include "ctl.h"
#include "error.h"
#include "guest_change.h"
#include "guest_find.h"
#include "output.h"
#include "text.h"

#include <stdio.h>

static gboolean dry_run;
static gboolean all;

const GOptionEntry verb_manage_options[] = {
    {"all", 0, 0, G_OPTION_ARG_NONE, &all, "all guests that are not managed yet", NULL},
    {"dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "show what would be changed, and change nothing", NULL},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

typedef struct Managing {
    const CtlOptions *options;
    GDBusConnection *bus;
    JsonArray *rows; /* of machine output */
    unsigned failed;
    unsigned already;
    bool advise; /* a guest has no minimum of its own now */
} Managing;

/* The guests that are meant, each once. NULL and error where one is not to be found. */
static GPtrArray *
choose(GPtrArray *guests, char **wanted, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();

    for (guint i = 0; all && i < guests->len; i++)
        g_ptr_array_add(chosen, g_ptr_array_index(guests, i));
    for (; *wanted != NULL; wanted++) {
        const GuestView *guest = guest_find_whole(guests, *wanted, error);

        if (guest == NULL)
            return NULL;
        if (!g_ptr_array_find(chosen, guest, NULL))
            g_ptr_array_add(chosen, (gpointer)guest);
    }
    return g_steal_pointer(&chosen);
}

static void
note_failure(Managing *managing, const GuestView *guest, const GError *error)
{
    g_autofree char *name = text_clean(guest->name);

    managing->failed++;
    if (managing->options->json) {
        JsonObject *row = json_object_new();

        json_object_set_string_member(row, "name", guest->name);
        json_object_set_string_member(row, "uuid", guest->uuid);
        json_object_set_boolean_member(row, "done", FALSE);
        json_object_set_string_member(row, "error", error->message);
        json_array_add_object_element(managing->rows, row);
    } else {
        printf("%s: failed: %s\n", name, error->message);
    }
}

/* Returns false where nothing answers any more, and no other guest is worth a try. */
static bool
manage(Managing *managing, const GuestView *guest, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GuestChange) change =
        guest_change_make(managing->bus, guest, g_variant_new("a{sv}", NULL), false, dry_run, &failure);

    if (g_error_matches(failure, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (change == NULL) {
        note_failure(managing, guest, failure);
        return true;
    }
    if (!guest_change_flag(change, "writes"))
        managing->already++;
    else
        managing->advise = true;
    if (managing->options->json)
        json_array_add_element(managing->rows, g_steal_pointer(&change->node));
    else if (guest_change_flag(change, "writes"))
        guest_change_print_managed(change);
    else if (!all) {
        g_autofree char *name = text_clean(guest->name);

        printf("%s: has settings already\n", name);
    }
    return true;
}

static void
print_end(const Managing *managing, unsigned count)
{
    if (managing->options->json) {
        JsonObject *document = json_object_new();

        json_object_set_array_member(document, "guests", json_array_ref(managing->rows));
        output_print_json_object(document, true);
        return;
    }
    if (!managing->options->legend)
        return;
    if (all && managing->already == count)
        puts(count > 0 ? "All guests have settings already." : "No guests.");
    if (managing->advise)
        guest_change_print_line("A guest without a minimum of its own is never squeezed below its startup memory; "
                                "'dm-ctl set GUEST minimum=SIZE' gives it one.",
                                0);
}

bool
verb_manage(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(GPtrArray) chosen = NULL;
    g_autoptr(JsonArray) rows = json_array_new();
    Managing managing = {.options = options, .rows = rows};

    if (all == (arguments[0] != NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    all ? "manage: --all and a guest at once make no sense"
                        : "manage: GUEST is missing; usage: dm-ctl manage GUEST..., or dm-ctl manage --all");
        return false;
    }
    bus = client_connect(error);
    guests = bus != NULL ? guest_find_read(bus, arguments, error) : NULL;
    chosen = guests != NULL ? choose(guests, arguments, error) : NULL;
    if (chosen == NULL)
        return false;
    managing.bus = bus;
    for (guint i = 0; i < chosen->len; i++)
        if (!manage(&managing, g_ptr_array_index(chosen, i), error))
            return false;
    print_end(&managing, chosen->len);
    if (managing.failed == 0)
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "manage: %u of %u guests could not be changed",
                managing.failed, chosen->len);
    return false;
}
