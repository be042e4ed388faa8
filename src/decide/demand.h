/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much memory a guest needs, from its own statistics: one figure for each stage of the sharing.
 *
 * demand = actual - usable, both from one report. It holds whether or not the guest counts ballooned
 * pages as used: either total shrinks with the balloon, and total - usable is what is used, or the
 * balloon counts as used, and so it does on both sides. To that come the configured share of page
 * cache, the top of the noise and a floor by the size of the guest. want is demand and buffer.
 *
 * A guest that has next to nothing usable is starved: it shows what it has, not what it needs. It may grow to twice what it has
 * while that is nobody's demand or buffer. If it swaps out what it fetches back it claims more as its demand: what it needed a
 * short while ago, or what it has and a step, which doubles. The claim stands until it is met or plenty is usable.
 *
 * What it needed a short while ago is its peak, which nobody else pays for.
 */

#include "decide/recent.h"
#include "settings.h"
#include "snapshot.h"
#include "units.h"

/* What is remembered of a guest between two ticks. Zero: nothing yet. */
typedef struct DemandMemory {
    uint64_t serial;       /* of the last report of the running boot; 0: there was none */
    uint64_t measured_kib; /* of the last report */
    uint64_t actual_kib;   /* likewise */
    uint64_t noise_kib;    /* how much it moves from report to report, smoothed */
    uint32_t noise_count;
    uint64_t envelope_kib; /* measured, held at the top of the noise */
    RecentMost recent;     /* of that */
    uint64_t peak_kib;     /* what it came to lately */
    bool starved;
    uint64_t starved_usec; /* when it was last; 0: never */
    bool doubtful; /* it was, and has not shown plenty usable since: that it needs less than it had is not believed */
    uint64_t step_kib;  /* what it claims above what it has, if it presses */
    uint64_t claim_kib; /* 0: none */
} DemandMemory;

typedef struct Demand {
    bool known; /* false: no report yet, the rest is 0 */
    bool starved;
    bool starved_lately; /* it is, or a report of the last half minute said so */
    bool doubtful;       /* it was, and less than it seemed to need then is not believed yet */
    /* not yet kept within minimum and maximum */
    uint64_t demand_kib;
    uint64_t shown_kib; /* what that would be by the last report alone */
    uint64_t want_kib;
    uint64_t growth_kib; /* what it is tried with; 0: it is not starved */
    uint64_t peak_kib;
} Demand;

/*
 * What a guest of that size should have usable beside all that it needs: part of its demand. What Linux calls available
 * (mm/show_mem.c, si_mem_available) ends near its low watermark, and many programs wait there rather than push on. So a guest is
 * left this above its demand, and is starved with half of it. The watermarks grow with the square root of memory
 * (mm/page_alloc.c, init_per_zone_wmark_min), so for large guests there is an upper bound.
 */
static inline uint64_t
demand_air(uint64_t size_kib)
{
    return MIN(size_kib / 48, 256 * KIB_PER_MIB);
}

/* Works demand out for guest and remembers. */
void demand_work_out(DemandMemory *memory, const GuestSnapshot *guest, const Settings *settings, uint64_t now_usec,
                     Demand *demand);
