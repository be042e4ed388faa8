/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The steps of a paging file's life that can block, one after the other. Each can be cut short at any point by the death of
 * the daemon: what is remembered (held.h) is enough for another one to finish it.
 *
 * Not the main thread. Two may be at work, one that makes and tidies and one that does all else, of one file one.
 */

#include "held.h"
#include "paging.h"

typedef struct PagingWork {
    const ActSystem *system;
    Held *held;
    char *own_directory; /* made where it does not exist */
} PagingWork;

/*
 * Makes a file and puts it to use: the others' limits, the guest's, and swapon, so that nobody else gets a page of it.
 * Returns false with error, and then nothing of it is left. stop: see paging_file_make.
 */
bool paging_work_make(const PagingWork *work, const HeldFile *file, uint64_t minimum_free_kib, const int *stop,
                      GError **error);

/* Its guest may swap out no more, and the next daemon goes on with that. What fails is no reason to leave it on. */
bool paging_work_close(const PagingWork *work, const char *uuid, GError **error);

/* What is left of a file that was to be off. */
typedef enum PagingLeft {
    PAGING_LEFT_NOTHING,
    PAGING_LEFT_ON_DISK, /* the file alone, in nobody's way: it can't be deleted */
    PAGING_LEFT_UNDONE,  /* it is off, and what goes with that, as everybody's limits, can't be done */
    PAGING_LEFT_ON,      /* it is still on, or that is not known */
} PagingLeft;

/*
 * After swapoff: whether it is off, then everybody's limits as they were where it is the last one, then deletes it.
 * With error where something is left; to be called again then.
 */
PagingLeft paging_work_finish(const PagingWork *work, const char *uuid, GError **error);

/* Puts the limits of all files in place again. */
bool paging_work_hold(const PagingWork *work, GError **error);

/* Finishes what an earlier daemon left and is not switched on. Returns whether nothing is left, else sets error. */
bool paging_work_tidy(const PagingWork *work, GError **error);

/* Path of a file for swapon and swapoff. Caller frees. */
char *paging_work_path(const PagingWork *work, const HeldFile *file);

/*
 * The files of ours that are switched on, of HeldFile, completed by what is remembered. Those that nobody remembers are
 * remembered from here on. Does not wait for a disk but for that. *error is set where one could not be
 * remembered, which is returned all the same. Returns NULL with error where /proc/swaps can't be read. Any thread. Free with
 * g_ptr_array_unref.
 */
GPtrArray *paging_work_find(const PagingWork *work, GError **error);
