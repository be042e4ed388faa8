/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Does a guest follow its target? Progress is a rate over time: a guest that gives back a page now and
 * then, or works one second in twenty, does not follow. One that does not is first slow (nothing that it has yet to give
 * is counted on), then stuck (its target is drawn back, it leaves the sharing and is tried again with back-off). It
 * must behave for a while before the flag is cleared.
 *
 * Two more kinds are told apart. A guest that stops because it has nothing left to give is not to blame: it
 * has reached its lower limit. A guest whose balloon grows while its QEMU holds as much as before is inhibited:
 * QEMU then drops the pages silently (hw/virtio/virtio-balloon.c, virtio_balloon_inhibited).
 */

#include "decide/recent.h"
#include "snapshot.h"
#include "units.h"

typedef enum StuckVerdict {
    STUCK_FOLLOWS,
    STUCK_SLOW,  /* behind its target; what it still has to give is not counted on */
    STUCK_STUCK, /* flagged */
    STUCK_TRIAL, /* flagged, and tried again now */
} StuckVerdict;

/* Zero: nothing yet. */
typedef struct StuckMemory {
    uint64_t checked_usec; /* 0: not, or not since it could not be */
    uint64_t actual_kib;
    bool behind;
    uint64_t rate_kib; /* per second, towards the target, smoothed */
    uint64_t bad_usec; /* time without progress, less half the time with */
    bool moved;        /* since the trial began it has made progress, or may have: right after its target moved */
    uint64_t flagged_usec;
    uint64_t retry_usec;
    bool on_trial; /* flagged, and tried again */
    uint32_t tries;
    /* lower limit */
    uint64_t limit_kib;
    uint64_t limit_until_usec;
    /* inhibited */
    bool inhibited;
    uint64_t suspect_usec;    /* it has looked so since then; 0: it does not */
    RecentMost size;          /* of the balloon, as large as it was lately */
    uint64_t from_actual_kib; /* before the balloon grew */
    uint64_t from_resident_kib;
} StuckMemory;

/* How far a balloon may be off its target and still count as being there. */
static inline uint64_t
stuck_tolerance(uint64_t actual_kib)
{
    return MAX(actual_kib / 64, 16 * KIB_PER_MIB);
}

/*
 * Looks at how guest, whose balloon answers, has moved since the last call. target_kib is the target in force,
 * starved whether its last report said so, overhead_kib what its QEMU costs.
 */
StuckVerdict stuck_judge(StuckMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, bool starved,
                         uint64_t overhead_kib, uint64_t now_usec);

/* Nothing can be said now (paused, not answering): the clocks stand still. */
void stuck_suspend(StuckMemory *memory);

/* The least it was lately seen to be able to live with, 0 where nothing is known. */
static inline uint64_t
stuck_lower_limit(const StuckMemory *memory, uint64_t now_usec)
{
    return now_usec < memory->limit_until_usec ? memory->limit_kib : 0;
}
