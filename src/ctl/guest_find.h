/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guest that somebody names to dm-ctl. The one place that knows beginnings of names: the daemon takes whole names
 * and UUIDs only. All functions: the view stays one of guests (of GuestView). NULL and DYNMEM_ERROR_NOT_FOUND where there is
 * none, with names that are near; or where several may be meant, with theirs.
 */

#include "client.h"

/* By its whole name or UUID, else by a beginning of its name that no other has. For looking. */
const GuestView *guest_find(GPtrArray *guests, const char *wanted, GError **error);

/* By its whole name or UUID only. For changing: a guest that came meanwhile must not be meant by what meant another. */
const GuestView *guest_find_whole(GPtrArray *guests, const char *wanted, GError **error);

/*
 * All guests, of the daemon; wanted: the names that were given, with NULL behind them. Where one is not there it is waited for,
 * for a second: a guest that libvirt was told of a moment ago. Owned by the caller; NULL and error set where nobody answers.
 */
GPtrArray *guest_find_read(GDBusConnection *bus, char *const *wanted, GError **error);
