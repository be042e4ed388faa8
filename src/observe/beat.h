/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When a guest's next report is there to be fetched. Each guest reports in its own rhythm: QEMU asks it a period after it
 * has answered (hw/virtio/virtio-balloon.c, balloon_stats_change_timer in virtio_balloon_receive_stats), so it drifts, and
 * nobody is told. A report that is fetched just after it came is seen up to a period sooner, for no more questions.
 */

#include "ports.h"

/* Zeroed before its first use: due. */
typedef struct Beat {
    uint64_t boots;     /* the record's at the last answer */
    uint64_t answers;   /* serial of the last answer */
    GuestReport report; /* of the last answer with another report */
    uint64_t due_usec;
    bool
        settled; /* it is asked just after its reports came; false: each question is a part earlier than the one before */
    unsigned hits;   /* answers that brought a report since it settled */
    unsigned misses; /* answers in a row that did not */
    bool fresh;      /* a report has come since the last look at them all */
} Beat;

/*
 * Looks whether an answer has come. Guests report each period_usec; they are asked at moments that are part_usec apart. Returns
 * whether it brought a report that was not there before.
 */
bool beat_note(Beat *beat, const GuestRecord *record, uint64_t period_usec, uint64_t part_usec);

/* It is asked to report at once, and its rhythm begins anew with that. */
void beat_disturb(Beat *beat);

bool beat_is_due(const Beat *beat, const GuestRecord *record, uint64_t now_usec);
