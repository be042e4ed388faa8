/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the daemon's watch knows: it hears of events a while after they happened, changes the record at once as far as the
 * event tells, and reads the guest some time after that. Between two looks anything may have happened.
 */

#include "world.h"

#include <string.h>

/* A start that was concluded from a reading is the one whose event comes within this time. */
#define START_TWICE_USEC (10 * USEC_PER_SEC)
#define RESET_TWICE_USEC (300 * USEC_PER_MSEC)

#define LOCKED_USEC (10 * USEC_PER_MSEC)

static void read_later(World *world, Seat *seat);

/* ---- records ---- */

static Known *
add_record(World *world, Seat *seat)
{
    Known *known = &seat->known;

    if (known->exists)
        return known;
    *known = (Known){.exists = true,
                     .hook_waits = known->hook_waits,
                     .hook_started_usec = known->hook_started_usec,
                     .report_serial = known->report_serial,
                     .call = known->call};
    known->record = (GuestRecord){
        .serial = world_number(world),
        .life = GUEST_LIFE_OFF,
        .answering = true,
        .stop_usec = seat->stop_usec,
    };
    memcpy(known->record.uuid, seat->uuid, sizeof seat->uuid);
    return known;
}

static void
free_texts(GuestRecord *record)
{
    g_clear_pointer(&record->name, g_free);
    g_clear_pointer(&record->live_xml, g_free);
    g_clear_pointer(&record->inactive_xml, g_free);
    g_clear_pointer(&record->saved_xml, g_free);
}

static void
remove_record(World *world, Seat *seat)
{
    Known *known = &seat->known;
    bool waits = known->hook_waits;
    uint64_t started = known->hook_started_usec;

    if (!known->exists)
        return;
    calls_restart(world, seat, "the guest is gone");
    calls_leave_round(world, seat);
    free_texts(&known->record);
    *known = (Known){
        .hook_waits = waits, .hook_started_usec = started, .report_serial = known->report_serial, .call = known->call};
}

const GuestRecord *const *
watcher_records(void *self, size_t *count)
{
    World *world = self;
    size_t shown = 0;

    for (unsigned i = 0; i < world->count; i++) {
        const GuestRecord *record = &world->seats[i].known.record;
        size_t at = shown;

        if (!world->seats[i].known.shown)
            continue;
        /* by uuid, as src/watch has them; seats of a cluster are taken in any order */
        for (; at > 0 && strcmp(world->records[at - 1]->uuid, record->uuid) > 0; at--)
            world->records[at] = world->records[at - 1];
        world->records[at] = record;
        shown++;
    }
    *count = shown;
    return world->records;
}

void
watcher_forget(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        free_texts(&seat->known.record);
        seat->known = (Known){.report_serial = seat->known.report_serial};
    }
}

/* One that is paused is asked as well, where nothing else is under way with it. */
bool
watcher_has_size(const Seat *seat)
{
    const GuestRecord *record = &seat->known.record;

    return record->life == GUEST_LIFE_RUNNING ||
           (record->life == GUEST_LIFE_PAUSED && !record->migrating && !seat->known.coming);
}

/* ---- what changes a record ---- */

static void
note_stop(World *world, Seat *seat, bool kept)
{
    seat->stop_usec = kept ? 0 : world->now_usec;
    seat->known.record.stop_usec = seat->stop_usec;
    keep_set(world->keep, KEEP_RUNNING, seat->uuid, NULL);
}

static void
forget_process(World *world, Seat *seat, const char *why)
{
    Known *known = &seat->known;

    known->machine = 0;
    known->record.pid = 0;
    known->coming = false;
    known->record.migrating = false;
    known->record.report.fields = 0;
    known->record.gap_usec = 0;
    calls_restart(world, seat, why);
}

static void
count_boot(World *world, Seat *seat, bool in_place, bool resumed)
{
    GuestRecord *record = &seat->known.record;

    record->boots++;
    record->boot_usec = world->now_usec;
    record->boot_in_place = in_place;
    record->boot_resumed = resumed;
    seat->known.reverting = false;
    keep_set(world->keep, KEEP_RUNNING, seat->uuid, seat->live.name);
}

