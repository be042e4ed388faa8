/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One situation each, with the right value worked out by hand: test_world_cases [NAME]. The checks of truth.c run in all of
 * them.
 */

#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS(n) ((uint64_t)(n)*USEC_PER_SEC)

/* ---- what cases are made of ---- */

static Definition
define(const char *name, uint64_t minimum_mib, uint64_t startup_mib, uint64_t maximum_mib)
{
    Definition definition = {
        .managed = true,
        .minimum_kib = FROM_MIB(minimum_mib),
        .startup_kib = FROM_MIB(startup_mib),
        .current_kib = FROM_MIB(startup_mib),
        .base_kib = FROM_MIB(maximum_mib),
        .priority = 50,
        .buffer = 10,
    };

    g_strlcpy(definition.name, name, sizeof definition.name);
    return definition;
}

static const Kernel good_kernel = {
    .driver = DRIVER_GOOD,
    .boot_usec = 8 * USEC_PER_SEC,
    .boot_touch_kib = FROM_MIB(100),
    .inflate_kib = FROM_MIB(400),
    .deflate_kib = FROM_MIB(800),
};

static Seat *
add(World *world, Definition definition)
{
    return world_add(world, &definition, &good_kernel);
}

static Seat *
add_running(World *world, Definition definition, uint64_t actual_mib, uint64_t need_mib)
{
    Seat *seat = add(world, definition);

    seat->need_changes_usec = UINT64_MAX;
    world_place(world, seat, FROM_MIB(actual_mib), FROM_MIB(need_mib));
    return seat;
}

static World *
make_world(uint64_t memory_mib, uint64_t reserve_mib)
{
    const WorldOptions options = {
        .seed = 1,
        .memory_kib = FROM_MIB(memory_mib),
        .reserve_kib = FROM_MIB(reserve_mib),
        .limits = true,
        .quiet_calls = true,
        .absent_allows = true,
        .admission = true,
        .interval_usec = USEC_PER_SEC,
    };
    World *world = world_new(&options);

    world->other_kib = world->other_goal_kib = FROM_MIB(100);
    return world;
}

/* Runs so long; victim (may be NULL) must have what it needs all the time. */
static bool
run(World *world, uint64_t usec, const Seat *victim)
{
    for (uint64_t end_usec = world->now_usec + usec; world->now_usec < end_usec;) {
        if (!world_run(world, WORLD_STEP_USEC))
            return false;
        if (victim != NULL && machine_actual(victim->machine) < percent_of(victim->machine->need_kib, 98)) {
            world_break(world, victim, "has %.0f MiB and needs %.0f, because of somebody else",
                        MIB(machine_actual(victim->machine)), MIB(victim->machine->need_kib));
            return false;
        }
    }
    return true;
}

/* Runs until it is in this state of the ledger; false after so long. */
static bool
run_until_runs(World *world, const Seat *seat, uint64_t usec)
{
    for (uint64_t end_usec = world->now_usec + usec; world->now_usec < end_usec;) {
        if (!world_run(world, WORLD_STEP_USEC))
            return false;
        if (seat->machine != NULL && seat->start.stage == STARTING_NOT)
            return true;
    }
    world_break(world, seat, "does not run");
    return false;
}

static void
booked_within(World *world, const Seat *seat, uint64_t low_mib, uint64_t high_mib, const char *when)
{
    double booked = MIB(truth_booked(seat));

    if (booked < (double)low_mib || booked > (double)high_mib)
        world_break(world, seat, "%s is booked at %.0f MiB; right is %d to %d", when, booked, (int)low_mib,
                    (int)high_mib);
}

/* ---- cases ---- */

/* Calls take 1.6 s, and ticks come meanwhile: what A was told is not free for B. */
static World *
target_under_way(void)
{
    World *world = make_world(7168, 512);
    Seat *a = add_running(world, define("a", 256, 2048, 6144), 2048, 3200);
    Seat *b = add_running(world, define("b", 256, 2048, 6144), 2048, 3200);

    world->options.call_usec = 1600 * USEC_PER_MSEC;
    daemon_start(world);
    for (unsigned i = 0; i < 200 && world_run(world, WORLD_STEP_USEC); i++) {
        if (i % 3 == 0)
            daemon_tick_soon(world);
        a->machine->need_kib = b->machine->need_kib = FROM_MIB(1500 + i * 20);
    }
    return world;
}

