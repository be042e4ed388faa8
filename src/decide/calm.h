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

#include <stdint.h>

/* What is kept of a guest from one tick to the next. Times since when something is so; 0: it is not. */
typedef struct CalmMemory {
    uint64_t surplus_usec; /* it holds more than it wants or is to have */
    uint64_t above_usec;   /* it holds noticeably more than its ideal */
    uint64_t below_usec;   /* ... less */
} CalmMemory;

/* What may be gone of a buffer of that size before it is refilled; held_kib: what the guest has. */
uint64_t calm_ignored(uint64_t buffer_kib, uint64_t held_kib);
