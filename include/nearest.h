/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds what somebody meant who wrote a name that does not exist. */

#include <stddef.h>

/*
 * Returns the one of names that differs from name by case only or by one or two letters (added, left
 * out, exchanged or swapped), the closest of them, or NULL where none is that close.
 */
const char *nearest_name(const char *name, const char *const *names, size_t count);

/*
 * Up to most of names that are near to name: of another case, holding it or held by it, or at most two letters off;
 * nearest first. Returns an array that ends with NULL and is empty where there are none; the caller frees it with
 * g_free, the names in it stay their owner's.
 */
const char **nearest_names(const char *name, const char *const *names, size_t count, size_t most);
