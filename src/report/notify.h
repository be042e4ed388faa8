/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What systemd is told of the daemon: READY=1, STATUS=, RELOADING=1, STOPPING=1, WATCHDOG=1. Nothing happens where
 * systemd did not start it.
 */

#include "outcome.h"

typedef struct Notify Notify;

Notify *notify_new(void);
void notify_free(Notify *notify);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Notify, notify_free)

/* What the start still waits for, for STATUS=; NULL: nothing, it is ready. READY=1 goes out once. */
void notify_waiting(Notify *notify, const char *what);
/* A tick was completed: STATUS= where it is another, WATCHDOG=1. link_text may be NULL. */
void notify_tick(Notify *notify, const TickReport *report, const char *link_text);
void notify_reloading(Notify *notify);
/* After notify_reloading. */
void notify_reloaded(Notify *notify);
void notify_stopping(Notify *notify);

/* The one line of STATUS=. Caller frees. */
char *notify_status_text(const TickReport *report, const char *link_text);
