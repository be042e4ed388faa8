/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a change of a guest's settings comes to, by the rules that its element is read by (guest_element.h): for what it
 * runs with and for what its next start is made from, each for itself.
 */

#include "guest_element.h"
#include "ports.h"

typedef struct SettingsEdit SettingsEdit;

/*
 * ask and settings are copied. startup is the default of startup that counts for a transient guest while it runs: nobody can
 * read it from its XML any more. Returns NULL and sets error (DYNMEM_ERROR_INVALID) where a name or value can't be one.
 */
SettingsEdit *settings_edit_new(const SettingsAsk *ask, const Settings *settings, StartupDefault startup,
                                GError **error);
void settings_edit_free(SettingsEdit *edit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SettingsEdit, settings_edit_free)

/*
 * What it comes to for a guest with these definitions; live_xml is NULL while it is off, inactive_xml for a transient guest.
 * Returns NULL and sets error (DYNMEM_ERROR_INVALID: everything that would be wrong, each with what is expected) where the
 * settings could not all be used then. Any thread.
 */
SettingsChange *settings_edit_plan(const SettingsEdit *edit, const char *live_xml, const char *inactive_xml,
                                   GError **error);

/* An ElementWork of ports.h; edit is a SettingsEdit. Any thread. */
bool settings_edit_elements(void *edit, ElementHalves *halves, GError **error);
