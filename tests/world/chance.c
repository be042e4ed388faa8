/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random worlds, and what happens in them. */

#include "world.h"

#include <inttypes.h>
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
    definition->minimum_kib = MAX(definition->minimum_kib, FROM_MIB(128));
    definition->current_kib = definition->startup_kib;
    if (rng_hits(rng, 100))
        definition->minimum_kib = 0;
    if (rng_hits(rng, 40))
        definition->immediate = true;
    if (rng_hits(rng, 150)) {
        definition->device_kib = FROM_MIB(rng_between(rng, 1, 4) * 512);
        definition->device_requested_kib = rng_hits(rng, 500) ? 0 : definition->device_kib / 2;
    }
    if (rng_hits(rng, 40) && !definition->immediate)
        definition->hard_limit_kib = pages_up(MAX(definition->base_kib / 4 * 3, definition->startup_kib) +
                                              definition->device_kib + FROM_MIB(160));
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

/* Of their own numbers: what else happens is as without them. */
static void
draw_limits_above(WorldOptions *options)
{
    Rng rng = {.state = options->seed * 131 + 7};

    if (rng_hits(&rng, 400))
        options->nodes = 2;
    if (options->limits && rng_hits(&rng, options->nodes != 0 ? 500 : 1000)) {
        options->above_seats = rng_hits(&rng, 300) ? UINT64_MAX : rng_between(&rng, 1, 63);
        options->above_kib = options->memory_kib / 100 * rng_between(&rng, 25, 80);
    }
}

/* ... of a guest within one another: a group in a group, two nodes beside each of them. */
static void
draw_limits_within(WorldOptions *options)
{
    Rng rng = {.state = options->seed * 131 + 11};

    if (rng_hits(&rng, 500))
        options->nodes = rng_hits(&rng, 500) ? 2 : 4;
    if (options->limits && rng_hits(&rng, options->nodes != 0 ? 500 : 1000)) {
        options->above_seats = rng_hits(&rng, 300) ? UINT64_MAX : rng_between(&rng, 3, 63);
        options->above_kib = options->memory_kib / 100 * rng_between(&rng, 40, 85);
        options->inner_seats = options->above_seats & rng_between(&rng, 1, 63);
        options->inner_kib = options->above_kib / 100 * rng_between(&rng, 30, 90);
        options->among_kib = options->above_kib / 100 * rng_between(&rng, 0, 15);
    }
}

/* Nobody is bound to a node that is smaller than all its memory. */
static unsigned
nodes_within(const WorldOptions *options, unsigned index, uint64_t kib)
{
    unsigned nodes = options->nodes == 0 ? 0 : (unsigned)((options->seed >> index) + index) % 4;

    if (nodes != 0 && kib > options->memory_kib / options->nodes)
        nodes = 3;
    return nodes == 3 && kib > options->memory_kib / options->nodes * 2 ? 0 : nodes;
}

/* All limits above guests of the others are of one kind. */
static bool
has_limits_within(uint64_t seed)
{
    return seed % 10 == 3;
}

