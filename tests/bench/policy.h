/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a policy is to the bench: it is shown what a manager on a host can see, and answers with a target for each guest. */

#include "policy_load.h"

typedef struct World World;

typedef struct GuestView {
    uint64_t minimum_kib;
    uint64_t maximum_kib;
    uint32_t buffer_percent;
    uint32_t priority;
    uint64_t actual_kib; /* balloon size now */
    uint64_t target_kib; /* as told last */
    /* Its last report. What it swapped and its major faults are those between that and the one before. */
    uint64_t serial;
    uint64_t report_actual_kib;
    uint64_t usable_kib;
    uint64_t swapped_in_kib;
    uint64_t swapped_out_kib;
    uint64_t major_faults;
    uint64_t resident_kib; /* what its QEMU holds of the host */
} GuestView;

typedef struct HostView {
    uint64_t now_usec;
    uint64_t total_kib;     /* MemTotal */
    uint64_t available_kib; /* MemAvailable */
    uint64_t reserve_kib;   /* is to be left to the host */
    uint64_t capacity_kib;  /* what all guests together may have */
    const GuestView *guests;
    size_t guest_count;
    const World *truth; /* for the limits alone */
} HostView;

typedef struct Policy {
    const char *name;
    const char *what;
    bool is_limit;  /* sees the truth, and is asked at each step */
    unsigned parts; /* others are asked once a second, and in those parts of it (0: none) in which a report has come */
    /* It promises that the sum of the larger of size and target never exceeds what there is. The world holds it to that. */
    bool keeps_book;
    unsigned variants; /* it is tried in so many ways, and the best counts; 0 is the plain one */
    /* A new one for a run. */
    void *(*begin)(const Load *load, unsigned variant);
    /* target_kib holds the present ones. */
    void (*decide)(void *self, const HostView *view, uint64_t *target_kib);
    void (*end)(void *self);
    /* Which of its rules made the guest's target what it is; NULL: it has none to name. */
    const char *(*rule)(void *self, size_t guest);
} Policy;

extern const Policy policy_dynmem;
extern const Policy policy_reference;
extern const Policy policy_proxmox;
extern const Policy policy_mom;
extern const Policy policy_static;
/* Sees every true need at once, at each step. Variant POLICY_FOLLOW just follows each need. */
extern const Policy policy_limit;
/* Sees the next seconds as well. */
extern const Policy policy_ahead;
/* Sees the true need of each guest's last report, as soon as it comes: what can be had at best of reports once a second. */
extern const Policy policy_late;

#define POLICY_FOLLOW 0

/*
 * Weighted water-filling: of amount each gets the smaller of its gap and its weight times one level. Returns what is left.
 * weights may be NULL: all the same.
 */
double policy_fill(const double *gaps, const double *weights, size_t count, double amount, double *shares);
