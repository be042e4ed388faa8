/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A small host of the bench's own: guests, their balloons, their statistics. It knows nothing of the daemon, and treats
 * all policies alike:
 *
 * - a guest uses what it needs, as far as it has that less a little that its kernel keeps; the rest is swapped;
 * - a balloon takes what the guest does not use at its speed, and what it uses at the speed of swapping, and not all of it;
 * - it gives back at its speed as long as the host has memory free: the sizes of all guests never exceed what there is, so a
 *   raise beyond that fills only as others give up theirs. Those that grow at the same time get parts alike;
 * - once a second, each at its own moment, a guest tells how it is at that moment.
 */

#include "policy.h"

typedef enum LackCause {
    LACK_UNSEEN, /* no report from since it lacks memory has reached a tick */
    LACK_UNTOLD, /* one has, and its target is still below its need */
    LACK_MOVING, /* its target is enough, its balloon is on its way */
    LACK_FULL,   /* as before, and it waits for others to free memory */
    LACK_CAUSES
} LackCause;

const char *lack_cause_name(LackCause cause);

#define RULES_MAX 48

typedef struct RuleLack {
    const char *rule;
    double gib_sec;
} RuleLack;

typedef struct Figures {
    double unmet_gib_sec;
    double changes;             /* of targets, a guest in ten minutes; those of a limit count once a second at most */
    double wait_sec;            /* until what is waited for is there; negative: nothing is, HUGE_VAL: it never was */
    double causes[LACK_CAUSES]; /* of unmet, GiB*s */
    RuleLack rules[RULES_MAX];  /* of what was untold: by the rule in force */
} Figures;

/* What the world can be asked for besides. */
typedef struct WorldTerms {
    bool trace;         /* a line a second and guest to standard output */
    size_t trace_guest; /* of this one alone; SIZE_MAX: all */
} WorldTerms;

void world_run(const Load *load, const Policy *policy, unsigned variant, const WorldTerms *terms, Figures *figures);

/* For those that see the truth: what it has now, and what it needs `ahead` steps from now. */
const Load *world_load(const World *world);
uint64_t world_has(const World *world, size_t guest);
uint64_t world_need(const World *world, size_t guest, size_t ahead);
/* What it needed at its last report. */
uint64_t world_reported_need(const World *world, size_t guest);
