/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The system bus of another host, through ssh, as systemctl's and busctl's --host has it: there systemd-stdio-bridge carries
 * what it reads to the bus, and back. Who asks is who logs in.
 */

#include <gio/gio.h>

/*
 * The bus of host: [USER@]HOST, with :PORT behind it or as ssh's URL, or a name of ssh's configuration. Blocks for as long as
 * ssh takes, which may ask for a password. Caller unrefs; ssh ends with the connection, and with this process.
 * Errors: G_OPTION_ERROR for what can be no host; DYNMEM_ERROR_DISCONNECTED where there is no bus to be had, after ssh
 * itself has said on the standard error output what it had to say.
 */
GDBusConnection *remote_connect(const char *host, GError **error);