/* A managed save of 9 GiB, by dm-ctl start: booked at what it brings from the hook on, and never held below it. */
static World *
saved_by_ctl(void)
{
    World *world = make_world(16384, 1024);
    Seat *web = add_running(world, define("web", 1024, 2048, 12288), 9216, 8000);

    daemon_start(world);
    run(world, SECONDS(30), NULL);
    virsh_save(world, web);
    run(world, SECONDS(5), NULL);
    virsh_start(world, web, START_HOW_COLD, false, true);
    if (!run_until_runs(world, web, SECONDS(60)))
        return world;
    booked_within(world, web, 8000, 11000, "restored, it");
    for (unsigned i = 0; i < 600 && run(world, WORLD_STEP_USEC, NULL); i++)
        if (web->machine->high_kib != LIMIT_NONE && web->machine->high_kib < machine_resident(web->machine))
            world_break(world, web, "holds %.0f MiB that it brought, and is held to %.0f",
                        MIB(machine_resident(web->machine)), MIB(web->machine->high_kib));
    return world;
}

/* virsh start --paused: startup is booked and no more, the others keep what they need, its resume is held. */
static World *
started_paused(void)
{
    World *world = make_world(1200, 256);
    Seat *other = add_running(world, define("o", 128, 350, 512), 489, 350);
    Seat *p = add(world, define("p", 100, 150, 512));

    daemon_start(world);
    run(world, SECONDS(20), NULL);
    virsh_start(world, p, START_HOW_COLD, true, false);
    if (!run_until_runs(world, p, SECONDS(60)))
        return world;
    for (unsigned i = 0; i < 60 && run(world, SECONDS(1), other); i++)
        if (i > 2)
            booked_within(world, p, 150, 190, "paused, it");
    if (world->broken == NULL && p->machine->high_kib == LIMIT_NONE)
        world_break(world, p, "is paused for a minute, and nothing will hold it when it is resumed");
    virsh_resume(world, p);
    run(world, SECONDS(30), other);
    return world;
}

static World *
arrives(bool cancelled)
{
    World *world = make_world(8192, 512);
    Seat *other = add_running(world, define("o", 512, 3072, 6144), 3900, 3500);
    Seat *m = add(world, define("m", 512, 1024, 6144));

    m->defined = false;
    m->abroad = (Memory){.there = true,
                         .definition = m->definition,
                         .held_kib = FROM_MIB(2000),
                         .need_kib = FROM_MIB(1500),
                         .balloon_kib = FROM_MIB(4096),
                         .asked_kib = FROM_MIB(4096),
                         .driver = true};
    daemon_start(world);
    run(world, SECONDS(20), NULL);
    virsh_start(world, m, START_HOW_ARRIVES, false, false);
    if (!run_until_runs(world, m, SECONDS(60)))
        return world;
    if (cancelled)
        virsh_migrate(world, m, SECONDS(10), true);
    for (unsigned i = 0; i < 130 && run(world, WORLD_STEP_USEC, other) && m->machine != NULL && m->machine->arriving;
         i++)
        if (i > 30)
            booked_within(world, m, 2048, 2400, "on its way here, it");
    if (!cancelled) {
        run(world, SECONDS(30), other);
        return world;
    }
    run(world, SECONDS(4), other);
    if (m->machine != NULL || truth_booked(m) != 0)
        world_break(world, m, "did not come after all, and %.0f MiB are booked for it", MIB(truth_booked(m)));
    return world;
}

static World *
migrates_in(void)
{
    return arrives(false);
}

static World *
migration_called_off(void)
{
    return arrives(true);
}

