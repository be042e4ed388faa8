/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl explain GUEST: why it has this much, and what would have to change; the words are the daemon's. */

#include "ctl.h"
#include "error.h"
#include "explain_text.h"
#include "guest_find.h"
#include "output.h"

#include <stdio.h>

#define WIDTH_UNKNOWN 80
#define WIDTH_MOST 100

bool
verb_explain(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = NULL;
    g_autofree char *json = NULL;
    g_autofree char *text = NULL;
    unsigned columns = output_columns();
    const GuestView *guest;
    JsonNode *root;

    if (bus == NULL)
        return false;
    guests = client_read_guests(bus, error);
    if (guests == NULL)
        return false;
    guest = guest_find(guests, arguments[0], error);
    if (guest == NULL)
        return false;
    json = client_explain(bus, guest->uuid, error);
    if (json == NULL)
        return false;
    root = explain_parse(json, guest->name, error);
    if (root == NULL)
        return false;
    if (options->json) {
        output_print_json(root, true);
        return true;
    }
    text = explain_text(json_node_get_object(root), columns > 0 ? MIN(columns, WIDTH_MOST) : WIDTH_UNKNOWN);
    fputs(text, stdout);
    json_node_unref(root);
    return true;
}
