/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else on this host kills processes when memory is short, and whether that may be a guest. */

#include "checks.h"

#include <stdint.h>

/* guests: of GuestFile. reserve: what is kept for the host, in bytes; 0: not known. root: "" for this host. */
void killer_checks_add(GPtrArray *checks, const GPtrArray *guests, const char *root, uint64_t reserve);
