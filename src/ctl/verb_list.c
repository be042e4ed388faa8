/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl list: all guests and what they have. */

#include "client.h"
#include "ctl.h"
#include "guest_text.h"
#include "output.h"
#include "table.h"
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What goes first where the terminal is narrow is what "show" tells better. */
static const TableColumn columns[] = {
    {"NAME", false, 0},    {"STATE", false, 0}, {"STATUS", false, 0},  {"PRIO", true, 2},   {"MIN", true, 3},
    {"DEMAND", true, 7},   {"WANT", true, 4},   {"ASSIGNED", true, 0}, {"TARGET", true, 9}, {"MAX", true, 1},
    {"RESIDENT", true, 6}, {"TOTAL", true, 8},  {"USABLE", true, 5},
};

static void
add_guest(Table *table, const GuestView *guest, bool old)
{
    CellColour faint = guest_is_off(guest) ? CELL_FAINT : CELL_PLAIN;

    table_add(table, g_strdup(guest->name), faint);
    table_add(table, g_strdup(guest->state), guest_state_colour(guest));
    guest_add_status(table, guest, old);
    table_add(table, guest->managed ? g_strdup_printf("%u", guest->priority) : g_strdup("-"), faint);
    table_add(table, guest_size_cell(guest->minimum), faint);
    table_add(table, guest_size_cell(guest->demand), faint);
    table_add(table, guest_size_cell(guest->want), faint);
    table_add(table, guest_size_cell(guest->assigned), faint);
    table_add(table, guest_size_cell(guest->target), faint);
    table_add(table, guest_size_cell(guest->maximum), faint);
    table_add(table, guest_size_cell(guest->resident), faint);
    table_add(table, guest_size_cell(guest->total), faint);
    table_add(table, guest_size_cell(guest->usable), faint);
}

static void
print_table(const GPtrArray *guests, bool old, const CtlOptions *options)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    g_autofree char *text = NULL;

    for (guint i = 0; i < guests->len; i++)
        add_guest(table, g_ptr_array_index(guests, i), old);
    text = table_draw(table, output_columns(), options->legend, output_has_colour());
    fputs(text, stdout);
}

/* One line, where it is wanted. */
static void
print_away(const HostView *host, const CtlOptions *options)
{
    unsigned width = output_columns();
    g_autofree char *text = g_strdup_printf("These are the last figures known: %s.", host->link_text);
    g_autofree char *clean = text_clean(text);
    g_autofree char *wrapped = text_wrap(clean, width > 0 ? width : UINT_MAX, 0);

    if (options->legend)
        fputs(wrapped, stdout);
}

bool
verb_list(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(HostView) host = NULL;
    bool old;

    if (bus == NULL)
        return false;
    guests = client_read_guests(bus, error);
    if (guests == NULL)
        return false;
    if (options->json) {
        output_print_json_object(guests_to_json(guests), true);
        return true;
    }
    host = client_read_host(bus, NULL);
    old = host != NULL && strcmp(host->link, "down") == 0;
    if (old)
        print_away(host, options);
    if (guests->len > 0)
        print_table(guests, old, options);
    else if (options->legend)
        puts("No guests.");
    return true;
}
