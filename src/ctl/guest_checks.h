/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "dm-ctl check" sees of guests in files of this host, without the daemon. */

#include "checks.h"
#include "settings.h"

/* guests: of GuestFile. Their definitions, and the limits above their groups. root: "" for this host. */
void guest_checks_add(GPtrArray *checks, const GPtrArray *guests, const char *root, const Settings *settings);
