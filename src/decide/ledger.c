/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/ledger.h"

#include "decide/faults.h"
#include "decide/pass.h"
#include "units.h"

#include <string.h>

/* ---- who has an entry ---- */

static void
make_room(Ledger *ledger, size_t count)
{
    if (count <= ledger->capacity)
        return;
    ledger->capacity = MAX(count, ledger->capacity * 2);
    ledger->entries = g_renew(LedgerEntry, ledger->entries, ledger->capacity);
    ledger->spare = g_renew(LedgerEntry, ledger->spare, ledger->capacity);
    ledger->of_guest = g_renew(uint32_t, ledger->of_guest, ledger->capacity);
    ledger->of_start = g_renew(uint32_t, ledger->of_start, ledger->capacity);
}

/* No starts, now and before, and the same guests: entry i is guest i's still. */
static bool
is_unchanged(const Ledger *ledger, const Snapshot *snapshot)
{
    if (snapshot->start_count > 0 || ledger->count != snapshot->guest_count)
        return false;
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->entries[i].asked || strcmp(ledger->entries[i].uuid, snapshot->guests[i].uuid) != 0)
            return false;
    return true;
}

/* What is remembered of the guests from this entry on. */
static void
forget(Ledger *ledger, size_t from)
{
    for (size_t i = from; i < ledger->count; i++)
        g_free(ledger->entries[i].memory);
}

/* A walk over three sorted lists: the entries there are, the guests, the starts. */
static void
merge(Ledger *ledger, const Snapshot *snapshot)
{
    size_t old = 0, guest = 0, start = 0, count = 0;
    LedgerEntry *merged;

    while (guest < snapshot->guest_count || start < snapshot->start_count) {
        const char *guest_uuid = guest < snapshot->guest_count ? snapshot->guests[guest].uuid : NULL;
        const char *start_uuid = start < snapshot->start_count ? snapshot->starts[start]->uuid : NULL;
        int order = guest_uuid == NULL ? 1 : start_uuid == NULL ? -1 : strcmp(guest_uuid, start_uuid);
        const char *uuid = order <= 0 ? guest_uuid : start_uuid;
        LedgerEntry *entry = &ledger->spare[count];

        g_assert(uuid != NULL);
        while (old < ledger->count && strcmp(ledger->entries[old].uuid, uuid) < 0)
            g_free(ledger->entries[old++].memory);
        if (old < ledger->count && strcmp(ledger->entries[old].uuid, uuid) == 0) {
            *entry = ledger->entries[old++];
        } else {
            *entry = (LedgerEntry){.ground = GROUND_NONE};
            g_strlcpy(entry->uuid, uuid, sizeof entry->uuid);
        }
        /* of one that an earlier daemon let in and that is there already its run begins with that */
        if (order >= 0 && !entry->open) {
            entry->start_kib = MAX(entry->start_kib, snapshot->starts[start]->booked_kib);
            entry->restart = snapshot->starts[start]->restart;
        }
        entry->asked = order >= 0;
        entry->begun = order >= 0 && snapshot->starts[start]->begun && !snapshot->starts[start]->waiting;
        entry->guest = order <= 0 ? guest : SIZE_MAX;
        if (order > 0) {
            ledger_close(entry);
            g_clear_pointer(&entry->memory, g_free);
        }
        if (order <= 0)
            ledger->of_guest[guest++] = (uint32_t)count;
        if (order >= 0)
            ledger->of_start[start++] = (uint32_t)count;
        count++;
    }
    forget(ledger, old);
    merged = ledger->spare;
    ledger->spare = ledger->entries;
    ledger->entries = merged;
    ledger->count = count;
}

void
ledger_match(Ledger *ledger, const Snapshot *snapshot)
{
    make_room(ledger, snapshot->guest_count + snapshot->start_count);
    if (!is_unchanged(ledger, snapshot))
        merge(ledger, snapshot);
}

void
ledger_clear(Ledger *ledger)
{
    forget(ledger, 0);
    g_free(ledger->entries);
    g_free(ledger->spare);
    g_free(ledger->of_guest);
    g_free(ledger->of_start);
    *ledger = (Ledger){.count = 0};
}

/* ---- what is booked ---- */

void
ledger_close(LedgerEntry *entry)
{
    if (!entry->asked) {
        entry->start_kib = 0;
        entry->restart = RESTART_NONE;
    }
    entry->open = false;
    entry->granted_kib = entry->balloon_kib = entry->resident_kib = entry->slack_kib = entry->lent_kib = 0;
    entry->booked_kib = entry->start_kib;
    if (entry->start_kib == 0)
        entry->overhead_kib = 0;
    entry->ground = entry->start_kib != 0 ? GROUND_START : GROUND_NONE;
}

