/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random worlds, and what happens in them. */

#include "world.h"

#include <stdio.h>

static uint64_t
mib_between(Rng *rng, uint64_t low, uint64_t high)
{
    return FROM_MIB(rng_between(rng, low, high));
}

static void
draw_definition(Rng *rng, Definition *definition, unsigned index, uint64_t memory_kib)
{
    uint64_t most = MIN(memory_kib / KIB_PER_MIB, 8192);

    *definition = (Definition){
        .managed = !rng_hits(rng, 80),
        .mode = rng_hits(rng, 900)   ? GUEST_MODE_DYNAMIC
                : rng_hits(rng, 500) ? GUEST_MODE_OBSERVE
                                     : GUEST_MODE_STATIC,
        .base_kib = mib_between(rng, 512, most),
        .priority = (unsigned)rng_between(rng, 0, 100),
        .buffer = (unsigned)rng_between(rng, 0, 40),
    };
    snprintf(definition->name, sizeof definition->name, "%c", 'a' + (int)index);
    definition->startup_kib = pages_up(definition->base_kib / rng_between(rng, 1, 6));
    definition->startup_kib = MAX(definition->startup_kib, FROM_MIB(200));
    definition->minimum_kib = pages_up(MAX(definition->startup_kib / rng_between(rng, 1, 4), FROM_MIB(128)));
    definition->current_kib = definition->startup_kib;
    if (rng_hits(rng, 100))
        definition->minimum_kib = 0;
    if (rng_hits(rng, 150)) {
        definition->device_kib = FROM_MIB(rng_between(rng, 1, 4) * 512);
        definition->device_requested_kib = rng_hits(rng, 500) ? 0 : definition->device_kib / 2;
    }
}

static void
draw_kernel(Rng *rng, Kernel *kernel, const Definition *definition)
{
    *kernel = (Kernel){
        .driver = DRIVER_GOOD,
        .boot_usec = rng_between(rng, 4, 25) * USEC_PER_SEC,
        .boot_touch_kib = rng_hits(rng, 300) ? definition->base_kib : definition->startup_kib / 2,
        .inflate_kib = mib_between(rng, 100, 600),
        .deflate_kib = mib_between(rng, 200, 1200),
        .onlines = rng_hits(rng, 500),
    };
    if (rng_hits(rng, 150))
        kernel->driver = (DriverKind)rng_between(rng, DRIVER_SLOW, DRIVER_NONE);
}

World *
chance_world(uint64_t seed)
{
    Rng rng = {.state = seed * 77 + 5};
    WorldOptions options = {
        .seed = seed,
        .memory_kib = mib_between(&rng, 3072, 20480),
        .limits = rng_hits(&rng, 850),
        .limits_flaky = rng_hits(&rng, 150),
        .swap = rng_hits(&rng, 400),
        .absent_allows = rng_hits(&rng, 800),
        .admission = rng_hits(&rng, 920),
        .interval_usec = rng_hits(&rng, 800) ? USEC_PER_SEC : rng_between(&rng, 5, 30) * 100 * USEC_PER_MSEC,
    };
    World *world;
    unsigned count = (unsigned)rng_between(&rng, 2, 6);
    uint64_t left;

    options.reserve_kib = MAX(options.memory_kib / rng_between(&rng, 8, 20), FROM_MIB(256));
    world = world_new(&options);
    world->other_kib = world->other_goal_kib = mib_between(&rng, 100, 600);
    world->cache_kib = mib_between(&rng, 0, 2000);
    world->arc_kib = rng_hits(&rng, 200) ? mib_between(&rng, 0, 2000) : 0;
    left = saturating_sub(options.memory_kib, options.reserve_kib + world->other_kib);
    for (unsigned i = 0; i < count; i++) {
        Definition definition;
        Kernel kernel;
        Seat *seat;
        uint64_t full;

        draw_definition(&rng, &definition, i, options.memory_kib);
        draw_kernel(&rng, &kernel, &definition);
        seat = world_add(world, &definition, &kernel);
        seat->transient = rng_hits(&rng, 150);
        full = definition.managed && definition.mode == GUEST_MODE_DYNAMIC && kernel.driver == DRIVER_GOOD
                   ? definition.startup_kib
                   : definition.base_kib;
        full += definition.device_requested_kib + FROM_MIB(120);
        if (full > left || rng_hits(&rng, 300)) {
            if (seat->transient)
                seat->defined = false;
            continue;
        }
        left -= full;
        world_place(world, seat,
                    full == definition.startup_kib + definition.device_requested_kib + FROM_MIB(120)
                        ? definition.startup_kib
                        : definition.base_kib,
                    mib_between(&rng, 60, definition.startup_kib / KIB_PER_MIB));
    }
    daemon_start(world);
    return world;
}

/* ---- what happens ---- */

static uint64_t
draw_need(Rng *rng, const Machine *machine)
{
    uint64_t ram = machine_ram(machine) / KIB_PER_MIB;

    return rng_hits(rng, 250) ? mib_between(rng, 60, ram) : mib_between(rng, 60, MAX(ram / 3, 61));
}

