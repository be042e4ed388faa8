/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers "why does this guest have this much, and what would have to change for it to get more". Everything is
 * taken from the plan of the last tick; nothing is worked out anew.
 */

#include "outcome.h"

/*
 * The answer as one JSON object: figures in bytes under the D-Bus names in lower camel case, "host" with the ledger,
 * and two arrays of sentences, "why" and "toGetMore". guest is one of report->plan. Caller frees.
 */
char *explain_guest(const GuestPlan *guest, const TickReport *report);
