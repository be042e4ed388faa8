/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starting guests. virDomainCreate returns when libvirt's hooks have been answered and the guest runs, which can take as long
 * as room for it takes to be made; so these calls have connections of their own. There are few of them: each keeps one of
 * libvirtd's twenty workers busy, which the calls that make the room need as well (virtqemud.conf, max_workers).
 */

#include "watch_private.h"

/* GuestWorld's, with its contract. */
void guest_start(Watch *watch, const char *uuid, GuestStartDone done, void *user_data);
/* The daemon ends: those who wait are told. libvirt goes on with what has begun. */
void guest_start_stop(Watch *watch);
