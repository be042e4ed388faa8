/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls to the kernel that fail as a test says. They are put in the place of the C library's, for the whole program and for
 * the libraries that it uses. And a clock that a test moves on.
 */

#include <stdint.h>

/* The call is done for its first byte only. */
#define FAKE_CALL_SHORT (-1)

/*
 * Asked before each call, on the thread that makes it: its name, and the path of what it is about ("" where it is about none).
 * Returns the errno that it fails with, FAKE_CALL_SHORT, or 0: it goes through. NULL: all do.
 */
extern int (*fake_calls_judge)(const char *call, const char *path);

/* The next so many calls of that name, of those whose path ends so, fail likewise. Takes the place of what was told before; 0 times: none. */
void fake_calls_fail(const char *call, const char *path_end, int times, int why);

/* What g_get_monotonic_time says beyond the truth. */
extern int64_t fake_clock_ahead_usec;
