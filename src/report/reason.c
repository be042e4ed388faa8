/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reason.h"

#include "held_tick.h"
#include "units.h"

#include <inttypes.h>

/* The figure that belongs to the rule, or NULL where the rule says it all. Caller frees. */
static char *
key_figure(const GuestPlan *guest, const Plan *plan)
{
    const GuestSettings *settings = guest->guest->settings;
    g_autofree char *want = units_format_size(guest->want_kib);
    g_autofree char *ideal = units_format_size(guest->ideal_kib);
    g_autofree char *assigned = units_format_size(guest->assigned_kib);
    g_autofree char *target = units_format_size(guest->target_kib);
    g_autofree char *committed = units_format_size(guest->committed_kib);
    g_autofree char *minimum = units_format_size(settings->minimum_kib);
    g_autofree char *maximum = units_format_size(settings->maximum_kib);

    switch (guest->rule) {
    case PLAN_RULE_SATISFIED:
        return g_strdup(want);
    case PLAN_RULE_AT_MINIMUM:
        return g_strdup(minimum);
    case PLAN_RULE_AT_MAXIMUM:
        return g_strdup(maximum);
    case PLAN_RULE_SHORTAGE:
    case PLAN_RULE_MINIMUMS:
        return g_strdup_printf("it wants %s, its share with priority %" PRIu32 " is %s", want, settings->priority,
                               ideal);
    case PLAN_RULE_PRESSURE:
    case PLAN_RULE_PEAK:
    case PLAN_RULE_SURPLUS:
        return g_strdup_printf("it wants %s and is to have %s", want, ideal);
    case PLAN_RULE_WAIT_FREE: {
        g_autofree char *free_now = units_format_size(plan->free_kib);

        return g_strdup_printf("it is to have %s, free is %s", ideal, free_now);
    }
    case PLAN_RULE_WAIT_SURPLUS:
    case PLAN_RULE_STALE:
    case PLAN_RULE_SETTLING:
    case PLAN_RULE_LIMIT:
    case PLAN_RULE_LET_BE:
    case PLAN_RULE_MAKE_ROOM:
        return g_strdup_printf("it has %s", assigned);
    case PLAN_RULE_STEP:
        return g_strdup_printf("on its way to %s", ideal);
    case PLAN_RULE_SMALL:
        return g_strdup_printf("it would be %s", ideal);
    case PLAN_RULE_BOUND:
        return guest->ideal_kib > guest->target_kib ? g_strdup_printf("it gets %s of %s", target, ideal)
                                                    : g_strdup_printf("it is to have %s", ideal);
    case PLAN_RULE_STARVED:
        return g_strdup_printf("it is to have %s", ideal);
    case PLAN_RULE_LET_GO: {
        g_autofree char *startup = units_format_size(settings->startup_kib);

        return g_strdup_printf("it has %s of %s", assigned, startup);
    }
    case PLAN_RULE_RETRY:
    case PLAN_RULE_STUCK:
        return g_strdup_printf("it was told %s and has %s", target, assigned);
    case PLAN_RULE_UNMANAGED:
    case PLAN_RULE_STATIC:
    case PLAN_RULE_NO_DRIVER:
    case PLAN_RULE_STARTING:
    case PLAN_RULE_ADOPTING:
    case PLAN_RULE_BROUGHT:
    case PLAN_RULE_RESET:
    case PLAN_RULE_UNRESPONSIVE:
    case PLAN_RULE_FROZEN:
        return g_strdup_printf("%s are booked for it", committed);
    case PLAN_RULE_RESTART:
    case PLAN_RULE_PAGING: {
        g_autofree char *startup = units_format_size(settings->startup_kib);

        return g_strdup_printf("%s of %s are booked for it", committed, startup);
    }
    case PLAN_RULE_PAGING_LEAVE: {
        const PagingRecord *file = guest->guest->paging;
        g_autofree char *used = units_format_size(file != NULL ? file->used_kib : 0);

        return g_strdup_printf("%s are left in it", used);
    }
    case PLAN_RULE_RESERVED: {
        const StartPlan *start = plan_find_start(plan, guest->guest->uuid);
        g_autofree char *needed = units_format_size(start != NULL ? start->needed_kib : 0);
        g_autofree char *free_now = units_format_size(start != NULL ? start->free_kib : 0);

        if (start != NULL && start->shortfall_kib > 0) {
            g_autofree char *shortfall = units_format_size(start->shortfall_kib);

            return g_strdup_printf("%s are booked for it, %s are missing", committed, shortfall);
        }
        if (start == NULL || start->verdict != START_WAITS)
            return g_strdup_printf("%s are booked for it", committed);
        return g_strdup_printf("it needs %s, %s are free", needed, free_now);
    }
    case PLAN_RULE_BAR:
        return g_strdup(balloon_bar_text(settings->bar));
    case PLAN_RULE_INHIBITED: {
        g_autofree char *resident = units_format_size(guest->guest->resident_kib);

        return g_strdup_printf("it should have %s and holds %s of the host", assigned, resident);
    }
    case PLAN_RULE_OBSERVE:
        return guest->ideal_kib != 0 ? g_strdup_printf("it would get %s", ideal) : NULL;
    case PLAN_RULE_NO_STATISTICS:
    case PLAN_RULE_OFF:
    case PLAN_RULE_LINK_DOWN:
    case PLAN_RULE_COUNT:
        break;
    }
    return NULL;
}

char *
reason_text(const GuestPlan *guest, const Plan *plan)
{
    g_autofree char *figure = key_figure(guest, plan);

    return figure == NULL ? g_strdup(plan_rule_text(guest->rule))
                          : g_strdup_printf("%s: %s", plan_rule_text(guest->rule), figure);
}
