/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "dm-ctl start" shows while it waits. */

#include "client.h"

/*
 * One line: how far the start of the guest with that uuid is, what others have given up since first was read, and who still
 * gives. name is printed as it is. Both arrays are of GuestView. Caller frees.
 */
char *start_progress_text(const char *uuid, const char *name, GPtrArray *first, GPtrArray *now);
