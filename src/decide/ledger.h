/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ledger: one entry a guest, from the moment its start is asked for until its QEMU is seen gone. An entry says what the
 * guest may hold of the host's memory (booked) and on what ground that is believed (LedgerGround). The functions below change
 * entries, and nobody else does.
 *
 * A guest may hold what its balloon leaves it, as far as the balloon is believed (belief.h): the larger of its size and of
 * every target that may be in force. And it may hold what memory.high lets it have, where a limit is seen in force. It is
 * booked at the smaller of the two. What it was *granted* is where the two meet: targets that were told, what was booked for
 * its start, what it had when it was taken over; a limit is kept at that (limit.h). So a balloon that grows by itself, or
 * that means nothing after a reset, is held back at what was granted, and costs nobody else anything. What a balloon takes is
 * its guest's word: it is booked no less than what QEMU is seen to keep, nor than a limit lets it have that should be lower by
 * now. Nor does memory cost anything that a guest's kernel does not see (snapshot.h, unseen_kib) while a limit holds the guest:
 * its balloon counts it, and its entry does not.
 *
 * A limit may let in more than that, for the page cache of its disks (pass_lend.c). What is so *lent* is booked beside the rest, out
 * of free memory, as a guest that is reset could take it.
 *
 * Rule G: an entry is raised only while the sum of all entries plus the raise fits the budget (budget.h). Rule S: lowering a
 * target is always allowed, since what is granted follows the balloon down and never before it. Together: memory is freed
 * first and given after it is seen to be free. Sums are worked out from the entries whenever they are asked for.
 */

#include "decide/budget.h"

struct Work;

/* Sizes without what memory devices hold (fixed_kib), but for booked_kib and start_kib. */
typedef struct LedgerEntry {
    char uuid[37];
    LedgerGround ground;
    size_t guest;          /* its index in the snapshot; SIZE_MAX: it has a start only */
    bool asked;            /* a start of it stands in the snapshot */
    bool begun;            /* ... and may have a QEMU that is not seen yet */
    RestartKind restart;   /* what a start of it was asked for as, until its QEMU is seen */
    bool open;             /* its QEMU is seen, and granted_kib is of this run */
    uint64_t granted_kib;  /* what it was given to hold */
    uint64_t balloon_kib;  /* what its balloon leaves it at most; its maximum where that is not believed */
    uint64_t booked_kib;   /* what it may hold; all of it, but for overhead */
    uint64_t overhead_kib; /* what its QEMU costs besides */
    uint64_t fixed_kib;    /* part of booked_kib: its memory devices */
    bool presumed;         /* ... by an XML that may not be the one that was started */
    uint64_t lent_kib;     /* booked beside booked_kib: what its limit lets in for page cache (pass_lend.c) */
    uint64_t start_kib;    /* part of booked_kib: for a start, until its guest is seen running and its XML is known */
    uint64_t resident_kib; /* what its QEMU is seen to hold; 0: not known */
    uint64_t enforced_kib; /* what memory.high lets it have, as in Work */
    uint64_t slack_kib;    /* what it may hold besides out of the reserve, because its limit leaves it so much */
    /* of bounds.h, from 1; 0: none: the nodes that it is bound to, then the groups above it */
    uint32_t bounds[1 + LIMITS_ABOVE];
    struct GuestMemory *memory; /* of its guest, filled by guest_memory.h; owned; NULL: nothing yet */
} LedgerEntry;

/* Zero: empty. */
typedef struct Ledger {
    LedgerEntry *entries; /* sorted by uuid */
    LedgerEntry *spare;
    size_t count;
    size_t capacity;    /* of all four arrays */
    uint32_t *of_guest; /* the entry of guest i of the snapshot */
    uint32_t *of_start; /* the entry of start i of the snapshot */
} Ledger;

/* What its balloon is taken for. */
typedef enum LedgerTrust {
    LEDGER_TRUSTS_NOTHING, /* its balloon means nothing now */
    LEDGER_TRUSTS_BROUGHT, /* it came with its memory and its balloon, of which there is no report yet */
    LEDGER_TRUSTS_BALLOON, /* its balloon is where it says */
    LEDGER_TRUSTS_FULL,    /* not to be ballooned: it has all its memory */
} LedgerTrust;

/*
 * One entry for each guest and each start of snapshot: those that are new are empty, those of others are gone. A start that
 * was admitted in an earlier life of the daemon is booked as it says.
 */
void ledger_match(Ledger *ledger, const Snapshot *snapshot);
void ledger_clear(Ledger *ledger);

static inline LedgerEntry *
ledger_guest(const Ledger *ledger, size_t guest)
{
    return &ledger->entries[ledger->of_guest[guest]];
}

static inline LedgerEntry *
ledger_start(const Ledger *ledger, size_t start)
{
    return &ledger->entries[ledger->of_start[start]];
}

/* memory.max of its own group, as read, or where it could not be as its XML says (<hard_limit>); LIMIT_NONE: none. */
static inline uint64_t
memory_max(const GuestSnapshot *guest)
{
    uint64_t max = guest->limits.max_kib != 0 ? guest->limits.max_kib : guest->settings->hard_limit_kib;

    return max != 0 ? max : LIMIT_NONE;
}

/* The guest is off: nothing is booked for it but its start. */
void ledger_close(LedgerEntry *entry);
/* Its QEMU is seen for the first time, or it was reset: from now on it holds what it was granted, which is granted_kib. */
void ledger_open(LedgerEntry *entry, uint64_t granted_kib);
/* A run begins in a QEMU that may be the one before, by an XML that is not read yet: it may hold all that it was given. */
void ledger_go_on(LedgerEntry *entry);
/* Books the running guest of work anew, by what is seen of it now. */
void ledger_book(const struct Work *work);
/* It is given kib more than it was granted; it may hold it from now on. Rule G is the caller's. */
void ledger_grant(LedgerEntry *entry, uint64_t kib);
/* Its balloon is told a target now, of which the guest would not see a part that its limit keeps it from. Rule G is the
   caller's. */
void ledger_tell(LedgerEntry *entry, uint64_t target_kib, uint64_t unseen_kib);
/* Its limit is to let in so much beyond what it is granted, for the page cache of its disks: a guest that is reset could take it
   for itself. It is booked until a limit is seen that lets in less. Rule G is the caller's. */
void ledger_lend(LedgerEntry *entry, uint64_t kib);
/* Booked for a start, all of it, with what its QEMU costs besides. 0: none (any more). */
void ledger_reserve(LedgerEntry *entry, uint64_t kib, uint64_t overhead_kib);

/* All that is booked, what is lent too. */
uint64_t ledger_taken(const Ledger *ledger);
/* All sums but what is lent. */
LedgerSums ledger_sums(const Ledger *ledger);
