/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that start, arrive, come back. */

#include "cases.h"

/* A managed save of 9 GiB, by dm-ctl start: booked at what it brings from the hook on, and never held below it. */
World *
case_saved_by_ctl(void)
{
    World *world = case_world(16384, 1024);
    Seat *web = case_add_running(world, case_define("web", 1024, 2048, 12288), 9216, 8000);

    daemon_start(world);
    case_run(world, SECONDS(30), NULL);
    virsh_save(world, web);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, web, START_HOW_COLD, false, true);
    if (!case_run_until_runs(world, web, SECONDS(60)))
        return world;
    case_booked_within(world, web, 8000, 11000, "restored, it");
    for (unsigned i = 0; i < 600 && case_run(world, WORLD_STEP_USEC, NULL); i++)
        if (web->machine->high_kib != LIMIT_NONE && web->machine->high_kib < machine_resident(web->machine))
            world_break(world, web, "holds %.0f MiB that it brought, and is held to %.0f",
                        MIB(machine_resident(web->machine)), MIB(web->machine->high_kib));
    return world;
}

/* virsh start --paused: startup is booked and no more, the others keep what they need, its resume is held. */
World *
case_started_paused(void)
{
    World *world = case_world(1200, 256);
    Seat *other = case_add_running(world, case_define("o", 128, 350, 512), 489, 350);
    Seat *p = case_add(world, case_define("p", 100, 150, 512));

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_start(world, p, START_HOW_COLD, true, false);
    if (!case_run_until_runs(world, p, SECONDS(60)))
        return world;
    for (unsigned i = 0; i < 60 && case_run(world, SECONDS(1), other); i++)
        if (i > 2)
            case_booked_within(world, p, 150, 190, "paused, it");
    if (world->broken == NULL && p->machine->high_kib == LIMIT_NONE)
        world_break(world, p, "is paused for a minute, and nothing will hold it when it is resumed");
    virsh_resume(world, p);
    case_run(world, SECONDS(30), other);
    return world;
}

static World *
arrives(bool cancelled, bool daemon_dies)
{
    World *world = case_world(8192, 512);
    Seat *other = case_add_running(world, case_define("o", 512, 3072, 6144), 3900, 3500);
    Seat *m = case_add(world, case_define("m", 512, 1024, 6144));

    world->options.connect_usec = daemon_dies ? 60 * USEC_PER_MSEC : 0;
    m->defined = false;
    m->abroad = (Memory){.there = true,
                         .definition = m->definition,
                         .held_kib = FROM_MIB(2000),
                         .need_kib = FROM_MIB(1500),
                         .balloon_kib = FROM_MIB(4096),
                         .asked_kib = FROM_MIB(4096),
                         .driver = true};
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_start(world, m, START_HOW_ARRIVES, false, false);
    while (daemon_dies && m->start.stage != STARTING_LAUNCH && world_run(world, 1000))
        ;
    if (daemon_dies) {
        daemon_kill(world);
        daemon_start(world);
    }
    if (!case_run_until_runs(world, m, SECONDS(60)))
        return world;
    if (cancelled)
        virsh_migrate(world, m, SECONDS(10), true);
    for (unsigned i = 0;
         i < 130 && case_run(world, WORLD_STEP_USEC, other) && m->machine != NULL && m->machine->arriving; i++)
        if (i > 30)
            case_booked_within(world, m, 2048, 2400, "on its way here, it");
    if (!cancelled) {
        case_run(world, SECONDS(30), other);
        return world;
    }
    case_run(world, SECONDS(4), other);
    if (m->machine != NULL || truth_booked(m) != 0)
        world_break(world, m, "did not come after all, and %.0f MiB are booked for it", MIB(truth_booked(m)));
    return world;
}

World *
case_migrates_in(void)
{
    return arrives(false, false);
}

World *
case_migration_called_off(void)
{
    return arrives(true, false);
}

/* Let in by one daemon, and there when the next one looks: it is booked at what was booked for it. */
World *
case_arrives_between_daemons(void)
{
    return arrives(false, true);
}

