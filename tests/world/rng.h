/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Chance that can be repeated: the same seed, the same numbers, on every machine. */

#include <stdbool.h>
#include <stdint.h>

typedef struct Rng {
    uint64_t state;
} Rng;

static inline uint64_t
rng_next(Rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* low to high, both included. */
static inline uint64_t
rng_between(Rng *rng, uint64_t low, uint64_t high)
{
    return low + rng_next(rng) % (high - low + 1);
}

/* True in so many of a thousand cases. */
static inline bool
rng_hits(Rng *rng, unsigned permille)
{
    return rng_next(rng) % 1000 < permille;
}
