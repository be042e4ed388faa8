/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One guest with what the rules of paging files look at, set as a test says. */

#include "cmocka_all.h"
#include "decide/faults.h"
#include "decide/pass.h"

#define MIB KIB_PER_MIB
#define SEC USEC_PER_SEC
#define BOOT (100 * SEC)
#define STARTUP (512 * MIB)

/* One guest in one tick, under a limit. */
typedef struct Bench {
    GuestSettings guest_settings;
    GuestSnapshot guest;
    GuestMemory memory;
    LedgerEntry entry;
    GuestPlan plan;
    Work work;
    Settings settings;
    Snapshot snapshot;
    Pass pass;
} Bench;

static inline void
bench_init(Bench *bench)
{
    *bench =
        (Bench){.guest_settings = {.startup_kib = STARTUP, .maximum_kib = 4096 * MIB, .smart_paging = true},
                .guest = {.settings = &bench->guest_settings,
                          .life = GUEST_LIFE_RUNNING,
                          .boot_usec = BOOT,
                          .limits = {.usable = true, .high_kib = LIMIT_NONE}},
                .work = {.guest = &bench->guest,
                         .memory = &bench->memory,
                         .plan = &bench->plan,
                         .entry = &bench->entry,
                         .limited = true},
                .settings = {.paging_enabled = true, .memory_high = true, .paging_deadline_usec = 600 * USEC_PER_SEC},
                .snapshot = {.host = {.figures_valid = true, .figures = {.available_kib = 4096 * MIB}}},
                .pass = {.snapshot = &bench->snapshot, .settings = &bench->settings, .now_usec = BOOT}};
}

/* It has a file with so much in it, and its driver is back. */
static inline void
bench_leaves(Bench *bench, const PagingRecord *file)
{
    bench_init(bench);
    bench->guest.paging = file;
    bench->guest.resident_kib = 600 * MIB;
    bench->guest.limits.swapped_kib = file->used_kib;
}

static inline void
decide_anew(Bench *bench)
{
    bench->plan = (GuestPlan){.guest = &bench->guest};
    paging_decide(&bench->pass, &bench->work);
}
