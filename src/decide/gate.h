/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rule G: raises are told only as far as memory is seen to be free. First everybody is brought towards
 * the demand, then towards the target; in both rounds the heaviest weights come first, then the order of the guests.
 */

#include "plan.h"

typedef struct GateGuest {
    uint64_t committed_kib; /* in: what it is booked at now. out: after target is told */
    uint64_t need_kib;
    uint32_t weight;     /* 1 to GATE_WEIGHT_LIMIT */
    uint32_t next;       /* used inside */
    uint64_t target_kib; /* in: wished for. out: what may be told */
    bool waits;          /* out: target was lowered */
} GateGuest;

#define GATE_WEIGHT_LIMIT 101

/*
 * Admits raises into free_kib, which is the budget less all that is committed. Returns what is left of it. open: rule G
 * is switched off (tests only).
 */
uint64_t gate_admit(GateGuest *guests, size_t count, uint64_t free_kib, bool open);
