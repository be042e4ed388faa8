/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is there, read from libvirt: the list of all guests at each connect, then each guest by itself, and one
 * guest again whenever an event gives reason to. All of these calls wait for guests' locks, which libvirtd holds
 * while a hook runs; they have a pool of their own, and nothing waits for them.
 *
 * While a hook waits for our answer nobody is listed, and its guest is not read (hooks.h). What is put off is done as soon
 * as it may be. A connection that is made meanwhile begins with the guests that are known by name: those seen before, and
 * those that ran when the daemon ended.
 */

#include "watch_private.h"

/* Lists all guests and reads each of them. The only call that walks them all. */
void inventory_start(Watch *watch);
/* The connection is gone: what was known stays, with a gap. */
void inventory_stop(Watch *watch);
/*
 * Guests may run that have not been read since the daemon began: those that ran under an earlier daemon, which are known by name, and
 * those that are about to be listed. While a hook waits nobody is listed, so the latter do not count then: a host that has just booted
 * starts guests before it can be asked for them.
 */
bool inventory_unread(const Watch *watch);
/* Reads one guest, or once more when it is being read. */
void inventory_read_guest(Watch *watch, Guest *guest);
/* The hooks that wait are others: takes back what may not be begun now, and does what was put off. */
void inventory_follow_hooks(Watch *watch);
