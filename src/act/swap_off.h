/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * swapoff(2) in a process of its own. It reads everything back into memory, which takes long and can't be interrupted
 * within one guest; and whoever calls it is the first to be killed when memory runs out (kernel mm/swapfile.c,
 * set_current_oom_origin). So it is never the daemon, and it lives on when the daemon ends.
 */

#include <glib.h>
#include <stdbool.h>

/* What dynmemd is called with to be that process; the path follows. */
#define SWAP_OFF_OPTION "--swap-off"

/* The process: exits with 0, or the errno of swapoff. */
int swap_off_main(const char *path);

/* As ActSystem.swap_off: this program again. The caller reaps it. */
bool swap_off_spawn(const char *path, GPid *pid, GError **error);
