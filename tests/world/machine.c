/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One QEMU. Its balloon as in hw/virtio/virtio-balloon.c: what it is to be (num_pages) and what QEMU says that it is survive a
 * reset, while the guest owns all its memory until its driver is back. Its kernel touches what it needs, its page cache fills
 * the rest slowly, and memory.high holds back what would go beyond.
 */

#include "world.h"

/* Page cache of the guest's own grows so fast, what it needs as fast as it can. */
#define CACHE_KIB_PER_STEP FROM_MIB(4)
#define TOUCH_KIB_PER_STEP FROM_MIB(60)
#define SWAP_OUT_KIB_PER_STEP FROM_MIB(20)
#define PAGE_OUT_KIB_PER_STEP FROM_MIB(12)
#define BOOT_CALM_USEC (4 * USEC_PER_SEC)
#define BOOT_TOUCH_KIB_PER_STEP FROM_MIB(20)
/* What no balloon can take: it stalls there. Where it is told to take more than the guest sees, nothing stalls it. */
#define SQUEEZE_PERCENT 35
#define LIVES_USEC (5 * USEC_PER_SEC)
/* ... in which the daemon must have been able to see that and to tell it more: two reports, and the answers to two questions. */
#define SAVES_USEC (3 * USEC_PER_SEC)
#define LOAD_KIB_PER_STEP FROM_MIB(120)

Machine *
machine_new(World *world, const Definition *definition)
{
    Machine *machine = g_new0(Machine, 1);

    machine->number = world_number(world);
    machine->base_kib = definition->base_kib;
    machine->dimm_kib = definition->dimm_kib;
    machine->device_kib = definition->device_kib;
    machine->device_requested_kib = definition->device_requested_kib;
    machine->overhead_kib = FROM_MIB(rng_between(&world->rng, 24, 44)) + definition->base_kib / 1024;
    /* a third of them has its disks without the host's cache */
    machine->disk_kib = machine->number % 3 == 0 ? 0 : machine->number % 3 == 1 ? FROM_MIB(200) : FROM_MIB(4096);
    machine->vfio = definition->vfio;
    machine->huge = definition->huge;
    machine->hard_limit_kib = definition->hard_limit_kib;
    machine->nodes = definition->strict_nodes;
    machine->driver_usec = UINT64_MAX;
    machine->high_kib = LIMIT_NONE;
    return machine;
}

uint64_t
machine_ram(const Machine *machine)
{
    return machine->base_kib + machine->dimm_kib;
}

uint64_t
machine_actual(const Machine *machine)
{
    return saturating_sub(machine_ram(machine), machine->shown_kib);
}

uint64_t
memory_actual(const Memory *memory)
{
    return saturating_sub(memory->definition.base_kib + memory->definition.dimm_kib, memory->balloon_kib);
}

uint64_t
machine_current(const Machine *machine)
{
    return machine->driver ? machine_actual(machine) : machine_ram(machine) - machine->asked_kib;
}

uint64_t
machine_device(const Machine *machine)
{
    return MAX(machine->device_requested_kib, machine->device_plugged_kib);
}

uint64_t
machine_resident(const Machine *machine)
{
    return machine->held_kib + machine->image_kib + machine->overhead_kib;
}

void
machine_take_target(Machine *machine, uint64_t target_kib, bool foreign)
{
    uint64_t ram = machine_ram(machine);
    uint64_t asked = pages_down(ram - MIN(target_kib, ram));

    /* where somebody put it, also when it is told that once more */
    machine->foreign = foreign || (machine->foreign && asked == machine->asked_kib);
    machine->told_kib = 0;
    machine->asked_kib = asked;
}

/* What it has touched, and holds or has in its file. */
static uint64_t
touched(const Machine *machine)
{
    return machine->held_kib + machine->paged_kib;
}

