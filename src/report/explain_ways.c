/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ways to more memory that several rules share. */

#include "explain_ways.h"
#include "names.h"
#include "units.h"

#include <inttypes.h>

/* Less than this is not worth a change of settings. */
#define WORTH_KIB (64 * KIB_PER_MIB)

void
raise_maximum(ExplainText *text)
{
    say(text, "Raise its maximum, now %s (<memory> in its XML); it takes effect when the guest is started again.",
        size(text, text->settings->maximum_kib));
}

bool
shares_alone(const ExplainText *text)
{
    for (size_t i = 0; i < text->plan->guest_count; i++)
        if (&text->plan->guests[i] != text->guest && is_sharing(&text->plan->guests[i]))
            return false;
    return true;
}

void
raise_minimum(ExplainText *text)
{
    const GuestSettings *settings = text->settings;

    if (!shares_alone(text) && text->guest->ideal_kib < settings->maximum_kib)
        say(text, "Raise its minimum, now %s, above %s: minimums are served before everything else.",
            size(text, settings->minimum_kib), size(text, MAX(text->guest->ideal_kib, settings->minimum_kib)));
}

void
raise_priority(ExplainText *text)
{
    if (shares_alone(text))
        return;
    if (text->settings->priority < 100)
        say(text, "Raise its priority, now %" PRIu32 " of 100: a shortage is shared by it.", text->settings->priority);
    else
        say(text,
            "Lower the priority of other guests: a shortage is shared by it, and its own is the highest already.");
}

/* Memory that a guest that shares is given by its minimum alone. */
static uint64_t
idle_minimum_score(const GuestPlan *other)
{
    uint64_t idle;

    if (!is_sharing(other) || other->demand_kib == 0)
        return 0;
    idle = saturating_sub(other->guest->settings->minimum_kib, other->demand_kib);
    return idle >= WORTH_KIB ? idle : 0;
}

static const char *
idle_minimum_text(ExplainText *text, const GuestPlan *other)
{
    g_autofree char *figures = g_strdup_printf("%s, it needs %s", size(text, other->guest->settings->minimum_kib),
                                               size(text, other->demand_kib));

    return g_string_chunk_insert(text->strings, figures);
}

static uint64_t
minimum_score(const GuestPlan *other)
{
    return is_sharing(other) ? other->guest->settings->minimum_kib : 0;
}

static const char *
minimum_text(ExplainText *text, const GuestPlan *other)
{
    return size(text, other->guest->settings->minimum_kib);
}

static uint64_t
counted_score(const GuestPlan *other)
{
    return other->rule == PLAN_RULE_UNMANAGED || other->rule == PLAN_RULE_STATIC ? other->committed_kib : 0;
}

void
take_from_others(ExplainText *text)
{
    const char *idle = others(text, idle_minimum_score, idle_minimum_text);
    const char *counted = others(text, counted_score, committed_text);
    const char *largest = others(text, committed_score, committed_text);

    if (idle != NULL)
        say(text, "Lower the minimum of guests that need less: %s.", idle);
    if (counted != NULL)
        say(text, "Let dynmem manage guests that it only counts: %s.", counted);
    if (largest != NULL)
        say(text, "Stop or move another guest; the largest are %s.", largest);
}

void
raise_budget(ExplainText *text)
{
    const Plan *plan = text->plan;
    uint64_t host_kib = MIN(plan->budget_total_kib, plan->budget_available_kib);

    if (plan->budget_limit == BUDGET_BY_SETTING) {
        if (host_kib > plan->budget_kib)
            say(text, "Raise Budget= in %s, now %s; the host itself has room for %s.", DYNMEM_CONFIG_NAME,
                size(text, plan->budget_kib), size(text, host_kib));
        return;
    }
    if (plan->other_kib >= WORTH_KIB && text->report->snapshot->host.figures.arc_kib > 0)
        say(text,
            "Free memory of the host: processes that are no guests use %s, ZFS's cache (ARC) at its minimum included; "
            "the "
            "%s that it holds beyond that are counted as available.",
            size(text, plan->other_kib), size(text, text->report->snapshot->host.figures.arc_kib));
    else if (plan->other_kib >= WORTH_KIB)
        say(text, "Free memory of the host: processes that are no guests use %s.", size(text, plan->other_kib));
    if (plan->reserve_kib > 0)
        say(text, "Lower Reserve= in %s: %s are kept for the host itself.", DYNMEM_CONFIG_NAME,
            size(text, plan->reserve_kib));
}

void
need_more(ExplainText *text)
{
    const GuestPlan *guest = text->guest;
    const GuestSettings *settings = text->settings;

    if (guest->ideal_kib >= settings->maximum_kib) {
        raise_maximum(text);
        return;
    }
    say(text, "It gets more as soon as it needs more, up to its maximum of %s and as far as the budget goes.",
        size(text, settings->maximum_kib));
    if (settings->buffer_percent < 2000)
        say(text, "A larger buffer, now %" PRIu32 " percent, keeps more ready beyond what it needs.",
            settings->buffer_percent);
    say(text, "A minimum above %s, now %s, gives it more in any case.", size(text, guest->ideal_kib),
        size(text, settings->minimum_kib));
}

void
settle_shortage(ExplainText *text)
{
    raise_priority(text);
    raise_minimum(text);
    take_from_others(text);
    raise_budget(text);
}

void
settle_minimums(ExplainText *text)
{
    const char *minimums = others(text, minimum_score, minimum_text);

    if (minimums != NULL)
        say(text, "Lower the minimums of other guests; the largest are %s.", minimums);
    take_from_others(text);
    raise_budget(text);
    if (text->settings->priority < 100 && !shares_alone(text))
        say(text, "Raise its priority, now %" PRIu32 " of 100: memory that comes free is handed out by it.",
            text->settings->priority);
}

void
settle_pressure(ExplainText *text)
{
    say(text,
        "Free memory of the host: processes that are no guests use %s, and %s of %s are available. Buffers come back "
        "once the pressure has been over for a while.",
        size(text, text->plan->other_kib), size(text, text->report->snapshot->host.figures.available_kib),
        size(text, text->report->snapshot->host.figures.total_kib));
    raise_minimum(text);
}

void
enlarge_share(ExplainText *text)
{
    PlanRule limit = shared_limit(text);

    if (limit == PLAN_RULE_SHORTAGE)
        settle_shortage(text);
    else if (limit == PLAN_RULE_MINIMUMS)
        settle_minimums(text);
    else if (limit == PLAN_RULE_PRESSURE)
        settle_pressure(text);
    else
        need_more(text);
}
