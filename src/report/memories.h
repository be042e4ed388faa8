/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was told lately, by uuid: structs of one kind in a table, each of which begins with `char uuid[37]`, its key. */

#include "plan.h"

/* free_memory: of one struct. Free with g_hash_table_unref. */
GHashTable *memories_new(GDestroyNotify free_memory);

/* The struct of that uuid, of size bytes; a new one is zero but for its uuid. The table's. */
void *memories_make(GHashTable *memories, const char *uuid, size_t size);

/* Frees the structs of guests that are off in plan, or not there. */
void memories_forget_off(GHashTable *memories, const Plan *plan);
