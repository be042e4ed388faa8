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

/* A size for a table, "-" where it is not known. Caller frees. */
char *guest_size_cell(uint64_t bytes);

/* {"guests": [...]} with all their properties. Caller unrefs. */
JsonObject *guests_to_json(const GPtrArray *guests);
