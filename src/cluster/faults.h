/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Switches that break one rule each, so that the tests can show that each rule is needed, by the test that fails without
 * it. They exist in the tests' build of this folder only (DYNMEM_BREAK_RULES): in the product cluster_broken() is false.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef DYNMEM_BREAK_RULES

/* Breaks the rules whose bits are set, and mends all others, until the next call. */
void cluster_rules_break(uint64_t faults);
bool cluster_rules_broken(uint64_t fault);
#define cluster_broken(fault) cluster_rules_broken(fault)

#else

#define cluster_broken(fault) false

#endif

#define CLUSTER_FAULT_WISH_UNBOOKED (UINT64_C(1) << 0)  /* a wish is published before its memory is booked */
#define CLUSTER_FAULT_NEGATIVE (UINT64_C(1) << 1)       /* a host without room has a score below 0 */
#define CLUSTER_FAULT_SMALL_CAPACITY (UINT64_C(1) << 2) /* a host's capacity is its budget, whatever runs there */
#define CLUSTER_FAULT_MANY_MOTIONS (UINT64_C(1) << 3)   /* what moves elsewhere is not looked at */
#define CLUSTER_FAULT_KEEP_WISH (UINT64_C(1) << 4)      /* a wish outlives its booking */
#define CLUSTER_FAULT_NO_HOLD (UINT64_C(1) << 5)        /* pressure of a moment moves guests */
#define CLUSTER_FAULT_NO_COOLDOWN (UINT64_C(1) << 6)    /* a guest that has just come may move on */
#define CLUSTER_FAULT_NO_GAIN (UINT64_C(1) << 7)        /* a guest moves whatever is gained */
#define CLUSTER_FAULT_ONE_SIDED (UINT64_C(1) << 8)    /* what the receiving host looks like after it does not matter */
#define CLUSTER_FAULT_BELIEVE_OLD (UINT64_C(1) << 9)  /* figures of a daemon that is gone are believed */
#define CLUSTER_FAULT_NO_SETTLING (UINT64_C(1) << 10) /* an offer is taken before others can have seen it */
#define CLUSTER_FAULT_DROP_BEGUN (UINT64_C(1) << 11)  /* a wish is withdrawn while its guest is on its way */
#define CLUSTER_FAULT_NO_DEADLINE (UINT64_C(1) << 12) /* a wish that nobody follows stays */
#define CLUSTER_FAULT_NO_RESERVE (UINT64_C(1) << 13)  /* a guest leaves a host that has nothing left to send it with */
#define CLUSTER_FAULT_NERVOUS_STARS (UINT64_C(1) << 14) /* each change of the rating is published at once */
#define CLUSTER_FAULT_ASK_FOR_EVER (UINT64_C(1) << 15)  /* who does not answer is asked again and again */
#define CLUSTER_FAULT_UNASKED (UINT64_C(1) << 16)    /* at the level confirm a guest moves though nobody confirmed it */
#define CLUSTER_FAULT_HIGH_SCORE (UINT64_C(1) << 17) /* room weighs more than a guest's stickiness */
#define CLUSTER_FAULT_GAIN_AT_ONCE (UINT64_C(1) << 18) /* all that is to be gained must come of one move */
#define CLUSTER_FAULT_FORGET_STAYS (UINT64_C(1) << 19) /* a new daemon does not know who has just come */

/* Every switch there is, from the last of them. */
#define CLUSTER_FAULTS_ALL ((CLUSTER_FAULT_FORGET_STAYS << 1) - 1)
