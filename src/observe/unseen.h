/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that a guest's QEMU gives it and its kernel does not see: a dimm that is plugged and not online. */

#include "settings.h"

/* How far a guest's total lies below what it is compared with, while its balloon was still. */
typedef struct UnseenGap {
    bool known;
    bool bare; /* it was seen with nothing plugged first */
    bool sure; /* ... and once more */
    int64_t last_kib;
    int64_t least_kib; /* with all its memory seen: what its kernel keeps for itself */
} UnseenGap;

/* Zeroed before its first use. */
typedef struct UnseenTrack {
    uint64_t maximum_kib;       /* at the last look; 0: none yet */
    uint64_t fixed_kib;         /* likewise */
    uint64_t plugged_kib;       /* by which the maximum has grown since its QEMU was started or first seen */
    uint64_t jumped_kib;        /* by which the size grew without the balloon, while it is not known why */
    bool jumps;                 /* ... by as much at least, as its balloon may have moved too: the next report tells */
    unsigned jumped_answers;    /* in which the XML may yet tell of it */
    bool pulled;                /* the size fell by what was not seen, and the XML has that still */
    uint64_t announced_kib;     /* by which the maximum has grown, and the size not yet as far as is known */
    unsigned announced_answers; /* in which that is still looked for */
    bool total_known;
    uint64_t total_kib;    /* of the last report */
    UnseenGap size_gap;    /* of its size */
    UnseenGap maximum_gap; /* of its maximum: used where the total does not follow the balloon */
    uint64_t adopted_kib;  /* dimms that it had when it was first seen running */
    uint64_t unseen_kib;
} UnseenTrack;

/* The guest was started (new_process), reset or first seen. */
void unseen_reset(UnseenTrack *track, bool new_process);

/* ... it ran before it was seen: what was plugged into it is not seen before a total says that it is. */
void unseen_adopt(UnseenTrack *track, const GuestSettings *settings);

/* Each look, before what else it brings is used. Returns whether memory was plugged or pulled. */
bool unseen_note_settings(UnseenTrack *track, const GuestSettings *settings);

/*
 * An answer: the size was before_kib and is now_kib. told_kib is the largest target that may be in force, 0 where none is
 * known; alone: no other one was in force since before_kib was asked for. Returns by how much the size grew by memory that was plugged, or fell (below 0) by memory that was pulled, as far as
 * is known so far. total_kib is that of a report that came with the answer; NULL: none came, or it has none.
 */
int64_t unseen_note_size(UnseenTrack *track, uint64_t before_kib, uint64_t now_kib, uint64_t told_kib, bool alone,
                         const uint64_t *total_kib);

/* Each answer, after what it brings was used. Returns whether what the size grew by turned out to be no memory that was plugged. */
bool unseen_note_answer(UnseenTrack *track);

/*
 * A report: its total, and the balloon's size at that moment. still: the balloon was, so the size is exact. Otherwise it is an
 * estimate, which until the balloon was still once may be far off: no more than most_kib. constant: the total does not follow
 * the balloon. Returns whether another amount is unseen than before.
 */
bool unseen_judge(UnseenTrack *track, const GuestSettings *settings, uint64_t size_kib, uint64_t most_kib,
                  uint64_t total_kib, bool still, bool constant);