static void
redefine(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Definition definition = seat->definition;

    switch (rng_between(rng, 0, 5)) {
    case 0:
        definition.managed = !definition.managed;
        break;
    case 1:
        definition.mode = (GuestMode)rng_between(rng, GUEST_MODE_DYNAMIC, GUEST_MODE_STATIC);
        break;
    case 2:
        definition.managed = true;
        definition.mode = GUEST_MODE_DYNAMIC;
        break;
    case 3: /* another memory, and a start in the same breath */
        definition.base_kib = mib_between(rng, 512, MIN(world->options.memory_kib / KIB_PER_MIB, 8192));
        definition.startup_kib = MIN(definition.startup_kib, definition.base_kib);
        definition.startup_kib = definition.current_kib =
            MAX(definition.startup_kib, pages_up(definition.base_kib / 4));
        definition.minimum_kib = MIN(definition.minimum_kib, definition.startup_kib);
        virsh_define(world, seat, &definition, false);
        virsh_start(world, seat, START_HOW_COLD, false, false);
        return;
    default:
        definition.minimum_kib = pages_up(rng_between(rng, FROM_MIB(128), definition.startup_kib));
        definition.priority = (unsigned)rng_between(rng, 0, 100);
        break;
    }
    virsh_define(world, seat, &definition, true);
}

/* A transient guest goes, and one of the same uuid is there at once. */
static void
come_back(World *world, Seat *seat)
{
    if (!seat->transient || seat->machine == NULL)
        return;
    virsh_destroy(world, seat, false);
    seat->defined = true;
    virsh_start(world, seat, START_HOW_COLD, false, false);
}

static void
happen_off(World *world, Seat *seat)
{
    Rng *rng = &world->rng;

    seat->defined = seat->defined || seat->transient;
    switch (rng_between(rng, 0, 9)) {
    case 0:
    case 1:
        virsh_start(world, seat, START_HOW_COLD, rng_hits(rng, 300), true);
        if (rng_hits(rng, 200))
            ctl_leave(world, seat);
        break;
    case 2:
        virsh_start(world, seat, START_HOW_SNAPSHOT, false, false);
        break;
    case 3:
        if (!seat->defined)
            virsh_start(world, seat, START_HOW_ARRIVES, false, false);
        break;
    case 4:
        redefine(world, seat);
        break;
    default:
        virsh_start(world, seat, START_HOW_COLD, rng_hits(rng, 200), false);
        break;
    }
    if (seat->start.stage == STARTING_NOT && seat->transient)
        seat->defined = false;
}

static void
happen_running(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    const Machine *machine = seat->machine;

    if (machine->paused && !machine->arriving && rng_hits(rng, 600)) {
        virsh_resume(world, seat);
        return;
    }
    switch (rng_between(rng, 0, 27)) {
    case 0:
    case 1:
        virsh_destroy(world, seat, false);
        break;
    case 2:
        come_back(world, seat);
        break;
    case 3:
    case 4:
    case 5:
        virsh_reset(world, seat);
        break;
    case 6:
        virsh_suspend(world, seat);
        break;
    case 7:
    case 8:
        virsh_setmem(world, seat, pages_up(rng_between(rng, machine_ram(machine) / 4, machine_ram(machine))));
        break;
    case 9:
        virsh_save(world, seat);
        break;
    case 10:
    case 11:
        virsh_snapshot(world, seat);
        break;
    case 12:
        virsh_revert(world, seat);
        break;
    case 13:
    case 14:
        virsh_migrate(world, seat, rng_between(rng, 1, 20) * USEC_PER_SEC, rng_hits(rng, 400));
        break;
    case 15:
        virsh_plug(world, seat, FROM_MIB(rng_between(rng, 1, 4) * 128));
        break;
    case 16:
        virsh_unplug(world, seat);
        break;
    case 17:
    case 18:
        virsh_request(world, seat, rng_between(rng, 0, 4) * machine->device_kib / 4);
        break;
    case 19:
    case 20:
        redefine(world, seat);
        break;
    case 21:
        virsh_hang(world, seat, true);
        break;
    case 22:
    case 23:
        guest_empties(world, seat, true);
        break;
    case 24:
        guest_unloads(world, seat);
        break;
    default:
        seat->wish_need_kib = draw_need(rng, machine);
        break;
    }
}

/* Those that need libvirtd wait until it is back. */
static void
happen_without_libvirtd(World *world, Seat *seat)
{
    switch (rng_between(&world->rng, 0, 2)) {
    case 0:
        virsh_reset(world, seat);
        break;
    case 1:
        guest_empties(world, seat, true);
        break;
    default:
        break;
    }
}

static void
happen_on_host(World *world)
{
    Rng *rng = &world->rng;

    switch (rng_between(rng, 0, 9)) {
    case 0:
        daemon_kill(world);
        break;
    case 1:
        world_restart_libvirtd(world, rng_between(rng, 300, 12000) * USEC_PER_MSEC);
        break;
    case 2:
    case 3:
    case 4:
        host_grow(world, mib_between(rng, 100, world->options.memory_kib / KIB_PER_MIB / 5));
        break;
    case 5:
        if (rng_hits(rng, 200))
            daemon_set_manage_all(world, !world->manage_all);
        break;
    default:
        daemon_tick_soon(world);
        break;
    }
}

static void
end_moods(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Machine *machine = seat->machine;

    if (machine->hung && rng_hits(rng, 12))
        virsh_hang(world, seat, false);
    if (machine->emptying && rng_hits(rng, 8))
        guest_empties(world, seat, false);
    if (seat->need_changes_usec <= world->now_usec) {
        seat->need_changes_usec = world->now_usec + rng_between(rng, 3, 40) * USEC_PER_SEC;
        machine->need_kib = draw_need(rng, machine);
    }
}

void
chance_step(World *world)
{
    Rng *rng = &world->rng;

    if (world->engine == NULL && rng_hits(rng, 30))
        daemon_start(world);
    if (rng_hits(rng, 4))
        happen_on_host(world);
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        if (seat->machine != NULL)
            end_moods(world, seat);
        if (!rng_hits(rng, 4))
            continue;
        if (world->libvirtd_away) {
            if (seat->machine != NULL)
                happen_without_libvirtd(world, seat);
        } else if (seat->machine == NULL)
            happen_off(world, seat);
        else
            happen_running(world, seat);
    }
}
