/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Guests of test_decide_world.h whose memory.high can be set. */

#include "test_decide_world.h"

static inline void
make_limited(FakeWorld *world, size_t i)
{
    world->guests[i].limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
}

/* One second, in which the limits that are told come into force. */
static inline void
tick_with_limits(FakeWorld *world)
{
    world_tick(world);
    for (size_t i = 0; i < world->count; i++) {
        if (!world->plan.guests[i].limit_tell)
            continue;
        world->guests[i].limits.high_kib = world->plan.guests[i].limit_kib;
        world->guests[i].limits.set = world->plan.guests[i].limit_kib != LIMIT_NONE;
    }
}

static inline void
run_with_limits(FakeWorld *world, unsigned seconds)
{
    for (unsigned t = 0; t < seconds; t++)
        tick_with_limits(world);
}
