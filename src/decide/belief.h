/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Is a guest's balloon to be believed, and so: how does the guest stand in this tick? One small state machine a guest says
 * the first (next_state in belief.c; its states stand in a table of ARCHITECTURE.md); the second follows from it, from the settings
 * and from how the balloon moves (stuck.h). Time counts while the guest runs only: one that was started paused boots when it is
 * resumed.
 */

#include "decide/ledger.h"
#include "decide/stuck.h"

/* Since the driver is up: time for services to start before the guest is squeezed. */
#define BELIEF_SETTLE_USEC (10 * USEC_PER_SEC)

typedef enum BeliefState {
    BELIEF_OFF,
    BELIEF_BOOTING,
    BELIEF_RETURNING,
    BELIEF_BROUGHT,
    BELIEF_ADOPTED,
    BELIEF_GOOD,
    BELIEF_ABSENT,
} BeliefState;

/* Of one boot. Zero: off. */
typedef struct BeliefMemory {
    BeliefState state;
    uint64_t seen_usec;        /* the first look in this boot */
    uint64_t ran_usec;         /* how long it has run since and could be asked, pauses left out */
    uint64_t looked_usec;      /* the last look while it ran; 0: it did not run then */
    uint64_t first_actual_kib; /* another size later: its balloon moves */
    bool moved;
    uint64_t gap_usec;   /* it was adopted anew then; 0: never */
    uint64_t fresh_usec; /* the last time its statistics were fresh; 0: never in this boot */
} BeliefMemory;

typedef enum StandingPart {
    PART_OUT,      /* booked and left alone */
    PART_OBSERVED, /* a target is worked out for it, and not told */
    PART_LAGS,     /* gets a target; what it has yet to give is not counted on */
    PART_SHARES,   /* gets a target */
} StandingPart;

/* How a guest stands in this tick. */
typedef struct Standing {
    GuestState state;
    StandingPart part;
    LedgerTrust trust;
    PlanRule rule;     /* why it is out; while it shares: PLAN_RULE_COUNT, or why it is not squeezed */
    bool booting;      /* its driver is not back, and its balloon has not moved */
    bool is_void;      /* its balloon is not known to be where it was told to go */
    bool not_squeezed; /* gets a target, and is not to be shrunk now */
    bool retry;        /* gets one as a trial */
} Standing;