/* What is beyond left_kib is discarded, in the paging file first. */
static void
discard(Machine *machine, uint64_t left_kib)
{
    uint64_t above = saturating_sub(touched(machine), left_kib);
    uint64_t paged = MIN(above, machine->paged_kib);

    machine->paged_kib -= paged;
    machine->held_kib -= above - paged;
}

/* A kernel boots, and has no driver yet. What its memory devices had is unplugged (hw/virtio/virtio-mem.c,
   virtio_mem_system_reset). */
static void
boot(World *world, Seat *seat)
{
    Machine *machine = seat->machine;

    machine->cold = false;
    machine->driver = false;
    machine->emptying = false;
    machine->emptied_usec = 0;
    machine->balloon_kib = 0;
    if (machine->device_plugged_kib != 0)
        watcher_tell(world, seat, VIR_CHANGED);
    machine->device_plugged_kib = 0;
    discard(machine, machine_ram(machine));
    machine->unseen_kib = 0;
    machine->booted_usec = world->now_usec;
    machine->lacking_usec = machine->helpless_usec = 0;
    machine->swapped_kib = 0;
    machine->driver_usec = seat->kernel.driver == DRIVER_NONE ? UINT64_MAX : world->now_usec + seat->kernel.boot_usec;
}

void
machine_reset(World *world, Seat *seat)
{
    seat->machine->resets++;
    boot(world, seat);
}

/* ---- the guest's own ---- */

/* Its kernel keeps some of its memory from the beginning, which its total does not show and no balloon gets: 40 MiB of 1 GiB. */
static uint64_t
kept_by_kernel(const Machine *machine)
{
    return FROM_MIB(24) + machine->base_kib / 64;
}

/* What the guest's kernel sees of its memory. */
static uint64_t
visible(const Machine *machine)
{
    uint64_t has = machine_ram(machine) - machine->balloon_kib + machine->device_plugged_kib;

    return saturating_sub(has, machine->unseen_kib);
}

static void
hold(World *world, Machine *machine, uint64_t growth_kib)
{
    uint64_t most = machine->high_kib;
    uint64_t room = UINT64_MAX;

    /* who outgrows memory.max is killed; whether that is the daemon's doing is looked at in live() */
    if (machine->hard_limit_kib != 0)
        most = MIN(most, machine->hard_limit_kib);
    if (most != LIMIT_NONE)
        room = saturating_sub(most, machine_resident(machine));
    if (growth_kib > room) {
        uint64_t out = MIN(growth_kib - room, saturating_sub(machine->swap_max_kib, machine->paged_kib));

        out = MIN(out, PAGE_OUT_KIB_PER_STEP);
        machine->paged_kib += out;
        machine->held_now = out < growth_kib - room;
        machine->held_back += world->now_usec / WORLD_STEP_USEC % 3 == 0;
    }
    machine->held_kib += MIN(growth_kib, room);
}

static void
touch_in_boot(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    uint64_t since = world->now_usec - machine->booted_usec;
    uint64_t calm = MIN(seat->kernel.boot_touch_kib, FROM_MIB(120));
    uint64_t ram = visible(machine);
    uint64_t before = touched(machine);

    if (since < BOOT_CALM_USEC) {
        hold(world, machine, MIN(saturating_sub(calm, touched(machine)), FROM_MIB(6)));
        return;
    }
    if (touched(machine) < MIN(seat->kernel.boot_touch_kib, ram))
        hold(world, machine, MIN(BOOT_TOUCH_KIB_PER_STEP, ram - MIN(touched(machine), ram)));
    /* a throttled kernel crawls */
    if (machine->held_now && touched(machine) == before && machine->driver_usec != UINT64_MAX)
        machine->driver_usec += WORLD_STEP_USEC / 2;
}

static void
touch(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    uint64_t sees = visible(machine);
    uint64_t used = MIN(machine->need_kib, sees);

    if (touched(machine) < used)
        hold(world, machine, MIN(used - touched(machine), TOUCH_KIB_PER_STEP));
    else if (touched(machine) < sees - sees / 16)
        hold(world, machine, MIN(CACHE_KIB_PER_STEP, sees - sees / 16 - touched(machine)));
    if (machine->need_kib > sees)
        machine->swapped_kib += MIN(machine->need_kib - sees, FROM_MIB(5));
}

