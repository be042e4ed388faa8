/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include "error.h"

static void
wish_tell(TargetWish *wish, const char *uuid, const GError *error)
{
    GuestTargetDone done = wish->done;

    if (!wish->set || done == NULL)
        return;
    wish->done = NULL;
    done(wish->user_data, uuid, wish->kib, error);
}

void
target_book_wish(TargetBook *book, const char *uuid, uint64_t kib, GuestTargetDone done, void *user_data)
{
    TargetWish old = book->next;

    book->next = (TargetWish){.set = true, .kib = kib, .done = done, .user_data = user_data};
    if (old.set) {
        g_autoptr(GError) error =
            g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "a newer target has taken the place of this one");

        wish_tell(&old, uuid, error);
    }
}

bool
target_book_send(TargetBook *book, uint64_t *kib)
{
    if (!book->next.set || book->sent.set)
        return false;
    book->sent = book->next;
    book->next = (TargetWish){0};
    *kib = book->sent.kib;
    return true;
}

void
target_book_give_up(TargetBook *book, const char *uuid, const GError *error)
{
    TargetWish next = book->next;

    book->next = (TargetWish){0};
    wish_tell(&book->sent, uuid, error);
    wish_tell(&next, uuid, error);
}

void
target_book_end(TargetBook *book, const char *uuid, TargetFate fate, uint64_t actual_kib, const GError *error)
{
    TargetWish sent = book->sent;

    book->sent = (TargetWish){0};
    switch (fate) {
    case TARGET_TAKEN:
        book->known = true;
        book->kib = sent.kib;
        break;
    case TARGET_UNCERTAIN:
        book->kib = MAX(MAX(book->kib, sent.kib), book->known ? 0 : actual_kib);
        book->known = false;
        break;
    case TARGET_NOT_TAKEN:
        break;
    }
    wish_tell(&sent, uuid, error);
}

void
target_book_restart(TargetBook *book, const char *uuid, const GError *error)
{
    TargetWish next = book->next;

    book->known = false;
    book->kib = 0;
    book->next = (TargetWish){0};
    wish_tell(&book->sent, uuid, error);
    wish_tell(&next, uuid, error);
}

void
target_book_show(const TargetBook *book, GuestRecord *record)
{
    record->target_known = book->known;
    record->target_pending = book->sent.set || book->next.set;
    record->target_kib = book->kib;
    if (!record->target_pending)
        return;
    record->target_kib = MAX(record->target_kib, MAX(book->sent.kib, book->next.kib));
    if (!book->known && (record->report.fields & REPORT_ACTUAL) != 0)
        record->target_kib = MAX(record->target_kib, record->report.actual_kib);
}
