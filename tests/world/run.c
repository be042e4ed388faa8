/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A random world from its beginning to its end. */

#include "world.h"

/* Of one world; then everything comes to rest, and at last all guests are shut down. */
#define RUN_STEPS 6000
#define REST_STEPS 1500
/* ... and longer while the balloon of one that is let go is on its way, but not for ever. */
#define REST_STEPS_MOST (6 * REST_STEPS)
/* ... and until a few ticks have seen that it has come. */
#define AFTER_STEPS 50
#define DOWN_STEPS 600
#define DOWN_PARTS 3

static void
settle(World *world)
{
    world->other_goal_kib = MIN(world->other_goal_kib, world->other_kib);
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        virsh_hang(world, seat, false);
        guest_empties(world, seat, false);
        if (seat->machine != NULL && seat->machine->paused)
            virsh_resume(world, seat);
    }
    daemon_start(world);
}

bool
run_world(World *world)
{
    unsigned rest = REST_STEPS;

    for (unsigned i = 0; i < RUN_STEPS; i++) {
        chance_step(world);
        if (!world_run(world, WORLD_STEP_USEC))
            return false;
    }
    settle(world);
    for (unsigned i = 0; i < rest / 10 && i < REST_STEPS_MOST / 10; i++) {
        if (i % 30 == 10)
            settle(world);
        if (needs_more_rest(world))
            rest = MAX(rest, i * 10 + AFTER_STEPS);
        if (!world_run(world, WORLD_STEP_USEC * 10))
            return false;
    }
    needs_check_rest(world);
    if (world->broken != NULL)
        return false;
    for (unsigned part = 0; part < DOWN_PARTS; part++) {
        /* one that is being started is up by the next time */
        for (unsigned i = 0; part < DOWN_PARTS - 1 && i < world->count; i++)
            virsh_destroy(world, &world->seats[i], false);
        if (!world_run(world, WORLD_STEP_USEC * DOWN_STEPS / DOWN_PARTS))
            return false;
    }
    needs_check_rest(world);
    /* one that libvirt has locked for its start, which its limit holds up, can't be ended */
    for (unsigned i = 0; i < world->count; i++)
        if (world->seats[i].machine != NULL)
            return world->broken == NULL;
    if (world->committed_kib != 0)
        world_break(world, NULL, "all guests are off, and %.0f MiB are booked", MIB(world->committed_kib));
    return world->broken == NULL;
}
