/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Balloons, memory and settings that are changed from outside. */

#include "cases.h"

/* Another one has all that is left; a is squeezed to about 150 MiB of its 512. */
static World *
full_host(Seat **a)
{
    World *world = case_world(900, 256);

    *a = case_add_running(world, case_define("a", 100, 200, 512), 200, 60);
    case_add_running(world, case_define("o", 128, 200, 1024), 200, 700);
    daemon_start(world);
    case_run(world, SECONDS(60), NULL);
    if (world->broken == NULL && machine_actual((*a)->machine) > FROM_MIB(150))
        world_break(world, *a, "was to be squeezed first, and has %.0f MiB", MIB(machine_actual((*a)->machine)));
    return world;
}

static void
check_has(World *world, const Seat *seat, uint64_t low_mib, uint64_t high_mib, const char *when)
{
    double has = MIB(machine_actual(seat->machine));

    if (world->broken == NULL && (has < (double)low_mib || has > (double)high_mib))
        world_break(world, seat, "%s it has %.0f MiB, and not %d to %d", when, has, (int)low_mib, (int)high_mib);
}

/* A dimm that it did not see is pulled: what it sees it keeps, and what the dimm was booked at others can have. */
World *
case_dimm_unplugged(void)
{
    World *world = case_world(1700, 256);
    Seat *a = case_add_running(world, case_define("a", 100, 150, 512), 150, 110);
    Seat *other = case_add_running(world, case_define("o", 128, 500, 1100), 500, 450);
    uint64_t before;

    world->options.limits = false;
    daemon_start(world);
    case_run(world, SECONDS(30), NULL);
    virsh_plug(world, a, FROM_MIB(256));
    case_run(world, SECONDS(60), other);
    before = machine_actual(a->machine) - FROM_MIB(256);
    virsh_unplug(world, a);
    other->machine->need_kib = FROM_MIB(1000);
    for (unsigned i = 0; i < 100 && case_run(world, WORLD_STEP_USEC, NULL); i++)
        check_has(world, a, before / KIB_PER_MIB - 16, 512, "after its dimm was pulled");
    check_has(world, a, before / KIB_PER_MIB - 16, 260, "while another lacks memory");
    check_has(world, other, 1000, 1100, "of what the dimm was booked at");
    return world;
}

/* It is paused while its balloon grows: it is booked at where that came to. */
World *
case_paused_while_moved(void)
{
    World *world = case_world(8192, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 1024, 4096), 1024, 800);

    world->options.limits = false;
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_setmem(world, a, FROM_MIB(3800));
    case_run(world, WORLD_STEP_USEC * 3 / 2, NULL);
    virsh_suspend(world, a);
    case_run(world, SECONDS(20), NULL);
    return world;
}

/* Somebody else has it report every five seconds: three reports show it. Then again, which waits for a minute. */
World *
case_period_changed(void)
{
    static const unsigned within[] = {20, 65, 125};
    World *world = case_world(8192, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 1024, 4096), 1024, 800);

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(within); i++) {
        unsigned seconds = 0;

        a->machine->period_sec = 5;
        while (a->machine->period_sec != 1 && seconds < 300 && case_run(world, SECONDS(1), NULL))
            seconds++;
        if (world->broken == NULL && (seconds < 10 || seconds > within[i]))
            world_break(world, a, "its period was put right after %u s, and not within %u", seconds, within[i]);
    }
    return world;
}

/* There is no room for its new minimum, and somebody else enlarges its balloon: it is told again what it was told before. */
World *
case_moved_below_its_minimum(void)
{
    Seat *a;
    World *world = full_host(&a);
    Definition definition = a->definition;
    Seat *other = &world->seats[1];
    uint64_t before;

    definition.minimum_kib = definition.startup_kib = FROM_MIB(400);
    virsh_define(world, a, &definition, true);
    definition = other->definition;
    definition.minimum_kib = definition.startup_kib = machine_actual(other->machine);
    virsh_define(world, other, &definition, true);
    case_run(world, SECONDS(20), NULL);
    before = machine_actual(a->machine) / KIB_PER_MIB;
    virsh_setmem(world, a, FROM_MIB(500));
    case_run(world, SECONDS(6), NULL);
    check_has(world, a, before - 16, before + 16, "enlarged by somebody else,");
    case_run(world, SECONDS(60), NULL);
    check_has(world, a, before - 16, before + 16, "a minute later");
    return world;
}