static void
note_off(World *world, Seat *seat, bool kept)
{
    Known *known = &seat->known;

    known->changes++;
    known->due = 0;
    if (known->record.life == GUEST_LIFE_OFF && known->shown)
        return;
    forget_process(world, seat, "the guest was switched off");
    known->record.life = GUEST_LIFE_OFF;
    note_stop(world, seat, kept);
    if (known->record.live_xml != NULL) {
        g_clear_pointer(&known->record.live_xml, g_free);
        known->record.definition_serial++;
    }
}

static bool
is_start_due(const World *world, const Known *known)
{
    return known->due > 0 && known->record.life != GUEST_LIFE_OFF &&
           (known->coming || world->now_usec - known->record.boot_usec < START_TWICE_USEC);
}

static void
note_start(World *world, Seat *seat, bool resumed)
{
    Known *known = &seat->known;

    known->changes++;
    if (is_start_due(world, known)) {
        if (--known->due > 0)
            return;
        known->record.boot_resumed = resumed;
        if (known->coming)
            known->record.boot_usec = world->now_usec; /* only now it can run */
        known->coming = false;
        return;
    }
    known->due = 0;
    if (known->record.live_xml != NULL && !has_bug(BUG_SAME_RUN)) {
        g_clear_pointer(&known->record.live_xml, g_free);
        known->record.definition_serial++;
    }
    known->record.life = GUEST_LIFE_RUNNING;
    if (has_bug(BUG_SAME_RUN) && known->record.boots > 0)
        return;
    forget_process(world, seat, "the guest was started anew");
    count_boot(world, seat, false, resumed);
    known->gap = false;
}

static void
note_reset(World *world, Seat *seat)
{
    const GuestRecord *record = &seat->known.record;

    if (record->boot_in_place && world->now_usec - record->boot_usec < RESET_TWICE_USEC)
        return;
    count_boot(world, seat, true, false);
}

static void
note_revert(World *world, Seat *seat)
{
    Known *known = &seat->known;

    known->changes++;
    if (known->record.life == GUEST_LIFE_OFF ||
        (known->record.boot_resumed && world->now_usec - known->record.boot_usec < START_TWICE_USEC))
        return;
    known->record.report.fields = 0;
    known->record.gap_usec = 0;
    calls_restart(world, seat, "the guest was reverted to a snapshot");
    count_boot(world, seat, false, true);
}

static void
set_life(Seat *seat, GuestLife life, bool migrating)
{
    GuestRecord *record = &seat->known.record;

    seat->known.changes++;
    if (record->life == GUEST_LIFE_OFF)
        return;
    record->life = life;
    record->migrating = record->migrating || migrating;
}

/* ---- events ---- */

static void
hear(World *world, Seat *seat, uint64_t number, void *data)
{
    VirEvent event = (VirEvent)GPOINTER_TO_UINT(data);

    if (world->engine == NULL || number != world->link_number)
        return; /* told to a connection that is gone */
    add_record(world, seat);
    switch (event) {
    case VIR_STARTED:
    case VIR_STARTED_RESUMED:
        note_start(world, seat, event == VIR_STARTED_RESUMED);
        break;
    case VIR_STOPPED:
    case VIR_STOPPED_KEPT:
    case VIR_STOPPED_REVERTED:
        if (is_start_due(world, &seat->known))
            break;
        note_off(world, seat, event != VIR_STOPPED);
        seat->known.reverting = event == VIR_STOPPED_REVERTED;
        break;
    case VIR_SUSPENDED:
    case VIR_SUSPENDED_MIGRATED:
        set_life(seat, GUEST_LIFE_PAUSED, event == VIR_SUSPENDED_MIGRATED);
        break;
    case VIR_RESUMED:
        set_life(seat, GUEST_LIFE_RUNNING, false);
        break;
    case VIR_REVERTED:
        note_revert(world, seat);
        break;
    case VIR_RESET:
        note_reset(world, seat);
        break;
    case VIR_CHANGED:
        seat->known.changes++;
        break;
    }
    if (event != VIR_RESET || !seat->known.shown)
        read_later(world, seat);
    if (!watcher_has_size(seat))
        calls_leave_round(world, seat);
    calls_pump(world, seat);
    daemon_tick_soon(world);
}

