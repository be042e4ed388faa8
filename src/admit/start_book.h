/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The starts that were asked for: by libvirt's hook, by dm-ctl start, by anybody on the bus. A request is in the book from
 * the asking until its guest is seen running, its asker is gone, it is released or refused, or its time is over; decide/
 * books memory for it meanwhile. Kept across a restart of the daemon. One request a guest, keyed by uuid: who asks again
 * for the same guest gets the same answer, unless what starts now needs more than what was asked for before.
 *
 * A start that libvirt has begun (its hook has asked, or the daemon has called it) goes on, whoever goes away: only libvirt ends it.
 */

#include "keep/keep.h"
#include "plan.h"

typedef struct StartBook StartBook;

/*
 * keep is borrowed. guests is told the moments of start hooks (note_hook, which may be NULL); limits is asked what stands above a start
 * (above, which may be NULL: nothing that is known).
 */
StartBook *start_book_new(Keep *keep, const GuestWorld *guests, const LimitWorld *limits);
/* Those who wait are answered START_REASON_STOPPING. What was admitted stays in keep. */
void start_book_free(StartBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StartBook, start_book_free)

/*
 * Asks for a start. record and settings are those of the guest where it is known, else NULL. answer is called once, at
 * once where the asking makes no sense (it runs already, its XML can't be read), or by start_book_settle.
 * Returns true when a tick should follow at once.
 */
bool start_book_ask(StartBook *book, const StartAsk *ask, const GuestRecord *record, const GuestSettings *known,
                    const Settings *settings, uint64_t now_usec, StartAnswer answer, void *user_data);

/*
 * Takes a request back, and refuses those who wait for it. Returns false where there is none, or none that can be taken back:
 * it was admitted and libvirt has begun it.
 */
bool start_book_release(StartBook *book, const char *uuid, const char *why);
/* Takes back all requests of an owner who has gone, but those that libvirt has begun. */
void start_book_drop_owner(StartBook *book, const char *owner);
void start_book_note(StartBook *book, const char *uuid, StartNote note, uint64_t now_usec);

/* How far the start of that guest has come. */
StartProgress start_book_progress(const StartBook *book, const char *uuid);

/*
 * Before decide(): lets go of requests whose guests run or whose time is over. Returns the requests, sorted by uuid; array
 * and requests are valid until the next call.
 */
const StartRequest *const *start_book_requests(StartBook *book, const GuestRecord *const *records, size_t count,
                                               WorldLink link, uint64_t now_usec, size_t *start_count);
/* After decide(): keeps what was booked, and answers those who are admitted or refused. */
void start_book_settle(StartBook *book, const Plan *plan, uint64_t now_usec);
