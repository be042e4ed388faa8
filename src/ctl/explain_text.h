/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's explanation of a guest (client_explain) for people. */

#include <json-glib/json-glib.h>

/*
 * The explanation, parsed. guest: whom it is of, for the error. Caller unrefs. DYNMEM_ERROR_FAILED: it is no JSON object.
 */
JsonNode *explain_parse(const char *json, const char *guest, GError **error);

/* What it says in lines of at most columns columns, each ended by \n, clean (text_clean). Caller frees. */
char *explain_text(JsonObject *explanation, unsigned columns);
