/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Switches that break one rule each, so that the tests can show that each rule is needed, by the test that fails without
 * it. They exist in the tests' build of this folder only (DYNMEM_BREAK_RULES): in the product broken() is false.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef DYNMEM_BREAK_RULES

/* Breaks the rules whose bits are set, and mends all others, until the next call. */
void rules_break(uint64_t faults);
bool rules_broken(uint64_t fault);
#define broken(fault) rules_broken(fault)

#else

#define broken(fault) false

#endif

#define FAULT_NO_GATE (UINT64_C(1) << 0)              /* rule G: raises do not wait for free memory */
#define FAULT_COUNT_TARGET_ONLY (UINT64_C(1) << 1)    /* committed is the target, not max(actual, target) */
#define FAULT_NO_RESET_BOOKING (UINT64_C(1) << 2)     /* a reset guest is booked at its void balloon size */
#define FAULT_NO_WEIGHTS (UINT64_C(1) << 3)           /* everybody weighs the same */
#define FAULT_BUFFER_FIRST (UINT64_C(1) << 4)         /* stage 1 fills towards want at once */
#define FAULT_NO_STALE_FREEZE (UINT64_C(1) << 5)      /* guests with stale statistics are shrunk */
#define FAULT_NO_HYSTERESIS (UINT64_C(1) << 6)        /* every ideal target is told at once */
#define FAULT_SHRINK_AT_ONCE (UINT64_C(1) << 7)       /* no steps when shrinking */
#define FAULT_ANY_PROGRESS (UINT64_C(1) << 8)         /* one byte of progress is progress */
#define FAULT_NO_STUCK (UINT64_C(1) << 9)             /* guests are never flagged */
#define FAULT_NO_STARVED (UINT64_C(1) << 10)          /* a starved guest's demand is what it shows */
#define FAULT_NO_ENVELOPE (UINT64_C(1) << 11)         /* demand follows every wiggle of the load */
#define FAULT_NO_INHIBITED (UINT64_C(1) << 12)        /* resident memory is not compared with the balloon */
#define FAULT_SQUEEZE_STARTING (UINT64_C(1) << 13)    /* guests are squeezed before they have settled */
#define FAULT_NO_PRESSURE (UINT64_C(1) << 14)         /* PSI is not looked at */
#define FAULT_NO_AVAILABLE (UINT64_C(1) << 15)        /* the budget is not held against MemAvailable */
#define FAULT_NO_BUDGET_SMOOTHING (UINT64_C(1) << 16) /* the budget follows MemAvailable at once in both directions */
#define FAULT_TRUST_REPORTS (UINT64_C(1) << 17)       /* doubted reports are believed */
#define FAULT_FORGET_REMAINDERS (UINT64_C(1) << 18)   /* the sharing loses what the divisions leave over */
#define FAULT_PART_PAGES (UINT64_C(1) << 19)          /* targets lie between two sizes that a balloon can have */
#define FAULT_NO_PEAK (UINT64_C(1) << 20)             /* what a guest needed lately is forgotten at once */
#define FAULT_SAME_STEP (UINT64_C(1) << 21)           /* the steps of a starved guest do not grow */
#define FAULT_KEEP_MAXIMUM (UINT64_C(1) << 22)        /* a guest that was started is taken over with what it has */
#define FAULT_KEEP_SURPLUS (UINT64_C(1) << 23)        /* a surplus is not taken for those who lack something */
#define FAULT_CLAIM_NO_ORDER (UINT64_C(1) << 24)      /* claims are served as they come, whatever their priority */
#define FAULT_CLAIM_OVERTAKES (UINT64_C(1) << 25)     /* who is further back gets what those before wait for */
#define FAULT_CLAIM_TAKES_NEED (UINT64_C(1) << 26)    /* a claim takes also what those of higher priority need */
#define FAULT_CLAIM_NEED_FIRST (UINT64_C(1) << 27)    /* what others need is taken before buffers */
#define FAULT_CLAIM_NO_RANK (UINT64_C(1) << 28)       /* who is squeezed has nothing to do with priority */
#define FAULT_CLAIM_PATIENT (UINT64_C(1) << 29) /* who is squeezed for a claim is shrunk when its surplus has lasted */
#define FAULT_CLAIM_OUTBID (UINT64_C(1) << 30)  /* raises take the free memory that a claim waits for */
#define FAULT_START_BEFORE_FREE (UINT64_C(1) << 31)     /* a start is admitted when its memory could be freed */
#define FAULT_START_HOPES (UINT64_C(1) << 32)           /* a start that can't fit waits for its deadline */
#define FAULT_START_REFUSES_RESTART (UINT64_C(1) << 33) /* a restart is refused like any other start */
#define FAULT_RESERVED_NOT_BOOKED (UINT64_C(1) << 34)   /* admitted starts do not count in the ledger */
#define FAULT_RESERVED_BARE (UINT64_C(1) << 35)         /* ... their QEMUs' overheads do not */
#define FAULT_PAGE_COLD_STARTS (UINT64_C(1) << 36)      /* a start from the off state may have a paging file */
#define FAULT_PAGE_RUNNING (UINT64_C(1) << 37)          /* a guest that runs may have a paging file */
#define FAULT_PAGE_FIRST (UINT64_C(1) << 38)            /* a paging file is made before memory is looked for */
#define FAULT_PAGE_ALL (UINT64_C(1) << 39)              /* ... for all of the startup memory */
#define FAULT_END_UNBOOKED (UINT64_C(1) << 40)          /* a file is ended before there is memory for what it holds */
#define FAULT_NO_DEADLINES (UINT64_C(1) << 41)          /* a file may be there for as long as it likes */
#define FAULT_FORGET_FILES (UINT64_C(1) << 42)          /* files of guests that are gone are left alone */
#define FAULT_LIMIT_AT_ONCE (UINT64_C(1) << 43)     /* memory.high falls with the booking, below what a guest holds */
#define FAULT_LIMIT_NOT_LEARNT (UINT64_C(1) << 44)  /* a guest that is held back does not get more slack */
#define FAULT_TRUST_NO_LIMIT (UINT64_C(1) << 45)    /* booked as if it were limited though nothing limits it */
#define FAULT_RESTART_AT_TARGET (UINT64_C(1) << 46) /* a guest that was reset keeps its target */
#define FAULT_CLAIM_NO_BASE (UINT64_C(1) << 47)     /* a restart of low priority may get nothing at all */
#define FAULT_NO_ROOM_TO_RETURN (UINT64_C(1) << 48) /* a limit leaves no room for what comes back from a file */
#define FAULT_ADOPT_UNHELD (UINT64_C(1) << 49) /* a limit that an earlier daemon left follows what its guest holds */
#define FAULT_TARGET_UNDER_WAY (UINT64_C(1) << 50) /* a target that is under way is not booked before it is known */
#define FAULT_FOLLOW_BALLOON (UINT64_C(1) << 51)   /* a balloon that grows by itself is booked, and its limit follows */
#define FAULT_DROP_SQUEEZED (UINT64_C(1) << 52)    /* who is no longer managed stays at what it was squeezed to */
#define FAULT_SQUEEZE_FRAIL (UINT64_C(1) << 53)    /* a guest that dies of being squeezed is squeezed again */

