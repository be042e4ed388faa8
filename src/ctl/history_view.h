/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's history as the bus shows it. Times are in microseconds since 1970, sizes in bytes. */

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum HistoryFigure {
    HISTORY_TIME,
    HISTORY_LENGTH,
    HISTORY_ASSIGNED,
    HISTORY_DEMAND,
    HISTORY_DEMAND_MOST,
    HISTORY_WANT,
    HISTORY_LACKED,
    HISTORY_PAGED,
    HISTORY_TARGET_CHANGES,
    HISTORY_FIGURES,
} HistoryFigure;

typedef enum HistoryWord {
    HISTORY_STATE,
    HISTORY_STATUS,
    HISTORY_RULE,
    HISTORY_WORDS,
} HistoryWord;

typedef struct HistoryView {
    const char *name;
    const char *uuid;
    uint64_t since_usec;
    uint64_t until_usec;
    uint64_t began_usec;
    size_t count; /* points, oldest first */
    const guint64 *figures[HISTORY_FIGURES];
    const char **words[HISTORY_WORDS];
    GVariant *reply;
    GVariant *held[HISTORY_FIGURES + HISTORY_WORDS];
    GVariant *rules;
    GVariant *events;
} HistoryView;

typedef struct HistoryViewEvent {
    uint64_t time_usec;
    const char *kind;
    bool host;
    uint64_t old_size;
    uint64_t new_size;
    const char *message;
} HistoryViewEvent;

/* reply is a{sv}, what the method History answers; it is referenced. Where a column is missing there are no points. */
HistoryView *history_view_new(GVariant *reply);
void history_view_free(HistoryView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HistoryView, history_view_free)

/* What a rule means, in one clause; "" where that is not told. */
const char *history_view_rule_text(const HistoryView *view, const char *rule);

size_t history_view_event_count(const HistoryView *view);
/* Its strings are the view's. */
void history_view_event(const HistoryView *view, size_t i, HistoryViewEvent *event);

/* One object for each point. Caller unrefs. */
JsonObject *history_view_json(const HistoryView *view);
