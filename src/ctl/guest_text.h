/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How guests are shown, the same in every verb. */

#include "client.h"
#include "table.h"

#include <json-glib/json-glib.h>

/* Red for what does not work, yellow for what is on its way. */
CellColour guest_state_colour(const GuestView *guest);
/* Red, yellow or green. */
CellColour guest_status_colour(const GuestView *guest);
/* A cell with its status: "-" where it has none, "old" where nothing is known of it now. */
void guest_add_status(Table *table, const GuestView *guest, bool old);

/* A size for a table, "-" where it is not known. Caller frees. */
char *guest_size_cell(uint64_t bytes);

/* A moment (microseconds since 1970) in local time: "12:30:05", with the date where it is not within a day. Caller frees. */
char *guest_time_text(uint64_t usec);

/* Off, also where memory is booked for its start already. */
bool guest_is_off(const GuestView *guest);

/* {"guests": [...]} with all their properties. Caller unrefs. */
JsonObject *guests_to_json(const GPtrArray *guests);
