/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One guest as libvirt tells it: the calls that read it, and what their answers mean. On a lane's thread. */

#include "registry.h"
#include "virt.h"

/*
 * Fills reading, whose uuid and begun_usec are set, but for started_usec. pid_directory: see process.h. None of the calls
 * enters the guest's monitor; each waits for its lock (virDomainObj). Returns false with error (DYNMEM_ERROR_NOT_FOUND: there
 * is no such guest); what was found until then is reading's.
 */
bool guest_read(VirtLane *lane, const char *pid_directory, GuestReading *reading, GError **error);
