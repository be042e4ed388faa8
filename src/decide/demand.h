/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much memory a guest needs (demand) and should have (want), from its own statistics.
 *
 * demand = actual - usable, both from one report. It holds whether or not the guest counts ballooned
 * pages as used: either total shrinks with the balloon, and total - usable is what is used, or the
 * balloon counts as used, and so it does on both sides. To that come the configured share of page
 * cache, a little air to breathe (a guest whose usable memory is all gone reclaims instead of
 * working), the top of the noise, a floor by the size of the guest, and large steps while the guest is starved:
 * it can't show a need that it can't touch. Where it needed more a short while ago, that is the first guess.
 *
 * A peak-hold that decays slowly is part of want only. In demand it would take memory from guests in need.
 */

#include "decide/recent.h"
#include "settings.h"
#include "snapshot.h"

/* What is remembered of a guest between two ticks. Zero: nothing yet. */
typedef struct DemandMemory {
    bool valid; /* the rest was worked out from a report of the running boot */
    uint64_t serial;
    uint64_t report_usec;
    uint64_t measured_kib; /* of the last report */
    uint64_t actual_kib;   /* likewise */
    uint64_t grown_usec;   /* actual rose last */
    uint64_t noise_kib;    /* how much it moves from report to report, smoothed */
    uint32_t noise_count;
    uint64_t envelope_kib; /* measured, held at the top of the noise */
    uint64_t demand_kib;
    uint64_t peak_kib;  /* decays slowly */
    RecentMost recent;  /* what it needed lately */
    uint64_t edge_usec; /* next to nothing usable in every report since then; 0: not in the last */
    bool starved;
    uint64_t starved_usec;  /* when it was starved last, 0: never */
    uint64_t starved_kib;   /* what it had then */
    uint64_t starving_usec; /* starved in every report since then */
} DemandMemory;

typedef struct Demand {
    bool known; /* false: no report yet, the rest is 0 */
    uint64_t demand_kib;
    uint64_t want_kib; /* demand plus buffer or recent peak; not yet kept within minimum and maximum */
    uint64_t floor_kib;
    bool starved;
} Demand;

/* Works demand out for guest and remembers. faults: bits of faults.h, 0 in the product. */
void demand_work_out(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec,
                     Demand *demand);
