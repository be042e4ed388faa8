/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What administrators, other tools and the guests themselves do. */

#include "world.h"

/* libvirt holds the guest: nobody gets in. */
static bool
is_locked(const Seat *seat)
{
    return seat->start.stage != STARTING_NOT;
}

static bool
runs(const Seat *seat)
{
    return seat->machine != NULL && !is_locked(seat) && !seat->machine->arriving;
}

/* Its processors run. */
static bool
moves(const Seat *seat)
{
    return runs(seat) && !seat->machine->paused && !seat->machine->hung;
}

/* Its administrator's doing with what it has: once it is nobody's, or has what it is owed, it is owed nothing any more. */
static void
end_debt(Seat *seat)
{
    const Machine *machine = seat->machine;

    if (truth_is_shown_wild(seat) || (machine->driver && machine_actual(machine) >= seat->live.startup_kib))
        seat->let_go = false;
}

static void
end_machine(World *world, Seat *seat, VirEvent event)
{
    bool hung = seat->machine->hung;

    limits_gone(world, seat);
    g_clear_pointer(&seat->machine, g_free);
    if (hung)
        calls_wake(world, seat);
    truth_forget(seat);
    if (seat->transient)
        seat->defined = false;
    starts_note_stopped(world, seat);
    watcher_tell(world, seat, event);
    if (seat->transient)
        watcher_tell(world, seat, VIR_CHANGED);
}

void
virsh_destroy(World *world, Seat *seat, bool kept)
{
    if (seat->machine == NULL || is_locked(seat))
        return;
    trace(world, seat, kept ? "is gone to where its memory is" : "is destroyed");
    end_machine(world, seat, kept ? VIR_STOPPED_KEPT : VIR_STOPPED);
}

void
virsh_reset(World *world, Seat *seat)
{
    uint64_t before;
    bool missed;

    if (!moves(seat))
        return;
    trace(world, seat, "is reset");
    world->counts.resets++;
    before = MIN(truth_touchable(seat), saturating_sub(machine_ram(seat->machine), seat->machine->balloon_kib));
    machine_reset(world, seat);
    missed = world->link == WORLD_LINK_DOWN || world->engine == NULL;
    if (!truth_is_ours(seat)) {
        /* one that is about to be let go is looked after until it is shown to be nobody's */
        seat->wild = truth_is_wild(seat) && truth_is_shown_wild(seat);
    }
    if (!truth_is_ours(seat) || seat->machine->high_kib == LIMIT_NONE)
        seat->forced_usec = world->now_usec;
    watcher_tell(world, seat, VIR_RESET);
    if (missed)
        truth_excuse(seat, EXCUSE_MISSED);
    else if (truth_touchable(seat) > before)
        truth_excuse(seat, EXCUSE_RESET);
}

void
virsh_suspend(World *world, Seat *seat)
{
    if (!runs(seat) || seat->machine->paused || seat->machine->leaving)
        return;
    trace(world, seat, "is paused");
    seat->machine->paused = true;
    watcher_tell(world, seat, VIR_SUSPENDED);
}

void
virsh_resume(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    bool first;

    if (!runs(seat) || !machine->paused)
        return;
    trace(world, seat, "is resumed");
    first = !machine->ran;
    machine->paused = false;
    if (first) {
        machine->ran = true;
        machine->booted_usec = world->now_usec;
        machine->driver_usec = machine->driver || seat->kernel.driver == DRIVER_NONE
                                   ? UINT64_MAX
                                   : world->now_usec + seat->kernel.boot_usec;
    }
    watcher_tell(world, seat, VIR_RESUMED);
    if (machine->foreign && machine->asked_kib < machine->balloon_kib)
        truth_excuse(seat, EXCUSE_MOVED); /* it goes on to where it was told to go meanwhile */
    else if (first && machine->high_kib == LIMIT_NONE) {
        truth_excuse(seat, EXCUSE_UNHELD); /* it holds nothing yet, and touches more from now on */
        seat->forced_usec = world->now_usec;
    } else
        truth_surprise(seat, EXCUSE_RESET);
}

