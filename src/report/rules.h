/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The rules of the policy in words, one table: the figures behind the clause of each (plan_rule_text), why a guest has what it
 * has under it, and what would have to change for it to get more. Journal, D-Bus and explain are made from it.
 */

#include "outcome.h"

/*
 * The reason of a target in one clause: "the budget does not suffice and is shared by priority: it wants 6 GiB, its share
 * with priority 50 is 4.2 GiB". No capital, no full stop. Caller frees.
 */
char *reason_text(const GuestPlan *guest, const Plan *plan);

/* Sentences, at least one: char *, freed with the array, which the caller owns. guest is one of report->plan. */
GPtrArray *explain_why(const GuestPlan *guest, const TickReport *report);
GPtrArray *explain_more(const GuestPlan *guest, const TickReport *report);
