/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How a start goes: libvirt locks the guest and runs its hook, which asks the daemon; then QEMU is launched, reads what it
 * brings, and runs. A restore and an incoming migration have a hook of their own before the one that all have.
 */

#include "world.h"

#include <stdio.h>

/* As of dm-ctl hook: a daemon that is away is looked for so long. */
#define HOOK_PATIENCE_USEC (5 * USEC_PER_SEC)

/* [SmartPaging] RestartWindowSec=, as daemon.c sets it. */
#define RESTART_USEC (WORLD_RESTART_SEC * USEC_PER_SEC)
/* What was reserved and not used is free again after so long. */
#define RESERVED_USEC (60 * USEC_PER_SEC)

static void ask_hook(World *world, Seat *seat, uint64_t number, void *data);
static void go_on(World *world, Seat *seat, uint64_t number, void *data);

static uint64_t
some_time(World *world, uint64_t low_msec, uint64_t high_msec)
{
    return world->options.quiet_calls ? low_msec * 1000 : rng_between(&world->rng, low_msec * 1000, high_msec * 1000);
}

static void
end_start(World *world, Seat *seat, const char *how)
{
    trace(world, seat, "its start %s", how);
    seat->start.stage = STARTING_NOT;
    seat->start.waits = false;
    if (seat->machine != NULL)
        return;
    seat->defined = seat->defined && !seat->transient;
    if (!seat->defined)
        watcher_tell(world, seat, VIR_CHANGED);
}

void
starts_note_stopped(World *world, Seat *seat)
{
    if (world->engine == NULL || world->options.no_hook)
        return;
    engine_note_start(world->engine, seat->uuid, START_NOTE_STOPPED);
    daemon_tick_soon(world);
}

static void
fail(World *world, Seat *seat, const char *how)
{
    bool ctl = seat->start.ctl;

    end_start(world, seat, how);
    starts_note_stopped(world, seat);
    /* the call that was to start it has failed */
    if (ctl && world->engine != NULL) {
        engine_note_start(world->engine, seat->uuid, START_NOTE_STOPPED);
        daemon_tick_soon(world);
    }
}

/* ---- the hook ---- */

static void
hook_answered(void *user_data, bool granted, const char *reason)
{
    Seat *seat = user_data;
    World *world = seat->world;

    if (world->daemon_dies || !seat->start.waits)
        return;
    seat->start.waits = false;
    seat->start.granted = granted;
    trace(world, seat, "its hook is answered: %s (%.110s)", granted ? "yes" : "no", reason);
    world_after(world, some_time(world, 4, 30), go_on, seat, seat->start.number, NULL);
}

static void
ask_hook(World *world, Seat *seat, uint64_t number, void *data)
{
    Start *start = &seat->start;
    g_autofree char *xml = NULL;
    StartAsk ask = {.uuid = seat->uuid, .kind = has_bug(BUG_BOOTS) ? START_BOOT : start->kind, .hook = true};
    bool brings = start->brings_kib != 0 && !has_bug(BUG_BOOTS);

    if (start->number != number || start->stage != STARTING_HOOK)
        return;
    if (world->engine == NULL) {
        if (world->now_usec - start->asked_usec < HOOK_PATIENCE_USEC) {
            world_after(world, 100000, ask_hook, seat, number, NULL);
            return;
        }
        start->unasked = true;
        start->granted = world->options.absent_allows;
        go_on(world, seat, number, NULL);
        return;
    }
    start->waits = true;
    start->forced |= !start->brought.managed && !world->manage_all;
    /* its run has a number when "prepare" is said, and not before */
    xml = domain_text(seat, &start->brought, brings ? start->brings_kib : start->brought.current_kib,
                      start->kind == START_BOOT ? start->number : 0, NULL);
    ask.xml = xml;
    if (has_bug(BUG_OLD_XML) && seat->known.shown && seat->known.record.inactive_xml != NULL)
        ask.xml = seat->known.record.inactive_xml;
    if (engine_ask_start(world->engine, &ask, hook_answered, seat))
        engine_tick_now(world->engine);
}

static void
begin_hook(World *world, Seat *seat, StartKind kind)
{
    Start *start = &seat->start;

    start->stage = STARTING_HOOK;
    start->kind = kind;
    start->asked_usec = world->now_usec;
    if (world->options.no_hook) {
        start->unasked = start->granted = true;
        start->refilter = false;
        go_on(world, seat, start->number, NULL);
        return;
    }
    world_after(world, some_time(world, 10, 60), ask_hook, seat, start->number, NULL);
}

