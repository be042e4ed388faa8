/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The verdict on a start that was asked for: admitted, to wait, or refused. A pure function of the request and of what
 * the line of claims found for it; a start is admitted when its memory is seen free, never when it is only promised.
 */

#include "decide/claims.h"

typedef struct AdmissionTerms {
    const Settings *settings;
    const char *paging_bar; /* why no paging file can be had on this host; NULL: it can */
    bool valid;             /* the host's figures are those of now */
    bool certain;           /* ... and what can't be had now can't be had in a moment either */
    bool observe;           /* nothing is told to any guest, so nothing is refused either */
    uint64_t node_room_kib; /* what the NUMA nodes have left that it is strictly bound to; UINT64_MAX: it is to none */
    uint64_t node_kept_kib; /* what others have of them */
    uint64_t now_usec;
} AdmissionTerms;

/* Admitted, once at least: it may wait again for more than it was admitted with. */
bool admission_is_booked(const StartRequest *request);

/*
 * What a start claims: the rest of what it needs where it was admitted already. need_kib: overhead not included. claim's guest and
 * start are kept.
 */
void admission_claim(const StartRequest *request, uint64_t need_kib, const AdmissionTerms *terms, Claim *claim);

/* Fills plan; claim is the request's own, settled. */
void admission_judge(const StartRequest *request, const Claim *claim, const AdmissionTerms *terms, StartPlan *plan);
