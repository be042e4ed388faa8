/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Guests that are giving up memory at the moment: for a start, a restart, or whoever else is waited for. */

#include "plan.h"

/* How much it is still to give up; 0: nothing. */
uint64_t giver_kib(const GuestPlan *guest);
/* What it is to have in the end. */
uint64_t giver_goal_kib(const GuestPlan *guest);
/* "2 GiB, on its way to 1 GiB". Caller frees. */
char *giver_text(const GuestPlan *guest);
/* Up to three of them: "web (2 GiB, on its way to 1 GiB), db (…) and 2 more"; NULL: nobody. Caller frees. */
char *givers_text(const Plan *plan);