void
virsh_setmem(World *world, Seat *seat, uint64_t kib)
{
    if (!runs(seat) || seat->machine->hung || seat->machine->leaving || calls_are_held(world, seat))
        return;
    trace(world, seat, "virsh setmem %.0f MiB", MIB(kib));
    end_debt(seat);
    machine_take_target(seat->machine, kib, true);
    /* who reads it later takes that for what it was started with */
    if (seat->transient)
        seat->live.current_kib = MIN(seat->live.current_kib, kib);
    truth_surprise(seat, EXCUSE_MOVED);
}

void
virsh_save(World *world, Seat *seat)
{
    if (!moves(seat) || seat->machine->leaving || seat->transient || seat->machine->vfio)
        return;
    trace(world, seat, "is saved with %.0f MiB", MIB(machine_actual(seat->machine)));
    machine_keep(seat, &seat->saved);
    end_machine(world, seat, VIR_STOPPED_KEPT);
}

void
virsh_snapshot(World *world, Seat *seat)
{
    if (!moves(seat) || seat->machine->leaving || seat->machine->vfio)
        return;
    machine_keep(seat, &seat->snapshot);
    trace(world, seat, "a snapshot is taken at %.0f MiB", MIB(machine_actual(seat->machine)));
}

/* The QEMU that runs loads the snapshot, with what its balloon was then. */
static void
load_snapshot(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    const Memory *memory = &seat->snapshot;

    trace(world, seat, "is reverted to its snapshot of %.0f MiB", MIB(machine_ram(machine) - memory->balloon_kib));
    end_debt(seat);
    machine_bring(machine, memory);
    machine->held_kib = memory->held_kib;
    machine->paged_kib = 0; /* each page is written anew */
    machine->emptying = false;
    machine->driver_usec =
        memory->driver || seat->kernel.driver == DRIVER_NONE ? UINT64_MAX : world->now_usec + seat->kernel.boot_usec;
    machine->paused = false;
    machine->cold = false; /* a kernel goes on, and none boots, though this QEMU may not have run before */
    seat->shows = 0;       /* what it had before was seen of another guest */
    watcher_tell(world, seat, VIR_REVERTED);
    truth_surprise(seat, EXCUSE_REVERTED);
}

/* Of a guest that runs: its QEMU is ended, and another one started with the snapshot (qemu_snapshot.c,
   qemuSnapshotRevertActive). Before libvirt 8.1 that was done only where its definition was another one by then. */
void
virsh_revert(World *world, Seat *seat)
{
    const Machine *machine = seat->machine;
    const Memory *memory = &seat->snapshot;

    if (!memory->there)
        return;
    if (machine != NULL) {
        if (!runs(seat) || machine->hung || machine->leaving)
            return;
        if (world->options.reverts_in_place && machine->dimm_kib == memory->definition.dimm_kib &&
            machine->base_kib == memory->definition.base_kib) {
            load_snapshot(world, seat);
            return;
        }
        trace(world, seat, "is ended to be reverted to its snapshot");
        end_machine(world, seat, VIR_STOPPED_REVERTED);
        seat->defined = true;
    }
    virsh_start(world, seat, START_HOW_SNAPSHOT, false, false);
}

static void
migration_ends(World *world, Seat *seat, uint64_t number, void *data)
{
    Machine *machine = seat->machine;

    if (machine == NULL || machine->number != number)
        return;
    if (!machine->arriving && !machine->leaving)
        return;
    if (machine->arriving) {
        trace(world, seat, "its coming is called off");
        end_machine(world, seat, VIR_STOPPED_KEPT);
        return;
    }
    machine->leaving = false;
    if (data != NULL) {
        trace(world, seat, "its leaving is called off");
        watcher_tell(world, seat, VIR_CHANGED);
        return;
    }
    machine_keep(seat, &seat->abroad); /* for when it comes back */
    end_machine(world, seat, VIR_STOPPED_KEPT);
    seat->defined = false;
    watcher_tell(world, seat, VIR_CHANGED);
}

