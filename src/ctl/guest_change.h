/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One guest's settings are changed, and it is told what that came to. */

#include "client.h"

#include <json-glib/json-glib.h>

typedef struct GuestChange {
    JsonNode *node;     /* an object: what PreviewGuest of org.dynmem1 tells, and "done" */
    JsonObject *object; /* the same */
    bool dry;
} GuestChange;

/*
 * Changes settings (a{sv} as SetGuest takes it; unset: the whole element is taken out) of guest, or, if dry, only finds out
 * what that would come to. Where nothing is to be changed nobody is asked for it. Returns NULL and sets error where it was
 * not done. Free with guest_change_free.
 */
GuestChange *guest_change_make(GDBusConnection *bus, const GuestView *guest, GVariant *settings, bool unset, bool dry,
                               GError **error);
void guest_change_free(GuestChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestChange, guest_change_free)

bool guest_change_flag(const GuestChange *change, const char *member);

/* Prints what happened to the guest, a table of what is changed, old -> new, and from when on it counts, and what should be
   known of it. Of a guest that is not managed then what it had, as "dm-ctl set" takes it. */
void guest_change_print(const GuestChange *change, bool legend);
/* Prints in one line that it is managed, with the settings that count then; and what should be known of it. */
void guest_change_print_managed(const GuestChange *change);

/* Prints clean text, wrapped to the terminal with so many blanks before each line; in one line where there is none. */
void guest_change_print_line(const char *text, unsigned indent);