/* Nobody told it to grow: its limit stays where it is, so does its booking, and the others keep what they need. */
static World *
empties_its_balloon(void)
{
    World *world = make_world(16384, 1024);
    Seat *win = add_running(world, define("win", 1024, 4096, 16384 - 2048), 4096, 3600);
    Seat *other = add_running(world, define("o", 512, 3072, 8192), 3400, 3000);
    uint64_t high;

    win->kernel.deflate_kib = FROM_MIB(90);
    add_running(world, define("p", 512, 3072, 8192), 3400, 3000);
    daemon_start(world);
    run(world, SECONDS(60), NULL);
    if (world->broken != NULL)
        return world;
    high = win->machine->high_kib;
    guest_empties(world, win, true);
    run(world, SECONDS(120), other);
    if (world->broken == NULL && win->machine->high_kib > high + FROM_MIB(300))
        world_break(world, win, "empties its balloon, and its limit goes from %.0f to %.0f MiB", MIB(high),
                    MIB(win->machine->high_kib));
    guest_empties(world, win, false);
    run(world, SECONDS(60), other);
    return world;
}

/* Ctrl-C of dm-ctl start while libvirt's start goes on: what is booked for it stays. */
static World *
ctl_is_left(void)
{
    World *world = make_world(6144, 512);
    Seat *a = add(world, define("a", 512, 2048, 4096));

    world->options.launch_usec = SECONDS(4);
    add_running(world, define("b", 512, 1024, 5120), 1024, 4600);
    daemon_start(world);
    run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, true);
    for (unsigned i = 0; i < 300 && a->start.stage != STARTING_LAUNCH && a->start.stage != STARTING_NOT; i++)
        run(world, WORLD_STEP_USEC / 10, NULL);
    ctl_leave(world, a);
    run(world, SECONDS(3), NULL);
    booked_within(world, a, 2048, 2048, "being launched, it");
    if (run_until_runs(world, a, SECONDS(20)))
        run(world, SECONDS(20), NULL);
    return world;
}

/*
 * A transient guest of the same uuid, and much larger, is there before the daemon looks again, and was not asked about:
 * nothing of the one before holds.
 */
static World *
transient_comes_back(void)
{
    World *world = make_world(16384, 1024);
    Definition larger = define("t", 512, 4096, 8192);
    Seat *t = add_running(world, define("t", 256, 512, 1024), 512, 300);

    world->options.no_hook = true;
    world->options.launch_usec = 4 * USEC_PER_MSEC;
    t->transient = true;
    daemon_start(world);
    run(world, SECONDS(5), NULL);
    for (unsigned i = 0; i < 2; i++) { /* the first time its boots are counted from 1 on, as they are the second time */
        run(world, SECONDS(20), NULL);
        virsh_destroy(world, t, false);
        world_run(world, 28 * USEC_PER_MSEC);
        t->definition = i == 0 ? t->definition : larger;
        t->defined = true;
        virsh_start(world, t, START_HOW_COLD, false, false);
    }
    if (run_until_runs(world, t, SECONDS(20)))
        run(world, SECONDS(4), NULL);
    booked_within(world, t, 4096, 4700, "started anew, it");
    run(world, SECONDS(40), NULL);
    return world;
}

/* virsh setmem from outside: told again within a few seconds, not stuck, and nobody pays. */
static World *
moved(uint64_t to_mib)
{
    World *world = make_world(1700, 256);
    Seat *other = add_running(world, define("o", 128, 484, 768), 540, 484);
    Seat *mail = add_running(world, define("mail", 100, 128, 512), 160, 107);
    uint64_t before;

    daemon_start(world);
    run(world, SECONDS(30), NULL);
    if (world->broken != NULL)
        return world;
    before = machine_actual(mail->machine);
    virsh_setmem(world, mail, FROM_MIB(to_mib));
    run(world, SECONDS(6), other);
    if (world->broken == NULL && (machine_actual(mail->machine) > before + FROM_MIB(32) ||
                                  machine_actual(mail->machine) + FROM_MIB(32) < before))
        world_break(world, mail, "was moved from %.0f to %d MiB by somebody else, and has %.0f six seconds later",
                    MIB(before), (int)to_mib, MIB(machine_actual(mail->machine)));
    if (world->broken == NULL && mail->told.state == GUEST_STATE_STUCK)
        world_break(world, mail, "is called stuck");
    run(world, SECONDS(60), other);
    return world;
}

static World *
moved_up(void)
{
    return moved(400);
}

static World *
moved_down(void)
{
    return moved(112);
}