void
watcher_tell(World *world, Seat *seat, VirEvent event)
{
    uint64_t delay = world->options.quiet_calls ? 5000 : rng_between(&world->rng, 1000, 40000);

    if (!world->options.quiet_calls && rng_hits(&world->rng, 20))
        delay = rng_between(&world->rng, 100000, 900000); /* the one worker of libvirtd has something else to do */
    seat->event_usec = MAX(seat->event_usec, world->now_usec + delay) + 1;
    if (world->engine == NULL || world->link == WORLD_LINK_DOWN)
        return;
    world_after(world, seat->event_usec - world->now_usec, hear, seat, world->link_number, GUINT_TO_POINTER(event));
}

/* ---- readings ---- */

static bool
take_text(char **kept, char *text)
{
    if (g_strcmp0(*kept, text) == 0) {
        g_free(text);
        return false;
    }
    g_free(*kept);
    *kept = text;
    return true;
}

static void
take_texts(Seat *seat)
{
    GuestRecord *record = &seat->known.record;
    const Definition *live = &seat->live;
    bool changed = false;

    changed |= take_text(&record->name, g_strdup(seat->machine != NULL ? live->name : seat->definition.name));
    changed |=
        take_text(&record->live_xml, seat->machine == NULL ? NULL
                                                           : domain_text(seat, live, machine_current(seat->machine),
                                                                         seat->machine->number, seat->machine));
    changed |=
        take_text(&record->inactive_xml,
                  seat->transient ? NULL : domain_text(seat, &seat->definition, seat->definition.current_kib, 0, NULL));
    changed |=
        take_text(&record->saved_xml, seat->saved.there && seat->machine == NULL
                                          ? domain_text(seat, &seat->saved.definition,
                                                        seat->saved.definition.base_kib +
                                                            seat->saved.definition.dimm_kib - seat->saved.balloon_kib,
                                                        0, NULL)
                                          : NULL);
    if (changed)
        record->definition_serial++;
}

/* What libvirt says now is what the record shows from now on. */
static void
apply(World *world, Seat *seat)
{
    Known *known = &seat->known;
    GuestRecord *record = &known->record;
    const Machine *machine = seat->machine;
    bool runs = machine != NULL;
    bool was_on = record->life != GUEST_LIFE_OFF;

    if (!runs) {
        if (known->shown || was_on)
            note_off(world, seat, false);
    } else {
        bool another = was_on && known->machine != 0 && known->machine != machine->number;
        /* while libvirt still starts it, what it would come from tells */
        bool resumed =
            machine->loading ? record->saved_xml != NULL || known->reverting : seat->start.how != START_HOW_COLD;

        if (!known->shown && !was_on && known->hook_started_usec == 0) {
            record->boot_usec = world->now_usec; /* it ran before it was seen */
        } else if (!was_on || another) {
            unsigned due = another && !known->gap ? known->due : 0;
            bool heard = known->hook_started_usec == 0 || known->hook_started_usec >= world->daemon_usec;

            if (another)
                note_off(world, seat, false);
            forget_process(world, seat, "the guest was started anew");
            count_boot(world, seat, false, resumed);
            if (known->hook_started_usec != 0 && !another)
                record->boot_usec = known->hook_started_usec;
            known->due = due + 1;
            if ((known->gap || !heard) && resumed && !machine->paused && !machine->arriving && !machine->loading &&
                !machine->leaving)
                record->gap_usec = world->now_usec;
        } else if (known->gap) {
            record->gap_usec = world->now_usec;
        }
        known->hook_started_usec = 0;
        record->life =
            machine->paused || machine->arriving || machine->loading ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
        known->coming = machine->loading;
        record->migrating = machine->arriving || machine->leaving;
        known->machine = machine->number;
        record->pid = (pid_t)machine->number;
        calls_note_ram(seat);
        keep_set(world->keep, KEEP_RUNNING, seat->uuid, seat->live.name);
    }
    known->gap = false;
    record->read_usec = known->read_usec;
    take_texts(seat);
    known->shown = true;
}

