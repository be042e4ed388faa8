/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a guest stands in this tick: its state, on what grounds it is booked, and whether it takes part in
 * the sharing. Everything that keeps a guest out of the sharing is decided here, in one place and in
 * this order: off, settings, frozen, unresponsive, driver, balloon, statistics.
 */

#include "decide/guest_memory.h"

typedef enum StandingPart {
    PART_OUT,      /* booked and left alone */
    PART_SHARES,   /* gets a target */
    PART_OBSERVED, /* a target is worked out for it, and not told */
} StandingPart;

typedef struct Standing {
    GuestState state;
    Booking booking;
    StandingPart part;
    PlanRule rule;       /* why it is out; while it shares: PLAN_RULE_COUNT, or why it is not squeezed */
    bool not_squeezed;   /* shares, and is not to be shrunk now */
    bool not_counted_on; /* shares, and what it has yet to give is not counted on */
    bool retry;          /* shares as a trial */
    bool drawn_back;     /* out because it is stuck: its target is to be what it has */
} Standing;

/*
 * Works out how guest stands and remembers. target_kib: its target in force; observe: nothing will be told to any
 * guest; overhead_kib: what its QEMU costs; interval_usec: time between two ticks; faults: bits of faults.h.
 */
void standing_work_out(GuestMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, bool observe,
                       uint64_t overhead_kib, uint64_t interval_usec, uint64_t now_usec, Standing *standing);
