/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Asks polkit whether the caller of a method may do something, without ever waiting for the answer: a
 * password prompt can stand open for minutes.
 *
 * It is one method call on the connection that is there already. libpolkit-gobject is not used for it: it would open
 * the shared connection to the system bus, which ends the process when the bus goes away.
 */

#include <gio/gio.h>
#include <stdbool.h>

/* error is NULL when the caller may. Called once, on the main loop's thread, later or before the return. */
typedef void (*AuthorizeDone)(GDBusMethodInvocation *invocation, const GError *error, void *user_data);

/*
 * May the caller of invocation do action? Where polkit does not run, root may and nobody else. The error is of
 * the domain G_DBUS_ERROR, code G_DBUS_ERROR_ACCESS_DENIED, with the reason for people. cancellable:
 * when it is cancelled, done is not called any more, and the invocation is answered with an error.
 */
void authorize(GDBusMethodInvocation *invocation, const char *action, GCancellable *cancellable, AuthorizeDone done,
               void *user_data);

/*
 * Is the caller root, or the user that this daemon runs as? Only the bus is asked, so it works while the host boots,
 * without polkit. The rest is as for authorize.
 */
void authorize_self(GDBusMethodInvocation *invocation, GCancellable *cancellable, AuthorizeDone done, void *user_data);

/*
 * Is the caller root, whom polkit never refuses? Everybody else is, with the reason why: one that outlives the call. Only the bus is
 * asked. The rest is as for authorize.
 */
void authorize_root(GDBusMethodInvocation *invocation, const char *why, GCancellable *cancellable, AuthorizeDone done,
                    void *user_data);
