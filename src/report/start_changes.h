/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of changes.h that concerns starts: what is asked for, waited for, admitted and refused. */

#include "change.h"

typedef struct StartChanges StartChanges;

StartChanges *start_changes_new(void);
void start_changes_free(StartChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StartChanges, start_changes_free)

/* Appends what is new in now to list. Call it at every tick, with first for the first one. */
void start_changes_compare(StartChanges *changes, bool first, const TickReport *now, GPtrArray *list);
