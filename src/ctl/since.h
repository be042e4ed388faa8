/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far back somebody wants to look. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Reads "90s", "15min" (or "15m"), "2h" or "1d"; or "22:00", the last time that the clock here showed that, seen from now_sec
 * (since 1970). Returns false and sets error (G_OPTION_ERROR) when text is anything else, or no time at all.
 */
bool since_parse(const char *text, uint64_t now_sec, uint64_t *seconds, GError **error);
