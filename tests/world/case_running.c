/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happens to guests that run. */

#include "cases.h"

/* Calls take 1.6 s, and ticks come meanwhile: what A was told is not free for B. */
World *
case_target_under_way(void)
{
    World *world = case_world(7168, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 2048, 6144), 2048, 3200);
    Seat *b = case_add_running(world, case_define("b", 256, 2048, 6144), 2048, 3200);

    world->options.call_usec = 1600 * USEC_PER_MSEC;
    daemon_start(world);
    for (unsigned i = 0; i < 200 && world_run(world, WORLD_STEP_USEC); i++) {
        if (i % 3 == 0)
            daemon_tick_soon(world);
        a->machine->need_kib = b->machine->need_kib = FROM_MIB(1500 + i * 20);
    }
    return world;
}

/* Nobody told it to grow: its limit stays where it is, so does its booking, and the others keep what they need. */
World *
case_empties_its_balloon(void)
{
    World *world = case_world(16384, 1024);
    Seat *win = case_add_running(world, case_define("win", 1024, 4096, 16384 - 2048), 4096, 3600);
    Seat *other = case_add_running(world, case_define("o", 512, 3072, 8192), 3400, 3000);
    uint64_t high;

    win->kernel.deflate_kib = FROM_MIB(90);
    case_add_running(world, case_define("p", 512, 3072, 8192), 3400, 3000);
    daemon_start(world);
    case_run(world, SECONDS(60), NULL);
    if (world->broken != NULL)
        return world;
    high = win->machine->high_kib;
    guest_empties(world, win, true);
    case_run(world, SECONDS(120), other);
    if (world->broken == NULL && win->machine->high_kib > high + FROM_MIB(300))
        world_break(world, win, "empties its balloon, and its limit goes from %.0f to %.0f MiB", MIB(high),
                    MIB(win->machine->high_kib));
    guest_empties(world, win, false);
    case_run(world, SECONDS(60), other);
    return world;
}

/* virsh setmem from outside: told again within a few seconds, not stuck, and nobody pays. */
static World *
moved(uint64_t to_mib)
{
    World *world = case_world(1700, 256);
    Seat *other = case_add_running(world, case_define("o", 128, 484, 768), 540, 484);
    Seat *mail = case_add_running(world, case_define("mail", 100, 128, 512), 160, 107);
    uint64_t before;

    daemon_start(world);
    case_run(world, SECONDS(30), NULL);
    if (world->broken != NULL)
        return world;
    before = machine_actual(mail->machine);
    virsh_setmem(world, mail, FROM_MIB(to_mib));
    case_run(world, SECONDS(6), other);
    if (world->broken == NULL && (machine_actual(mail->machine) > before + FROM_MIB(32) ||
                                  machine_actual(mail->machine) + FROM_MIB(32) < before))
        world_break(world, mail, "was moved from %.0f to %d MiB by somebody else, and has %.0f six seconds later",
                    MIB(before), (int)to_mib, MIB(machine_actual(mail->machine)));
    if (world->broken == NULL && mail->told.state == GUEST_STATE_STUCK)
        world_break(world, mail, "is called stuck");
    case_run(world, SECONDS(60), other);
    return world;
}

World *
case_moved_up(void)
{
    return moved(400);
}

World *
case_moved_down(void)
{
    return moved(112);
}

/* Taken out of management while it is squeezed: its startup memory first, and no limit is left. */
static World *
let_go(bool is_static)
{
    World *world = case_world(900, 256);
    Seat *a = case_add_running(world, case_define("a", 100, 200, 512), 200, 60);
    Seat *o = case_add_running(world, case_define("o", 128, 200, 1024), 200, 700);
    Definition definition = a->definition;

    daemon_start(world);
    case_run(world, SECONDS(60), NULL);
    if (world->broken == NULL && machine_actual(a->machine) > FROM_MIB(150))
        world_break(world, a, "was to be squeezed first, and has %.0f MiB", MIB(machine_actual(a->machine)));
    definition.managed = is_static;
    definition.mode = is_static ? GUEST_MODE_STATIC : GUEST_MODE_DYNAMIC;
    virsh_define(world, a, &definition, true);
    o->machine->need_kib = FROM_MIB(150);
    case_run(world, SECONDS(90), NULL);
    if (world->broken == NULL && machine_actual(a->machine) < FROM_MIB(199))
        world_break(world, a, "was let go with %.0f MiB, and its startup memory is 200",
                    MIB(machine_actual(a->machine)));
    if (world->broken == NULL && a->machine->high_kib != LIMIT_NONE)
        world_break(world, a, "was let go, and its limit is left");
    return world;
}

World *
case_element_removed(void)
{
    return let_go(false);
}

