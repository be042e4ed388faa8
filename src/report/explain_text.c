/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_text.h"

#include "held_tick.h"
#include "units.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define OTHERS 3

typedef enum FigureSource {
    OF_GUEST,    /* GuestPlan */
    OF_SNAPSHOT, /* GuestSnapshot */
    OF_SETTINGS, /* GuestSettings */
    OF_PLAN,     /* Plan */
    OF_HOST,     /* HostFigures; 0 where only the plan is known */
    OF_START,    /* StartPlan; 0 where none is asked for */
    OF_FILE,     /* PagingRecord; 0 where it has none */
} FigureSource;

typedef enum FigureKind {
    KIB,
    MOMENT, /* shown as the span from then to now, or from now to then */
    NUMBER, /* uint32_t */
    BAR,    /* BalloonBar */
} FigureKind;

typedef struct Figure {
    const char *name;
    FigureSource source;
    FigureKind kind;
    size_t offset;
} Figure;

static const Figure figures[] = {
    {"above", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, limits.above.group[0].limit_kib)},
    {"above-holds", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, limits.above.group[0].charged_kib)},
    {"arc", OF_HOST, KIB, offsetof(HostFigures, arc_kib)},
    {"assigned", OF_GUEST, KIB, offsetof(GuestPlan, assigned_kib)},
    {"available", OF_HOST, KIB, offsetof(HostFigures, available_kib)},
    {"balloon", OF_GUEST, KIB, offsetof(GuestPlan, balloon_kib)},
    {"bar", OF_SETTINGS, BAR, offsetof(GuestSettings, bar)},
    {"booked", OF_GUEST, KIB, offsetof(GuestPlan, committed_kib)},
    {"boot", OF_SNAPSHOT, MOMENT, offsetof(GuestSnapshot, boot_usec)},
    {"budget", OF_PLAN, KIB, offsetof(Plan, budget_kib)},
    {"buffer", OF_SETTINGS, NUMBER, offsetof(GuestSettings, buffer_percent)},
    {"committed", OF_PLAN, KIB, offsetof(Plan, committed_kib)},
    {"demand", OF_GUEST, KIB, offsetof(GuestPlan, demand_kib)},
    {"demands", OF_PLAN, KIB, offsetof(Plan, demands_kib)},
    {"driver", OF_SNAPSHOT, MOMENT, offsetof(GuestSnapshot, driver_usec)},
    {"file", OF_FILE, MOMENT, offsetof(PagingRecord, since_usec)},
    {"file-due", OF_GUEST, MOMENT, offsetof(GuestPlan, paging_deadline_usec)},
    {"file-planned", OF_GUEST, KIB, offsetof(GuestPlan, paging_size_kib)},
    {"file-size", OF_FILE, KIB, offsetof(PagingRecord, size_kib)},
    {"file-used", OF_FILE, KIB, offsetof(PagingRecord, used_kib)},
    {"fixed", OF_SETTINGS, KIB, offsetof(GuestSettings, fixed_kib)},
    {"flagged", OF_GUEST, MOMENT, offsetof(GuestPlan, flagged_usec)},
    {"floor", OF_GUEST, KIB, offsetof(GuestPlan, floor_kib)},
    {"free", OF_PLAN, KIB, offsetof(Plan, free_kib)},
    {"granted", OF_GUEST, KIB, offsetof(GuestPlan, granted_kib)},
    {"group-other", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, group_other_kib)},
    {"lent", OF_GUEST, KIB, offsetof(GuestPlan, lent_kib)},
    {"max", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, limits.max_kib)},
    {"maximum", OF_SETTINGS, KIB, offsetof(GuestSettings, maximum_kib)},
    {"minimum", OF_SETTINGS, KIB, offsetof(GuestSettings, minimum_kib)},
    {"minimums", OF_PLAN, KIB, offsetof(Plan, minimums_kib)},
    {"others-use", OF_PLAN, KIB, offsetof(Plan, other_kib)},
    {"priority", OF_SETTINGS, NUMBER, offsetof(GuestSettings, priority)},
    {"report", OF_SNAPSHOT, MOMENT, offsetof(GuestSnapshot, report_usec)},
    {"reported", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, report_actual_kib)},
    {"reserve", OF_PLAN, KIB, offsetof(Plan, reserve_kib)},
    {"resident", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, resident_kib)},
    {"retry", OF_GUEST, MOMENT, offsetof(GuestPlan, retry_usec)},
    {"share", OF_GUEST, KIB, offsetof(GuestPlan, ideal_kib)},
    {"shared", OF_PLAN, KIB, offsetof(Plan, sharing_kib)},
    {"shortfall", OF_GUEST, KIB, offsetof(GuestPlan, shortfall_kib)},
    {"shown", OF_GUEST, KIB, offsetof(GuestPlan, shown_kib)},
    {"start-booked", OF_START, KIB, offsetof(StartPlan, booked_kib)},
    {"start-free", OF_START, KIB, offsetof(StartPlan, free_kib)},
    {"start-missing", OF_START, KIB, offsetof(StartPlan, shortfall_kib)},
    {"start-needs", OF_START, KIB, offsetof(StartPlan, needed_kib)},
    {"start-overhead", OF_START, KIB, offsetof(StartPlan, overhead_kib)},
    {"start-reclaimable", OF_START, KIB, offsetof(StartPlan, reclaimable_kib)},
    {"startup", OF_SETTINGS, KIB, offsetof(GuestSettings, startup_kib)},
    {"target", OF_GUEST, KIB, offsetof(GuestPlan, target_kib)},
    {"total", OF_HOST, KIB, offsetof(HostFigures, total_kib)},
    {"unseen", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, unseen_kib)},
    {"usable", OF_SNAPSHOT, KIB, offsetof(GuestSnapshot, usable_kib)},
    {"want", OF_GUEST, KIB, offsetof(GuestPlan, want_kib)},
    {"wants", OF_PLAN, KIB, offsetof(Plan, wants_kib)},
};