static void
report(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    uint64_t sees = visible(machine);
    uint64_t used = MIN(machine->need_kib, sees);
    uint64_t total = saturating_sub(sees, kept_by_kernel(machine)) + (has_bug(BUG_ALL_SEEN) ? machine->unseen_kib : 0);
    bool mute = seat->kernel.driver == DRIVER_MUTE;
    uint64_t cache = MIN(MIN(saturating_sub(touched(machine), used), sees - used), total);

    machine->reported_usec = world->now_usec;
    machine->report = (GuestReport){
        .fields = mute ? 0
                       : REPORT_USABLE | REPORT_TOTAL | REPORT_UNUSED | REPORT_CACHE | REPORT_SWAP_IN |
                             REPORT_SWAP_OUT | REPORT_MAJOR_FAULTS,
        .usable_kib = MIN(sees - used, total),
        .total_kib = total,
        .unused_kib = MIN(sees - used, total) - MIN(cache, MIN(sees - used, total)),
        .cache_kib = cache,
        .swap_in_kib = machine->swapped_kib,
        .swap_out_kib = machine->swapped_kib,
        .major_faults = machine->swapped_kib / PAGE_KIB,
        .last_update_sec = WORLD_WALL_SEC + world->now_usec / USEC_PER_SEC,
    };
}

void
machine_ask(World *world, Seat *seat)
{
    if (seat->machine->driver && !seat->machine->paused && seat->kernel.driver != DRIVER_NONE)
        report(world, seat);
}

/* What its balloon took, and what was unplugged. What it never saw it never touched. */
static void
give_back(Machine *machine)
{
    discard(machine, machine_ram(machine) - machine->balloon_kib - machine->unseen_kib + machine->device_plugged_kib);
}

static void
move_balloon(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    const Kernel *kernel = &seat->kernel;
    uint64_t slowness = kernel->driver == DRIVER_SLOW ? 10 : 1;
    uint64_t goal = machine->emptying ? 0 : machine->asked_kib;
    uint64_t step;

    if (kernel->driver == DRIVER_STUCK && !machine->emptying)
        return;
    if (goal < machine->balloon_kib) {
        step = kernel->deflate_kib / slowness / 10;
        machine->balloon_kib -= MIN(step, machine->balloon_kib - goal);
    } else if (goal > machine->balloon_kib) {
        uint64_t sees = visible(machine);
        uint64_t least = kept_by_kernel(machine) + FROM_MIB(8);
        uint64_t floor = MAX(percent_of(MIN(machine->need_kib, machine_ram(machine)), SQUEEZE_PERCENT), least);
        uint64_t ends = saturating_sub(sees, goal - machine->balloon_kib);

        step = MIN(kernel->inflate_kib / slowness / 10, goal - machine->balloon_kib);
        /* "Out of puff!": it waits, unless it was told to take what is not there */
        if (machine->unseen_kib == 0 || ends > least + FROM_MIB(32))
            step = MIN(step, saturating_sub(sees, floor));
        else
            step = MIN(step, saturating_sub(sees, least));
        machine->balloon_kib += pages_down(step);
    }
    machine->shown_kib = machine->balloon_kib;
    if (!machine->vfio)
        give_back(machine);
}