World *
case_mode_static(void)
{
    return let_go(true);
}

/* A dimm that the guest does not bring online is no memory to squeeze. */
World *
case_dimm_not_online(void)
{
    World *world = case_world(1030, 256);
    Seat *a = case_add_running(world, case_define("a", 100, 150, 512), 150, 110);
    Seat *other = case_add_running(world, case_define("o", 128, 450, 768), 450, 400);

    daemon_start(world);
    case_run(world, SECONDS(30), NULL);
    virsh_plug(world, a, FROM_MIB(256));
    case_run(world, SECONDS(120), other);
    return world;
}

/* virtio-mem counts with what it was asked for: 64 GiB of which 1 is there start on a host of 32. */
World *
case_virtio_mem(void)
{
    World *world = case_world(32768, 2048);
    Definition definition = case_define("kv", 1024, 1024, 1024);
    Seat *a;

    definition.device_kib = FROM_MIB(63 * 1024);
    a = case_add(world, definition);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (!case_run_until_runs(world, a, SECONDS(30)))
        return world;
    case_run(world, SECONDS(20), NULL);
    case_booked_within(world, a, 1024, 1100, "with nothing plugged, it");
    virsh_request(world, a, FROM_MIB(4096));
    case_run(world, SECONDS(3), NULL);
    case_booked_within(world, a, 5120, 5200, "asked to plug 4 GiB, it");
    return world;
}

/* memory.max of its group: no target may bring it there. */
World *
case_hard_limit(void)
{
    World *world = case_world(24576, 1024);
    Definition definition = case_define("h", 2048, 4096, 10240);
    Seat *a;

    definition.hard_limit_kib = FROM_MIB(8192);
    a = case_add_running(world, definition, 4096, 3500);
    daemon_start(world);
    case_run(world, SECONDS(10), NULL);
    a->machine->need_kib = FROM_MIB(9216);
    for (unsigned i = 0; i < 600 && case_run(world, WORLD_STEP_USEC, NULL); i++)
        if (machine_resident(a->machine) > FROM_MIB(8192))
            world_break(world, a, "is killed by its hard limit of 8 GiB, ballooned to %.0f MiB",
                        MIB(machine_actual(a->machine)));
    return world;
}

/* Its hard limit is taken away: its group has none any more before anybody reads its XML, and it gets what it needs. */
World *
case_hard_limit_lifted(void)
{
    World *world = case_world(24576, 1024);
    Definition definition = case_define("h", 2048, 4096, 10240);
    Seat *a;

    definition.hard_limit_kib = FROM_MIB(8192);
    a = case_add_running(world, definition, 4096, 9216);
    daemon_start(world);
    case_run(world, SECONDS(30), NULL);
    a->machine->hard_limit_kib = 0;
    case_run(world, SECONDS(30), NULL);
    if (world->broken == NULL && machine_actual(a->machine) < a->machine->need_kib)
        world_break(world, a, "has no hard limit any more, needs %.0f MiB, and has %.0f", MIB(a->machine->need_kib),
                    MIB(machine_actual(a->machine)));
    return world;
}

/* libvirtd dies while a target is under way: nobody knows, and it stays booked. */
World *
case_libvirtd_dies(void)
{
    World *world = case_world(7168, 512);
    Seat *a = case_add_running(world, case_define("a", 256, 2048, 6144), 2048, 1500);
    Seat *b = case_add_running(world, case_define("b", 256, 2048, 6144), 2048, 1500);

    world->options.call_usec = 800 * USEC_PER_MSEC;
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    a->machine->need_kib = FROM_MIB(3500);
    for (unsigned i = 0; i < 100 && a->known.record.target_pending == false; i++)
        case_run(world, WORLD_STEP_USEC, NULL);
    case_run(world, 600 * USEC_PER_MSEC, NULL);
    world_restart_libvirtd(world, SECONDS(3));
    b->machine->need_kib = FROM_MIB(3500);
    case_run(world, SECONDS(60), NULL);
    return world;
}

/* A disk image on tmpfs is charged to its group and is no memory of its own: it is not called a balloon that frees nothing. */
World *
case_image_on_tmpfs(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 8192), 3000, 1500);

    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    for (unsigned i = 0; i < 300 && case_run(world, WORLD_STEP_USEC, NULL); i++)
        a->machine->image_kib += FROM_MIB(10);
    case_run(world, SECONDS(60), NULL);
    a->machine->need_kib = FROM_MIB(1000);
    case_run(world, SECONDS(360), NULL);
    if (world->broken == NULL && a->told.rule == PLAN_RULE_INHIBITED)
        world_break(world, a, "is said to have a balloon that frees nothing, because of a disk image");
    a->machine->need_kib = FROM_MIB(2500);
    case_run(world, SECONDS(30), NULL);
    if (world->broken == NULL && (machine_actual(a->machine) < FROM_MIB(2500) || a->machine->held_kib < FROM_MIB(2450)))
        world_break(world, a, "needs 2500 MiB, has %.0f and may hold %.0f", MIB(machine_actual(a->machine)),
                    MIB(a->machine->held_kib));
    return world;
}