#define FAULT_FORGET_CLAIM (UINT64_C(1) << 54)  /* a starved guest's claim is given up whenever the guest rests */
#define FAULT_CRUMBS (UINT64_C(1) << 55)        /* who gives to others gives as little as they lack at this moment */
#define FAULT_OWN_PRESSURE (UINT64_C(1) << 56)  /* PSI counts also where memory is plentiful */
#define FAULT_LEARN_CAPPED (UINT64_C(1) << 57)  /* a QEMU that costs far more than is thought is held back for good */
#define FAULT_NO_ASKING (UINT64_C(1) << 58)     /* a guest that outgrows its buffer is heard at its next report */
#define FAULT_ALWAYS_ASKING (UINT64_C(1) << 59) /* guests are asked at once as often as they grow */
#define FAULT_NO_CROSSING (UINT64_C(1) << 60)   /* a guest that is held back at its limit waits for the next tick */
#define FAULT_TAKE_ITS_WORD (UINT64_C(1) << 61) /* what a balloon says is booked, whatever its limit lets in */

#define FAULT_LEND_UNBOOKED (UINT64_C(1) << 62) /* what limits let in for page cache is not booked */
#define FAULT_LEND_ON (UINT64_C(1) << 63)       /* ... and is not taken back for those that wait */

/* Every switch there is, from the last of them: a test wants a scenario for each. */
#define DECIDE_FAULTS_ALL UINT64_MAX