static int yes;

void
virsh_migrated(World *world, Seat *seat, bool cancelled)
{
    if (seat->machine != NULL)
        migration_ends(world, seat, seat->machine->number, cancelled ? &yes : NULL);
}

void
virsh_migrate(World *world, Seat *seat, uint64_t usec, bool cancelled)
{
    if (seat->machine != NULL && seat->machine->arriving) {
        world_after(world, usec, migration_ends, seat, seat->machine->number, &yes);
        return;
    }
    if (!moves(seat) || seat->machine->leaving || seat->machine->vfio)
        return;
    trace(world, seat, "migrates away");
    seat->machine->leaving = true;
    watcher_tell(world, seat, VIR_CHANGED);
    world_after(world, usec, migration_ends, seat, seat->machine->number, cancelled ? &yes : NULL);
}

void
virsh_plug(World *world, Seat *seat, uint64_t kib)
{
    Machine *machine = seat->machine;

    if (!moves(seat) || machine->leaving || !machine->driver)
        return;
    trace(world, seat, "a dimm of %.0f MiB is plugged in%s", MIB(kib),
          seat->kernel.onlines ? "" : ", and stays offline");
    machine->dimm_kib += kib;
    if (!seat->kernel.onlines)
        machine->unseen_kib += kib;
    watcher_tell(world, seat, VIR_CHANGED);
    truth_surprise(seat, EXCUSE_PLUGGED);
}

/* The guest gives it back where it can: its kernel does not use it. */
void
virsh_unplug(World *world, Seat *seat)
{
    Machine *machine = seat->machine;

    if (!moves(seat) || machine->leaving || machine->dimm_kib == 0 || machine->unseen_kib != machine->dimm_kib ||
        machine->balloon_kib > machine->base_kib)
        return;
    trace(world, seat, "its dimms are unplugged");
    machine->dimm_kib = machine->unseen_kib = 0;
    machine->asked_kib = MIN(machine->asked_kib, machine->base_kib);
    seat->shows = 0; /* what it had before was seen with them */
    watcher_tell(world, seat, VIR_CHANGED);
}

void
virsh_request(World *world, Seat *seat, uint64_t kib)
{
    Machine *machine = seat->machine;
    uint64_t before;

    if (!moves(seat) || machine->leaving || machine->device_kib == 0)
        return;
    before = machine_device(machine);
    machine->device_requested_kib = MIN(kib - kib % 2048, machine->device_kib);
    if (machine_device(machine) > before) {
        seat->plugged_kib = machine_device(machine) - before + (seat->plugged_usec != 0 ? seat->plugged_kib : 0);
        seat->plugged_usec = world->now_usec;
    }
    trace(world, seat, "its virtio-mem is asked to be %.0f MiB", MIB(machine->device_requested_kib));
    watcher_tell(world, seat, VIR_CHANGED);
    truth_surprise(seat, EXCUSE_PLUGGED);
}

void
virsh_define(World *world, Seat *seat, const Definition *definition, bool live)
{
    if (!seat->defined || seat->transient)
        return;
    trace(world, seat, "is defined anew: %smode %d, memory %.0f, minimum %.0f, startup %.0f%s",
          definition->managed ? "" : "no element, ", definition->mode, MIB(definition->base_kib),
          MIB(definition->minimum_kib), MIB(definition->startup_kib), live ? ", and live" : "");
    /* who is on its way holds a job that lets nobody change it (qemu_migration.c, qemuMigrationJobStart) */
    if (live && runs(seat) && !seat->machine->leaving) {
        bool was_ours = truth_is_ours(seat) || seat->let_go;
        bool was_held = was_ours || (seat->machine->high_ours && seat->machine->high_kib != LIMIT_NONE);

        seat->live.managed = definition->managed;
        seat->live.mode = definition->mode;
        /* of a guest that runs with less than its definition has, what is beyond that would be no value */
        seat->live.minimum_kib = MIN(definition->minimum_kib, seat->live.base_kib);
        seat->live.startup_kib = MIN(definition->startup_kib, seat->live.base_kib);
        seat->live.priority = definition->priority;
        seat->live.buffer = definition->buffer;
        seat->wild = seat->wild && truth_is_wild(seat);
        seat->let_go = was_ours && truth_is_wild(seat) && daemon_remembers(world, seat);
        /* it is only looked at from now on, and no limit holds it any more; or its XML was not read yet, and it is as one that was started
           as nobody's */
        if (was_held && !truth_is_ours(seat) && (!truth_is_wild(seat) || truth_is_new(seat)))
            seat->forced_usec = world->now_usec;
    }
    seat->definition = *definition;
    watcher_tell(world, seat, VIR_CHANGED);
}

