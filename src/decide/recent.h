/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The largest amount of the last one to two windows of time, without keeping every one of them. */

#include <glib.h>
#include <stdint.h>

/* Zero: nothing yet. */
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