static void
see_complete(World *world)
{
    for (unsigned i = 0; i < world->count; i++)
        if (world->seats[i].known.exists && !world->seats[i].known.hook_waits &&
            (!world->seats[i].known.shown || world->seats[i].known.gap))
            return;
    if (world->complete)
        return;
    world->complete = world->all_read = true;
    daemon_tick_soon(world);
}

static void
read_due(World *world, Seat *seat, uint64_t number, void *data)
{
    Known *known = &seat->known;
    uint64_t changes = GPOINTER_TO_SIZE(data);

    if (!known->exists || known->read_number != number)
        return;
    if (seat->start.stage == STARTING_HOOK || seat->start.stage == STARTING_LAUNCH) {
        /* libvirt has it locked: the call waits */
        world_after(world, LOCKED_USEC, read_due, seat, number, data);
        return;
    }
    known->reading = false;
    if (known->hook_waits) {
        known->read_put_off = true;
        return;
    }
    if (known->read_again || known->changes != changes) {
        known->read_again = false;
        read_later(world, seat);
        return;
    }
    if (!seat->defined && seat->machine == NULL && seat->start.stage == STARTING_NOT)
        remove_record(world, seat);
    else
        apply(world, seat);
    if (!world->complete)
        see_complete(world);
    calls_pump(world, seat);
    daemon_tick_soon(world);
}

static void
read_later(World *world, Seat *seat)
{
    Known *known = &seat->known;
    uint64_t delay = world->options.quiet_calls ? 10000 : rng_between(&world->rng, 3000, 60000);

    if (world->link == WORLD_LINK_DOWN)
        return;
    if (known->hook_waits) {
        known->read_put_off = true;
        return;
    }
    known->read_put_off = false;
    if (known->reading) {
        known->read_again = true;
        return;
    }
    if (!world->options.quiet_calls && rng_hits(&world->rng, 30))
        delay = rng_between(&world->rng, 60000, 700000);
    known->reading = true;
    known->read_again = false;
    known->read_number = world_number(world);
    known->read_usec = world->now_usec;
    world_after(world, delay, read_due, seat, known->read_number, GSIZE_TO_POINTER(known->changes));
}

/* ---- hooks ---- */

void
watcher_note_hook(void *self, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    World *world = self;
    Seat *seat = world_seat(world, uuid);
    Known *known = &seat->known;

    if (world->daemon_dies)
        return;
    if (moment == HOOK_WAITS) {
        known->hook_waits = true;
        calls_leave_round(world, seat);
        return;
    }
    known->hook_waits = false;
    if (moment == HOOK_STARTED)
        known->hook_started_usec = at_usec != 0 ? at_usec : world->now_usec;
    if (moment == HOOK_STOPPED)
        known->hook_started_usec = 0;
    if (known->exists && known->read_put_off)
        read_later(world, seat);
    calls_pump(world, seat);
}

/* ---- the connection ---- */

static void
list_guests(World *world, Seat *unused, uint64_t number, void *data)
{
    if (world->engine == NULL || number != world->link_number)
        return;
    world->link = WORLD_LINK_READ_WRITE;
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        if (!seat->defined && seat->machine == NULL && !seat->known.exists)
            continue;
        add_record(world, seat);
        seat->known.reading = false;
        read_later(world, seat);
    }
    see_complete(world);
    daemon_tick_soon(world);
}

void
watcher_connect(World *world)
{
    uint64_t delay = world->options.quiet_calls ? 50000 : rng_between(&world->rng, 20000, 400000);

    if (world->options.connect_usec != 0)
        delay = world->options.connect_usec;
    world->link_number = world_number(world);
    world->complete = false;
    world_after(world, delay, list_guests, NULL, world->link_number, NULL);
}

void
watcher_disconnect(World *world)
{
    world->link = WORLD_LINK_DOWN;
    world->complete = false;
    world->link_number = world_number(world);
    for (unsigned i = 0; i < world->count; i++) {
        Known *known = &world->seats[i].known;

        known->changes++;
        known->gap = true;
        known->reading = known->read_again = known->read_put_off = false;
    }
    calls_disconnect(world);
    daemon_tick_soon(world);
}
