/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of changes.h that concerns single guests. */

#include "change.h"

typedef struct GuestChanges GuestChanges;

GuestChanges *guest_changes_new(void);
void guest_changes_free(GuestChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestChanges, guest_changes_free)

/* Appends what is new in now against before (NULL for the first tick) to list. */
void guest_changes_compare(GuestChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list);