/* It comes back from a file with less than its minimum, for which there is no room: that is all it is booked at. */
World *
case_restored_below_its_minimum(void)
{
    Seat *a;
    World *world = full_host(&a);
    Definition definition;
    uint64_t had = machine_actual(a->machine) / KIB_PER_MIB;

    virsh_save(world, a);
    definition = a->saved.definition;
    definition.minimum_kib = definition.startup_kib = FROM_MIB(400);
    a->saved.definition = definition;
    case_run(world, SECONDS(1), NULL);
    virsh_start(world, a, START_HOW_SAVED, false, false);
    if (!case_run_until_runs(world, a, SECONDS(60)))
        return world;
    case_run(world, SECONDS(10), NULL);
    case_booked_within(world, a, had - 1, had + 64, "restored with less than its minimum, it");
    return world;
}

static void
let_go(World *world, Seat *a)
{
    Definition definition = a->definition;

    definition.managed = false;
    virsh_define(world, a, &definition, true);
}

static void
check_let_go(World *world, Seat *a)
{
    world->seats[1].machine->need_kib = FROM_MIB(150);
    case_run(world, SECONDS(90), NULL);
    check_has(world, a, 199, 1024, "when it is let go");
    if (world->broken == NULL && a->machine->high_kib != LIMIT_NONE)
        world_break(world, a, "was let go, and its limit is left");
}

/* Its balloon comes down slowly to the startup memory that it is let go with, and somebody else enlarges it meanwhile. */
World *
case_moved_while_it_is_let_go(void)
{
    World *world = case_world(1600, 256);
    Seat *a = case_add_running(world, case_define("a", 100, 200, 1024), 800, 100);

    a->kernel.inflate_kib = FROM_MIB(30);
    case_add_running(world, case_define("o", 128, 200, 1024), 300, 900);
    daemon_start(world);
    case_run(world, SECONDS(8), NULL);
    let_go(world, a);
    case_run(world, SECONDS(1), NULL);
    virsh_setmem(world, a, FROM_MIB(900));
    check_let_go(world, a);
    return world;
}

/* It was squeezed by a daemon that died, and its element is gone when the next one comes. */
World *
case_element_removed_without_daemon(void)
{
    Seat *a;
    World *world = full_host(&a);

    daemon_kill(world);
    let_go(world, a);
    case_run(world, SECONDS(5), NULL);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    check_let_go(world, a);
    return world;
}

/* It is reset before it has got back what it was squeezed by: its new driver goes to the target of before. */
World *
case_reset_as_it_is_let_go(void)
{
    Seat *a;
    World *world = full_host(&a);

    let_go(world, a);
    case_run(world, WORLD_STEP_USEC, NULL);
    virsh_reset(world, a);
    case_run(world, SECONDS(20), NULL);
    check_let_go(world, a);
    return world;
}

/* It migrates here, and arrives and is reset while libvirtd is away: the balloon that it brought means nothing. */
World *
case_arrives_and_is_reset_unheard(void)
{
    World *world = case_world(8192, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 1024, 4096), 1024, 600);

    world->options.limits = false;
    a->kernel.boot_usec = SECONDS(60);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_migrate(world, a, SECONDS(2), false);
    case_run(world, SECONDS(3), NULL);
    virsh_start(world, a, START_HOW_ARRIVES, false, false);
    case_run(world, SECONDS(2), NULL);
    world_restart_libvirtd(world, SECONDS(12));
    case_run(world, SECONDS(10), NULL);
    virsh_reset(world, a);
    case_run(world, SECONDS(20), NULL);
    case_booked_within(world, a, 4096, 4096, "reset after it arrived, it");
    return world;
}

/* a boots, has no driver, and would touch all of its 1 GiB. */
static World *
held_by_its_limit(uint64_t need_mib, Seat **a)
{
    World *world = case_world(1900, 256);

    case_add_running(world, case_define("o", 128, 200, 1536), 200, need_mib);
    *a = case_add(world, case_define("a", 100, 200, 1024));
    (*a)->kernel.driver = DRIVER_NONE;
    (*a)->kernel.boot_touch_kib = FROM_MIB(1024);
    daemon_start(world);
    case_run(world, SECONDS(40), NULL);
    virsh_start(world, *a, START_HOW_COLD, false, false);
    if (case_run_until_runs(world, *a, SECONDS(60)))
        case_run(world, SECONDS(20), NULL);
    return world;
}

