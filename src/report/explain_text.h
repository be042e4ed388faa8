/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the sentences are made with. They name figures of the guest and its host in braces: "It wants {want}."; {want-target}
 * is by how much the first exceeds the second, or nothing. The table in explain_text.c has them all.
 */

#include "outcome.h"

typedef struct ExplainText {
    const GuestPlan *guest;
    const GuestSnapshot *snapshot;
    const GuestSettings *settings;
    const TickReport *report; /* NULL: only the plan is known */
    const Plan *plan;
    uint64_t now_usec;
    GPtrArray *sentences;
    GStringChunk *strings;
} ExplainText;

void explain_text_init(ExplainText *text, const GuestPlan *guest, const Plan *plan, const TickReport *report);
/* Frees everything but the sentences, which it returns. */
GPtrArray *explain_text_finish(ExplainText *text);

/* The template with its figures in it. Caller frees. */
char *explain_text_fill(const ExplainText *text, const char *template);

/* Adds one sentence, as it stands in a table; with more words than figures, which must not come from elsewhere than format. */
void tell(ExplainText *text, const char *template);
void say(ExplainText *text, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same filled in, valid until finish. */
const char *fitted(ExplainText *text, const char *template);

/* A size, and the span from then to now (or from now to then), as people read them. Valid until finish. */
const char *size(ExplainText *text, uint64_t kib);
const char *since(ExplainText *text, uint64_t then_usec);

/* What keeps the guest, which takes part in the sharing, from all that it wants; PLAN_RULE_SATISFIED: nothing does. */
PlanRule shared_limit(const ExplainText *text);

/* Its control group has a memory.max. */
bool has_max(const ExplainText *text);

/* Takes part in the sharing, or would if it were not only observed. */
bool is_sharing(const GuestPlan *guest);

/*
 * Up to three other guests with the largest scores above 0, as "web (2 GiB), db (1 GiB)", described by describe.
 * NULL when there are none. Valid until finish.
 */
const char *others(ExplainText *text, uint64_t (*score)(const GuestPlan *other),
                   const char *(*describe)(ExplainText *text, const GuestPlan *other));
/* For others: what is booked for a guest, and that as text. */
uint64_t committed_score(const GuestPlan *other);
const char *committed_text(ExplainText *text, const GuestPlan *other);
