/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a guest's QEMU has taken of the host's memory since the guest last reported. A look costs one small read, a report a
 * call into QEMU; so this tells many times a second who is to be asked. It shows growth into memory that the host did not back
 * before, and nothing of what the guest does within what it has already touched.
 */

#include "snapshot.h"

/* Zeroed before its first use. */
typedef struct Glance {
    bool known;     /* the next five are of this process */
    uint64_t boots; /* the record's at the last look */
    GuestGlance now;
    uint64_t low_kib;      /* the least since questions went out */
    uint64_t before_kib;   /* the least between the questions before and those */
    uint64_t reported_kib; /* the most that may be relied on to have been there at its last report */
    uint64_t asked_usec;   /* when it was last asked to report at once */
    uint64_t awaited_usec; /* that report is looked for until then; 0: it is not */
} Glance;

/* Looks, through limits; a guest that does not run, or has no group, is not known. */
void glance_look(Glance *glance, const LimitWorld *limits, const GuestRecord *record);

/* Questions go out, whoever is asked: a report that is fetched by the next ones came after these. */
void glance_note_questions(Glance *glance);

/* It was asked to report at once, now; what it reports is looked for until then. */
void glance_await(Glance *glance, uint64_t now_usec, uint64_t until_usec);

/* A report was fetched, by a question that went out then. */
void glance_note_report(Glance *glance, uint64_t question_usec);

/* Returns false where nothing is known. */
bool glance_moment(const Glance *glance, GuestMoment *moment);