/* machine.slice has a limit of its own, and its guests are never brought there. */
World *
case_machine_slice(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 8192), 1500, 1200);
    Seat *b = case_add_running(world, case_define("b", 512, 1024, 8192), 1500, 1200);

    world->options.above_kib = FROM_MIB(6144);
    world->options.above_seats = UINT64_MAX;
    daemon_start(world);
    case_run(world, SECONDS(10), NULL);
    a->machine->need_kib = b->machine->need_kib = FROM_MIB(5000);
    for (unsigned i = 0; i < 900 && case_run(world, WORLD_STEP_USEC, NULL); i++)
        if (world_resident(world, WITHIN_HOST) > FROM_MIB(6144))
            world_break(world, NULL, "the guests hold %.0f MiB of the 6144 of their slice",
                        MIB(world_resident(world, WITHIN_HOST)));
    return world;
}

/* A new daemon whose libvirt takes its time: what guests hold is not what other processes use. */
World *
case_daemon_is_new(void)
{
    World *world = case_world(12288, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 8192), 4400, 4000);

    case_add_running(world, case_define("b", 512, 1024, 8192), 4400, 4000);
    world->options.connect_usec = 2500 * USEC_PER_MSEC;
    daemon_start(world);
    case_run(world, SECONDS(60), a);
    return world;
}

/* The start of another guest does not loosen the limit of one that boots. */
World *
case_start_beside_a_boot(void)
{
    World *world = case_world(9216, 435);
    Seat *e = case_add(world, case_define("e", 512, 1367, 5468));
    Seat *a = case_add(world, case_define("a", 512, 3748, 7496));

    e->kernel.boot_usec = SECONDS(40);
    daemon_start(world);
    case_run(world, SECONDS(5), NULL);
    virsh_start(world, e, START_HOW_COLD, false, false);
    case_run(world, SECONDS(10), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    case_run(world, SECONDS(25), NULL);
    if (world->broken == NULL && e->machine != NULL && e->machine->high_kib > FROM_MIB(2000))
        world_break(world, e, "boots with 1367 MiB, and its limit is %.0f", MIB(e->machine->high_kib));
    return world;
}

/* Its answers are late while it grows: what its QEMU holds now is not held against the balloon's size of a while ago. */
World *
case_slow_answer_while_growing(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 8192), 4000, 3600);

    a->kernel.deflate_kib = FROM_MIB(1200);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    for (unsigned i = 0; i < 4; i++) {
        a->machine->need_kib = FROM_MIB(1200);
        case_run(world, SECONDS(330), NULL);
        world->options.call_usec = 900 * USEC_PER_MSEC;
        a->machine->need_kib = FROM_MIB(5500);
        case_run(world, SECONDS(20), NULL);
        world->options.call_usec = 0;
    }
    if (world->broken == NULL && a->told.rule == PLAN_RULE_INHIBITED)
        world_break(world, a, "is said to have a balloon that frees nothing");
    return world;
}

/* Told more and then less: until an answer from after that is there, it may have what it was told first. */
World *
case_lowered_late(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 12288), 2000, 1700);

    a->kernel.deflate_kib = FROM_MIB(400);
    world->options.limits = false;
    daemon_start(world);
    for (unsigned i = 0; i < 40; i++) {
        a->machine->need_kib = FROM_MIB(1200);
        world->other_kib = world->other_goal_kib = FROM_MIB(100);
        case_run(world, SECONDS(40), NULL);
        world->options.call_usec = (300 + i * 10) * USEC_PER_MSEC;
        a->machine->need_kib = FROM_MIB(9000);
        case_run(world, (1000 + i * 100) * USEC_PER_MSEC, NULL);
        world->other_kib = world->other_goal_kib = FROM_MIB(9000);
        case_run(world, SECONDS(5), NULL);
        world->options.call_usec = 0;
    }
    return world;
}

/* It is reset each time it is squeezed: after a few times it is let be for a while. */
World *
case_frail(void)
{
    World *world = case_world(1100, 256);
    Definition weak = case_define("a", 100, 300, 512);
    Definition strong = case_define("o", 128, 200, 1024);
    Seat *a;

    weak.priority = 0;
    strong.priority = 100;
    a = case_add_running(world, weak, 300, 250);
    a->kernel.frail = true;
    case_add_running(world, strong, 300, 900);
    daemon_start(world);
    case_run(world, SECONDS(900), NULL);
    if (world->broken == NULL && world->counts.resets > 8)
        world_break(world, a, "was squeezed until it reset %d times in a quarter of an hour",
                    (int)world->counts.resets);
    if (world->broken == NULL && a->told.rule != PLAN_RULE_LET_BE)
        world_break(world, a, "is not let be: %s", plan_rule_name(a->told.rule));
    return world;
}

