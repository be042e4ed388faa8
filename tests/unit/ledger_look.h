/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One entry of the ledger by itself, and what is seen of its guest: as the steps before (pass.h) leave it. */

#include "decide/pass.h"

typedef struct LedgerLook {
    const GuestSnapshot *guest;
    LedgerTrust trust;
    uint64_t target_kib;
    uint64_t unseen_kib;
    uint64_t overhead_kib;
    uint64_t resident_kib;
    uint64_t slack_kib; /* 0: no limit of ours is in force */
    uint64_t enforced_kib;
    bool adrift;
    bool lends;
} LedgerLook;

static inline void
book_look(LedgerEntry *entry, const LedgerLook *look)
{
    GuestSnapshot guest = *look->guest;
    GuestMemory memory = {.target_kib = look->target_kib, .overhead = {.resident_kib = look->resident_kib}};
    const Work work = {.guest = &guest,
                       .memory = &memory,
                       .entry = entry,
                       .standing = {.trust = look->trust},
                       .unseen_kib = look->unseen_kib,
                       .overhead_kib = look->overhead_kib,
                       .slack_kib = look->slack_kib,
                       .enforced_kib = look->enforced_kib,
                       .held = look->enforced_kib != UINT64_MAX,
                       .adrift = look->adrift,
                       .lends = look->lends};

    if (look->slack_kib != 0) {
        guest.limits.usable = guest.limits.set = true;
        guest.limits.high_kib = look->enforced_kib;
    }
    ledger_book(&work);
}