/* Its limit goes, and all its memory of 1024 MiB is booked then. */
static void
check_lost_its_limit(World *world, Seat *a)
{
    let_go(world, a);
    case_run(world, SECONDS(60), NULL);
    case_booked_within(world, a, 1024, 1024, "let go, it");
    if (world->broken == NULL && a->machine->high_kib != LIMIT_NONE)
        world_break(world, a, "was let go, and its limit is left");
}

/* Whoever has no balloon is let go when all of its memory is its own, and not never. */
World *
case_let_go_without_a_driver(void)
{
    Seat *a;
    World *world = held_by_its_limit(100, &a);

    check_lost_its_limit(world, a);
    return world;
}

/* ... and not before others have given that, also by a daemon that has told it nothing. */
World *
case_let_go_while_its_limit_holds_it(void)
{
    Seat *a;
    World *world = held_by_its_limit(1100, &a);

    daemon_kill(world);
    daemon_start(world);
    case_run(world, SECONDS(8), NULL);
    if (world->broken == NULL && a->machine->high_kib > FROM_MIB(700))
        world_break(world, a, "is not held by its limit, which is %.0f MiB", MIB(a->machine->high_kib));
    check_lost_its_limit(world, a);
    return world;
}

/* Somebody else tells it less before its driver is there, so nobody sees its balloon leave where it was told to be. */
World *
case_moved_before_its_driver(void)
{
    World *world = case_world(8192, 512);
    Seat *a = case_add(world, case_define("a", 256, 1024, 4096));
    Definition definition = a->definition;

    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (!case_run_until_runs(world, a, SECONDS(5)))
        return world;
    case_run(world, SECONDS(4), NULL);
    virsh_setmem(world, a, FROM_MIB(600));
    case_run(world, SECONDS(6), NULL);
    definition.mode = GUEST_MODE_STATIC;
    virsh_define(world, a, &definition, true);
    case_run(world, SECONDS(60), NULL);
    if (world->broken == NULL && (machine_actual(a->machine) < FROM_MIB(1023) || a->machine->high_kib != LIMIT_NONE))
        world_break(world, a, "was let go with %.0f MiB, and its startup memory is 1024",
                    MIB(machine_actual(a->machine)));
    return world;
}

/* Somebody else tells it more right after the daemon told it less, before its balloon has moved: told again, and not stuck. */
World *
case_moved_as_it_is_told(void)
{
    World *world = case_world(3050, 256);
    Seat *a = case_add_running(world, case_define("a", 256, 1024, 2048), 2048, 600);
    Seat *o = case_add_running(world, case_define("o", 256, 512, 2048), 512, 400);
    uint64_t asked = a->machine->asked_kib;

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    o->machine->need_kib = FROM_MIB(600);
    for (unsigned i = 0; i < 10000 && a->machine->asked_kib == asked && world_run(world, 1000); i++)
        ;
    virsh_setmem(world, a, FROM_MIB(2048));
    case_run(world, SECONDS(30), NULL);
    if (world->broken == NULL && (a->told.state == GUEST_STATE_STUCK || machine_actual(o->machine) < FROM_MIB(600)))
        world_break(world, a, "is %s with %.0f MiB, and another has %.0f and needs 600",
                    guest_state_name(a->told.state), MIB(machine_actual(a->machine)), MIB(machine_actual(o->machine)));
    return world;
}

/* Restored, and its driver says nothing: without its mode it is owed its startup memory, told at once, and no limit stays. */
World *
case_let_go_as_it_was_restored(void)
{
    World *world = case_world(8192, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 1024, 4096), 1024, 600);
    Definition definition = a->definition;

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    virsh_save(world, a);
    a->kernel.driver = DRIVER_NONE;
    a->saved.driver = false;
    case_run(world, SECONDS(2), NULL);
    virsh_start(world, a, START_HOW_SAVED, false, false);
    if (!case_run_until_runs(world, a, SECONDS(30)))
        return world;
    case_run(world, SECONDS(5), NULL);
    definition.mode = GUEST_MODE_STATIC;
    virsh_define(world, a, &definition, true);
    case_run(world, SECONDS(60), NULL);
    if (world->broken == NULL && a->machine->high_kib != LIMIT_NONE)
        world_break(world, a, "was let go, and its limit of %.0f MiB is left", MIB(a->machine->high_kib));
    return world;
}