void
starts_lose_daemon(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        Start *start = &seat->start;

        if (seat->reserved_until_usec == UINT64_MAX)
            seat->reserved_until_usec = 0;
        /* the next daemon keeps it as long as if it had been asked for by then */
        else if (world->now_usec < seat->reserved_until_usec)
            seat->reserved_until_usec = world->now_usec + 2 * RESERVED_USEC;
        if (start->stage == STARTING_ASKED)
            end_start(world, seat, "was asked of a daemon that is gone");
        if (start->stage != STARTING_HOOK || !start->waits)
            continue;
        start->waits = false;
        start->asked_usec = world->now_usec;
        world_after(world, 100000, ask_hook, seat, start->number, NULL);
    }
}

/* ---- launch ---- */

/* libvirt's hook tells that QEMU is there (qemu_process.c, qemuProcessFinishStartup), before its memory arrives. */
static void
note_started(World *world, Seat *seat)
{
    if (world->engine == NULL || (world->options.no_hook && !seat->start.ctl))
        return;
    engine_note_start(world->engine, seat->uuid, START_NOTE_STARTED);
    daemon_tick_soon(world);
}

static void
run(World *world, Seat *seat)
{
    Machine *machine = seat->machine;
    Start *start = &seat->start;
    bool brings = start->how != START_HOW_COLD;

    machine->loading = false;
    machine->paused = start->paused;
    machine->cold = !brings;
    machine->ran = brings && !start->paused; /* paused from its first moment it can't touch anything */
    machine->booted_usec = world->now_usec;
    machine->period_sec = 1;
    if (!machine->driver && seat->kernel.driver != DRIVER_NONE)
        machine->driver_usec = world->now_usec + seat->kernel.boot_usec;
    world->counts.starts++;
    /* what it has read beyond what its hook told of looked like others' until it is seen */
    if (start->unasked || start->how == START_HOW_SNAPSHOT)
        world->others_usec = world->now_usec;
    note_started(world, seat);
    /* its balloon goes on to where it was going when its memory was kept */
    if (brings)
        truth_excuse(seat, EXCUSE_MOVED);
    watcher_tell(world, seat, brings ? VIR_STARTED_RESUMED : VIR_STARTED);
    if (start->paused)
        watcher_tell(world, seat, VIR_SUSPENDED);
    end_start(world, seat, start->paused ? "is done, and it is paused" : "is done");
}

void
starts_arrived(World *world, Seat *seat)
{
    Machine *machine = seat->machine;

    if (machine->loading) {
        run(world, seat);
        return;
    }
    machine->arriving = false;
    machine_bring(machine, &seat->abroad);
    seat->abroad.there = false;
    truth_excuse(seat, EXCUSE_MOVED);
    if (!machine->driver && seat->kernel.driver != DRIVER_NONE)
        machine->driver_usec = world->now_usec + seat->kernel.boot_usec;
    machine->paused = false;
    machine->period_sec = 1;
    trace(world, seat, "has arrived");
    watcher_tell(world, seat, VIR_RESUMED);
}

/* What its devices had beyond what they were asked for is in no XML but that of a guest that runs. */
static void
excuse_devices(Seat *seat, const Memory *memory)
{
    if (memory->device_plugged_kib > memory->definition.device_requested_kib)
        truth_excuse(seat, EXCUSE_PLUGGED);
}

static void
bring(World *world, Seat *seat, const Memory *memory)
{
    excuse_devices(seat, memory);
    machine_bring(seat->machine, memory);
    seat->machine->coming_kib = seat->live.immediate ? PAGE_KIB : MAX(memory->held_kib, PAGE_KIB);
    seat->machine->loading = true;
    seat->start.stage = STARTING_LOAD;
}

static bool
is_reserved(const Seat *seat)
{
    return seat->reserved_until_usec != UINT64_MAX && seat->world->now_usec < seat->reserved_until_usec;
}

/* When its start, or memory for that, was asked for first. */
static uint64_t
asked_usec(const Seat *seat)
{
    return is_reserved(seat)           ? seat->reserved_usec
           : seat->start.ctl_usec != 0 ? seat->start.ctl_usec
                                       : seat->start.asked_usec;
}

