/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which guests are restarting: they may be given a paging file, and are served before others share. */

#include "snapshot.h"

/*
 * What the present boot of a running guest is; of one that is off, what a start at now_usec would be. A guest that ran
 * before it was seen has booted at a time nobody knows: that is no restart. window_usec: [SmartPaging] RestartWindowSec=.
 */
RestartKind restart_of_guest(const GuestSnapshot *guest, uint64_t window_usec, uint64_t now_usec);
