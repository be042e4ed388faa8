/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "givers.h"

#include "units.h"

#define NAMED 3

uint64_t
giver_goal_kib(const GuestPlan *guest)
{
    return MIN(guest->ideal_kib, guest->target_kib);
}

uint64_t
giver_kib(const GuestPlan *guest)
{
    /* who only would share is told nothing; a stuck guest's target is drawn back to what it has */
    if (guest->weight == 0 || guest->target_kib == 0 || guest->rule == PLAN_RULE_OBSERVE)
        return 0;
    return saturating_sub(guest->assigned_kib, giver_goal_kib(guest));
}

char *
giver_text(const GuestPlan *guest)
{
    g_autofree char *assigned = units_format_size(guest->assigned_kib);
    g_autofree char *goal = units_format_size(giver_goal_kib(guest));

    return g_strdup_printf("%s, on its way to %s", assigned, goal);
}

char *
givers_text(const Plan *plan)
{
    g_autoptr(GString) list = g_string_new(NULL);
    unsigned count = 0;

    for (size_t i = 0; i < plan->guest_count; i++) {
        g_autofree char *text = NULL;

        if (giver_kib(&plan->guests[i]) == 0 || count++ >= NAMED)
            continue;
        text = giver_text(&plan->guests[i]);
        g_string_append_printf(list, "%s%s (%s)", count > 1 ? ", " : "", plan->guests[i].guest->name, text);
    }
    if (count > NAMED)
        g_string_append_printf(list, " and %u more", count - NAMED);
    return count > 0 ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}
