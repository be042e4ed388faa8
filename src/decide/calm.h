/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From ideal targets to targets worth telling. Growing to demand is immediate. Growing to want happens when
 * it is worth it and not too often. Shrinking waits until somebody wants the memory or the surplus has lasted, and
 * goes in steps that the guest can follow. Small differences are left alone, except that in a shortage they are set right
 * once in a while, so that the shares become exact.
 *
 * What is held back never breaks the budget: where the held targets do not fit it, buffers wait, and what demands
 * lack is taken from those who have more than their ideal.
 */

#include "decide/sharing.h"

/* Zero: nothing yet. */
typedef struct CalmMemory {
    uint64_t changed_usec; /* the target was changed */
    uint64_t trimmed_usec; /* a small difference was set right */
    uint64_t surplus_usec; /* more than the ideal since then; 0: no */
    uint64_t ideal_kib;    /* this ideal, about, since then */
    uint64_t ideal_usec;
} CalmMemory;

typedef struct CalmGuest {
    /* in */
    CalmMemory *memory;
    uint64_t held_kib;   /* target in force */
    uint64_t actual_kib; /* where its balloon is */
    uint64_t ideal_kib;
    uint64_t need_kib; /* demand within its limits */
    uint64_t minimum_kib;
    uint64_t maximum_kib;
    uint64_t cap_kib;  /* more than that it must not keep for a moment: a claim needs the memory; 0: none */
    uint32_t weight;   /* at least 1 */
    uint64_t rate_kib; /* how fast it was seen to shrink, per second; 0: not known */
    bool instant;      /* nothing will be told: no steps */
    /* out */
    uint64_t target_kib;
    PlanRule delay; /* why target is not ideal; PLAN_RULE_COUNT: it is */
} CalmGuest;

/* Room to work in, one entry per guest each. */
typedef struct CalmScratch {
    SharingGuest *sharing;
    SharingScratch *entries;
} CalmScratch;

/* What holds for all guests at this moment. */
typedef struct CalmTerms {
    uint64_t budget_kib; /* what their targets may add up to */
    bool shortage;       /* somebody does not have all the want */
    bool pressure;       /* the host suffers and wants every surplus now */
    uint64_t interval_usec;
    uint64_t now_usec;
} CalmTerms;

/* Fills target and delay of all guests. */
void calm_settle(CalmGuest *guests, size_t count, const CalmTerms *terms, CalmScratch *scratch);

/* Remembers that the target of guest was changed. */
void calm_note_change(CalmMemory *memory, uint64_t now_usec);
