/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ways to more memory that several rules share. Each says as many sentences as there are ways, maybe none. */

#include "explain_text.h"

/* Nobody else takes part in the sharing: priorities and minimums decide nothing. */
bool shares_alone(const ExplainText *text);

void raise_maximum(ExplainText *text);
void raise_minimum(ExplainText *text);
void raise_priority(ExplainText *text);
void take_from_others(ExplainText *text);
void raise_budget(ExplainText *text);

/* It lacks nothing, so what it gets follows what it needs. */
void need_more(ExplainText *text);

/* The rules that limit a share. */
void settle_shortage(ExplainText *text);
void settle_minimums(ExplainText *text);
void settle_pressure(ExplainText *text);

/* Whatever delays its share: what would make the share larger. */
void enlarge_share(ExplainText *text);

/* Of those whose memory dynmem does not move. */
void set_by_hand(ExplainText *text);

/* Of one rule each, beside the sentence in the table. */
void more_wait_free(ExplainText *text);
void more_surplus(ExplainText *text);
void more_bound(ExplainText *text);
void more_bar(ExplainText *text);
void more_observe(ExplainText *text);
void more_let_go(ExplainText *text);
void more_frozen(ExplainText *text);
