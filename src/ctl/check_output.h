/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks as they are printed. */

#include "checks.h"

#include <json-glib/json-glib.h>

/* As lines, its level first. */
void check_print(const Check *check);

/* As --json has them. Caller unrefs. */
JsonArray *check_json(const GPtrArray *checks);

/* How many of that level there are. */
unsigned check_count(const GPtrArray *checks, CheckLevel level);
