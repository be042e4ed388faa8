/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libvirt's events of guests, as changes of the registry. An event says too little to rely on (no XML, no
 * time, and REBOOT is both reset and reboot): most are followed by a reading of the guest.
 */

#include "watch_private.h"

#include <libvirt/libvirt.h>

/* An event connection with its registered callbacks. An atomic rc box: each callback holds a reference. */
typedef struct EventHooks EventHooks;

/*
 * Registers for everything that connection can tell; takes it over in any case. Returns NULL and error when
 * not even lifecycle events are to be had. Blocks: not for the main thread.
 */
EventHooks *events_register(virConnectPtr connection, WatchHandle *handle, GError **error);

/* Unregisters and closes the connection, on a thread of its own. */
void events_close(EventHooks *hooks);
