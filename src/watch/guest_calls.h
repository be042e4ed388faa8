/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The calls that enter a guest's monitor: how is your memory, take this target, report so often. They can hang
 * with the guest and can't be cancelled (qemu_monitor.c, qemuMonitorSend waits without a timeout). A guest has at
 * most one; what else is wanted of it waits in its Guest, the newest target first, then the period, then the
 * question for a report, then whether a job holds it.
 */

#include "watch_private.h"

/* GuestWorld's, with their contracts. */
void guest_calls_collect(Watch *watch, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data),
                         void *user_data);
void guest_calls_set_target(Watch *watch, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data);

/* Calls may be made now: the connection is up and the inventory complete. */
bool guest_calls_possible(const Watch *watch);

/* Begins what is wanted of the guest, as far as that is possible now; drops what has become pointless. */
void guest_calls_settle(Watch *watch, Guest *guest);
void guest_calls_settle_all(Watch *watch);
/* The hooks that wait are others: takes back what may not be begun now, and begins what was put off. */
void guest_calls_follow_hooks(Watch *watch);
/* The guest is about to be removed. */
void guest_calls_forget(Watch *watch, Guest *guest);
/* The connection is gone: whoever waits is told. */
void guest_calls_disconnect(Watch *watch);
