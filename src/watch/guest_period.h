/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How often guests' drivers report: what is wished, whether it must be told, and what is put back at the end. The calls
 * themselves are guest_calls.c's.
 */

#include "monitor_call.h"
#include "watch_private.h"

/* GuestWorld's set_period and ask_now, with their contracts. */
void guest_period_set(Watch *watch, const char *uuid, uint32_t seconds);
void guest_period_ask(Watch *watch, const char *uuid);

/* The guest's period is another than the one wished, and it may be told now. */
bool guest_period_is_due(const Watch *watch, const Guest *guest);
/* The call that told it has ended. */
void guest_period_end_call(Guest *guest, const MonitorCall *call);

/* It is to be asked to report at once, and may be; that is noted as being under way then. */
bool guest_period_take_ask(const Watch *watch, Guest *guest);
/* The call that did so has ended. */
void guest_period_end_ask(Watch *watch, Guest *guest, const MonitorCall *call);

/* Puts the periods back that were changed, then calls watch->stop.done, at the latest at deadline_usec. */
void guest_period_restore_all(Watch *watch, uint64_t deadline_usec);
/* A call has ended, or hangs: it may have been the last that the stop waits for. */
void guest_period_check_stop(Watch *watch);
