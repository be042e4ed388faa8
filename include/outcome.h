/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What became of the plans: what act/ did in this tick, and what earlier actions ended in. And the
 * report of a whole tick, the last value of the flow.
 */

#include "plan.h"

typedef enum ActionResult {
    ACTION_STARTED, /* the call is under way */
    ACTION_DONE,
    ACTION_FAILED, /* error says why */
} ActionResult;

typedef struct TargetAction {
    char uuid[37];
    uint64_t old_kib; /* target before, actual where none was known */
    uint64_t new_kib;
    ActionResult result;
    char *error; /* owned; NULL unless ACTION_FAILED */
} TargetAction;

/* memory.high of a guest's cgroup was set. */
typedef struct LimitAction {
    char uuid[37];
    uint64_t old_kib; /* LIMIT_NONE: none */
    uint64_t new_kib;
    ActionResult result;
    char *error; /* owned; NULL unless ACTION_FAILED */
} LimitAction;

/* Paging files have no actions here: their records in the Snapshot show what became of them. */
typedef struct Outcome {
    GArray *targets; /* of TargetAction, in the order they were done */
    GArray *limits;  /* of LimitAction, likewise */
} Outcome;

/* What is wrong with the settings of a guest; at most one a guest. The message says what is in force meanwhile. */
typedef struct GuestIssue {
    char uuid[37];
    char *name;
    bool rejected; /* a part of them can't be used; false: all are in force, and the message says what they lead to */
    char *message; /* one line: attributes, values, why, what is expected, and what is in force until then */
} GuestIssue;

struct TickReport {
    uint64_t tick; /* counts completed ticks */
    uint64_t now_usec;
    uint64_t duration_usec; /* from the answers being in to the last action started */
    const Settings *settings;
    const Snapshot *snapshot;
    const Plan *plan;
    const Outcome *outcome;
    const GPtrArray *issues; /* of GuestIssue: all that stand now */
    bool dry_run;
};
