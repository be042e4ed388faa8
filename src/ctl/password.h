/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who asks on a terminal for the administrator's password that polkit may want: polkit's own pkttyagent, as with systemctl. Logged
 * in through ssh or on a console there is nobody else who would.
 */

#include <gio/gio.h>
#include <stdbool.h>

/*
 * Whether polkit may ask whoever runs this, and by whom: G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION where the standard
 * input is a terminal, else none. Where it is one, and not root's, the first call starts pkttyagent, which ends with this
 * process, and waits until it can be asked, for some seconds at most. here: the daemon is on this host; polkit of another one
 * can't ask an agent here.
 */
GDBusCallFlags password_call_flags(bool here);