/* Taken out of management while it is squeezed: its startup memory first, and no limit is left. */
static World *
let_go(bool is_static)
{
    World *world = make_world(2048, 256);
    Seat *a = add_running(world, define("a", 128, 200, 512), 200, 90);
    Definition definition = a->definition;

    daemon_start(world);
    run(world, SECONDS(20), NULL);
    virsh_setmem(world, a, FROM_MIB(128));
    run(world, SECONDS(3), NULL);
    definition.managed = is_static;
    definition.mode = is_static ? GUEST_MODE_STATIC : GUEST_MODE_DYNAMIC;
    virsh_define(world, a, &definition, true);
    run(world, SECONDS(60), NULL);
    needs_check_rest(world);
    return world;
}

static World *
element_removed(void)
{
    return let_go(false);
}

static World *
mode_static(void)
{
    return let_go(true);
}

/* A dimm that the guest does not bring online is no memory to squeeze. */
static World *
dimm_not_online(void)
{
    World *world = make_world(1030, 256);
    Seat *a = add_running(world, define("a", 100, 150, 512), 150, 110);
    Seat *other = add_running(world, define("o", 128, 450, 768), 450, 400);

    daemon_start(world);
    run(world, SECONDS(30), NULL);
    virsh_plug(world, a, FROM_MIB(256));
    run(world, SECONDS(120), other);
    return world;
}

/* virtio-mem counts with what it was asked for: 64 GiB of which 1 is there start on a host of 32. */
static World *
virtio_mem(void)
{
    World *world = make_world(32768, 2048);
    Definition definition = define("kv", 1024, 1024, 1024);
    Seat *a;

    definition.device_kib = FROM_MIB(63 * 1024);
    a = add(world, definition);
    daemon_start(world);
    run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (!run_until_runs(world, a, SECONDS(30)))
        return world;
    run(world, SECONDS(20), NULL);
    booked_within(world, a, 1024, 1100, "with nothing plugged, it");
    virsh_request(world, a, FROM_MIB(4096));
    run(world, SECONDS(3), NULL);
    booked_within(world, a, 5120, 5200, "asked to plug 4 GiB, it");
    return world;
}

/* Defined with 32 GiB and started in the same breath: what starts is what libvirt says, and a host of 16 can't have it. */
static World *
redefined_and_started(void)
{
    World *world = make_world(16384, 1024);
    Seat *a = add(world, define("a", 512, 1024, 2048));
    Definition large = define("a", 0, 0, 32768);

    daemon_start(world);
    run(world, SECONDS(5), NULL);
    virsh_define(world, a, &large, false);
    virsh_start(world, a, START_HOW_COLD, false, false);
    run(world, SECONDS(40), NULL);
    if (world->broken == NULL && a->machine != NULL)
        world_break(world, a, "runs with 32 GiB on a host of 16");
    return world;
}

