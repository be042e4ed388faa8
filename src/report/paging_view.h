/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is shown of a guest's restart, its paging file and its limit: once, for the bus and for explain. */

#include "outcome.h"

typedef struct PagingView {
    const char *state; /* paging_phase_name, or "overdue" */
    uint64_t size_kib; /* 0: no file */
    uint64_t used_kib;
    uint64_t peak_kib;
    uint64_t since_usec;    /* monotonic; 0: no file */
    uint64_t deadline_usec; /* monotonic; 0: none */
    const char *directory;  /* of the file; where there is none, the one it would be made in */
    const char *reason;     /* why there is no file, or what failed last; "" */
    uint64_t shortfall_kib;
    uint64_t limit_kib;    /* memory.high that was set; 0: none */
    const char *limit_bar; /* why none can be set; "" */
} PagingView;

/* All strings belong to the report. */
void paging_view_fill(const GuestPlan *guest, const TickReport *report, PagingView *view);

/* Why no guest of this host can have a paging file, one clause; "" where they can. Belongs to the report, or is static. */
const char *paging_view_bar(const TickReport *report);

/* Why no limit can be set on the managed guests that run, one clause; "" where one can be, or none runs. Likewise. */
const char *limit_view_bar(const TickReport *report);

/* A moment on the monotonic clock as microseconds since 1970, as systemd tells times; 0 stays 0. */
uint64_t wall_clock_usec(const TickReport *report, uint64_t then_usec);
