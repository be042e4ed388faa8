/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What rules.c's table has no single sentence for: each of these says why a guest under its rule has what it has. */

#include "explain_text.h"

void why_shortage(ExplainText *text);
void why_wait_free(ExplainText *text);
void why_wait_surplus(ExplainText *text);
void why_small(ExplainText *text);
void why_stale(ExplainText *text);
void why_bound(ExplainText *text);
void why_observe(ExplainText *text);
void why_starting(ExplainText *text);
void why_let_go(ExplainText *text);
void why_stuck(ExplainText *text);
void why_frozen(ExplainText *text);

/* The figures behind the clause of its rule, as a template; NULL: none. */
const char *figure_settling(const ExplainText *text);
const char *figure_bound(const ExplainText *text);
const char *figure_observe(const ExplainText *text);
