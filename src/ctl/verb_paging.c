/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl paging: guests that restart on a full host, and their paging files. */

#include "client.h"
#include "ctl.h"
#include "guest_text.h"
#include "output.h"
#include "table.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>

/* What goes first where the terminal is narrow is what "show" tells too. */
static const TableColumn columns[] = {
    {"NAME", false, 0}, {"STATE", false, 0},   {"SIZE", true, 0},     {"USED", true, 0},       {"PEAK", true, 1},
    {"SINCE", true, 4}, {"DEADLINE", true, 2}, {"RESTART", false, 5}, {"DIRECTORY", false, 3},
};

static bool
is_paging(const GuestView *guest)
{
    return guest->paging_size > 0 || !(guest->paging_state[0] == '\0' || g_str_equal(guest->paging_state, "none"));
}

static CellColour
state_colour(const GuestView *guest)
{
    if (g_str_equal(guest->paging_state, "overdue"))
        return CELL_BAD;
    return g_str_equal(guest->paging_state, "refused") ? CELL_LOW : CELL_PLAIN;
}

static char *
time_cell(uint64_t usec)
{
    return usec > 0 ? guest_time_text(usec) : g_strdup("-");
}

static void
add_guest(Table *table, const GuestView *guest)
{
    bool file = guest->paging_size > 0;

    table_add(table, g_strdup(guest->name), CELL_PLAIN);
    table_add(table, g_strdup(guest->paging_state), state_colour(guest));
    table_add(table, guest_size_cell(guest->paging_size), CELL_PLAIN);
    table_add(table, file ? text_short_size(guest->paging_used) : g_strdup("-"), CELL_PLAIN);
    table_add(table, file ? text_short_size(guest->paging_peak) : g_strdup("-"), CELL_PLAIN);
    table_add(table, time_cell(guest->paging_since), CELL_PLAIN);
    table_add(table, time_cell(guest->paging_deadline), state_colour(guest));
    table_add(table, g_strdup(guest->restart), CELL_PLAIN);
    table_add(table, g_strdup(guest->paging_directory), CELL_PLAIN);
}

/* One sentence, cleaned: what comes from the bus stands in it. */
static void
print_sentence(const char *sentence)
{
    g_autofree char *clean = text_clean(sentence);

    printf("%s\n", clean);
}

/* What the table has no room for. */
static void
print_remarks(const GPtrArray *guests)
{
    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);
        g_autoptr(GString) text = g_string_new(NULL);

        if (guest->shortfall > 0) {
            g_autofree char *shortfall = text_size(guest->shortfall);
            g_autofree char *startup = text_size(guest->startup);

            g_string_append_printf(text, "%s of its startup memory of %s could not be found", shortfall, startup);
        }
        if (guest->paging_reason[0] != '\0')
            g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "", guest->paging_reason);
        if (text->len > 0) {
            g_autofree char *sentence = g_strdup_printf("%s: %s.", guest->name, text->str);

            print_sentence(sentence);
        }
    }
}

static void
print_table(const GPtrArray *guests, const CtlOptions *options)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    g_autofree char *text = NULL;

    for (guint i = 0; i < guests->len; i++)
        add_guest(table, g_ptr_array_index(guests, i));
    text = table_draw(table, output_columns(), options->legend, output_has_colour());
    fputs(text, stdout);
}

/* Files of guests that are gone have no guest to be shown with. */
static uint32_t
count_left(const GPtrArray *guests, const HostView *host)
{
    uint32_t files = 0;

    for (guint i = 0; i < guests->len; i++)
        files += ((const GuestView *)g_ptr_array_index(guests, i))->paging_size > 0;
    return host->paging_files > files ? host->paging_files - files : 0;
}

static void
print_paging(const GPtrArray *guests, const HostView *host, const CtlOptions *options)
{
    uint32_t left = count_left(guests, host);

    if (guests->len > 0) {
        print_table(guests, options);
        print_remarks(guests);
    } else {
        puts("No guest has a paging file.");
    }
    if (left > 0)
        printf("%" PRIu32 " more paging file%s being ended.\n", left,
               left == 1 ? " of a guest that is gone is" : "s of guests that are gone are");
    if (host->paging_bar[0] != '\0') {
        g_autofree char *sentence = g_strdup_printf("No guest of this host can have one: %s.", host->paging_bar);

        print_sentence(sentence);
    } else if (guests->len == 0) {
        puts("One is made only for a guest that restarts while the host is full.");
    }
}

static void
print_json(const GPtrArray *guests, const HostView *host)
{
    JsonObject *document = guests_to_json(guests);

    json_object_set_boolean_member(document, "available", host->paging_bar[0] == '\0');
    json_object_set_string_member(document, "bar", host->paging_bar);
    json_object_set_int_member(document, "files", host->paging_files);
    output_print_json_object(document, true);
}

bool
verb_paging(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(HostView) host = NULL;
    g_autoptr(GPtrArray) guests = NULL;

    if (bus == NULL)
        return false;
    host = client_read_host(bus, error);
    if (host == NULL)
        return false;
    guests = client_read_guests(bus, error);
    if (guests == NULL)
        return false;
    for (guint i = guests->len; i-- > 0;)
        if (!is_paging(g_ptr_array_index(guests, i)))
            g_ptr_array_remove_index(guests, i);
    if (options->json)
        print_json(guests, host);
    else
        print_paging(guests, host, options);
    return true;
}
