/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of changes.h that concerns paging files: made, taken over, pressed for, overdue, gone, not to be had. */

#include "change.h"

typedef struct PagingChanges PagingChanges;

PagingChanges *paging_changes_new(void);
void paging_changes_free(PagingChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PagingChanges, paging_changes_free)

/* Appends what is new in now to list. Call it at every tick. */
void paging_changes_compare(PagingChanges *changes, const TickReport *now, GPtrArray *list);
