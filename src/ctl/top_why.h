/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why one guest has as much as it has, as "top" shows it: asked of the daemon without blocking, again and again. */

#include "client.h"

typedef struct TopWhy TopWhy;

/* Asks about guest. changed is called when there is something new to show. Free with top_why_free. */
TopWhy *top_why_new(GDBusConnection *bus, const GuestView *guest, void (*changed)(void *user_data), void *user_data);

/* changed is not called any more. Accepts NULL. */
void top_why_free(TopWhy *why);

/* Asks again, unless an answer is awaited. */
void top_why_ask(TopWhy *why);

/* What is known, or why nothing is, as lines; clean (text_clean). Caller frees. */
char *top_why_text(const TopWhy *why, unsigned columns);
