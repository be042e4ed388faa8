/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/guest_memory.h"

#include <string.h>

static void
reserve(GuestMemories *memories, size_t count)
{
    size_t capacity = MAX(memories->capacity, 16);

    if (count <= memories->capacity)
        return;
    while (capacity < count)
        capacity *= 2;
    memories->guests = g_renew(GuestMemory, memories->guests, capacity);
    g_free(memories->spare);
    memories->spare = g_new(GuestMemory, capacity);
    memories->capacity = capacity;
}

static bool
same_guests(const GuestMemories *memories, const Snapshot *snapshot)
{
    if (memories->count != snapshot->guest_count)
        return false;
    for (size_t i = 0; i < memories->count; i++) {
        if (strcmp(memories->guests[i].uuid, snapshot->guests[i].uuid) != 0)
            return false;
    }
    return true;
}

/* Both are sorted by uuid, so one walk over both finds who stayed, who is new and who is gone. */
static void
merge(GuestMemories *memories, const Snapshot *snapshot)
{
    GuestMemory *merged;
    size_t old = 0;

    reserve(memories, MAX(memories->count, snapshot->guest_count));
    merged = memories->spare;
    for (size_t i = 0; i < snapshot->guest_count; i++) {
        const char *uuid = snapshot->guests[i].uuid;

        while (old < memories->count && strcmp(memories->guests[old].uuid, uuid) < 0)
            old++;
        if (old < memories->count && strcmp(memories->guests[old].uuid, uuid) == 0) {
            merged[i] = memories->guests[old++];
        } else {
            memset(&merged[i], 0, sizeof merged[i]);
            g_strlcpy(merged[i].uuid, uuid, sizeof merged[i].uuid);
        }
    }
    memories->spare = memories->guests;
    memories->guests = merged;
    memories->count = snapshot->guest_count;
}

/* Balloon, statistics and the judgement of both belong to one boot; what QEMU costs and its limit survive a reset. */
static void
begin_boot(GuestMemory *memory, const GuestSnapshot *guest)
{
    GuestMemory fresh = {.seen = true, .boots = guest->boots, .boot_usec = guest->boot_usec};

    memcpy(fresh.uuid, memory->uuid, sizeof fresh.uuid);
    g_strlcpy(fresh.name, guest->name, sizeof fresh.name); /* only a guest that is off can be renamed */
    fresh.running = guest->life != GUEST_LIFE_OFF;
    if (guest->boot_in_place && fresh.running) {
        fresh.overhead = memory->overhead;
        fresh.limit = memory->limit;
        fresh.restart.before_kib = memory->committed_kib;
        fresh.restart.before_limited = memory->restart.limited;
        fresh.restarting = true;
    }
    *memory = fresh;
}

void
guest_memories_sync(GuestMemories *memories, const Snapshot *snapshot)
{
    if (!same_guests(memories, snapshot))
        merge(memories, snapshot);
    for (size_t i = 0; i < memories->count; i++) {
        const GuestSnapshot *guest = &snapshot->guests[i];
        GuestMemory *memory = &memories->guests[i];

        if (!memory->seen || memory->boots != guest->boots || memory->running != (guest->life != GUEST_LIFE_OFF))
            begin_boot(memory, guest);
    }
}

void
guest_memories_clear(GuestMemories *memories)
{
    g_clear_pointer(&memories->guests, g_free);
    g_clear_pointer(&memories->spare, g_free);
    memories->count = memories->capacity = 0;
}
