/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The part of changes.h that concerns what is believed of guests and what is not to be had of them: balloons that somebody
 * else moves, limits that hold a guest below its balloon, guests that are let be or let go, memory no balloon reaches.
 */

#include "change.h"

typedef struct LedgerChanges LedgerChanges;

LedgerChanges *ledger_changes_new(void);
void ledger_changes_free(LedgerChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LedgerChanges, ledger_changes_free)

/* Appends what is new in now against before (NULL for the first tick) to list. */
void ledger_changes_compare(LedgerChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list);
