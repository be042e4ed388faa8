/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How large a guest's balloon left it at the moment of its last report. */

#include <stdbool.h>
#include <stdint.h>

/* What happens to the guest's own total when its balloon moves. */
typedef enum BalloonAccounting {
    BALLOON_ACCOUNTING_UNKNOWN,
    BALLOON_ACCOUNTING_FOLLOWS,  /* Linux: the total shrinks with the balloon */
    BALLOON_ACCOUNTING_CONSTANT, /* Windows, autodeflate: the balloon counts as used */
} BalloonAccounting;

typedef struct BalloonTrack {
    uint64_t last_kib; /* balloon size at the last answer, or what it must be taken to have been */
    BalloonAccounting accounting;
    int64_t gap_kib; /* size less the guest's total, while the balloon was still; 0 before the first time */
    bool anchor_known;
    uint64_t anchor_size_kib, anchor_total_kib; /* the last such moment */
    bool first_total_known;
    uint64_t first_total_kib; /* of the first report */
    bool still;               /* at the last report: the size then is exact */
    bool need_known;
    int64_t need_kib; /* size less usable at the report before */
} BalloonTrack;

/* The guest was started, reset or first seen: the balloon leaves it size_kib (the maximum where that is not known). */
void balloon_track_reset(BalloonTrack *track, uint64_t size_kib);

/* An answer, after what else it brought was used: the size now. */
void balloon_track_answer(BalloonTrack *track, uint64_t size_kib);

/*
 * Memory was plugged or pulled, or the guest's kernel has brought it online: its total moved, or did not, for another reason
 * than its balloon. The size has moved by unseen_kib since the last answer, and what the guest sees has not.
 */
void balloon_track_plug(BalloonTrack *track, int64_t unseen_kib);

/*
 * An answer with a new report: returns the size at the time of that report. total_kib is NULL where the guest
 * did not tell. constant: the guest is known to count its balloon as used.
 */
uint64_t balloon_track_report(BalloonTrack *track, uint64_t size_kib, const uint64_t *total_kib, uint64_t usable_kib,
                              bool constant);
