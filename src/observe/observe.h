/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Judges the raw records: which report is new, is the driver up since the last boot, can these
 * numbers be. Remembers per guest what it needs for that.
 */

#include "snapshot.h"

typedef struct Observer Observer;

Observer *observer_new(void);
void observer_free(Observer *observer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Observer, observer_free)

/*
 * Fills snapshot (zeroed before first use, then reused; free with snapshot_clear) from the records,
 * which are sorted by uuid; settings[i] belongs to records[i]. Settings are borrowed; uuids and names are the
 * observer's, until the next call, whatever becomes of the records. The host's figures, limits and paging files are read
 * through ports; where the host's figures fails the last known ones are used and marked.
 * interval_usec is how often managed guests are asked to report; 0: they are not asked (dry run, read-only
 * connection) and report as their XML says.
 */
void observer_observe(Observer *observer, const GuestRecord *const *records, const GuestSettings *const *settings,
                      size_t count, WorldLink link, const Ports *ports, uint64_t interval_usec, uint64_t now_usec,
                      Snapshot *snapshot);

/*
 * Takes in what has been answered, in any moment between two looks at it all. period_usec is how often guests report,
 * part_usec how far the moments are apart at which they are asked.
 */
void observer_note_answers(Observer *observer, const GuestRecord *const *records, size_t count, uint64_t period_usec,
                           uint64_t part_usec);

/* Is a report of it there that was not fetched yet, as far as can be known? */
bool observer_is_due(const Observer *observer, const GuestRecord *record, uint64_t now_usec);

/* Has it reported since the last observer_observe? */
bool observer_has_news(const Observer *observer, const GuestRecord *record);

/*
 * Looks at what the guests hold, many times a second. Allocates nothing where nobody came or went. limits has a glance.
 */
void observer_glance(Observer *observer, const LimitWorld *limits, const GuestRecord *const *records, size_t count);

/* What the last look showed of a guest. Returns false where nothing is known. */
bool observer_moment(const Observer *observer, const GuestRecord *record, GuestMoment *moment);

/* Guests are about to be asked for reports, in a tick or in a part of an interval. */
void observer_note_questions(Observer *observer, const GuestRecord *const *records, size_t count);

/* It is asked to report at once, now: that report is awaited until then, or until it is there. */
void observer_await(Observer *observer, const GuestRecord *record, uint64_t now_usec, uint64_t until_usec);
bool observer_awaits(const Observer *observer, const GuestRecord *record, uint64_t now_usec);

/* The kernel reported memory pressure: the next snapshot says so. */
void observer_note_pressure(Observer *observer);

void snapshot_clear(Snapshot *snapshot);
