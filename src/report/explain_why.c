/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include "reason.h"

GPtrArray *
explain_why(const GuestPlan *guest, const TickReport *report)
{
    GPtrArray *sentences = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *reason = reason_text(guest, report->plan);

    explain_say(sentences, "The rule that decided: %s.", reason);
    return sentences;
}
