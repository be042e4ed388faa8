/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

GPtrArray *
explain_more(const GuestPlan *guest, const TickReport *report)
{
    return g_ptr_array_new_with_free_func(g_free);
}
