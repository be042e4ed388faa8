/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What explain says of every guest, whatever its rule. */

#include "explain_text.h"
#include "units.h"

/* Less than this in its group besides its memory is not worth a word. */
#define OTHER_WORTH_KIB (64 * KIB_PER_MIB)

/* What it has, what it was told, what is booked for it and on what ground, and what no balloon reaches of it. */
void say_what_it_has(ExplainText *text);
/* What it needs and wants, if it takes part in the sharing, and what that is taken from. */
void say_what_it_needs(ExplainText *text);
/* What is unusual about it: how it reports, a trial, its settings; and how the host stands. */
void say_what_else(ExplainText *text);