bool
chance_has_limits_above(uint64_t seed)
{
    return seed % 5 == 4 || has_limits_within(seed);
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
        .paging = rng_hits(&rng, 600),
        .swap = rng_hits(&rng, 400),
        .absent_allows = rng_hits(&rng, 800),
        .reverts_in_place = seed % 4 == 3,
        .admission = rng_hits(&rng, 920),
        .no_hook = rng_hits(&rng, 80),
        .interval_usec = rng_hits(&rng, 800) ? USEC_PER_SEC : rng_between(&rng, 5, 30) * 100 * USEC_PER_MSEC,
    };
    World *world;
    unsigned count = (unsigned)rng_between(&rng, 2, 6);
    uint64_t left;

    if (seed >= CHANCE_MOMENTS) {
        options.moment = (Moment)(MOMENT_IDLE + 1 + seed % (MOMENTS - 1));
        /* without these there are no files, and few who are told less */
        options.paging = options.limits = options.admission = true;
        options.memory_kib = MIN(options.memory_kib, FROM_MIB(10240));
    }
    if (has_limits_within(seed))
        draw_limits_within(&options);
    else if (chance_has_limits_above(seed))
        draw_limits_above(&options);
    options.reserve_kib = MAX(options.memory_kib / rng_between(&rng, 8, 20), FROM_MIB(256));
    world = world_new(&options);
    world->other_kib = world->other_goal_kib = mib_between(&rng, 100, 600);
    left = saturating_sub(options.memory_kib, options.reserve_kib + world->other_kib);
    for (unsigned i = 0; i < count; i++) {
        Definition definition;
        Kernel kernel;
        Seat *seat;
        uint64_t full, actual;

        draw_definition(&rng, &definition, i, options.memory_kib);
        draw_kernel(&rng, &kernel, &definition);
        if (has_limits_within(seed))
            definition.strict_nodes = nodes_within(&options, i, definition.base_kib);
        else if (options.nodes != 0)
            definition.strict_nodes = (unsigned)((seed >> i) + i) % 3;
        definition.partition = (unsigned)((options.above_seats >> i & 1) + (options.inner_seats >> i & 1));
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
        actual = kernel.driver == DRIVER_GOOD && truth_is_ours(seat) ? definition.startup_kib : definition.base_kib;
        if (definition.hard_limit_kib != 0)
            actual = MIN(actual, definition.hard_limit_kib - definition.device_kib - FROM_MIB(80));
        world_place(world, seat, actual, mib_between(&rng, 60, definition.startup_kib / KIB_PER_MIB));
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

/* ---- one deed each ---- */

static void
redefine_settings(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Definition definition = seat->definition;

    definition.minimum_kib =
        pages_up(rng_between(rng, MIN(FROM_MIB(128), definition.startup_kib), definition.startup_kib));
    definition.priority = (unsigned)rng_between(rng, 0, 100);
    virsh_define(world, seat, &definition, true);
}

static void
redefine_mode(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Definition definition = seat->definition;

    if (rng_hits(rng, 300))
        definition.managed = !definition.managed;
    else if (rng_hits(rng, 400))
        definition.mode = (GuestMode)rng_between(rng, GUEST_MODE_DYNAMIC, GUEST_MODE_STATIC);
    else {
        definition.managed = true;
        definition.mode = GUEST_MODE_DYNAMIC;
    }
    virsh_define(world, seat, &definition, true);
}

/* Another memory, and a start in the same breath. */
static void
redefine_and_start(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Definition definition = seat->definition;

    definition.base_kib = mib_between(rng, 512, MIN(world->options.memory_kib / KIB_PER_MIB, 8192));
    definition.startup_kib = definition.current_kib = pages_up(definition.base_kib / rng_between(rng, 1, 5));
    definition.minimum_kib = MIN(definition.minimum_kib, definition.startup_kib);
    virsh_define(world, seat, &definition, false);
    virsh_start(world, seat, START_HOW_COLD, false, false);
}

/* A transient guest goes, and one of the same uuid is there at once. */
static void
come_back(World *world, Seat *seat)
{
    if (!seat->transient || seat->machine == NULL || seat->start.stage != STARTING_NOT)
        return;
    virsh_destroy(world, seat, false);
    seat->defined = true;
    virsh_start(world, seat, START_HOW_COLD, false, false);
}

static void
destroy(World *world, Seat *seat)
{
    virsh_destroy(world, seat, false);
}

static void
destroy_and_start(World *world, Seat *seat)
{
    if (seat->transient)
        return;
    virsh_destroy(world, seat, false);
    virsh_start(world, seat, START_HOW_COLD, false, false);
}

static void
set_memory(World *world, Seat *seat)
{
    uint64_t ram = machine_ram(seat->machine);

    virsh_setmem(world, seat, pages_up(rng_between(&world->rng, ram / 4, ram)));
}

static void
migrate(World *world, Seat *seat)
{
    virsh_migrate(world, seat, rng_between(&world->rng, 1, 20) * USEC_PER_SEC, rng_hits(&world->rng, 400));
}

static void
plug(World *world, Seat *seat)
{
    virsh_plug(world, seat, FROM_MIB(rng_between(&world->rng, 1, 4) * 128));
}

static void
request(World *world, Seat *seat)
{
    virsh_request(world, seat, rng_between(&world->rng, 0, 4) * seat->machine->device_kib / 4);
}

static void
hang(World *world, Seat *seat)
{
    virsh_hang(world, seat, true);
}

static void
empty(World *world, Seat *seat)
{
    guest_empties(world, seat, true);
}

static void
start(World *world, Seat *seat)
{
    virsh_start(world, seat, START_HOW_COLD, false, false);
}

static void
start_paused(World *world, Seat *seat)
{
    virsh_start(world, seat, START_HOW_COLD, true, false);
}

static void
start_by_ctl(World *world, Seat *seat)
{
    virsh_start(world, seat, START_HOW_COLD, false, true);
}

static void
leave(World *world, Seat *seat, uint64_t number, void *data)
{
    if (seat->start.number == number)
        ctl_leave(world, seat);
}

/* dm-ctl start, and Ctrl-C while the guest starts. */
static void
start_and_leave(World *world, Seat *seat)
{
    if (seat->start.stage != STARTING_NOT)
        return;
    virsh_start(world, seat, START_HOW_COLD, false, true);
    world_after(world, rng_between(&world->rng, 0, 800) * USEC_PER_MSEC, leave, seat, seat->start.number, NULL);
}

static void
arrive(World *world, Seat *seat)
{
    if (!seat->defined)
        virsh_start(world, seat, START_HOW_ARRIVES, false, false);
}

static void
kill_daemon(World *world, Seat *none)
{
    daemon_kill(world);
}

static void
restart_libvirtd(World *world, Seat *none)
{
    world_restart_libvirtd(world, rng_between(&world->rng, 300, 12000) * USEC_PER_MSEC);
}

static void
grow_others(World *world, Seat *none)
{
    host_grow(world, mib_between(&world->rng, 100, world->options.memory_kib / KIB_PER_MIB / 5));
}

static void
manage(World *world, Seat *none)
{
    daemon_set_manage_all(world, !world->manage_all);
}

static void
tick(World *world, Seat *none)
{
    daemon_tick_soon(world);
}

/* ---- all of them ---- */

typedef enum Where {
    ON_HOST,
    TO_OFF,     /* a guest that is off */
    TO_RUNNING, /* done by libvirt */
    BY_ITSELF,  /* a guest that runs needs nobody for it */
} Where;

static const struct {
    const char *name; /* in WORLD_WITHOUT= */
    Where where;
    unsigned weight;
    void (*deed)(World *world, Seat *seat);
} deeds[] = {
    {"kill", ON_HOST, 10, kill_daemon},
    {"libvirtd", ON_HOST, 10, restart_libvirtd},
    {"others", ON_HOST, 30, grow_others},
    {"manage", ON_HOST, 2, manage},
    {"tick", ON_HOST, 40, tick},

    {"start", TO_OFF, 60, start},
    {"paused", TO_OFF, 10, start_paused},
    {"ctl", TO_OFF, 20, start_by_ctl},
    {"leave", TO_OFF, 10, start_and_leave},
    {"reserve", TO_OFF, 10, ctl_reserve},
    {"rename", TO_OFF, 8, virsh_rename},
    {"snapshot", TO_OFF, 20, virsh_revert},
    {"migrate", TO_OFF, 60, arrive},
    {"mode", TO_OFF, 10, redefine_mode},
    {"redefine", TO_OFF, 10, redefine_and_start},

    {"destroy", TO_RUNNING, 20, destroy},
    {"restart", TO_RUNNING, 20, destroy_and_start},
    {"transient", TO_RUNNING, 30, come_back},
    {"reset", BY_ITSELF, 40, virsh_reset},
    {"pause", TO_RUNNING, 15, virsh_suspend},
    {"setmem", TO_RUNNING, 30, set_memory},
    {"save", TO_RUNNING, 15, virsh_save},
    {"snapshot", TO_RUNNING, 30, virsh_snapshot},
    {"snapshot", TO_RUNNING, 20, virsh_revert},
    {"migrate", TO_RUNNING, 30, migrate},
    {"dimm", TO_RUNNING, 15, plug},
    {"dimm", TO_RUNNING, 15, virsh_unplug},
    {"virtio-mem", TO_RUNNING, 30, request},
    {"settings", TO_RUNNING, 15, redefine_settings},
    {"mode", TO_RUNNING, 15, redefine_mode},
    {"hang", BY_ITSELF, 15, hang},
    {"empties", BY_ITSELF, 25, empty},
    {"unloads", BY_ITSELF, 10, guest_unloads},
};

static uint64_t met[G_N_ELEMENTS(deeds)][MOMENTS];

/* Whether it is left out: WORLD_WITHOUT=kill,dimm,... */
static bool
is_without(const char *name)
{
    static char **names;

    if (names == NULL)
        names = g_strsplit(g_getenv("WORLD_WITHOUT") != NULL ? g_getenv("WORLD_WITHOUT") : "", ",", -1);
    return g_strv_contains((const char *const *)names, name);
}

static void
happen(World *world, Seat *seat, Where where, Where also)
{
    unsigned sum = 0;
    uint64_t drawn;

    for (size_t i = 0; i < G_N_ELEMENTS(deeds); i++)
        if (deeds[i].where == where || deeds[i].where == also)
            sum += deeds[i].weight;
    drawn = rng_between(&world->rng, 1, sum);
    for (size_t i = 0; i < G_N_ELEMENTS(deeds); i++) {
        if (deeds[i].where != where && deeds[i].where != also)
            continue;
        if (drawn > deeds[i].weight) {
            drawn -= deeds[i].weight;
            continue;
        }
        if (!is_without(deeds[i].name)) {
            unsigned moments = moments_of(world, seat);

            for (Moment moment = 0; moment < MOMENTS; moment++)
                met[i][moment] += moments >> moment & 1;
            deeds[i].deed(world, seat);
        }
        return;
    }
}

/* What does not last. */
static void
end_moods(World *world, Seat *seat)
{
    Rng *rng = &world->rng;
    Machine *machine = seat->machine;

    if (machine->hung && rng_hits(rng, 12))
        virsh_hang(world, seat, false);
    if (machine->emptying && rng_hits(rng, 8))
        guest_empties(world, seat, false);
    if (machine->paused && !machine->arriving && rng_hits(rng, 8))
        virsh_resume(world, seat);
    if (machine->arriving && rng_hits(rng, 2))
        virsh_migrate(world, seat, USEC_PER_SEC, true);
    if (seat->need_changes_usec <= world->now_usec) {
        seat->need_changes_usec = world->now_usec + rng_between(rng, 3, 40) * USEC_PER_SEC;
        machine->need_kib = draw_need(rng, machine);
    }
}

/* Of a thousand steps of each guest at that moment: the shorter it is, the more. */
static const unsigned meetings[MOMENTS] = {
    [MOMENT_SQUEEZED] = 60,  [MOMENT_GROWING] = 200,   [MOMENT_TOLD] = 150,   [MOMENT_BOOTING] = 60,
    [MOMENT_STARTING] = 60,  [MOMENT_FILE_MADE] = 150, [MOMENT_FILE_ON] = 60, [MOMENT_FILE_EMPTIED] = 600,
    [MOMENT_NO_DAEMON] = 60, [MOMENT_NO_LIBVIRT] = 60};

/* More happens at the world's moment, and more leads to it. */
static void
meet(World *world)
{
    Rng *rng = &world->rng;
    unsigned any = 0;

    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        unsigned moments = moments_of(world, seat);

        any |= moments;
        if ((moments >> world->options.moment & 1) != 0 && rng_hits(rng, meetings[world->options.moment]) &&
            (seat->machine != NULL || !world->libvirtd_away))
            happen(world, seat, seat->machine != NULL ? BY_ITSELF : TO_OFF,
                   seat->machine == NULL  ? TO_OFF
                   : world->libvirtd_away ? BY_ITSELF
                                          : TO_RUNNING);
        if (seat->machine != NULL && seat->machine->driver && world->options.moment >= MOMENT_FILE_MADE &&
            world->options.moment <= MOMENT_FILE_EMPTIED && rng_hits(rng, 10))
            virsh_reset(world, seat);
    }
    if ((any >> world->options.moment & 1) != 0 && rng_hits(rng, meetings[world->options.moment] / 2))
        happen(world, NULL, ON_HOST, ON_HOST);
    if (world->options.moment == MOMENT_NO_DAEMON && rng_hits(rng, 5))
        daemon_kill(world);
}

