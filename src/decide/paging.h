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
 * A guest is given a file at a restart, when there is no free memory, and nothing that others can give in time, and then only
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

/* One guest in one tick. Sizes without overhead and fixed memory, but for overhead_kib. */
typedef struct PagingLook {
    const GuestSnapshot *guest;
    RestartKind restart; /* what its boot is; RESTART_NONE once it has settled */
    bool booting;        /* its driver is not back */
    bool hangs;          /* ... and is not expected any more */
    bool settled;        /* its balloon keeps it within what it was granted, or no limit has to */
    bool limited;        /* memory.high holds it at what it is granted */
    bool can_make;       /* it runs, here, and libvirt says what becomes of it */
    bool can_end;
    const char *bar;        /* why it can't have a file; NULL: it can */
    uint64_t startup_kib;   /* what it must have to boot */
    uint64_t minimum_kib;   /* its balloon is told no less */
    uint64_t granted_kib;   /* what it may have by now: by paging_decide with what its claim has brought */
    uint64_t natural_kib;   /* what it would be booked at without a limit */
    uint64_t overhead_kib;  /* fixed memory included */
    uint64_t available_kib; /* of the host, at this moment */
    uint64_t deadline_usec; /* [SmartPaging] DeadlineSec= */
    uint64_t now_usec;
} PagingLook;

/* What it claims before the others share. */
typedef struct PagingNeed {
    uint64_t need_kib; /* at least what it is granted */
    bool overdue;      /* its file is past half its deadline: goes before all others */
    bool presses;      /* all others may be squeezed to their minimum for it */
} PagingNeed;

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

/* How old its file is, in parts of the time it may take; none where it has no file. */
PagingUrgency paging_urgency(const GuestSnapshot *guest, uint64_t deadline_usec, uint64_t now_usec);

/* Why a guest can't have a paging file, one clause; NULL: it can. host_bar: the same of the host. */
const char *paging_bar(const GuestSnapshot *guest, const Settings *settings, const char *host_bar);

/* Before the claims are settled. */
PagingNeed paging_work_out_need(const PagingMemory *memory, const PagingLook *look);

/*
 * After that: fills in plan what it has of paging (shortfall_kib and paging_...), which is to be zero. comes_kib: what
 * others can give up for it. plan->paging_bar is of look or of memory.
 */
void paging_decide(PagingMemory *memory, const PagingLook *look, uint64_t comes_kib, GuestPlan *plan);
