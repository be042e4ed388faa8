/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Changing dynmem's element in a guest's metadata. libvirt takes the guest's lock and its job for it (qemu_driver.c,
 * qemuDomainSetMetadata), which a migration or a call into a guest that hangs can keep for as long as they take: libvirt
 * gives up after half a minute. So these calls have connections of their own.
 */

#include "watch_private.h"

/* GuestWorld's, with its contract. */
void guest_element_edit(Watch *watch, const char *uuid, ElementWork work, void *data, GDestroyNotify free_data,
                        ElementDone done, void *user_data);
/* The guest was read, and its record shows what was found. */
void guest_element_note_read(Watch *watch, const char *uuid);
/* The hooks that wait are others: takes back what has not begun and may not be begun now. */
void guest_element_follow_hooks(Watch *watch);
/* The daemon ends: those who wait are told. libvirt goes on with what has begun. */
void guest_element_stop(Watch *watch);
