/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lock of the directory of what is remembered: two daemons must not balance one host, and the bus may not be there to tell. It
 * goes with the process.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Returns false where another process has it: *owner is that process, or 0 where that is not known, and *fd stays. Else *fd
 * is to be closed at the end, or -1 where there is nothing to lock; a file system without locks keeps nobody out.
 *
 * Nor does a process that was killed and can't end, as one of its threads waits for a disk that hangs: it keeps its lock for as long
 * as that lasts, and does nothing any more.
 */
bool state_lock(const char *directory, int *fd, pid_t *owner);
