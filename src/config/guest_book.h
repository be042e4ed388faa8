/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The settings of all guests, from their domain XML. Keeps the last good ones of a guest whose
 * metadata became wrong, and what is wrong with it.
 */

#include "guest_element.h"
#include "outcome.h"

typedef struct GuestBook GuestBook;

GuestBook *guest_book_new(void);
void guest_book_free(GuestBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestBook, guest_book_free)

/*
 * Brings the book up to date: parses the XML of guests whose definition_serial is another, all of them
 * where settings_serial is another (defaults may have changed), and forgets guests that are gone.
 * Returns the settings by the index of records. The array is valid until the next call; the settings in it stay those of their
 * guest, and are there until guest_book_forget_gone() once it is no more.
 */
const GuestSettings *const *guest_book_update(GuestBook *book, const Settings *settings, uint64_t settings_serial,
                                              const GuestRecord *const *records, size_t count);

/* Nobody looks at the settings any more that were handed out for guests which are gone. */
void guest_book_forget_gone(GuestBook *book);

/* The default of the startup memory of the guest of this record, as of the last update. */
StartupDefault guest_book_startup(const GuestBook *book, const GuestRecord *record);

/* What is wrong now, of GuestIssue. Owned by the book, valid until the next update. */
const GPtrArray *guest_book_issues(const GuestBook *book);
