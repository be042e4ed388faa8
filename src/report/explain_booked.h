/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What explain says of what a guest has and is booked at, and of the rules that come from that. */

#include "explain_text.h"
#include "units.h"

/* Less than this in its group besides its memory is not worth a word. */
#define OTHER_WORTH_KIB (64 * KIB_PER_MIB)

/* What it has, what it was told, what is booked for it and on what ground, and what no balloon reaches of it. */
void say_what_it_has(ExplainText *text);

/* Why the guest has what it has, one function a rule. */
void why_let_be(ExplainText *text);
void why_bound(ExplainText *text);
void why_brought(ExplainText *text);
void why_let_go(ExplainText *text);

/* What would have to change for it to get more. */
void more_bound(ExplainText *text);
void more_let_go(ExplainText *text);
