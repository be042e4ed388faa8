/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "There is no guest 'wbe'; near ones are 'web'": which names somebody may have meant. */

#include <glib.h>

/*
 * Up to three of names (of const char *) that are near to wanted: of another case, holding it, or at most two
 * letters off. Returns them cleaned, in quotes and with commas, nearest first; NULL if there are none. Caller
 * frees.
 */
char *nearest_names(const GPtrArray *names, const char *wanted);
