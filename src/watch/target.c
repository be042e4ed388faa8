/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include "error.h"
#include "units.h"

/* Nothing larger than kib is in force, but for what is under way. */
static bool
is_bounded(const TargetBook *book)
{
    return book->known || book->bounded;
}

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
    uint64_t grown_kib = saturating_add(sent.kib, book->sent_growth_kib);

    book->sent = (TargetWish){0};
    switch (fate) {
    case TARGET_TAKEN:
        book->known = !book->sent_moved;
        book->bounded = true;
        book->kib = grown_kib;
        break;
    case TARGET_UNCERTAIN:
        book->kib = MAX(MAX(book->kib, grown_kib), is_bounded(book) ? 0 : actual_kib);
        book->bounded = is_bounded(book);
        book->known = false;
        break;
    case TARGET_NOT_TAKEN:
        break;
    }
    book->sent_moved = false;
    book->sent_growth_kib = 0;
    wish_tell(&sent, uuid, error);
}

void
target_book_restart(TargetBook *book, const char *uuid, const GError *error)
{
    TargetWish next = book->next;

    book->known = false;
    book->bounded = false;
    book->kib = 0;
    book->next = (TargetWish){0};
    wish_tell(&book->sent, uuid, error);
    wish_tell(&next, uuid, error);
}

void
target_book_grow(TargetBook *book, uint64_t before_kib, uint64_t after_kib)
{
    uint64_t growth_kib = saturating_sub(after_kib, before_kib);

    if (before_kib == after_kib)
        return;
    if (book->sent.set) {
        book->sent_moved = true;
        book->sent_growth_kib = saturating_add(book->sent_growth_kib, growth_kib);
    }
    if (book->kib != 0)
        book->kib = saturating_add(book->kib, growth_kib);
    book->bounded = is_bounded(book);
    book->known = false;
}

void
target_book_inherit(TargetBook *book, uint64_t sent_kib)
{
    book->sent = (TargetWish){.set = true, .kib = sent_kib};
}

void
target_book_show(const TargetBook *book, GuestRecord *record)
{
    record->target_known = book->known;
    record->target_bounded = is_bounded(book);
    record->target_pending = book->sent.set || book->next.set;
    record->target_kib = book->kib;
    if (!record->target_pending)
        return;
    record->target_kib = MAX(record->target_kib, saturating_add(book->sent.kib, book->sent_growth_kib));
    record->target_kib = MAX(record->target_kib, book->next.kib);
    if (!is_bounded(book) && (record->report.fields & REPORT_ACTUAL) != 0)
        record->target_kib = MAX(record->target_kib, record->report.actual_kib);
}
