/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "beat.h"

/* After so many reports it is tried whether they come earlier by now. */
#define HITS 32
/* A guest that was asked so often in vain does not report in its rhythm. */
#define MISSES 4

bool
beat_note(Beat *beat, const GuestRecord *record, uint64_t period_usec, uint64_t part_usec)
{
    const GuestReport *report = &record->report;
    uint64_t next_usec = report->asked_usec - part_usec / 2; /* whatever is due is asked at the nearest moment */

    if (report->serial == beat->answers && record->boots == beat->boots)
        return false;
    beat->answers = report->serial;
    beat->boots = record->boots;
    if (!guest_report_is_another(&beat->report, report)) {
        beat->settled = true;
        beat->hits = 0;
        beat->misses++;
        beat->due_usec = next_usec + (beat->misses < MISSES ? part_usec : period_usec);
        return false;
    }
    if (beat->misses >= MISSES || (beat->settled && ++beat->hits >= HITS)) {
        beat->settled = false;
        beat->hits = 0;
    }
    beat->misses = 0;
    beat->report = *report;
    beat->fresh = true;
    beat->due_usec = next_usec + period_usec - (beat->settled ? 0 : part_usec);
    return true;
}

void
beat_disturb(Beat *beat)
{
    beat->settled = false;
    beat->hits = 0;
}

bool
beat_is_due(const Beat *beat, const GuestRecord *record, uint64_t now_usec)
{
    return now_usec >= beat->due_usec || record->boots != beat->boots;
}
