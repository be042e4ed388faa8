/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_text.h"

#include "output.h"
#include "text.h"

CellColour
guest_state_colour(const GuestView *guest)
{
    static const char *const bad[] = {"stuck", "unresponsive", NULL};
    static const char *const passing[] = {"reserved",  "starting",  "restarting", "paging",
                                          "suspended", "migrating", NULL};

    if (g_strv_contains(bad, guest->state))
        return CELL_BAD;
    if (g_strv_contains(passing, guest->state))
        return CELL_LOW;
    return g_str_equal(guest->state, "off") ? CELL_FAINT : CELL_PLAIN;
}

CellColour
guest_status_colour(const GuestView *guest)
{
    if (g_str_equal(guest->status, "warning"))
        return CELL_BAD;
    return g_str_equal(guest->status, "low") ? CELL_LOW : CELL_GOOD;
}

void
guest_add_status(Table *table, const GuestView *guest, bool old)
{
    if (!guest->managed || guest_is_off(guest))
        table_add(table, g_strdup("-"), CELL_FAINT);
    else if (old)
        table_add(table, g_strdup("old"), CELL_LOW);
    else
        table_add(table, g_strdup(guest->status), guest_status_colour(guest));
}

char *
guest_size_cell(uint64_t bytes)
{
    return bytes > 0 ? text_short_size(bytes) : g_strdup("-");
}

char *
guest_time_text(uint64_t usec)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_local((gint64)MIN(usec / G_USEC_PER_SEC, (uint64_t)G_MAXINT64));
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    if (time == NULL)
        return g_strdup("-");
    return g_date_time_format(time, ABS(g_date_time_difference(now, time)) < G_TIME_SPAN_DAY ? "%T" : "%F %T");
}

bool
guest_is_off(const GuestView *guest)
{
    return g_str_equal(guest->state, "off") || g_str_equal(guest->state, "reserved");
}

JsonObject *
guests_to_json(const GPtrArray *guests)
{
    JsonObject *document = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        json_array_add_object_element(array, output_json_from_properties(guest->properties));
    }
    json_object_set_array_member(document, "guests", array);
    return document;
}
