/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_text.h"

#include "units.h"

#define OTHERS 3

void
explain_text_init(ExplainText *text, const GuestPlan *guest, const TickReport *report)
{
    *text = (ExplainText){
        .guest = guest,
        .snapshot = guest->guest,
        .settings = guest->guest->settings,
        .report = report,
        .plan = report->plan,
        .now_usec = report->now_usec,
        .sentences = g_ptr_array_new_with_free_func(g_free),
        .strings = g_string_chunk_new(256),
    };
}

GPtrArray *
explain_text_finish(ExplainText *text)
{
    g_string_chunk_free(text->strings);
    text->strings = NULL;
    return g_steal_pointer(&text->sentences);
}

void
say(ExplainText *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(text->sentences, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

const char *
size(ExplainText *text, uint64_t kib)
{
    g_autofree char *formatted = units_format_size(kib);

    return g_string_chunk_insert(text->strings, formatted);
}

const char *
since(ExplainText *text, uint64_t then_usec)
{
    uint64_t span = MAX(then_usec, text->now_usec) - MIN(then_usec, text->now_usec);
    g_autofree char *formatted = units_format_span(span);

    return g_string_chunk_insert(text->strings, formatted);
}

bool
is_sharing(const GuestPlan *guest)
{
    return guest->weight > 0;
}

PlanRule
shared_limit(const ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (!is_sharing(guest) || guest->ideal_kib >= guest->want_kib)
        return PLAN_RULE_SATISFIED;
    if (!text->plan->minimums_fit)
        return PLAN_RULE_MINIMUMS;
    return text->plan->host_pressure && guest->ideal_kib >= guest->demand_kib ? PLAN_RULE_PRESSURE : PLAN_RULE_SHORTAGE;
}

const char *
others(ExplainText *text, uint64_t (*score)(const GuestPlan *other),
       const char *(*describe)(ExplainText *text, const GuestPlan *other))
{
    const GuestPlan *best[OTHERS] = {NULL};
    g_autoptr(GString) list = NULL;

    for (size_t i = 0; i < text->plan->guest_count; i++) {
        const GuestPlan *other = &text->plan->guests[i];
        size_t at = OTHERS;

        if (other == text->guest || score(other) == 0)
            continue;
        while (at > 0 && (best[at - 1] == NULL || score(best[at - 1]) < score(other)))
            at--;
        for (size_t last = OTHERS; last-- > at + 1;)
            best[last] = best[last - 1];
        if (at < OTHERS)
            best[at] = other;
    }
    if (best[0] == NULL)
        return NULL;
    list = g_string_new(NULL);
    for (size_t i = 0; i < OTHERS && best[i] != NULL; i++)
        g_string_append_printf(list, "%s%s (%s)", i > 0 ? ", " : "", best[i]->guest->name, describe(text, best[i]));
    return g_string_chunk_insert(text->strings, list->str);
}

uint64_t
committed_score(const GuestPlan *other)
{
    return other->committed_kib;
}

const char *
committed_text(ExplainText *text, const GuestPlan *other)
{
    return size(text, other->committed_kib);
}
