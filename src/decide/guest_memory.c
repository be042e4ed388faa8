/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/guest_memory.h"

#include "units.h"

/* A guest that dies so soon after it was squeezed, so often, is let be for so long, and longer each time. */
#define FRAIL_SOON_USEC (60 * USEC_PER_SEC)
#define FRAIL_RESETS 2
#define FRAIL_REST_USEC (600 * USEC_PER_SEC)
#define FRAIL_DOUBLINGS 4
/* After so long without, it is as any other. */
#define FRAIL_FORGET_USEC (6 * 3600 * USEC_PER_SEC)

RestartKind
restart_of_guest(const GuestSnapshot *guest, uint64_t window_usec)
{
    return guest->adopted ? RESTART_NONE
                          : restart_kind(guest->boot_in_place, guest->boot_resumed, guest->ran_at_host_down,
                                         guest->stop_usec, guest->boot_usec, window_usec);
}

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

/* Balloon, statistics and the judgement of both belong to one boot; what QEMU costs and its limit, which may be on its way, survive
   a reset and a revert in place. */
static void
begin_boot(GuestMemory *memory, const GuestSnapshot *guest, uint64_t now_usec)
{
    /* its QEMU is the one that it was */
    bool goes_on =
        guest->life != GUEST_LIFE_OFF && memory->belief.state != BELIEF_OFF && memory->serial == guest->serial;
    GuestMemory fresh = {.begins = true,
                         .serial = guest->serial,
                         .boots = guest->boots,
                         .belief = {.state = guest->life == GUEST_LIFE_OFF ? BELIEF_OFF
                                             : guest->adopted              ? BELIEF_ADOPTED
                                             : guest->boot_resumed         ? BELIEF_BROUGHT
                                                                           : BELIEF_BOOTING,
                                    .seen_usec = now_usec,
                                    .gap_usec = guest->gap_usec}};

    g_strlcpy(fresh.name, guest->name, sizeof fresh.name); /* only a guest that is off can be renamed */
    if (goes_on && (guest->boot_in_place || guest->boot_resumed)) {
        fresh.overhead = memory->overhead;
        fresh.limit = memory->limit;
    }
    if (goes_on && guest->boot_in_place) {
        fresh.frail = note_reset(memory, now_usec);
        fresh.let_go = memory->let_go; /* its new driver goes to the target that it was squeezed to */
        fresh.told_kib = memory->told_kib;
        fresh.told_usec = memory->told_usec;
        fresh.nearest_kib = UINT64_MAX;
        fresh.unseen_kib = memory->unseen_kib;
    }
    *memory = fresh;
}

GuestMemory *
guest_memory_sync(LedgerEntry *entry, const GuestSnapshot *guest, uint64_t now_usec)
{
    if (entry->memory == NULL)
        entry->memory = g_new0(GuestMemory, 1);
    entry->memory->begins = false;
    if (entry->memory->serial != guest->serial || entry->memory->boots != guest->boots ||
        (entry->memory->belief.state != BELIEF_OFF) != (guest->life != GUEST_LIFE_OFF))
        begin_boot(entry->memory, guest, now_usec);
    return entry->memory;
}
