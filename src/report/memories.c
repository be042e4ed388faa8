/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memories.h"

#include "held_tick.h"

GHashTable *
memories_new(GDestroyNotify free_memory)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_memory);
}

void *
memories_make(GHashTable *memories, const char *uuid, size_t size)
{
    char *memory = g_hash_table_lookup(memories, uuid);

    if (memory == NULL) {
        memory = g_malloc0(size);
        g_strlcpy(memory, uuid, MIN(size, 37));
        g_hash_table_insert(memories, memory, memory);
    }
    return memory;
}

void
memories_forget_off(GHashTable *memories, const Plan *plan)
{
    GHashTableIter iter;
    void *uuid;

    g_hash_table_iter_init(&iter, memories);
    while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
        const GuestPlan *guest = plan_find(plan, uuid);

        if (guest == NULL || guest->guest->life == GUEST_LIFE_OFF)
            g_hash_table_iter_remove(&iter);
    }
}