/* It is let in whatever room there is, or nothing holds it as it boots. */
static bool
is_forced(const Seat *seat, bool soon)
{
    const WorldOptions *options = &seat->world->options;
    const Start *start = &seat->start;

    return start->unasked || start->forced || (is_reserved(seat) && seat->reserved_forced) || soon ||
           !truth_is_ours(seat) || start->how == START_HOW_ARRIVES || !options->admission || !options->limits ||
           options->limits_flaky;
}

static void
launch(World *world, Seat *seat, uint64_t number, void *data)
{
    Start *start = &seat->start;
    Machine *machine;
    bool soon;

    if (start->number != number || start->stage != STARTING_LAUNCH)
        return;
    if (!world->options.quiet_calls && rng_hits(&world->rng, 20)) {
        fail(world, seat, "fails: QEMU does not start");
        return;
    }
    seat->live = start->brought;
    machine = seat->machine = machine_new(world, &seat->live);
    machine_take_target(machine, seat->live.current_kib, false);
    seat->let_go = false;
    truth_forget(seat);
    soon = start->how == START_HOW_COLD && seat->stop_usec != 0 &&
           saturating_sub(asked_usec(seat), seat->stop_usec) < RESTART_USEC && !seat->live.immediate &&
           !seat->live.vfio;
    seat->wild = truth_is_wild(seat);
    seat->forced_usec = is_forced(seat, soon) ? world->now_usec : 0;
    if (start->unasked || seat->wild || !world->options.admission)
        truth_excuse(seat, EXCUSE_UNASKED);
    else if (soon && world->options.limits)
        truth_excuse(seat, EXCUSE_SOON);
    else if (world->link == WORLD_LINK_DOWN)
        truth_excuse(seat, EXCUSE_UNHELD);
    trace(world, seat, "QEMU %d is there%s", (int)machine->number,
          seat->forced_usec != 0 ? ", whatever room there is" : "");
    machine->need_kib = rng_between(&world->rng, FROM_MIB(60), machine->base_kib / 2);
    if (seat->live.immediate)
        machine->held_kib = machine->base_kib;
    switch (start->how) {
    case START_HOW_COLD:
        run(world, seat);
        break;
    case START_HOW_SAVED:
        bring(world, seat, &seat->saved);
        seat->saved.there = false;
        break;
    case START_HOW_SNAPSHOT:
        bring(world, seat, &seat->snapshot);
        truth_excuse(seat, EXCUSE_REVERTED);
        break;
    case START_HOW_ARRIVES:
        machine->arriving = true;
        excuse_devices(seat, &seat->abroad);
        machine->coming_kib = seat->live.immediate ? PAGE_KIB : MAX(seat->abroad.held_kib, PAGE_KIB);
        note_started(world, seat);
        end_start(world, seat, "goes on as memory arrives");
        watcher_tell(world, seat, VIR_STARTED_RESUMED);
        watcher_tell(world, seat, VIR_SUSPENDED_MIGRATED);
        break;
    }
}

static void
go_on(World *world, Seat *seat, uint64_t number, void *data)
{
    Start *start = &seat->start;

    if (start->number != number || start->stage != STARTING_HOOK)
        return;
    if (!start->granted) {
        world->counts.refused++;
        fail(world, seat, "is refused");
    } else if (start->refilter) {
        start->refilter = false;
        begin_hook(world, seat, START_BOOT);
    } else {
        start->stage = STARTING_LAUNCH;
        world_after(world, world->options.launch_usec != 0 ? world->options.launch_usec : some_time(world, 50, 400),
                    launch, seat, number, NULL);
    }
}

/* ---- who wants it ---- */

static void
begin(World *world, Seat *seat)
{
    Start *start = &seat->start;

    start->refilter = start->how == START_HOW_SAVED || start->how == START_HOW_ARRIVES;
    begin_hook(world, seat,
               start->how == START_HOW_SAVED     ? START_RESTORE
               : start->how == START_HOW_ARRIVES ? START_MIGRATION
                                                 : START_BOOT);
}

static void
ctl_begin(World *world, Seat *seat, uint64_t number, void *data)
{
    if (seat->start.number != number || seat->start.stage != STARTING_ASKED)
        return;
    if (world->engine != NULL)
        engine_note_start(world->engine, seat->uuid, START_NOTE_HANDED);
    begin(world, seat);
}