/* QEMU touches all of it before it runs: 16 GiB do not start where 4 are free. */
static World *
immediate(uint64_t memory_mib, bool fits)
{
    World *world = make_world(memory_mib, 512);
    Definition definition = define("im", 512, 1024, 16384);
    Seat *a;

    definition.immediate = true;
    a = add(world, definition);
    daemon_start(world);
    run(world, SECONDS(5), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    run(world, SECONDS(40), NULL);
    if (world->broken == NULL && (a->machine != NULL) != fits)
        world_break(world, a,
                    fits ? "does not start though there is room" : "starts, and touches 16 GiB of a host with 4 free");
    run(world, SECONDS(60), NULL);
    return world;
}

static World *
immediate_without_room(void)
{
    return immediate(5120, false);
}

static World *
immediate_with_room(void)
{
    return immediate(24576, true);
}

/* memory.max of its group: no target may bring it there. */
static World *
hard_limit(void)
{
    World *world = make_world(24576, 1024);
    Definition definition = define("h", 2048, 4096, 10240);
    Seat *a;

    definition.hard_limit_kib = FROM_MIB(8192);
    a = add_running(world, definition, 4096, 3500);
    daemon_start(world);
    run(world, SECONDS(10), NULL);
    a->machine->need_kib = FROM_MIB(9216);
    for (unsigned i = 0; i < 600 && run(world, WORLD_STEP_USEC, NULL); i++)
        if (machine_resident(a->machine) > FROM_MIB(8192))
            world_break(world, a, "is killed by its hard limit of 8 GiB, ballooned to %.0f MiB",
                        MIB(machine_actual(a->machine)));
    return world;
}

/* The element is lost while it is off: not refused at its next start, and booked in full. */
static World *
element_lost(void)
{
    World *world = make_world(4096, 512);
    Definition bare = define("a", 256, 512, 2048);
    Seat *a = add(world, bare);

    add_running(world, define("b", 512, 1024, 4096), 1024, 3000);
    daemon_start(world);
    run(world, SECONDS(20), NULL);
    bare.managed = false;
    virsh_define(world, a, &bare, false);
    run(world, SECONDS(3), NULL);
    virsh_start(world, a, START_HOW_COLD, false, false);
    if (run_until_runs(world, a, SECONDS(60)))
        run(world, SECONDS(5), NULL);
    booked_within(world, a, 2048, 2048, "without its element, it");
    return world;
}

/* A reverted guest brings what the snapshot had. */
static World *
reverted_from_off(void)
{
    World *world = make_world(12288, 1024);
    Seat *a = add_running(world, define("a", 512, 1024, 8192), 5000, 4300);
    Seat *other = add_running(world, define("o", 512, 3072, 8192), 3400, 3000);

    daemon_start(world);
    run(world, SECONDS(20), NULL);
    virsh_snapshot(world, a);
    virsh_destroy(world, a, false);
    run(world, SECONDS(150), NULL);
    virsh_revert(world, a);
    if (run_until_runs(world, a, SECONDS(30)))
        run(world, SECONDS(5), other);
    booked_within(world, a, 4300, 5600, "reverted, it");
    run(world, SECONDS(30), other);
    return world;
}

/* libvirtd dies while a target is under way: nobody knows, and it stays booked. */
static World *
libvirtd_dies(void)
{
    World *world = make_world(7168, 512);
    Seat *a = add_running(world, define("a", 256, 2048, 6144), 2048, 1500);
    Seat *b = add_running(world, define("b", 256, 2048, 6144), 2048, 1500);

    world->options.call_usec = 800 * USEC_PER_MSEC;
    daemon_start(world);
    run(world, SECONDS(20), NULL);
    a->machine->need_kib = FROM_MIB(3500);
    for (unsigned i = 0; i < 100 && a->known.record.target_pending == false; i++)
        run(world, WORLD_STEP_USEC, NULL);
    run(world, 600 * USEC_PER_MSEC, NULL);
    world_restart_libvirtd(world, SECONDS(3));
    b->machine->need_kib = FROM_MIB(3500);
    run(world, SECONDS(60), NULL);
    return world;
}

static const struct {
    const char *name;
    World *(*run)(void);
} cases[] = {
    {"target_under_way", target_under_way},
    {"saved_by_ctl", saved_by_ctl},
    {"started_paused", started_paused},
    {"migrates_in", migrates_in},
    {"migration_called_off", migration_called_off},
    {"empties_its_balloon", empties_its_balloon},
    {"ctl_is_left", ctl_is_left},
    {"transient_comes_back", transient_comes_back},
    {"moved_up", moved_up},
    {"moved_down", moved_down},
    {"element_removed", element_removed},
    {"mode_static", mode_static},
    {"dimm_not_online", dimm_not_online},
    {"virtio_mem", virtio_mem},
    {"redefined_and_started", redefined_and_started},
    {"immediate_without_room", immediate_without_room},
    {"immediate_with_room", immediate_with_room},
    {"hard_limit", hard_limit},
    {"element_lost", element_lost},
    {"reverted_from_off", reverted_from_off},
    {"libvirtd_dies", libvirtd_dies},
};

int
main(int argc, char **argv)
{
    unsigned failures = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *world;

        if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
            continue;
        world = cases[i].run();
        printf("%-8s%s%s%s\n", world->broken == NULL ? "ok" : "FAILED", cases[i].name,
               world->broken != NULL ? ": " : "", world->broken != NULL ? world->broken : "");
        if (argc > 1)
            trace_print(world);
        failures += world->broken != NULL;
        world_free(world);
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
