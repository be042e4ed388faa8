/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What observe/ remembers of one guest, and how it judges the guest's answers by it. */

#include "balloon_track.h"
#include "snapshot.h"
#include "unseen.h"

/* So many reports in a row that come equally far apart are a rhythm. */
#define RHYTHM_REPORTS 3

/* Zeroed before its first use; holds nothing to free. */
typedef struct GuestTrack {
    bool running;   /* at the last look: the rest is of this run */
    bool in_motion; /* at the last look: running and not paused, so time counted for its reports */
    uint64_t looked_usec;

    uint64_t boots;
    uint64_t gap_usec;       /* the record's at the last look */
    uint64_t readopted_usec; /* a reset before it may have been missed; 0: not in this boot */
    uint64_t answer_serial;  /* of the last answer looked at */
    bool baseline_known;
    GuestReport seen; /* in the last answer: the last report, or the baseline that a new one must differ from */
    bool driver_up;
    uint64_t driver_usec;

    uint64_t report_serial;
    uint64_t report_usec;
    uint64_t report_age_usec; /* time it ran since */
    uint64_t report_span_usec;
    uint64_t apart_sec[RHYTHM_REPORTS]; /* how far apart the last reports came, the newest first; 0: not known */
    uint64_t unchanged_usec;            /* when the last answer without a new report was asked for */
    GuestReport report;                 /* of that report, as it came */
    uint64_t report_actual_kib;
    uint64_t swapped_in_kib;
    uint64_t swapped_out_kib;
    uint64_t major_faults;
    bool counter_went_back;
    BalloonTrack balloon;
    UnseenTrack unseen;
} GuestTrack;

/*
 * Takes the record in and fills guest, all but resident_kib. period_usec is how often the guest is asked to report, 0:
 * never.
 */
void guest_track_look(GuestTrack *track, const GuestRecord *record, const GuestSettings *settings, uint64_t period_usec,
                      uint64_t now_usec, GuestSnapshot *guest);
