/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The part of changes.h that concerns the settings of guests, however they were changed: dm-ctl, virsh, D-Bus, or a start with
 * what had been set for it.
 */

#include "change.h"

typedef struct SettingsChanges SettingsChanges;

SettingsChanges *settings_changes_new(void);
void settings_changes_free(SettingsChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SettingsChanges, settings_changes_free)

/* Appends what is in force since now, and was not before, to list. Call it at every tick. */
void settings_changes_compare(SettingsChanges *changes, const TickReport *now, GPtrArray *list);
