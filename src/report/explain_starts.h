/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What explain says of guests that start or restart, and of those that are squeezed for them. */

#include "explain_text.h"

/* Why the guest has what it has, one function a rule; what the table has a sentence for comes before. */
void why_make_room(ExplainText *text);
void why_reserved(ExplainText *text);
void why_restart(ExplainText *text);
void why_paging(ExplainText *text);
void why_paging_leave(ExplainText *text);

/* The figures behind the clause of its rule, as a template. */
const char *figure_reserved(const ExplainText *text);

/* What would have to change for it to get more. */
void more_make_room(ExplainText *text);
void more_reserved(ExplainText *text);
void more_restart(ExplainText *text);
void more_paging(ExplainText *text);

/* Why its boot counts as a restart, as a clause: "it was reset". NULL for RESTART_NONE. */
const char *restart_text(RestartKind kind);
