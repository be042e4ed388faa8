/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When a guest is given a paging file: at a restart, when there is no free memory, and nothing that others can give in time,
 * and then only for the shortfall. Never for a start from the off state, never for a guest that runs, never for anything
 * else.
 */

#include "starts.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct PagingCase {
    RestartKind restart; /* what its boot is */
    bool booting;        /* its driver is not back yet */
    bool barred;         /* it can't have a file, for whatever reason */
    uint64_t startup_kib;
    uint64_t granted_kib;   /* what it physically may have already */
    uint64_t free_kib;      /* what it can be given at once, beyond that */
    uint64_t in_time_kib;   /* what others can be expected to give up in time, beyond that */
    uint64_t waited_usec;   /* since it was restarted */
    uint64_t patience_usec; /* in time means: within this, from the restart on */
} PagingCase;

typedef enum PagingVerdict {
    PAGING_NOTHING,  /* it has what it needs, or this is no case for paging */
    PAGING_USE_FREE, /* free memory is enough */
    PAGING_WAIT,     /* others are giving up memory for it */
    PAGING_PAGE,     /* a file for the shortfall */
    PAGING_REFUSED,  /* ... which it can't have: it boots with what it has got, held back by its limit */
} PagingVerdict;

typedef struct PagingRuling {
    PagingVerdict verdict;
    uint64_t use_kib;       /* of the free memory */
    uint64_t shortfall_kib; /* part of startup that is not there: to come from others, from a file, or missing */
} PagingRuling;

PagingRuling paging_rule(const PagingCase *given);
