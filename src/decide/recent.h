/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was of late: since when something is so, and the largest amount in a window of time. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* *since_usec: since when something is so; 0: it is not. */
static inline void
lasting_note(uint64_t *since_usec, bool is_so, uint64_t now_usec)
{
    if (!is_so)
        *since_usec = 0;
    else if (*since_usec == 0)
        *since_usec = now_usec;
}

/* Whether it has been so for that long. */
static inline bool
lasts_for(uint64_t since_usec, uint64_t span_usec, uint64_t now_usec)
{
    return since_usec != 0 && now_usec - since_usec >= span_usec;
}

/* The largest amount of the last one to two windows of time, without keeping every one of them. Zero: nothing yet. */
typedef struct RecentMost {
    uint64_t since_usec; /* this window began */
    uint64_t most_kib;   /* in this window */
    uint64_t before_kib; /* in the one before */
} RecentMost;

static inline uint64_t
recent_most(const RecentMost *recent)
{
    return MAX(recent->most_kib, recent->before_kib);
}

/* Takes an amount into account; returns the largest. */
static inline uint64_t
recent_note(RecentMost *recent, uint64_t kib, uint64_t window_usec, uint64_t now_usec)
{
    uint64_t since = now_usec - MIN(recent->since_usec, now_usec);

    if (recent->since_usec == 0 || since >= window_usec) {
        recent->before_kib = since < 2 * window_usec ? recent->most_kib : 0;
        recent->most_kib = 0;
        recent->since_usec = now_usec;
    }
    recent->most_kib = MAX(recent->most_kib, kib);
    return recent_most(recent);
}