static void
ctl_answered(void *user_data, bool granted, const char *reason)
{
    Seat *seat = user_data;
    World *world = seat->world;

    if (world->daemon_dies || seat->start.stage != STARTING_ASKED)
        return;
    trace(world, seat, "dm-ctl start: %s (%.110s)", granted ? "yes" : "no", reason);
    if (!granted) {
        end_start(world, seat, "is refused");
        return;
    }
    world_after(world, some_time(world, 1, 20), ctl_begin, seat, seat->start.number, NULL);
}

/* By what it was saved with, or else by what is defined, and what could be read of that up to now: dm-ctl hands over no XML. */
static bool
is_nobodys(const Seat *seat)
{
    const char *xml = seat->known.record.inactive_xml;

    if (seat->world->manage_all)
        return false;
    if (seat->saved.there)
        return !seat->saved.definition.managed;
    return !seat->definition.managed || xml == NULL || strstr(xml, "<dynmem:memory") == NULL;
}

static void
ask_daemon(World *world, Seat *seat)
{
    Start *start = &seat->start;
    StartAsk ask = {.uuid = seat->uuid, .kind = START_BOOT, .owner = start->owner};

    start->stage = STARTING_ASKED;
    start->ctl_usec = world->now_usec;
    start->forced = is_nobodys(seat);
    snprintf(start->owner, sizeof start->owner, ":1.%d", (int)(start->number % 100000));
    if (engine_ask_start(world->engine, &ask, ctl_answered, seat))
        engine_tick_now(world->engine);
}

void
virsh_start(World *world, Seat *seat, StartHow how, bool paused, bool ctl)
{
    static const char *const hows[] = {"boots", "is restored from its managed save", "arrives from another host",
                                       "is reverted to a snapshot"};
    Start *start = &seat->start;
    const Memory *memory;

    if (seat->machine != NULL || start->stage != STARTING_NOT || (!seat->defined && how != START_HOW_ARRIVES))
        return;
    if (how == START_HOW_COLD && seat->saved.there)
        how = START_HOW_SAVED;
    memory = how == START_HOW_SNAPSHOT ? &seat->snapshot : how == START_HOW_ARRIVES ? &seat->abroad : &seat->saved;
    if (how != START_HOW_COLD && !memory->there)
        return;
    if (ctl && (world->engine == NULL || !seat->known.shown))
        return;
    *start = (Start){.how = how, .paused = paused, .ctl = ctl, .number = world_number(world)};
    start->brought = seat->definition;
    if (how != START_HOW_COLD) {
        start->brought = memory->definition;
        start->brings_kib = memory_actual(memory);
    }
    seat->defined = true;
    trace(world, seat, "%s start%s: %s, bringing %.0f MiB", ctl ? "dm-ctl" : "virsh", paused ? " --paused" : "",
          hows[how], MIB(start->brings_kib));
    if (ctl)
        ask_daemon(world, seat);
    else
        begin(world, seat);
}

static void
reserve_answered(void *user_data, bool granted, const char *reason)
{
    Seat *seat = user_data;

    if (!seat->world->daemon_dies)
        seat->reserved_until_usec = granted ? seat->world->now_usec + RESERVED_USEC : 0;
}

void
ctl_reserve(World *world, Seat *seat)
{
    StartAsk ask = {.uuid = seat->uuid, .kind = START_BOOT, .owner = ":1.7"};

    if (world->engine == NULL || seat->machine != NULL || seat->start.stage != STARTING_NOT || !seat->known.shown)
        return;
    trace(world, seat, "its memory is reserved, and nobody starts it");
    /* who asks once more asks for the same start */
    if (seat->reserved_until_usec != UINT64_MAX && world->now_usec >= seat->reserved_until_usec)
        seat->reserved_usec = world->now_usec;
    seat->reserved_forced = is_nobodys(seat);
    seat->reserved_until_usec = UINT64_MAX;
    if (engine_ask_start(world->engine, &ask, reserve_answered, seat))
        engine_tick_now(world->engine);
}

void
ctl_leave(World *world, Seat *seat)
{
    if (!seat->start.ctl || seat->start.stage == STARTING_NOT || world->engine == NULL || seat->start.ctl_left)
        return;
    trace(world, seat, "Ctrl-C of its dm-ctl start");
    seat->start.ctl_left = true;
    if (seat->start.stage == STARTING_ASKED)
        end_start(world, seat, "is given up");
    engine_drop_owner(world->engine, seat->start.owner);
    if (has_bug(BUG_LEAVES))
        engine_note_start(world->engine, seat->uuid, START_NOTE_STOPPED);
    daemon_tick_soon(world);
}