/* Whether it dies: of what its balloon takes, or of its hard limit. */
static void
live(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    /* one whose balloon does not follow does not have what it has by its target */
    bool killed = machine->hard_limit_kib != 0 && machine_resident(machine) + FROM_MIB(1) > machine->hard_limit_kib &&
                  machine->told_kib + machine->overhead_kib > machine->hard_limit_kib &&
                  machine_actual(machine) <= machine->told_kib;
    bool pressed =
        seat->kernel.frail && machine->balloon_kib > 0 && visible(machine) < percent_of(machine->need_kib, 85);
    bool nothing = machine_ram(machine) - machine->asked_kib < machine->unseen_kib + FROM_MIB(48);
    bool lacks = machine->unseen_kib > 0 && machine->balloon_kib > 0 && nothing &&
                 visible(machine) < percent_of(machine->need_kib, SQUEEZE_PERCENT);

    if (killed && !machine->emptying)
        world_break(world, seat, "is killed by its hard limit of %.0f MiB, ballooned to %.0f",
                    MIB(machine->hard_limit_kib), MIB(machine_actual(machine)));
    machine->frail_usec = !pressed ? 0 : machine->frail_usec == 0 ? world->now_usec : machine->frail_usec;
    if (pressed && world->now_usec - machine->frail_usec >= LIVES_USEC) {
        virsh_reset(world, seat);
        return;
    }
    if (!lacks) {
        machine->lacking_usec = machine->helpless_usec = 0;
        return;
    }
    if (machine->lacking_usec == 0)
        machine->lacking_usec = world->now_usec;
    /* who migrates away is told nothing; and where no limit holds it what it does not see is booked as well, and there may be no room
       for that */
    if (!daemon_knows(world, seat) || machine->leaving ||
        (machine->high_kib == LIMIT_NONE && world->committed_kib >= world->budget_kib))
        machine->helpless_usec += WORLD_STEP_USEC;
    if (world->now_usec - machine->lacking_usec < LIVES_USEC)
        return;
    /* of what somebody else told its balloon nobody can keep it */
    if (!machine->foreign && world->now_usec - machine->lacking_usec >= machine->helpless_usec + SAVES_USEC)
        world_break(world, seat, "dies of its balloon: it needs %.0f MiB and sees %.0f of %.0f", MIB(machine->need_kib),
                    MIB(visible(machine)), MIB(machine_ram(machine)));
    virsh_reset(world, seat);
}

static void
plug_device(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    uint64_t step = FROM_MIB(16);

    if (machine->device_plugged_kib == machine->device_requested_kib)
        return;

    if (machine->device_plugged_kib < machine->device_requested_kib)
        machine->device_plugged_kib += MIN(step, machine->device_requested_kib - machine->device_plugged_kib);
    else
        machine->device_plugged_kib -= MIN(step, machine->device_plugged_kib - machine->device_requested_kib);
    /* what is unplugged is discarded */
    if (!machine->vfio)
        give_back(machine);
    /* MEMORY_DEVICE_SIZE_CHANGE, which QEMU sends once a second at most (monitor/monitor.c) */
    if (machine->device_plugged_kib == machine->device_requested_kib || world->now_usec % USEC_PER_SEC == 0)
        watcher_tell(world, seat, VIR_CHANGED);
}

static void
come(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    uint64_t step = MIN(machine->coming_kib, machine->arriving ? LOAD_KIB_PER_STEP / 8 : LOAD_KIB_PER_STEP);
    uint64_t before = machine->held_kib;

    hold(world, machine, step);
    machine->coming_kib -= machine->held_kib - before;
    if (machine->hard_limit_kib != 0 && machine->held_kib == before)
        machine->coming_kib = 0; /* it fits in its limit without the last of it */
    if (machine->coming_kib == 0)
        starts_arrived(world, seat);
}

static void
swap_out(World *world, Machine *machine)
{
    uint64_t above;

    if (machine->high_kib == LIMIT_NONE)
        return;
    above = MIN(saturating_sub(machine_resident(machine), machine->high_kib), machine->held_kib);
    if (machine->swap_max_kib > 0) {
        above = MIN(MIN(above, PAGE_OUT_KIB_PER_STEP), saturating_sub(machine->swap_max_kib, machine->paged_kib));
        machine->paged_kib += above;
        machine->held_kib -= above;
    } else if (world->options.swap) {
        machine->held_kib -= MIN(above, SWAP_OUT_KIB_PER_STEP);
    }
}