void
explain_text_init(ExplainText *text, const GuestPlan *guest, const Plan *plan, const TickReport *report)
{
    *text = (ExplainText){
        .guest = guest,
        .snapshot = guest->guest,
        .settings = guest->guest->settings,
        .report = report,
        .plan = plan,
        .now_usec = report != NULL ? report->now_usec : 0,
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

/* ---- figures ---- */

static const void *
source_of(const ExplainText *text, FigureSource source)
{
    switch (source) {
    case OF_GUEST:
        return text->guest;
    case OF_SNAPSHOT:
        return text->snapshot;
    case OF_SETTINGS:
        return text->settings;
    case OF_PLAN:
        return text->plan;
    case OF_HOST:
        return text->report != NULL ? &text->report->snapshot->host.figures : NULL;
    case OF_START:
        return plan_find_start(text->plan, text->snapshot->uuid);
    case OF_FILE:
    default:
        return text->snapshot->paging;
    }
}

static const Figure *
find_figure(const char *name, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(figures); i++)
        if (strncmp(figures[i].name, name, length) == 0 && figures[i].name[length] == '\0')
            return &figures[i];
    return NULL;
}

static uint64_t
value_of(const ExplainText *text, const Figure *figure)
{
    const char *source = source_of(text, figure->source);

    if (source == NULL)
        return 0;
    if (figure->kind == NUMBER)
        return *(const uint32_t *)(const void *)(source + figure->offset);
    if (figure->kind == BAR)
        return *(const BalloonBar *)(const void *)(source + figure->offset);
    return *(const uint64_t *)(const void *)(source + figure->offset);
}

static uint64_t
span(const ExplainText *text, uint64_t then_usec)
{
    return MAX(then_usec, text->now_usec) - MIN(then_usec, text->now_usec);
}

/* The figure, or the difference of two, that stands between braces. Caller frees. */
static char *
figure_text(const ExplainText *text, const char *name, size_t length)
{
    const Figure *figure = find_figure(name, length);
    const Figure *less = NULL;
    uint64_t value;

    for (size_t i = 0; figure == NULL && i < length; i++) {
        if (name[i] != '-')
            continue;
        less = find_figure(name + i + 1, length - i - 1);
        figure = less != NULL ? find_figure(name, i) : NULL;
    }
    g_return_val_if_fail(figure != NULL, g_strndup(name, length));
    value = value_of(text, figure);
    switch (figure->kind) {
    case MOMENT:
        return units_format_span(span(text, value));
    case NUMBER:
        return g_strdup_printf("%" PRIu64, value);
    case BAR:
        return g_strdup(balloon_bar_text((BalloonBar)value));
    case KIB:
    default:
        return units_format_size(less != NULL ? saturating_sub(value, value_of(text, less)) : value);
    }
}

/* As a format, where that is asked for: what comes from figures is no part of it. */
static char *
fill(const ExplainText *text, const char *template, bool is_format)
{
    g_autoptr(GString) filled = g_string_new(NULL);
    const char *open, *close;

    for (; (open = strchr(template, '{')) != NULL; template = close + 1) {
        g_autofree char *figure = NULL;

        close = strchr(open, '}');
        g_assert(close != NULL);
        figure = figure_text(text, open + 1, (size_t)(close - open) - 1);
        g_string_append_len(filled, template, open - template);
        for (const char *at = figure; *at != '\0'; at++) {
            if (is_format && *at == '%')
                g_string_append_c(filled, '%');
            g_string_append_c(filled, *at);
        }
    }
    return g_string_free(g_string_append(g_steal_pointer(&filled), template), FALSE);
}

char *
explain_text_fill(const ExplainText *text, const char *template)
{
    return fill(text, template, false);
}

void
tell(ExplainText *text, const char *template)
{
    g_ptr_array_add(text->sentences, fill(text, template, false));
}

void
say(ExplainText *text, const char *format, ...)
{
    g_autofree char *filled = fill(text, format, true);
    va_list arguments;

    va_start(arguments, format);
    /* it is the caller's format still, and was checked against the arguments there: figures bring no conversions */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    g_ptr_array_add(text->sentences, g_strdup_vprintf(filled, arguments));
#pragma GCC diagnostic pop
    va_end(arguments);
}

const char *
fitted(ExplainText *text, const char *template)
{
    g_autofree char *filled = fill(text, template, false);

    return g_string_chunk_insert(text->strings, filled);
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
    g_autofree char *formatted = units_format_span(span(text, then_usec));

    return g_string_chunk_insert(text->strings, formatted);
}

bool
has_max(const ExplainText *text)
{
    return text->snapshot->limits.max_kib != 0 && text->snapshot->limits.max_kib != LIMIT_NONE;
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