void
ledger_open(LedgerEntry *entry, uint64_t granted_kib)
{
    entry->open = true;
    entry->restart = RESTART_NONE;
    entry->presumed = false;
    entry->granted_kib = granted_kib;
}

void
ledger_go_on(LedgerEntry *entry)
{
    entry->start_kib =
        MAX(entry->start_kib, entry->granted_kib + (broken(FAULT_FORGET_DEVICES) ? 0 : entry->fixed_kib));
}

/* While all that holds it is its limit its balloon means nothing. */
static LedgerTrust
trust_in(const Work *work)
{
    return work->limited ? LEDGER_TRUSTS_NOTHING : work->standing.trust;
}

/* What it holds of memory that is its own, with what the kernel gives back to it whatever its limit is. */
static uint64_t
holds(const Work *work)
{
    return saturating_sub(saturating_add(work->guest->resident_kib, paging_coming_back(work->guest)),
                          work->overhead_kib);
}

/* What its balloon leaves it at most, however its limit stands. */
static uint64_t
balloon_of(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    LedgerTrust trust = trust_in(work);
    bool arrives = guest->migrating && guest->life != GUEST_LIFE_RUNNING;
    uint64_t actual = guest->has_actual ? guest->actual_kib : guest->settings->maximum_kib;
    uint64_t told = work->memory->target_kib;

    if (broken(FAULT_COUNT_TARGET_ONLY) && guest->target_known)
        actual = told;
    if (broken(FAULT_TARGET_UNDER_WAY) && !guest->target_known)
        told = 0;
    if (trust == LEDGER_TRUSTS_BALLOON && !work->unbounded)
        return MAX(actual, told);
    if (trust != LEDGER_TRUSTS_BROUGHT)
        return MAX(guest->settings->maximum_kib, MAX(actual, told));
    /* of one that is still arriving the size is not loaded yet (virtio-balloon's state comes last) */
    told = MAX(MAX(work->entry->granted_kib, told), MAX(arrives || !guest->has_actual ? 0 : actual, holds(work)));
    /* nobody booked it, and nothing is known of it: it may have brought all that it can have; so may one that was reverted in
       place, within a limit that is of what it was before */
    return told != 0 && (guest->has_actual || !work->held) ? told : MAX(told, guest->settings->maximum_kib);
}

/*
 * What its limit lets in for page cache, and the guest could take in the end. Where its balloon is not believed it is part of what
 * is booked anyway.
 */
static uint64_t
still_lent(const Work *work)
{
    const GuestSettings *settings = work->guest->settings;
    uint64_t could = MIN(work->enforced_kib, settings->maximum_kib) + settings->fixed_kib;

    if (!work->lends || trust_in(work) != LEDGER_TRUSTS_BALLOON || !work->held || broken(FAULT_LEND_UNBOOKED))
        return 0;
    return saturating_sub(could, work->entry->booked_kib);
}

/* What its balloon leaves it of what it sees. Where that is less than its minimum it is told more in a moment. */
static uint64_t
seen_of(const Work *work)
{
    uint64_t balloon = work->entry->balloon_kib;

    return MAX(saturating_sub(balloon, work->unseen_kib), MIN(work->guest->settings->minimum_kib, balloon));
}