/* Four that have 128 to 250 MiB each and need 512 to boot are reset at once on a full host: all come back, and no file is left. */
World *
case_four_restart(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    World *world = case_world(1500, 256);
    Seat *seats[G_N_ELEMENTS(names)];

    world->options.paging = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        seats[i] = case_add_running(world, case_define(names[i], 128, 512, 1024), 230, 180);
        seats[i]->kernel.boot_touch_kib = FROM_MIB(512);
    }
    daemon_start(world);
    case_run(world, SECONDS(40), NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && world->broken == NULL; i++)
        virsh_reset(world, seats[i]);
    case_run(world, SECONDS(120), NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && world->broken == NULL; i++)
        if (!seats[i]->machine->driver)
            world_break(world, seats[i], "is not back two minutes after its reset");
    case_run(world, SECONDS(WORLD_PAGING_SEC), NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && world->broken == NULL; i++)
        if (seats[i]->file.there)
            world_break(world, seats[i], "has a paging file yet");
    return world;
}

/* Reset while it migrates away and has no limit: one is set, and holds it at what it had. */
World *
case_reset_while_leaving(void)
{
    World *world = case_world(16384, 1024);
    Seat *a = case_add_running(world, case_define("a", 512, 1024, 4096), 1024, 600);

    daemon_start(world);
    case_run(world, SECONDS(1), NULL);
    virsh_migrate(world, a, SECONDS(60), false);
    case_run(world, SECONDS(2), NULL);
    virsh_reset(world, a);
    case_run(world, SECONDS(2), NULL);
    case_booked_within(world, a, 1024, 1024, "reset while it leaves, it");
    if (world->broken == NULL && a->machine->high_kib == LIMIT_NONE)
        world_break(world, a, "has no limit");
    return world;
}

/* One that was only looked at owes nothing to the daemon, nor is it owed anything: without its element it has no limit at once. */
World *
case_observed_and_let_go(void)
{
    World *world = case_world(8192, 512);
    Definition definition = case_define("a", 256, 2048, 4096);
    Seat *a;

    definition.mode = GUEST_MODE_OBSERVE;
    a = case_add_running(world, definition, 1024, 600);
    daemon_start(world);
    case_run(world, SECONDS(20), NULL);
    definition.managed = false;
    virsh_define(world, a, &definition, true);
    case_run(world, SECONDS(3), NULL);
    case_booked_within(world, a, 4096, 4096, "without its element, it");
    if (world->broken == NULL && (a->machine->high_kib != LIMIT_NONE || machine_actual(a->machine) != FROM_MIB(1024)))
        world_break(world, a, "was only looked at, and is moved or limited when it is not any more");
    return world;
}

#define PHASES 5

/* Each reports at another moment of the second: none waits for the next full one. */
World *
case_need_is_seen_with_the_report(void)
{
    World *world = case_world(16384, 512);
    Seat *seats[PHASES];

    for (unsigned i = 0; i < PHASES; i++) {
        const char *const names[PHASES] = {"a", "b", "c", "d", "e"};

        seats[i] = case_add_running(world, case_define(names[i], 256, 1024, 2048), 1024, 700);
    }
    daemon_start(world);
    case_run(world, SECONDS(10), NULL);
    for (unsigned i = 0; i < PHASES; i++) {
        case_run(world, USEC_PER_SEC / PHASES, NULL);
        seats[i]->machine->reported_usec -= USEC_PER_SEC;
    }
    /* it is looked now and then whether a report comes sooner */
    case_run(world, SECONDS(80), NULL);
    for (unsigned i = 0; i < PHASES; i++) {
        Machine *machine = seats[i]->machine;
        uint64_t asked = machine->asked_kib;
        uint64_t since = world->now_usec;

        machine->need_kib = FROM_MIB(1020);
        while (machine->asked_kib == asked && world->now_usec < since + SECONDS(5) && world_run(world, WORLD_STEP_USEC))
            ;
        /* a quarter of a second, what the call takes, and a step of this world */
        if (world->broken == NULL && world->now_usec > machine->reported_usec + 400 * USEC_PER_MSEC)
            world_break(world, seats[i], "reported its need %.1f s ago and is told more now",
                        (double)(world->now_usec - machine->reported_usec) / USEC_PER_SEC);
    }
    return world;
}
