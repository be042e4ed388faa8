/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From a restart that lacks memory to the end of its paging file:
 *
 *   NONE -> WAIT -> MAKE -> BOOT -> LEAVE -> EMPTY -> NONE
 *             \       \
 *              `-------`-> REFUSED
 *
 * What phase a guest is in follows from what is seen anew in every tick, the stage of its file and whether its driver is back,
 * and hardly from what is remembered: so a file that an earlier daemon left is taken over wherever it is, and a guest may
 * die, come back or be reset again at any time.
 *
 * A guest is given a file at a restart, when there is no free memory, and others can give none, or have had the time to, and then only
 * for the shortfall. Never for a start from the off state, never for a guest that runs, never for anything else.
 *
 * A file is ended when what comes back from it is booked and memory.high lets it in, and not before; then also while its guest is
 * paused or migrates, or libvirt is away. Most of what was swapped
 * out belongs to pages that the balloon takes from the guest, or has its place within the size that the balloon leaves it;
 * only what does not fit into what the guest is booked at must be found.
 */

#include "plan.h"

/* Added to a file beyond what is known to be needed. */
#define PAGING_MARGIN_KIB (UINT64_C(32) * 1024)

/* Of one boot. Zero: nothing yet. */
typedef struct PagingMemory {
    uint64_t asked_usec; /* a file was asked for; 0: it was not */
    uint64_t most_kib;   /* that it held, in its file too */
    uint64_t still_usec; /* it has not held more since then */
    char bar[160];       /* why it gets none in this boot: that could not be made, or is ended; "": it may */
} PagingMemory;

/* Its file, while there is something of it to be ended; NULL: none. */
static inline const PagingRecord *
paging_file(const GuestSnapshot *guest)
{
    const PagingRecord *record = guest->paging;

    return record != NULL && record->stage != PAGING_STAGE_GONE && record->stage != PAGING_STAGE_FAILED ? record : NULL;
}

/* What is in its file. */
uint64_t paging_in_file(const GuestSnapshot *guest);

/* The same while its file is emptied: it comes back whatever its limit is. */
uint64_t paging_coming_back(const GuestSnapshot *guest);
