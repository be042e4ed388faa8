/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history_reply.h"

#include "units.h"

/* The difference of the two clocks: what is added to a time of history_clock_usec() to get one since 1970. */
typedef struct Epoch {
    uint64_t clock_usec;
    uint64_t real_usec;
} Epoch;

static uint64_t
real_usec(const Epoch *epoch, uint64_t then_usec)
{
    return saturating_sub(epoch->real_usec, saturating_sub(epoch->clock_usec, then_usec));
}

typedef uint64_t (*Figure)(const HistorySpan *span, const Epoch *epoch);

static uint64_t
figure_time(const HistorySpan *span, const Epoch *epoch)
{
    return real_usec(epoch, span->start_usec);
}

static uint64_t
figure_length(const HistorySpan *span, const Epoch *epoch)
{
    return span->length_usec;
}

static uint64_t
figure_assigned(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->assigned_kib);
}

static uint64_t
figure_demand(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->demand_kib);
}

static uint64_t
figure_demand_most(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->demand_most_kib);
}

static uint64_t
figure_want(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->want_kib);
}

static uint64_t
figure_lacked(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->lacked_kib);
}

static uint64_t
figure_paged(const HistorySpan *span, const Epoch *epoch)
{
    return bytes_from_kib(span->paged_kib);
}

static uint64_t
figure_target_changes(const HistorySpan *span, const Epoch *epoch)
{
    return span->target_changes;
}

static const struct {
    const char *name;
    Figure figure;
} figures[] = {
    {"Time", figure_time},
    {"Length", figure_length},
    {"Assigned", figure_assigned},
    {"Demand", figure_demand},
    {"DemandMost", figure_demand_most},
    {"Want", figure_want},
    {"Lacked", figure_lacked},
    {"Paged", figure_paged},
    {"TargetChanges", figure_target_changes},
};

typedef const char *(*Word)(const HistorySpan *span);

static const char *
word_state(const HistorySpan *span)
{
    return guest_state_name(span->state);
}

static const char *
word_status(const HistorySpan *span)
{
    return guest_status_name(span->status);
}

static const char *
word_rule(const HistorySpan *span)
{
    return plan_rule_name(span->rule);
}

static const struct {
    const char *name;
    Word word;
} words[] = {{"State", word_state}, {"Status", word_status}, {"Rule", word_rule}};

static GVariant *
figure_column(const GArray *spans, Figure figure, const Epoch *epoch)
{
    g_autofree uint64_t *column = g_new(uint64_t, spans->len + 1);

    for (unsigned i = 0; i < spans->len; i++)
        column[i] = figure(&g_array_index(spans, HistorySpan, i), epoch);
    return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, column, spans->len, sizeof *column);
}

static GVariant *
word_column(const GArray *spans, Word word)
{
    g_autofree const char **column = g_new(const char *, spans->len + 1);

    for (unsigned i = 0; i < spans->len; i++)
        column[i] = word(&g_array_index(spans, HistorySpan, i));
    return g_variant_new_strv(column, spans->len);
}

/* What the rules mean that occur. */
static GVariant *
rule_texts(const GArray *spans)
{
    bool told[PLAN_RULE_COUNT] = {false};
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    for (unsigned i = 0; i < spans->len; i++) {
        PlanRule rule = g_array_index(spans, HistorySpan, i).rule;

        if (!told[rule])
            g_variant_builder_add(&builder, "{ss}", plan_rule_name(rule), plan_rule_text(rule));
        told[rule] = true;
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
event_rows(const GPtrArray *events, const Epoch *epoch)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(tsbtts)"));
    for (unsigned i = 0; i < events->len; i++) {
        const HistoryEvent *event = g_ptr_array_index(events, i);

        g_variant_builder_add(&builder, "(tsbtts)", real_usec(epoch, event->time_usec), change_kind_name(event->kind),
                              (gboolean)event->host, bytes_from_kib(event->old_kib), bytes_from_kib(event->new_kib),
                              event->message);
    }
    return g_variant_builder_end(&builder);
}

GVariant *
history_reply(const History *history, const HistoryOwner *owner, uint64_t seconds, uint64_t now_usec)
{
    const Epoch epoch = {.clock_usec = now_usec, .real_usec = (uint64_t)g_get_real_time()};
    uint64_t most = (uint64_t)HISTORY_COARSE_SEC * HISTORY_COARSE_POINTS;
    uint64_t since_usec = saturating_sub(now_usec, (seconds == 0 ? most : MIN(seconds, most)) * USEC_PER_SEC);
    g_autoptr(GArray) spans = history_spans(history, owner->uuid, since_usec);
    g_autoptr(GPtrArray) events = history_events(history, owner->uuid, since_usec);
    g_autofree char *name = g_utf8_make_valid(owner->name, -1);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&builder, "{sv}", "Name", g_variant_new_string(name));
    g_variant_builder_add(&builder, "{sv}", "Uuid", g_variant_new_string(owner->uuid));
    g_variant_builder_add(&builder, "{sv}", "Since", g_variant_new_uint64(real_usec(&epoch, since_usec)));
    g_variant_builder_add(&builder, "{sv}", "Until", g_variant_new_uint64(epoch.real_usec));
    g_variant_builder_add(&builder, "{sv}", "Began",
                          g_variant_new_uint64(real_usec(&epoch, history_began_usec(history))));
    for (size_t i = 0; i < G_N_ELEMENTS(figures); i++)
        g_variant_builder_add(&builder, "{sv}", figures[i].name, figure_column(spans, figures[i].figure, &epoch));
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        g_variant_builder_add(&builder, "{sv}", words[i].name, word_column(spans, words[i].word));
    g_variant_builder_add(&builder, "{sv}", "Rules", rule_texts(spans));
    g_variant_builder_add(&builder, "{sv}", "Events", event_rows(events, &epoch));
    return g_variant_builder_end(&builder);
}
