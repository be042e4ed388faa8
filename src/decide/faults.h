/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Switches that break one rule each, so that the tests can show that each rule is needed, by the test that fails without
 * it. They exist in the tests' build of this folder only (DYNMEM_BREAK_RULES): in the product broken() is false.
 */

#include <stdbool.h>

/* Each by the number that WORLD_BREAK= and the like take. */
typedef enum Fault {
    FAULT_NONE = 0,
    FAULT_NO_GATE = 1,                /* rule G: raises do not wait for free memory */
    FAULT_COUNT_TARGET_ONLY = 2,      /* committed is the target, not max(actual, target) */
    FAULT_NO_RESET_BOOKING = 3,       /* a reset guest is booked at its void balloon size */
    FAULT_NO_WEIGHTS = 4,             /* everybody weighs the same */
    FAULT_BUFFER_FIRST = 5,           /* stage 1 fills towards want at once */
    FAULT_NO_STALE_FREEZE = 6,        /* guests with stale statistics are shrunk */
    FAULT_NO_HYSTERESIS = 7,          /* every ideal target is told at once */
    FAULT_SHRINK_AT_ONCE = 8,         /* no steps when shrinking */
    FAULT_ANY_PROGRESS = 9,           /* one byte of progress is progress */
    FAULT_NO_STUCK = 10,              /* guests are never flagged */
    FAULT_NO_STARVED = 11,            /* a starved guest's demand is what it shows */
    FAULT_NO_ENVELOPE = 12,           /* demand follows every wiggle of the load */
    FAULT_NO_INHIBITED = 13,          /* resident memory is not compared with the balloon */
    FAULT_SQUEEZE_STARTING = 14,      /* guests are squeezed before they have settled */
    FAULT_NO_PRESSURE = 15,           /* PSI is not looked at */
    FAULT_NO_AVAILABLE = 16,          /* the budget is not held against MemAvailable */
    FAULT_NO_BUDGET_SMOOTHING = 17,   /* the budget follows MemAvailable at once in both directions */
    FAULT_TRUST_REPORTS = 18,         /* doubted reports are believed */
    FAULT_FORGET_REMAINDERS = 19,     /* the sharing loses what the divisions leave over */
    FAULT_PART_PAGES = 20,            /* targets lie between two sizes that a balloon can have */
    FAULT_NO_PEAK = 21,               /* what a guest needed lately is forgotten at once */
    FAULT_SAME_STEP = 22,             /* the steps of a starved guest do not grow */
    FAULT_KEEP_MAXIMUM = 23,          /* a guest that was started is taken over with what it has */
    FAULT_KEEP_SURPLUS = 24,          /* a surplus is not taken for those who lack something */
    FAULT_CLAIM_NO_ORDER = 25,        /* claims are served as they come, whatever their priority */
    FAULT_CLAIM_OVERTAKES = 26,       /* who is further back gets what those before wait for */
    FAULT_CLAIM_TAKES_NEED = 27,      /* a claim takes also what those of higher priority need */
    FAULT_CLAIM_NEED_FIRST = 28,      /* what others need is taken before buffers */
    FAULT_CLAIM_NO_RANK = 29,         /* who is squeezed has nothing to do with priority */
    FAULT_CLAIM_PATIENT = 30,         /* who is squeezed for a claim is shrunk when its surplus has lasted */
    FAULT_CLAIM_OUTBID = 31,          /* raises take the free memory that a claim waits for */
    FAULT_START_BEFORE_FREE = 32,     /* a start is admitted when its memory could be freed */
    FAULT_START_HOPES = 33,           /* a start that can't fit waits for its deadline */
    FAULT_START_REFUSES_RESTART = 34, /* a restart is refused like any other start */
    FAULT_RESERVED_NOT_BOOKED = 35,   /* admitted starts do not count in the ledger */
    FAULT_RESERVED_BARE = 36,         /* ... their QEMUs' overheads do not */
    FAULT_PAGE_COLD_STARTS = 37,      /* a start from the off state may have a paging file */
    FAULT_PAGE_RUNNING = 38,          /* a guest that runs may have a paging file */
    FAULT_PAGE_FIRST = 39,            /* a paging file is made before memory is looked for */
    FAULT_PAGE_ALL = 40,              /* ... for all of the startup memory */
    FAULT_END_UNBOOKED = 41,          /* a file is ended before there is memory for what it holds */
    FAULT_NO_DEADLINES = 42,          /* a file may be there for as long as it likes */
    FAULT_FORGET_FILES = 43,          /* files of guests that are gone are left alone */
    FAULT_LIMIT_AT_ONCE = 44,         /* memory.high falls with the booking, below what a guest holds */
    FAULT_LIMIT_NOT_LEARNT = 45,      /* a guest that is held back does not get more slack */
    FAULT_TRUST_NO_LIMIT = 46,        /* booked as if it were limited though nothing limits it */
    FAULT_RESTART_AT_TARGET = 47,     /* a guest that was reset keeps its target */
    FAULT_CLAIM_NO_BASE = 48,         /* a restart of low priority may get nothing at all */
    FAULT_NO_ROOM_TO_RETURN = 49,     /* a limit leaves no room for what comes back from a file */
    FAULT_ADOPT_UNHELD = 50,          /* a limit that an earlier daemon left follows what its guest holds */
    FAULT_TARGET_UNDER_WAY = 51,      /* a target that is under way is not booked before it is known */
    FAULT_FOLLOW_BALLOON = 52,        /* a balloon that grows by itself is booked, and its limit follows */
    FAULT_DROP_SQUEEZED = 53,         /* who is no longer managed stays at what it was squeezed to */
    FAULT_SQUEEZE_FRAIL = 54,         /* a guest that dies of being squeezed is squeezed again */
    FAULT_FORGET_CLAIM = 55,          /* a starved guest's claim is given up whenever the guest rests */
    FAULT_CRUMBS = 56,                /* who gives to others gives as little as they lack at this moment */
    FAULT_OWN_PRESSURE = 57,          /* PSI counts also where memory is plentiful */
    FAULT_LEARN_CAPPED = 58,          /* a QEMU that costs far more than is thought is held back for good */
    FAULT_NO_ASKING = 59,             /* a guest that outgrows its buffer is heard at its next report */
    FAULT_ALWAYS_ASKING = 60,         /* guests are asked at once as often as they grow */
    FAULT_NO_CROSSING = 61,           /* a guest that is held back at its limit waits for the next tick */
    FAULT_TAKE_ITS_WORD = 62,         /* what a balloon says is booked, whatever its limit lets in */
    FAULT_LEND_UNBOOKED = 63,         /* what limits let in for page cache is not booked */
    FAULT_LEND_ON = 64,               /* ... and is not taken back for those that wait */
    FAULT_BOUND_NO_GATE = 65,         /* raises and starts do not stay within the limits above their guest */
    FAULT_BOUND_TAKEN_TWICE = 66,     /* what one raise takes within such a limit is left for the next one */
    FAULT_BOUND_GRANT_ALL = 67,       /* a claim is granted what the limits above its guest do not have */
    FAULT_BOUND_CLAIM_ALL = 68,       /* others are squeezed for what the limits above a guest do not have */
    FAULT_BOUND_NOT_OWED = 69,   /* where more is booked than a limit above has, a guest's next start has all of that */
    FAULT_BOUND_NOT_SHARED = 70, /* a group of all guests is not what they share */
    FAULT_BOUND_STARTS_FREE = 71, /* starts have no group before their QEMU is seen */
    FAULT_BOUND_FIRST_ALONE = 72, /* of the groups above a guest only the first one counts */
    FAULT_BOUND_NODES_ALONE = 73, /* who is bound to some nodes is not there for who may have others as well */
    FAULT_BOUND_ALL_OURS = 74,    /* what a group holds beyond what is booked for its guests is there for them */
    FAULT_BOUND_NO_SLACK = 75,    /* a group keeps nothing for what the limits of its guests let in */
    FAULT_BOUND_NODES_WHOLE = 76, /* a node keeps nothing for the host */
    FAULT_BOUND_OTHERS_NOW = 77,  /* what others hold of such a limit is what is seen at this moment */
    FAULT_GRANT_UNHELD = 78,      /* who was without a limit for a while is granted all that it could have */
    FAULT_LIMIT_BY_LIBVIRT = 79,  /* while libvirt is away nobody is limited that boots */
    FAULT_FORGET_DEVICES = 80, /* of a guest that goes on by an XML that is not read its memory devices are forgotten */
    FAULT_BOUND_LEND_ON = 81, /* what is lent within a limit above guests is not taken back for those that wait there */
    FAULTS
} Fault;

#ifdef DYNMEM_BREAK_RULES

/* Breaks this rule, and mends all others, until the next call. */
void rules_break(Fault fault);
/* ... and this one besides those that are broken. */
void rules_break_also(Fault fault);
bool rules_broken(Fault fault);
#define broken(fault) rules_broken(fault)

#else

#define broken(fault) false

#endif
