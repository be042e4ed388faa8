/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history_view.h"

#include "output.h"

static GVariant *
lookup(GVariant *reply, const char *name, const char *type)
{
    return g_variant_lookup_value(reply, name, G_VARIANT_TYPE(type));
}

/* The columns of figures and words, by their names on the bus. */
static const char *const figure_names[HISTORY_FIGURES] = {
    [HISTORY_TIME] = "Time",
    [HISTORY_LENGTH] = "Length",
    [HISTORY_ASSIGNED] = "Assigned",
    [HISTORY_DEMAND] = "Demand",
    [HISTORY_DEMAND_MOST] = "DemandMost",
    [HISTORY_WANT] = "Want",
    [HISTORY_LACKED] = "Lacked",
    [HISTORY_PAGED] = "Paged",
    [HISTORY_TARGET_CHANGES] = "TargetChanges",
};
static const char *const word_names[HISTORY_WORDS] = {
    [HISTORY_STATE] = "State",
    [HISTORY_STATUS] = "Status",
    [HISTORY_RULE] = "Rule",
};

static void
read_columns(HistoryView *view)
{
    size_t count = SIZE_MAX;

    for (size_t i = 0; i < HISTORY_FIGURES; i++) {
        gsize length = 0;

        view->held[i] = lookup(view->reply, figure_names[i], "at");
        if (view->held[i] != NULL)
            view->figures[i] = g_variant_get_fixed_array(view->held[i], &length, sizeof(guint64));
        count = MIN(count, length);
    }
    for (size_t i = 0; i < HISTORY_WORDS; i++) {
        gsize length = 0;

        view->held[HISTORY_FIGURES + i] = lookup(view->reply, word_names[i], "as");
        if (view->held[HISTORY_FIGURES + i] != NULL)
            view->words[i] = g_variant_get_strv(view->held[HISTORY_FIGURES + i], &length);
        count = MIN(count, length);
    }
    view->count = count;
}

HistoryView *
history_view_new(GVariant *reply)
{
    HistoryView *view = g_new0(HistoryView, 1);

    view->reply = g_variant_ref(reply);
    view->name = view->uuid = "";
    g_variant_lookup(reply, "Name", "&s", &view->name);
    g_variant_lookup(reply, "Uuid", "&s", &view->uuid);
    g_variant_lookup(reply, "Since", "t", &view->since_usec);
    g_variant_lookup(reply, "Until", "t", &view->until_usec);
    g_variant_lookup(reply, "Began", "t", &view->began_usec);
    read_columns(view);
    view->rules = lookup(reply, "Rules", "a{ss}");
    view->events = lookup(reply, "Events", "a(tsbtts)");
    return view;
}

void
history_view_free(HistoryView *view)
{
    if (view == NULL)
        return;
    for (size_t i = 0; i < HISTORY_WORDS; i++)
        g_free(view->words[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(view->held); i++)
        g_clear_pointer(&view->held[i], g_variant_unref);
    g_clear_pointer(&view->rules, g_variant_unref);
    g_clear_pointer(&view->events, g_variant_unref);
    g_variant_unref(view->reply);
    g_free(view);
}

const char *
history_view_rule_text(const HistoryView *view, const char *rule)
{
    const char *text = "";

    if (view->rules != NULL)
        g_variant_lookup(view->rules, rule, "&s", &text);
    return text;
}

size_t
history_view_event_count(const HistoryView *view)
{
    return view->events != NULL ? g_variant_n_children(view->events) : 0;
}

void
history_view_event(const HistoryView *view, size_t i, HistoryViewEvent *event)
{
    gboolean host;

    g_variant_get_child(view->events, i, "(t&sbtt&s)", &event->time_usec, &event->kind, &host, &event->old_size,
                        &event->new_size, &event->message);
    event->host = host;
}

static void
set_int(JsonObject *object, const char *name, uint64_t value)
{
    json_object_set_int_member(object, name, (gint64)MIN(value, (uint64_t)G_MAXINT64));
}

static JsonArray *
json_points(const HistoryView *view)
{
    JsonArray *points = json_array_new();

    for (size_t i = 0; i < view->count; i++) {
        JsonObject *point = json_object_new();

        for (size_t j = 0; j < HISTORY_FIGURES; j++) {
            g_autofree char *name = output_json_name(figure_names[j]);

            set_int(point, name, view->figures[j][i]);
        }
        for (size_t j = 0; j < HISTORY_WORDS; j++) {
            g_autofree char *name = output_json_name(word_names[j]);

            json_object_set_string_member(point, name, view->words[j][i]);
        }
        json_object_set_string_member(point, "reason", history_view_rule_text(view, view->words[HISTORY_RULE][i]));
        json_array_add_object_element(points, point);
    }
    return points;
}

static JsonArray *
json_events(const HistoryView *view)
{
    JsonArray *events = json_array_new();

    for (size_t i = 0; i < history_view_event_count(view); i++) {
        JsonObject *object = json_object_new();
        HistoryViewEvent event;

        history_view_event(view, i, &event);
        set_int(object, "time", event.time_usec);
        json_object_set_string_member(object, "kind", event.kind);
        json_object_set_boolean_member(object, "host", event.host);
        set_int(object, "old", event.old_size);
        set_int(object, "new", event.new_size);
        json_object_set_string_member(object, "message", event.message);
        json_array_add_object_element(events, object);
    }
    return events;
}

JsonObject *
history_view_json(const HistoryView *view)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", view->name);
    json_object_set_string_member(object, "uuid", view->uuid);
    set_int(object, "since", view->since_usec);
    set_int(object, "until", view->until_usec);
    set_int(object, "began", view->began_usec);
    json_object_set_array_member(object, "points", json_points(view));
    json_object_set_array_member(object, "events", json_events(view));
    return object;
}