/* Ctrl-C of dm-ctl start while libvirt's start goes on: what is booked for it stays. */
World *
case_ctl_is_left(void)
{
    World *world = case_world(6144, 512);
    Seat *a = case_add(world, case_define("a", 512, 2048, 4096));

    world->options.launch_usec = SECONDS(4);
    case_add_running(world, case_define("b", 512, 1024, 5120), 1024, 4600);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, true);
    for (unsigned i = 0; i < 300 && a->start.stage != STARTING_LAUNCH && a->start.stage != STARTING_NOT; i++)
        case_run(world, WORLD_STEP_USEC / 10, NULL);
    ctl_leave(world, a);
    case_run(world, SECONDS(3), NULL);
    case_booked_within(world, a, 2048, 2048, "being launched, it");
    if (case_run_until_runs(world, a, SECONDS(20)))
        case_run(world, SECONDS(20), NULL);
    return world;
}

/*
 * A transient guest of the same uuid, and much larger, is there before the daemon looks again, and was not asked about:
 * nothing of the one before holds.
 */
World *
case_transient_comes_back(void)
{
    World *world = case_world(16384, 1024);
    Definition larger = case_define("t", 512, 4096, 8192);
    Seat *t = case_add_running(world, case_define("t", 256, 512, 1024), 512, 300);

    world->options.no_hook = true;
    world->options.launch_usec = 4 * USEC_PER_MSEC;
    t->transient = true;
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    for (unsigned i = 0; i < 2; i++) { /* the first time its boots are counted from 1 on, as they are the second time */
        case_run(world, SECONDS(20), NULL);
        virsh_destroy(world, t, false);
        world_run(world, 28 * USEC_PER_MSEC);
        t->definition = i == 0 ? t->definition : larger;
        t->defined = true;
        virsh_start(world, t, START_HOW_COLD, false, false);
    }
    if (case_run_until_runs(world, t, SECONDS(20)))
        case_run(world, SECONDS(4), NULL);
    case_booked_within(world, t, 4096, 4700, "started anew, it");
    case_run(world, SECONDS(40), NULL);
    return world;
}

/* Defined with 32 GiB and started in the same breath: what starts is what libvirt says, and a host of 16 can't have it. */
World *
case_redefined_and_started(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add(world, case_define("a", 512, 1024, 2048));
    Definition large = case_define("a", 0, 0, 32768);

    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    large.current_kib = large.base_kib;
    virsh_define(world, a, &large, false);
    virsh_start(world, a, START_HOW_COLD, false, false);
    case_run(world, SECONDS(40), NULL);
    if (world->broken == NULL && a->machine != NULL)
        world_break(world, a, "runs with 32 GiB on a host of 16");
    return world;
}

/* QEMU touches all of it before it runs: 16 GiB do not start where 4 are free. */
static World *
immediate(uint64_t memory_mib, bool fits)
{
    World *world = case_world(memory_mib, 512);
    Definition definition = case_define("im", 512, 1024, 16384);
    Seat *a;

    definition.immediate = true;
    a = case_add(world, definition);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    case_run(world, SECONDS(40), NULL);
    if (world->broken == NULL && (a->machine != NULL) != fits)
        world_break(world, a,
                    fits ? "does not start though there is room" : "starts, and touches 16 GiB of a host with 4 free");
    case_run(world, SECONDS(60), NULL);
    return world;
}

World *
case_immediate_without_room(void)
{
    return immediate(5120, false);
}

World *
case_immediate_with_room(void)
{
    return immediate(24576, true);
}

/* The element is lost while it is off: not refused at its next start, and booked in full. */
World *
case_element_lost(void)
{
    World *world = case_world(4096, 512);
    Definition bare = case_define("a", 256, 512, 2048);
    Seat *a = case_add(world, bare);

    case_add_running(world, case_define("b", 512, 1024, 4096), 1024, 3000);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    bare.managed = false;
    virsh_define(world, a, &bare, false);
    case_run(world, SECONDS(3), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (case_run_until_runs(world, a, SECONDS(60)))
        case_run(world, SECONDS(5), NULL);
    case_booked_within(world, a, 2048, 2048, "without its element, it");
    return world;
}

/* A reverted guest brings what the snapshot had. */
World *
case_reverted_from_off(void)
{
    World *world = case_world(12288, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 8192), 5000, 4300);
    Seat *other = case_add_running(world, case_define("o", 512, 3072, 8192), 3400, 3000);

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_snapshot(world, a);
    virsh_destroy(world, a, false);
    case_run(world, SECONDS(150), NULL);
    virsh_revert(world, a);
    if (case_run_until_runs(world, a, SECONDS(30)))
        case_run(world, SECONDS(5), other);
    case_booked_within(world, a, 4300, 5600, "reverted, it");
    case_run(world, SECONDS(30), other);
    return world;
}