void
virsh_rename(World *world, Seat *seat)
{
    if (seat->machine != NULL || !seat->defined || seat->transient || is_locked(seat))
        return;
    seat->definition.name[1] = seat->definition.name[1] == 'x' ? '\0' : 'x';
    seat->definition.name[2] = '\0';
    trace(world, seat, "is renamed to %s", seat->definition.name);
    watcher_tell(world, seat, VIR_CHANGED);
}

void
virsh_hang(World *world, Seat *seat, bool hung)
{
    if (!runs(seat) || seat->machine->hung == hung)
        return;
    trace(world, seat, hung ? "its QEMU hangs" : "its QEMU goes on");
    seat->machine->hung = hung;
    if (!hung)
        calls_wake(world, seat);
}

/* It takes what is its own, whatever room there is: nobody keeps one that is nobody's from that. */
static void
force_wild(const World *world, Seat *seat)
{
    if (truth_is_wild(seat) && truth_is_shown_wild(seat))
        seat->forced_usec = world->now_usec;
}

void
guest_empties(World *world, Seat *seat, bool emptying)
{
    if (!moves(seat) || !seat->machine->driver || seat->machine->emptying == emptying)
        return;
    trace(world, seat, emptying ? "empties its balloon by itself" : "follows its target again");
    seat->machine->emptying = emptying;
    seat->machine->emptied_usec = emptying ? UINT64_MAX : world->now_usec;
    force_wild(world, seat);
}

void
guest_unloads(World *world, Seat *seat)
{
    Machine *machine = seat->machine;

    if (!moves(seat) || !machine->driver)
        return;
    trace(world, seat, "unloads its balloon driver");
    machine->driver = false;
    machine->emptying = false;
    machine->emptied_usec = UINT64_MAX;
    machine->balloon_kib = machine->shown_kib = 0;
    machine->booted_usec = saturating_sub(world->now_usec, 60 * USEC_PER_SEC);
    machine->driver_usec = rng_hits(&world->rng, 500) ? UINT64_MAX : world->now_usec + 20 * USEC_PER_SEC;
    force_wild(world, seat);
    truth_surprise(seat, EXCUSE_UNLOADED);
}

static void
libvirtd_is_back(World *world, Seat *seat, uint64_t number, void *data)
{
    world->libvirtd_away = false;
    if (world->engine == NULL || world->link_number != number)
        return;
    trace(world, NULL, "libvirtd is back");
    watcher_connect(world);
}

void
world_restart_libvirtd(World *world, uint64_t usec)
{
    if (world->engine == NULL || world->link == WORLD_LINK_DOWN)
        return;
    for (unsigned i = 0; i < world->count; i++)
        if (world->seats[i].start.stage != STARTING_NOT)
            return;
    trace(world, NULL, "libvirtd is away for %.1f s", (double)usec / (double)USEC_PER_SEC);
    world->libvirtd_away = true;
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        /* it was not read yet, so its cgroup is not known */
        if (seat->machine != NULL && seat->machine->cold && seat->known.record.pid != (pid_t)seat->machine->number)
            truth_excuse(seat, EXCUSE_UNHELD);
    }
    watcher_disconnect(world);
    world_after(world, usec, libvirtd_is_back, NULL, world->link_number, NULL);
}
