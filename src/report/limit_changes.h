/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of changes.h that concerns limits on the guests' control groups. */

#include "change.h"

typedef struct LimitChanges LimitChanges;

LimitChanges *limit_changes_new(void);
void limit_changes_free(LimitChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LimitChanges, limit_changes_free)

/* Appends what is new in now against before (NULL for the first tick) to list. */
void limit_changes_compare(LimitChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list);
