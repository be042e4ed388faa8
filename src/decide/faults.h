/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Switches that break one rule each. The product never sets any: they exist so that the tests can
 * show that each rule is needed, by the test that fails without it.
 */

#include "decide/decide.h"

typedef enum DecideFault {
    FAULT_NO_GATE = 1 << 0,              /* rule G: raises do not wait for free memory */
    FAULT_COUNT_TARGET_ONLY = 1 << 1,    /* committed is the target, not max(actual, target) */
    FAULT_NO_RESET_BOOKING = 1 << 2,     /* a reset guest is booked at its void balloon size */
    FAULT_NO_WEIGHTS = 1 << 3,           /* everybody weighs the same */
    FAULT_BUFFER_FIRST = 1 << 4,         /* stage 1 fills towards want at once */
    FAULT_NO_STALE_FREEZE = 1 << 5,      /* guests with stale statistics are shrunk */
    FAULT_NO_HYSTERESIS = 1 << 6,        /* every ideal target is told at once */
    FAULT_SHRINK_AT_ONCE = 1 << 7,       /* no steps when shrinking */
    FAULT_ANY_PROGRESS = 1 << 8,         /* one byte of progress is progress */
    FAULT_NO_STUCK = 1 << 9,             /* guests are never flagged */
    FAULT_NO_STARVED = 1 << 10,          /* a starved guest's demand is what it shows */
    FAULT_NO_ENVELOPE = 1 << 11,         /* demand follows every wiggle of the load */
    FAULT_NO_INHIBITED = 1 << 12,        /* resident memory is not compared with the balloon */
    FAULT_SQUEEZE_STARTING = 1 << 13,    /* guests are squeezed before they have settled */
    FAULT_NO_PRESSURE = 1 << 14,         /* PSI is not looked at */
    FAULT_NO_AVAILABLE = 1 << 15,        /* the budget is not held against MemAvailable */
    FAULT_NO_BUDGET_SMOOTHING = 1 << 16, /* the budget follows MemAvailable at once in both directions */
    FAULT_TRUST_REPORTS = 1 << 17,       /* doubted reports are believed */
    FAULT_FORGET_REMAINDERS = 1 << 18,   /* the sharing loses what the divisions leave over */
    FAULT_PART_PAGES = 1 << 19,          /* targets lie between two sizes that a balloon can have */
    FAULT_NO_RECENT = 1 << 20,           /* what a starved guest needed lately is no guess */
    FAULT_STARVED_ONCE = 1 << 21,        /* a guest is starved no longer than its last report says so */
    FAULT_KEEP_MAXIMUM = 1 << 22,        /* a guest that was started is taken over with what it has */
    FAULT_SWAP_IS_FETCHING = 1 << 23,    /* swapping after a raise is no need, whichever way it goes */
} DecideFault;

/* Every switch there is, from the last of them: a test wants a scenario for each. */
#define DECIDE_FAULTS_ALL ((uint32_t)(FAULT_SWAP_IS_FETCHING << 1) - 1)

/* Breaks the rules whose bits are set, from the next decide() on. For tests only. */
void decide_state_set_faults(DecideState *state, uint32_t faults);
