/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reason of a target in one clause: its rule, and the figure that matters most for it. */

#include "plan.h"

/*
 * "the budget did not suffice and is shared by priority: it wants 6 GiB, its share with priority 50 is 4.2 GiB". No
 * capital, no full stop. Caller frees.
 */
char *reason_text(const GuestPlan *guest, const Plan *plan);
