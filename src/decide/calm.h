/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From ideal targets to targets worth telling. What a guest lacks is given at once, and taken at once from those who hold more
 * than their ideal, those with most first, so that they shrink side by side. What nobody lacks stays where it is until it has
 * lasted, and is collected in one change then. Shrinking goes in steps that the guest can follow.
 *
 * A guest lacks something when it has less than its demand, or when a part of its buffer is gone. Smaller differences are
 * neither given nor taken until they have lasted.
 */

#include "decide/sharing.h"

/* What is kept of a guest from one tick to the next. Times since when something is so; 0: it is not. */
typedef struct CalmMemory {
    uint64_t surplus_usec; /* it holds more than it wants or is to have */
    uint64_t above_usec;   /* it holds noticeably more than its ideal */
    uint64_t below_usec;   /* ... less */
} CalmMemory;

typedef struct CalmGuest {
    /* in */
    size_t index;        /* whose it is: the caller's */
    uint64_t held_kib;   /* target in force */
    uint64_t actual_kib; /* where its balloon is */
    uint64_t ideal_kib;
    uint64_t need_kib; /* demand within its limits, and at most ideal */
    uint64_t want_kib; /* likewise */
    uint64_t minimum_kib;
    uint64_t maximum_kib;
    uint64_t cap_kib;  /* more than that it must not keep for a moment: a claim needs the memory; 0: none */
    uint64_t rate_kib; /* how fast it was seen to shrink, per second; 0: not known */
    bool instant;      /* nothing will be told: no steps */
    /* in and out */
    CalmMemory *memory;
    /* out */
    uint64_t target_kib;
    PlanRule delay; /* why target is not ideal; PLAN_RULE_COUNT: it is */
} CalmGuest;

/* What holds for all guests at this moment. */
typedef struct CalmTerms {
    uint64_t budget_kib; /* what their targets may add up to; their ideals do */
    bool pressure;       /* the host suffers and wants every surplus now */
    uint64_t interval_usec;
    uint64_t now_usec;
} CalmTerms;

/* What may be gone of a buffer of that size before it is refilled; held_kib: what the guest has. */
uint64_t calm_ignored(uint64_t buffer_kib, uint64_t held_kib);

/* Fills target and delay of all guests. scratch has room for count entries. */
void calm_settle(CalmGuest *guests, size_t count, const CalmTerms *terms, SharingScratch *scratch);
