/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/guest_memory.h"

#include "units.h"

#include <string.h>

static void
reserve(GuestMemories *memories, size_t count)
{
    size_t capacity = MAX(MAX(count, 2 * memories->capacity), 16);

    if (count <= memories->capacity)
        return;
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
    for (size_t i = 0; i < memories->count; i++)
        if (strcmp(memories->guests[i].uuid, snapshot->guests[i].uuid) != 0)
            return false;
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

/* A guest that dies so soon after it was squeezed, so often, is let be for so long, and longer each time. */
#define FRAIL_SOON_USEC (60 * USEC_PER_SEC)
#define FRAIL_RESETS 2
#define FRAIL_REST_USEC (600 * USEC_PER_SEC)
#define FRAIL_DOUBLINGS 4
/* After so long without, it is as any other. */
#define FRAIL_FORGET_USEC (6 * 3600 * USEC_PER_SEC)

static FrailMemory
note_reset(const GuestMemory *memory, uint64_t now_usec)
{
    FrailMemory frail = memory->frail;

    if (now_usec - frail.reset_usec >= FRAIL_FORGET_USEC)
        frail.resets = 0;
    if (memory->shrunk_usec == 0 || now_usec - memory->shrunk_usec >= FRAIL_SOON_USEC)
        return frail;
    frail.resets++;
    frail.reset_usec = now_usec;
    if (frail.resets >= FRAIL_RESETS)
        frail.until_usec = now_usec + (FRAIL_REST_USEC << MIN(frail.resets - FRAIL_RESETS, FRAIL_DOUBLINGS));
    return frail;
}

/* Balloon, statistics and the judgement of both belong to one boot; what QEMU costs and its limit survive a reset. */
static void
begin_boot(GuestMemory *memory, const GuestSnapshot *guest, uint64_t now_usec)
{
    GuestMemory fresh = {.seen = true, .begins = true, .serial = guest->serial, .boots = guest->boots};

    memcpy(fresh.uuid, memory->uuid, sizeof fresh.uuid);
    g_strlcpy(fresh.name, guest->name, sizeof fresh.name); /* only a guest that is off can be renamed */
    fresh.running = guest->life != GUEST_LIFE_OFF;
    if (guest->boot_in_place && fresh.running && memory->running && memory->serial == guest->serial) {
        fresh.overhead = memory->overhead;
        fresh.limit = memory->limit;
        fresh.frail = note_reset(memory, now_usec);
        fresh.let_go = memory->let_go; /* its new driver goes to the target that it was squeezed to */
        fresh.told = memory->told;
        fresh.told_kib = memory->told_kib;
        fresh.told_usec = memory->told_usec;
        fresh.nearest_kib = UINT64_MAX;
        fresh.told_unseen_kib = memory->told_unseen_kib;
        fresh.unseen_kib = memory->unseen_kib;
    }
    belief_begin(&fresh.belief, guest, now_usec);
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

        memory->begins = false;
        if (!memory->seen || memory->serial != guest->serial || memory->boots != guest->boots ||
            memory->running != (guest->life != GUEST_LIFE_OFF))
            begin_boot(memory, guest, snapshot->now_usec);
    }
}

void
guest_memories_clear(GuestMemories *memories)
{
    g_clear_pointer(&memories->guests, g_free);
    g_clear_pointer(&memories->spare, g_free);
    memories->count = memories->capacity = 0;
}
