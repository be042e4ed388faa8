/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One journal record a change, with MESSAGE_ID and the DYNMEM_ fields; plain lines on stderr where there is
 * no journal. A guest that keeps an event going can't flood it: what was left out is counted and said.
 */

#include "changes.h"

typedef struct Journal Journal;

/* Where a record goes: the daemon writes to the journal or stderr, tests look at it. */
typedef struct JournalRecord {
    const Change *change;
    const char *message; /* change->message, with what was left out */
    unsigned left_out;   /* records of this guest and kind that were not written before this one */
} JournalRecord;
typedef void (*JournalWrite)(const JournalRecord *record, void *user_data);

/* The fields of a record as the journal takes them, "NAME=value" each: char *, freed with the array, the caller's. */
GPtrArray *journal_fields(const JournalRecord *record);

/* write NULL: the journal, or stderr where there is none. */
Journal *journal_new(JournalWrite write, void *user_data);
void journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

void journal_write(Journal *journal, const Change *change, uint64_t now_usec);

/* Says what was left out and not followed by a record for a while. Call it now and then. */
void journal_settle(Journal *journal, uint64_t now_usec);