/* Bound to a node that is full, while the other is empty: it does not start. */
World *
case_numa_node_full(void)
{
    World *world = case_world(32768, 1024);
    Definition bound = case_define("a", 2048, 4096, 4096);
    Definition other = case_define("o", 14000, 14000, 14000);
    Seat *a;

    world->options.nodes = 2;
    bound.strict_nodes = other.strict_nodes = 1;
    a = case_add(world, bound);
    case_add_running(world, other, 14000, 13000)->machine->nodes = 1;
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    case_run(world, SECONDS(60), NULL);
    if (world->broken == NULL && a->machine != NULL)
        world_break(world, a, "of 4 GiB runs on a node that has less than 2 GiB left");
    return world;
}

/*
 * It needs at once more than its startup memory, and its balloon can't come to that: it is believed where it stands, and the
 * guest is given what it needs.
 */
World *
case_starts_needing_more(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add(world, case_define("a", 256, 700, 4096));

    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (!case_run_until_runs(world, a, SECONDS(30)))
        return world;
    a->machine->need_kib = FROM_MIB(2400);
    case_run(world, SECONDS(30), NULL);
    if (world->broken == NULL && machine_actual(a->machine) < FROM_MIB(2400))
        world_break(world, a, "needs 2400 MiB and has %.0f, 22 seconds after its driver has come",
                    MIB(machine_actual(a->machine)));
    return world;
}

/* Reserved as a restart, with what was free, and started when it is none any more: it has what was booked, and no more. */
World *
case_reserved_as_a_restart(void)
{
    World *world = case_world(4096, 256);
    Seat *a = case_add_running(world, case_define("a", 256, 2048, 3072), 2048, 600);
    Seat *o = case_add_running(world, case_define("o", 2600, 2600, 3072), 2600, 1000);

    o->kernel.boot_touch_kib = FROM_MIB(100);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_destroy(world, a, false);
    case_run(world, SECONDS(WORLD_RESTART_SEC - 10), NULL);
    ctl_reserve(world, a);
    case_run(world, SECONDS(20), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (case_run_until_runs(world, a, SECONDS(10)))
        case_run(world, SECONDS(3), NULL);
    if (world->broken == NULL && world->committed_kib > world->budget_kib)
        world_break(world, a, "is booked at %.0f MiB, and %.0f are booked of %.0f", MIB(truth_booked(a)),
                    MIB(world->committed_kib), MIB(world->budget_kib));
    return world;
}

/* Started again where others have taken what it had: no paging file holds what is there before its first instruction. */
static World *
comes_back_to_a_full_host(bool reverted)
{
    World *world = case_world(12288, 1024);
    Definition definition = case_define("a", 512, 1024, 8192);
    Seat *a;

    world->options.paging = true;
    definition.immediate = !reverted;
    a = case_add_running(world, definition, 5000, 4300);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_snapshot(world, a);
    virsh_destroy(world, a, false);
    host_grow(world, FROM_MIB(8000));
    case_run(world, SECONDS(60), NULL);
    if (reverted)
        virsh_revert(world, a);
    else
        virsh_start(world, a, START_HOW_COLD, false, false);
    case_run(world, SECONDS(40), NULL);
    if (world->broken == NULL && a->machine != NULL)
        world_break(world, a, "runs with %.0f MiB on a host that is full", MIB(machine_resident(a->machine)));
    return world;
}

World *
case_immediate_restarts(void)
{
    return comes_back_to_a_full_host(false);
}

World *
case_reverted_soon(void)
{
    return comes_back_to_a_full_host(true);
}
