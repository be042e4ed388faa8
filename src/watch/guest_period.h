/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How often guests' drivers report: what is wished, whether it must be told, and what is put back at the end. The calls
 * themselves are guest_calls.c's.
 */

#include "monitor_call.h"
#include "watch_private.h"

/* GuestWorld's, with its contract. */
void guest_period_set(Watch *watch, const char *uuid, uint32_t seconds);

/* The guest's period is another than the one wished, and it may be told now. */
bool guest_period_is_due(const Watch *watch, const Guest *guest);
/* The call that told it has ended. */
void guest_period_end_call(Guest *guest, const MonitorCall *call);

/* Puts the periods back that were changed, then calls watch->stop.done, at the latest at deadline_usec. */
void guest_period_restore_all(Watch *watch, uint64_t deadline_usec);
/* A call has ended, or hangs: it may have been the last that the stop waits for. */
void guest_period_check_stop(Watch *watch);
