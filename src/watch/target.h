/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a guest's balloon was told: the book behind the target fields of a GuestRecord. At most one call is
 * under way and at most one wish, the newest, waits behind it. While the end of a call is open, the larger of
 * the old and the new targets is what must be booked. Pure: no I/O, no clock.
 */

#include "ports.h"

typedef struct TargetWish {
    bool set;
    uint64_t kib;
    GuestTargetDone done; /* NULL: has been called */
    void *user_data;
} TargetWish;

typedef struct TargetBook {
    bool known;   /* kib is the target, for certain */
    bool bounded; /* also while not known: no target above kib can be in force, but for sent */
    uint64_t kib; /* not known: the least to be booked, 0 where nothing was told */
    TargetWish sent;
    bool sent_moved; /* the guest's memory was another before sent ended: which of both it was told of is not known */
    uint64_t sent_growth_kib; /* what that may have added to sent */
    TargetWish next;
} TargetBook;

typedef enum TargetFate {
    TARGET_TAKEN,
    TARGET_NOT_TAKEN, /* nothing was changed */
    TARGET_UNCERTAIN, /* one or the other */
} TargetFate;

/* A new wish. The one that waited before it ends with an error that says so. */
void target_book_wish(TargetBook *book, const char *uuid, uint64_t kib, GuestTargetDone done, void *user_data);

/* Moves the wish that waits to sent, and returns true; false when none waits or one is under way. */
bool target_book_send(TargetBook *book, uint64_t *kib);

/* The call under way is past its deadline: whoever waits is told error, the book stays open. */
void target_book_give_up(TargetBook *book, const char *uuid, const GError *error);

/* The call under way has ended. actual_kib: the balloon's size as far as known. error is for the caller's done. */
void target_book_end(TargetBook *book, const char *uuid, TargetFate fate, uint64_t actual_kib, const GError *error);

/*
 * The process that had the balloon is gone; another one may be there. Whoever waits is told error. A call
 * under way stays open: it may yet reach the new process.
 */
void target_book_restart(TargetBook *book, const char *uuid, const GError *error);

/*
 * Memory was plugged into the guest, or taken out. QEMU keeps what its balloon is to take, not what is to be left
 * (hw/virtio/virtio-balloon.c, virtio_balloon_to_target), so the targets in force have grown, or shrunk, by as much.
 */
void target_book_grow(TargetBook *book, uint64_t before_kib, uint64_t after_kib);

/* A call that was under way when its guest's book was given up: it may reach the guest this book is of. */
void target_book_inherit(TargetBook *book, uint64_t sent_kib);

/* Fills the target fields of record. */
void target_book_show(const TargetBook *book, GuestRecord *record);
