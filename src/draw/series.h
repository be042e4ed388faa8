/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is drawn of a guest over time: columns of equal time, each with the figures of its time. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct DrawPoint {
    uint64_t need_kib;
    uint64_t demand_kib;
    uint64_t want_kib;
    uint64_t assigned_kib;
    uint64_t lacked_to_kib; /* where a need that was not met reached to, at most; 0: all was met */
    uint64_t paged_kib;     /* most that was in its paging file */
    bool off;               /* nothing to draw: off, or not looked at, in all of its time */
} DrawPoint;

typedef struct DrawSpan {
    size_t columns;     /* not 0 */
    uint64_t seconds;   /* of all of them, not 0 */
    uint64_t start_sec; /* when the first begins, since 1970; 0: time counts from 0 */
} DrawSpan;

/* The first second of a column. */
static inline uint64_t
draw_second(const DrawSpan *span, size_t column)
{
    return (column * span->seconds + span->columns - 1) / span->columns;
}
