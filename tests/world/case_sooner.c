/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is seen and done before a guest's next report, or before the next tick. */

#include "cases.h"

#define MSEC(n) ((uint64_t)(n)*USEC_PER_MSEC)

/* Runs until it is told another target; returns after how long. */
static uint64_t
run_until_told(World *world, const Seat *seat)
{
    uint64_t asked = seat->machine->asked_kib;
    uint64_t since = world->now_usec;

    while (seat->machine->asked_kib == asked && world->now_usec < since + SECONDS(5) && world_run(world, MSEC(5)))
        ;
    return world->now_usec - since;
}

#define MOMENTS 10

/*
 * It takes 600 MiB a second, from any moment between two reports. At 2000 MiB its demand is some 2050 and its buffer 205, so what
 * it has left is less than half of that once it needs 2150: from then on it could say so, if it were asked.
 */
World *
case_grows_between_reports(void)
{
    World *world = case_world(32768, 512);
    Seat *a = case_add_running(world, case_define("a", 512, 2300, 16384), 2300, 2000);

    a->kernel.deflate_kib = FROM_MIB(2400);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    for (unsigned i = 0; i < MOMENTS && world->broken == NULL; i++) {
        uint64_t asks, after;

        case_run(world, SECONDS(400) + MSEC(100 * i), NULL);
        /* what its page cache had is free, and the host has it */
        a->machine->held_kib = a->machine->need_kib;
        case_run(world, MSEC(300), NULL);
        asks = a->machine->asks;
        for (unsigned step = 0; step < 3; step++) {
            a->machine->need_kib += FROM_MIB(50);
            case_run(world, WORLD_STEP_USEC, NULL);
        }
        a->machine->need_kib += FROM_MIB(50);
        after = run_until_told(world, a);
        /* what it needs it touches with the next step of this world */
        if (world->broken == NULL && after > MSEC(300) + WORLD_STEP_USEC)
            world_break(world, a, "outgrows its buffer %u ms after a second began, and is told more %.1f s later",
                        100 * i, (double)after / USEC_PER_SEC);
        if (world->broken == NULL && a->machine->asks > asks + 1)
            world_break(world, a, "is asked at once %d times for one need", (int)(a->machine->asks - asks));
        a->machine->need_kib = FROM_MIB(2000);
    }
    return world;
}

/* The page cache of their disks grows again and again: they are asked at once, less and less, and no more than a few at a time. */
World *
case_asked_in_vain(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    World *world = case_world(65536, 512);
    Seat *seats[G_N_ELEMENTS(names)];
    uint64_t asked[G_N_ELEMENTS(names)] = {0};
    uint64_t targets;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        seats[i] = case_add_running(world, case_define(names[i], 256, 1200, 4096), 1200, 1000);
    daemon_start(world);
    case_run(world, SECONDS(400), NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && world->broken == NULL; i++)
        seats[i]->machine->asks = 0;
    targets = world->counts.targets;
    for (unsigned step = 0; step < 1200 && world->broken == NULL; step++) {
        uint64_t all = 0;

        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
            seats[i]->machine->cache_kib = step % 10 < 5 ? 0 : FROM_MIB(190);
        case_run(world, WORLD_STEP_USEC, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(names) && step % 10 == 9; i++) {
            all += seats[i]->machine->asks - asked[i];
            asked[i] = seats[i]->machine->asks;
        }
        if (all > 4)
            world_break(world, NULL, "%d guests are asked at once in one second", (int)all);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && world->broken == NULL; i++)
        if (seats[i]->machine->asks == 0 || seats[i]->machine->asks > 6)
            world_break(world, seats[i], "is asked at once %d times in two minutes, for nothing",
                        (int)seats[i]->machine->asks);
    if (world->broken == NULL && world->counts.targets != targets)
        world_break(world, NULL, "%d targets are told, and nobody needs more", (int)(world->counts.targets - targets));
    return world;
}

/* A load that wiggles moves nothing, however soon it is seen. */
World *
case_noise_is_no_growth(void)
{
    World *world = case_world(32768, 512);
    Seat *a = case_add_running(world, case_define("a", 512, 2600, 8192), 2600, 2000);
    Rng rng = {.state = 7};
    uint64_t targets = 0;

    daemon_start(world);
    for (unsigned second = 0; second < 900 && world->broken == NULL; second++) {
        if (second == 400) /* what it had too much of was collected */
            targets = world->counts.targets;
        a->machine->need_kib = FROM_MIB(rng_between(&rng, 1925, 2075));
        case_run(world, SECONDS(1), NULL);
    }
    if (world->broken == NULL && world->counts.targets != targets)
        world_break(world, a, "is told %d targets for noise", (int)(world->counts.targets - targets));
    return world;
}

/* Its QEMU takes what nobody knows of and is held back at its limit: a tick looks at once what can be done. */
World *
case_held_back_is_a_tick(void)
{
    World *world = case_world(32768, 4096); /* with slack for the page cache of its disks */
    Seat *a = case_add_running(world, case_define("a", 512, 3200, 8192), 3200, 2800);

    daemon_start(world);
    for (unsigned i = 0; i < MOMENTS && world->broken == NULL; i++) {
        uint64_t held_back, ticks, since;

        case_run(world, SECONDS(130) + MSEC(100 * i), NULL);
        if (world->broken != NULL)
            break;
        held_back = a->machine->held_back;
        for (unsigned step = 0; step < 20 && a->machine->held_back == held_back; step++) {
            a->machine->image_kib += saturating_sub(a->machine->high_kib, machine_resident(a->machine));
            case_run(world, WORLD_STEP_USEC, NULL);
        }
        if (world->broken == NULL && a->machine->held_back == held_back)
            world_break(world, a, "is not held back");
        ticks = world->counts.ticks;
        since = world->now_usec;
        while (world->counts.ticks == ticks && world->now_usec < since + SECONDS(5) && world_run(world, MSEC(20)))
            ;
        if (world->broken == NULL && world->now_usec > since + MSEC(120))
            world_break(world, a, "is held back at its limit, and looked at %.2f s later",
                        (double)(world->now_usec - since) / USEC_PER_SEC);
        a->machine->image_kib = 0;
    }
    return world;
}

/* The call that asks it ends half way, with its daemon: the next one has it report again. */
World *
case_dies_while_it_asks(void)
{
    World *world = case_world(16384, 512);
    Seat *a = case_add_running(world, case_define("a", 512, 1200, 4096), 1200, 1000);

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    world->options.call_usec = MSEC(40);
    a->machine->need_kib = FROM_MIB(1200);
    for (unsigned i = 0; i < 200 && !(a->known.call != NULL && a->known.call->kind == CALL_ASK); i++)
        world_run(world, MSEC(10));
    daemon_kill(world);
    case_run(world, SECONDS(1), NULL);
    if (world->broken == NULL && a->machine->period_sec != 0)
        world_break(world, a, "was not asked half way");
    daemon_start(world);
    case_run(world, SECONDS(3), NULL);
    if (world->broken == NULL && a->machine->period_sec != 1)
        world_break(world, a, "is left without reports");
    return world;
}