void
ledger_book(const Work *work)
{
    const GuestSnapshot *guest = work->guest;
    const GuestSettings *settings = guest->settings;
    LedgerEntry *entry = work->entry;
    LedgerTrust trust = trust_in(work);
    uint64_t slack = limit_in_force(guest) ? work->slack_kib : 0;
    bool held = work->held;
    uint64_t may;

    /* it was granted what was booked for its start, less its devices: of these it is known only now what they are */
    if (entry->presumed && !settings->presumed)
        entry->granted_kib = saturating_sub(entry->start_kib, settings->fixed_kib);
    /* the XML that was started is in what was booked, and may not be in its settings yet */
    if (!entry->asked && !settings->presumed)
        entry->start_kib = 0;
    entry->presumed = settings->presumed && entry->start_kib != 0;
    /* nor can it hold what it has no memory for any more: a dimm was pulled */
    if (!settings->presumed)
        entry->granted_kib = MIN(entry->granted_kib, settings->maximum_kib);
    entry->overhead_kib = work->overhead_kib;
    entry->fixed_kib = settings->fixed_kib;
    entry->resident_kib = work->memory->overhead.resident_kib;
    entry->enforced_kib = work->enforced_kib;
    entry->balloon_kib = balloon_of(work);
    if (trust == LEDGER_TRUSTS_FULL) {
        /* its XML may say otherwise when it is read */
        if (!settings->presumed)
            entry->granted_kib = entry->balloon_kib;
        entry->booked_kib =
            MAX(saturating_sub(entry->balloon_kib + settings->fixed_kib, settings->hugepages_kib), holds(work));
        entry->ground = GROUND_FULL;
    } else {
        /* what is granted follows the balloon down; up only where nothing is to hold it, once its limit had time to be set */
        if ((trust == LEDGER_TRUSTS_BROUGHT || (trust == LEDGER_TRUSTS_BALLOON && held)) &&
            !broken(FAULT_FOLLOW_BALLOON))
            entry->granted_kib = MIN(seen_of(work), entry->granted_kib);
        else if (trust != LEDGER_TRUSTS_NOTHING ||
                 (!held && (!work->wants_limit || !pass_limit_may_come(work) || broken(FAULT_GRANT_UNHELD))))
            entry->granted_kib = entry->balloon_kib;
        /* what it brings, or takes in its boot, comes in before any limit is there */
        if (!held)
            entry->granted_kib = MAX(entry->granted_kib, MIN(holds(work), entry->balloon_kib));
        /* what it does not see it is told in a moment, on top of what it is granted */
        if (trust == LEDGER_TRUSTS_BALLOON)
            entry->balloon_kib = MAX(entry->balloon_kib, entry->granted_kib + work->unseen_kib);
        if (work->adrift && !broken(FAULT_TAKE_ITS_WORD))
            entry->balloon_kib = MAX(entry->balloon_kib, settings->maximum_kib);
        may = MAX(entry->granted_kib, work->enforced_kib);
        entry->ground = entry->balloon_kib > may         ? GROUND_LIMIT
                        : trust == LEDGER_TRUSTS_BALLOON ? GROUND_BALLOON
                        : trust == LEDGER_TRUSTS_BROUGHT ? GROUND_BROUGHT
                                                         : GROUND_MAXIMUM;
        entry->booked_kib = MIN(entry->balloon_kib, may) + settings->fixed_kib;
        /* a limit takes nothing back that can't be swapped out, and is not set below that; and a QEMU may have been sent here with more
           than its XML says */
        if (held || trust == LEDGER_TRUSTS_NOTHING)
            entry->booked_kib = MAX(entry->booked_kib, saturating_sub(holds(work), slack + slack / 2));
    }
    entry->slack_kib = entry->ground == GROUND_LIMIT ? slack : 0;
    entry->lent_kib = still_lent(work);
    /* memory.max holds whatever else is believed */
    entry->booked_kib = MIN(entry->booked_kib, memory_max(guest));
    entry->booked_kib = MIN(MAX(entry->booked_kib, entry->start_kib), KIB_LIMIT);
}

void
ledger_grant(LedgerEntry *entry, uint64_t kib)
{
    entry->granted_kib += kib;
    entry->booked_kib = MAX(entry->booked_kib, entry->granted_kib + entry->fixed_kib);
}

void
ledger_tell(LedgerEntry *entry, uint64_t target_kib, uint64_t unseen_kib)
{
    entry->balloon_kib = MAX(entry->balloon_kib, target_kib);
    entry->granted_kib = MAX(entry->granted_kib, saturating_sub(target_kib, unseen_kib));
    /* a limit that is not down at what is granted yet lets it hold what it does not see */
    entry->booked_kib =
        MAX(entry->booked_kib, MIN(target_kib, MAX(entry->granted_kib, entry->enforced_kib)) + entry->fixed_kib);
}

void
ledger_lend(LedgerEntry *entry, uint64_t kib)
{
    entry->lent_kib = MAX(entry->lent_kib, kib);
}

void
ledger_reserve(LedgerEntry *entry, uint64_t kib, uint64_t overhead_kib)
{
    entry->start_kib = kib;
    if (entry->open) {
        entry->booked_kib = MAX(entry->booked_kib, kib);
        return;
    }
    entry->overhead_kib = overhead_kib;
    entry->booked_kib = kib;
    entry->ground = kib + overhead_kib > 0 ? GROUND_START : GROUND_NONE;
}

/* ---- sums ---- */

uint64_t
ledger_taken(const Ledger *ledger)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ledger->count; i++)
        sum += ledger->entries[i].booked_kib + ledger->entries[i].lent_kib;
    return sum;
}

LedgerSums
ledger_sums(const Ledger *ledger)
{
    LedgerSums sums = {.committed_kib = 0};

    for (size_t i = 0; i < ledger->count; i++) {
        const LedgerEntry *entry = &ledger->entries[i];
        uint64_t all = entry->booked_kib + entry->overhead_kib;

        sums.committed_kib += entry->booked_kib;
        sums.reserved_kib += entry->start_kib;
        sums.overhead_kib += entry->overhead_kib;
        sums.resident_kib += entry->resident_kib;
        sums.slack_kib += MIN(saturating_sub(entry->resident_kib, all), entry->slack_kib);
        if (entry->resident_kib == 0 && (entry->open || entry->begun))
            sums.unseen_kib += all;
        else
            sums.untouched_kib += saturating_sub(all, entry->resident_kib);
    }
    return sums;
}