void
chance_step(World *world)
{
    Rng *rng = &world->rng;

    if (world->engine == NULL && rng_hits(rng, 30))
        daemon_start(world);
    if (rng_hits(rng, 4))
        happen(world, NULL, ON_HOST, ON_HOST);
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        if (seat->machine != NULL)
            end_moods(world, seat);
        if (!rng_hits(rng, 4))
            continue;
        if (seat->machine != NULL) {
            happen(world, seat, BY_ITSELF, world->libvirtd_away ? BY_ITSELF : TO_RUNNING);
        } else if (!world->libvirtd_away) {
            bool was_defined = seat->defined;

            seat->defined = seat->defined || seat->transient;
            happen(world, seat, TO_OFF, TO_OFF);
            if (seat->transient && seat->start.stage == STARTING_NOT)
                seat->defined = was_defined;
        }
    }
    if (world->options.moment != MOMENT_IDLE)
        meet(world);
}

/* Whether it can be tried then at all; what comes of it may be nothing, as with libvirt. */
static bool
can_meet(Where where, Moment moment)
{
    switch (moment) {
    case MOMENT_SQUEEZED:
    case MOMENT_GROWING:
    case MOMENT_TOLD:
    case MOMENT_BOOTING:
        return where != TO_OFF; /* who is off has no balloon */
    case MOMENT_STARTING:
        return where == TO_OFF || where == ON_HOST; /* its QEMU is not there yet */
    case MOMENT_FILE_MADE:
    case MOMENT_FILE_ON:
    case MOMENT_FILE_EMPTIED:
        return where != TO_OFF; /* the file of who is off goes a moment later: too seldom to be demanded */
    case MOMENT_NO_LIBVIRT:
        return where == ON_HOST || where == BY_ITSELF; /* libvirt does the rest */
    case MOMENT_IDLE:
    case MOMENT_NO_DAEMON:
    case MOMENTS:
        break;
    }
    return true;
}

bool
chance_met_all(bool shown)
{
    bool all = true;

    for (size_t i = 0; i < G_N_ELEMENTS(deeds); i++) {
        if (shown)
            printf("%-12s", deeds[i].name);
        for (Moment moment = 0; moment < MOMENTS; moment++) {
            bool can = can_meet(deeds[i].where, moment);

            all = all && (!can || met[i][moment] > 0);
            if (shown && can)
                printf(" %s %" PRIu64 "%s", moment_name(moment), met[i][moment], moment + 1 < MOMENTS ? "," : "");
        }
        if (shown)
            printf("\n");
    }
    return all;
}
