/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Points of equal length, the newest so many of them. The one that time is in now is open: its sums grow, and when it is over
 * they become a point of 32 bytes. Memory grows with the points there are, up to the last, and never beyond.
 */

#include "history.h"

typedef struct HistoryPoint HistoryPoint;

/* Sums over the time that was looked at. */
typedef struct HistoryOpen {
    uint64_t slot;         /* its start in units of its length */
    uint64_t msec;         /* looked at; 0: nothing yet */
    uint64_t assigned_sum; /* KiB by milliseconds: below 2^62 for all sizes that are believed */
    uint64_t known_msec;   /* of these its demand was known; the two sums are of that time */
    uint64_t demand_sum;
    uint64_t want_sum;
    HistorySpan most; /* the rest, as HistorySpan has it */
    uint32_t target_changes;
} HistoryOpen;

typedef struct HistoryRing {
    uint32_t seconds; /* of a point */
    uint32_t most;    /* points */
    uint32_t size;    /* points that there is memory for */
    uint32_t count;
    uint32_t next; /* where the next one goes */
    HistoryPoint *points;
    HistoryOpen open;
} HistoryRing;

void history_ring_init(HistoryRing *ring, uint32_t seconds, uint32_t most);
void history_ring_clear(HistoryRing *ring);

/* Makes the point open that now_usec is in. Returns true where another had been, which is then a point, and *closed. now_usec
   is never less than the last time. */
bool history_ring_open(HistoryRing *ring, uint64_t now_usec, HistoryOpen *closed);

/* Adds to the open point how a guest stands, for so many milliseconds. */
void history_ring_add(HistoryRing *ring, const GuestPlan *plan, uint64_t msec);

/* Adds a whole point of a finer ring, whose length is a part of this one's. */
void history_ring_fold(HistoryRing *ring, const HistoryOpen *finer);

/* Whether points may have been lost. */
bool history_ring_is_full(const HistoryRing *ring);

/* When the oldest point begins, the open one included; UINT64_MAX: there is none. */
uint64_t history_ring_first_usec(const HistoryRing *ring);

/* Appends what of the points lies in [since_usec, until_usec) to spans (of HistorySpan), the open one last. */
void history_ring_read(const HistoryRing *ring, uint64_t since_usec, uint64_t until_usec, GArray *spans);

size_t history_ring_bytes(const HistoryRing *ring);