/* It is read and written faster than that; a kernel that has to look for room at a limit counts it. */
#define CACHE_PART 32

static void
step_cache(World *world, Machine *machine)
{
    uint64_t room = saturating_sub(world->options.memory_kib, world_resident(world, WITHIN_HOST) + world->other_kib);

    if (machine->high_kib != LIMIT_NONE)
        room = MIN(room, saturating_sub(machine->high_kib, machine_resident(machine)));
    machine->cache_kib += machine->disk_kib / CACHE_PART;
    if (machine->cache_kib > room && room < machine->disk_kib)
        machine->held_back += world->now_usec / WORLD_STEP_USEC % 7 == 0;
    machine->cache_kib = MIN(machine->cache_kib, MIN(room, machine->disk_kib));
}

void
machine_step(World *world, Seat *seat)
{
    Machine *machine = seat->machine;

    machine->held_now = false;
    swap_out(world, machine);
    if ((machine->paused || machine->hung) && machine->cold) { /* its kernel stands still */
        machine->booted_usec += WORLD_STEP_USEC;
        machine->driver_usec += machine->driver_usec != UINT64_MAX ? WORLD_STEP_USEC : 0;
    }
    if (machine->paused || machine->hung) { /* and dies of nothing */
        machine->lacking_usec += machine->lacking_usec != 0 ? WORLD_STEP_USEC : 0;
        machine->frail_usec += machine->frail_usec != 0 ? WORLD_STEP_USEC : 0;
    }
    if (machine->hung)
        return;
    if (machine->coming_kib > 0)
        come(world, seat);
    if (seat->machine != machine || machine->paused || machine->loading || machine->arriving)
        return;
    machine->ran = true;
    step_cache(world, machine);
    if (!machine->driver) {
        touch_in_boot(world, seat);
        if (world->now_usec < machine->driver_usec)
            return;
        machine->driver = true;
        machine->cold = false;
        machine->driver_usec = UINT64_MAX;
        if (machine->emptied_usec != 0)
            machine->emptied_usec = world->now_usec;
        machine->balloon_kib = 0;
        machine->shown_kib = 0;
        report(world, seat); /* one comes with the driver, whatever the period */
        trace(world, seat, "its driver is up");
    }
    plug_device(world, seat);
    move_balloon(world, seat);
    touch(world, seat);
    if (machine->period_sec > 0 && world->now_usec - machine->reported_usec >= machine->period_sec * USEC_PER_SEC)
        report(world, seat);
    live(world, seat);
}

void
machine_answer(const Machine *machine, GuestReport *report)
{
    *report = machine->report;
    report->fields |= REPORT_ACTUAL | REPORT_RESIDENT;
    report->actual_kib = machine_actual(machine);
    report->resident_kib = machine_resident(machine);
    if (report->last_update_sec != 0)
        report->fields |= REPORT_LAST_UPDATE;
}

void
machine_keep(const Seat *seat, Memory *memory)
{
    const Machine *machine = seat->machine;

    *memory = (Memory){
        .there = true,
        .definition = seat->live,
        .held_kib = machine->held_kib,
        .need_kib = machine->need_kib,
        .balloon_kib = machine->balloon_kib,
        .asked_kib = machine->asked_kib,
        .device_plugged_kib = machine->device_plugged_kib,
        .driver = machine->driver,
    };
    memory->definition.dimm_kib = machine->dimm_kib;
    memory->definition.device_requested_kib = machine->device_requested_kib;
}

void
machine_bring(Machine *machine, const Memory *memory)
{
    machine->need_kib = memory->need_kib;
    machine->balloon_kib = machine->shown_kib = memory->balloon_kib;
    machine->asked_kib = memory->asked_kib;
    machine->foreign = true;
    machine->brought = true;
    machine->driver = memory->driver;
    machine->device_plugged_kib = memory->device_plugged_kib;
    machine->ran = true;
    machine->driver_usec = UINT64_MAX;
}
