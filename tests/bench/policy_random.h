/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Chance that is the same on every machine: a number a seed, and nothing else. */

#include <math.h>
#include <stdint.h>

typedef struct Random {
    uint64_t state;
} Random;

static inline uint64_t
random_next(Random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* At least 0, below 1. */
static inline double
random_unit(Random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

static inline double
random_between(Random *random, double low, double high)
{
    return low + (high - low) * random_unit(random);
}

/* As often between 1 and 2 as between 2 and 4. */
static inline double
random_scale(Random *random, double low, double high)
{
    return low * pow(high / low, random_unit(random));
}

static inline double
random_wait(Random *random, double mean)
{
    return -mean * log(1.0 - random_unit(random));
}

/* At least 1; the smaller alpha, the longer the tail. */
static inline double
random_tail(Random *random, double alpha)
{
    return pow(1.0 - random_unit(random), -1.0 / alpha);
}

static inline uint64_t
random_below(Random *random, uint64_t limit)
{
    return random_next(random) % limit;
}
