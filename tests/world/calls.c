/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls into QEMU, at most one a guest at a time: how long they take, how they end, and what is promised of a target
 * meanwhile (ports.h). A call goes to libvirt, is done by whatever QEMU the guest has when it gets there, and returns later; one
 * that reaches a QEMU that hangs is done when that goes on.
 */

#include "error.h"
#include "world.h"

#define CALL_DEADLINE_USEC (2 * USEC_PER_SEC)
/* So long libvirtd may wait for another job before it does what somebody asked who is not listening any more. */
#define DOUBT_USEC (30 * USEC_PER_SEC)

static void call_arrives(World *world, Seat *seat, uint64_t number, void *data);
static void call_returns(World *world, Seat *seat, uint64_t number, void *data);

static Call *
find_call(World *world, uint64_t number)
{
    for (guint i = 0; i < world->calls->len; i++) {
        Call *call = g_ptr_array_index(world->calls, i);

        if (call->number == number)
            return call;
    }
    return NULL;
}

void
calls_reap(World *world)
{
    for (guint i = world->calls->len; i-- > 0;) {
        const Call *call = g_ptr_array_index(world->calls, i);

        if (!call->undone && !call->open)
            g_ptr_array_remove_index(world->calls, i);
    }
}

/* ---- what is promised of a target ---- */

/* Who was told nothing for so long goes where the call of unknown fate told it, until it is told anew, or is another one. */
static void
end_doubt(Known *known, uint64_t then_usec)
{
    if (then_usec >= known->doubt_usec + DOUBT_USEC)
        known->doubt_kib = 0;
}

void
calls_show(Seat *seat)
{
    Known *known = &seat->known;
    GuestRecord *record = &known->record;
    bool sent = known->call != NULL && known->call->kind == CALL_TARGET;

    record->target_known = known->certain && known->doubt_kib == 0;
    record->target_pending = sent || known->wish_set;
    record->target_bounded = known->bounded;
    record->target_kib = MAX(known->told_kib, known->doubt_kib);
    if (sent)
        record->target_kib = MAX(record->target_kib, known->call->value);
    if (known->wish_set)
        record->target_kib = MAX(record->target_kib, known->wish_kib);
    if (!known->bounded && (record->report.fields & REPORT_ACTUAL) != 0)
        record->target_kib = MAX(record->target_kib, record->report.actual_kib);
}

static void
end_wish(Seat *seat, DynmemError code, const char *why)
{
    Known *known = &seat->known;
    g_autoptr(GError) error = NULL;
    GuestTargetDone done = known->wish_done;

    if (!known->wish_set)
        return;
    known->wish_set = false;
    error = g_error_new_literal(DYNMEM_ERROR, (int)code, why);
    done(known->wish_data, seat->uuid, known->wish_kib, error);
}

/* Whoever waits for the call under way. */
static void
end_call(Seat *seat, Call *call, const GError *error)
{
    GuestTargetDone done = call->done;

    call->done = NULL;
    if (done != NULL)
        done(call->user_data, seat->uuid, call->value, error);
}

static void
end_call_with(Seat *seat, Call *call, DynmemError code, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, (int)code, why);

    end_call(seat, call, error);
}

/* ---- collections ---- */

static void
end_round(World *world)
{
    void (*done)(void *user_data) = world->collected;

    world->collected = NULL;
    world->answers_open = false;
    for (unsigned i = 0; i < world->count; i++)
        world->seats[i].known.asked = world->seats[i].known.report_wanted = false;
    if (done != NULL)
        done(world->collected_data);
}

void
calls_leave_round(World *world, Seat *seat)
{
    Known *known = &seat->known;

    known->report_wanted = false;
    if (!known->asked)
        return;
    known->asked = false;
    world->round_asked--;
    if (world->answers_open && world->round_asked == 0)
        end_round(world);
}

static void
round_due(World *world, Seat *seat, uint64_t number, void *data)
{
    if (world->answers_open && world->round == number)
        end_round(world);
}

void
calls_collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    World *world = self;

    if (world->answers_open)
        end_round(world);
    if (world->link == WORLD_LINK_DOWN || !world->complete) {
        done(user_data);
        return;
    }
    world->round = world_number(world);
    world->collected = done;
    world->collected_data = user_data;
    world->round_asked = 0;
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        Known *known = &seat->known;

        if (!known->shown || !watcher_has_size(seat) || !known->record.answering || known->hook_waits)
            continue;
        if (known->call != NULL && known->call->kind == CALL_REPORT)
            continue;
        if (chosen != NULL && !chosen(user_data, &known->record))
            continue;
        known->asked = known->report_wanted = true;
        world->round_asked++;
        calls_pump(world, seat);
    }
    if (world->round_asked == 0) {
        world->collected = NULL;
        done(user_data);
        return;
    }
    world->answers_open = true;
    world_after(world, deadline_usec, round_due, NULL, world->round, NULL);
}

/* ---- making calls ---- */

static Call *
make_call(World *world, Seat *seat, CallKind kind, uint64_t value)
{
    Call *call = g_new0(Call, 1);
    Rng *rng = &world->rng;
    uint64_t there = rng_between(rng, 1000, 20000);

    *call = (Call){
        .kind = kind,
        .seat = seat,
        .daemon = world->daemon,
        .record = seat->known.record.serial,
        .machine = seat->known.machine,
        .boots = seat->known.record.boots,
        .number = world_number(world),
        .made_usec = world->now_usec,
        .reply_usec = rng_between(rng, 1000, 20000),
        .value = value,
        .undone = true,
        .open = true,
    };
    if (world->options.quiet_calls) {
        there = call->reply_usec = world->options.call_usec != 0 ? world->options.call_usec / 2 : 2500;
    } else {
        if (rng_hits(rng, 80))
            there = rng_between(rng, 20000, 400000);
        if (rng_hits(rng, 8))
            there = rng_between(rng, 400000, 6000000); /* another job holds the guest */
        if (rng_hits(rng, 80))
            call->reply_usec = rng_between(rng, 20000, 400000);
        if (rng_hits(rng, 6))
            call->reply_usec = rng_between(rng, 400000, 5000000);
        if (kind != CALL_REPORT && rng_hits(rng, 15))
            call->fate = rng_hits(rng, 500) ? FATE_REFUSED : FATE_UNKNOWN;
    }
    g_ptr_array_add(world->calls, call);
    world_after(world, there, call_arrives, seat, call->number, NULL);
    return call;
}

static void
call_is_late(World *world, Seat *seat, uint64_t number, void *data)
{
    Call *call = find_call(world, number);

    if (call == NULL || !call->open || call->daemon != world->daemon || seat->known.call != call)
        return;
    call->late = true;
    seat->known.record.answering = false;
    trace(world, seat, "does not answer a call");
    end_call_with(seat, call, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    end_wish(seat, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    calls_show(seat);
    calls_leave_round(world, seat);
    daemon_tick_soon(world);
}

bool
calls_are_held(const World *world, const Seat *seat)
{
    for (guint i = 0; i < world->calls->len; i++) {
        const Call *call = g_ptr_array_index(world->calls, i);

        if (call->seat == seat && call->undone && call->late)
            return true;
    }
    return false;
}

void
calls_pump(World *world, Seat *seat)
{
    Known *known = &seat->known;
    Call *call;

    if (world->engine == NULL || world->link == WORLD_LINK_DOWN || !world->complete || !known->shown ||
        known->record.life == GUEST_LIFE_OFF || known->call != NULL || known->hook_waits)
        return;
    if (known->wish_set) {
        call = make_call(world, seat, CALL_TARGET, known->wish_kib);
        call->done = known->wish_done;
        call->user_data = known->wish_data;
        known->wish_set = false;
        world->counts.targets++;
        trace(world, seat, "is told %.0f MiB", MIB(call->value));
    } else if (known->period_wished) {
        known->period_wished = false;
        call = make_call(world, seat, CALL_PERIOD, known->period_sec);
    } else if (known->ask_wanted) {
        known->ask_wanted = false;
        call = make_call(world, seat, CALL_ASK, known->period_sec);
        trace(world, seat, "is asked at once");
    } else if (known->report_wanted) {
        known->report_wanted = false;
        call = make_call(world, seat, CALL_REPORT, 0);
    } else {
        return;
    }
    known->call = call;
    known->grown_kib = 0;
    world_after(world, CALL_DEADLINE_USEC, call_is_late, seat, call->number, NULL);
}

/* ---- how they go on ---- */

/* QEMU does it: the one that is there now. */
static void
perform(World *world, Call *call)
{
    Machine *machine = call->seat->machine;

    call->undone = false;
    if (call->kind == CALL_REPORT) {
        machine_answer(machine, &call->report);
    } else if (call->kind == CALL_PERIOD) {
        machine->period_sec = call->value;
        machine->reported_usec = 0; /* QEMU asks the guest at once */
    } else if (call->kind == CALL_ASK) {
        machine->period_sec = call->value;
        machine->asks++;
        machine_ask(world, call->seat);
    } else {
        machine_take_target(machine, call->value, call->daemon != world->daemon);
        if (!machine->foreign)
            machine->told_kib = machine_ram(machine) - machine->asked_kib + machine_device(machine);
        if (call->daemon != world->daemon) {
            trace(world, call->seat, "a daemon that is gone told it %.0f MiB", MIB(call->value));
            truth_excuse(call->seat, EXCUSE_STRAY_CALL);
        }
    }
}

/* The answer will be lost: it is done now, or never, or in a while. */
static void
lose(World *world, Call *call)
{
    switch (rng_between(&world->rng, 0, 2)) {
    case 0:
        perform(world, call);
        break;
    case 1:
        call->undone = false;
        break;
    default:
        world_after(world, call->reply_usec + rng_between(&world->rng, 1, DOUBT_USEC / 2), call_arrives, call->seat,
                    call->number, NULL);
        break;
    }
}

static void
call_arrives(World *world, Seat *seat, uint64_t number, void *data)
{
    Call *call = find_call(world, number);
    bool changes;

    if (call == NULL || !call->undone)
        return;
    changes = call->kind == CALL_TARGET;
    if (!call->open)
        trace(world, seat, "a call that was lost arrives");
    /* its start, or its leaving, is a job that others wait for in vain */
    if (seat->machine == NULL || call->fate == FATE_REFUSED || seat->machine->loading ||
        (changes && seat->machine->leaving)) {
        call->undone = false;
        call->fate = FATE_REFUSED;
    } else if (seat->machine->hung) {
        return; /* until it goes on */
    } else if (call->kind == CALL_ASK && (call->fate == FATE_UNKNOWN || call->daemon != world->daemon)) {
        call->undone = false;
        seat->machine->period_sec = 0; /* it ends half way */
    } else if (call->fate == FATE_UNKNOWN && changes && call->open) {
        lose(world, call);
    } else {
        perform(world, call);
    }
    if (call->open)
        world_after(world, call->reply_usec, call_returns, seat, number, NULL);
}

void
calls_wake(World *world, Seat *seat)
{
    for (guint i = 0; i < world->calls->len; i++) {
        Call *call = g_ptr_array_index(world->calls, i);

        if (call->seat == seat && call->undone)
            world_after(world, 1000 + i, call_arrives, seat, call->number, NULL);
    }
}

static void
take_report(World *world, Seat *seat, const Call *call)
{
    GuestReport *report = &seat->known.record.report;

    if (call->fate != FATE_GOOD || call->boots != seat->known.record.boots || seat->known.record.life == GUEST_LIFE_OFF)
        return;
    *report = call->report;
    report->serial = ++seat->known.report_serial;
    report->asked_usec = call->made_usec;
    report->answered_usec = world->now_usec;
}

static void
take_target(World *world, Seat *seat, Call *call)
{
    Known *known = &seat->known;
    bool unknown = call->fate == FATE_UNKNOWN || (call->fate == FATE_GOOD && call->machine != known->machine);

    if (unknown) {
        known->doubt_kib = MAX(known->doubt_kib, call->value + known->grown_kib);
        known->doubt_usec = world->now_usec;
        known->certain = false;
        world->counts.targets_unknown++;
    } else if (call->fate == FATE_GOOD) {
        end_doubt(known, call->made_usec);
        known->told_kib = call->value + known->grown_kib;
        known->certain = known->grown_kib == 0;
        known->bounded = true;
        known->record.target_usec = world->now_usec;
    }
    trace(world, seat, "the call that told it %.0f MiB %s", MIB(call->value),
          unknown                      ? "ends, nobody knows how"
          : call->fate == FATE_REFUSED ? "has failed"
                                       : "has ended");
    if (call->fate == FATE_REFUSED)
        end_call_with(seat, call, DYNMEM_ERROR_FAILED, "Timed out during operation: cannot acquire state change lock");
    else if (call->fate == FATE_UNKNOWN)
        end_call_with(seat, call, DYNMEM_ERROR_FAILED, "the answer was lost");
    else
        end_call(seat, call, NULL);
}

static void
call_returns(World *world, Seat *seat, uint64_t number, void *data)
{
    Call *call = find_call(world, number);
    Known *known = &seat->known;

    if (call == NULL || !call->open)
        return;
    call->open = false;
    if (call->daemon != world->daemon || known->call != call)
        return;
    known->call = NULL;
    if (!known->record.answering) {
        known->record.answering = true;
        daemon_tick_soon(world);
    }
    if (call->kind == CALL_TARGET)
        take_target(world, seat, call);
    if (call->kind == CALL_REPORT)
        take_report(world, seat, call);
    if ((call->kind == CALL_PERIOD || call->kind == CALL_ASK) && call->fate != FATE_GOOD)
        known->period_wished = true;
    calls_show(seat);
    if (call->kind == CALL_REPORT)
        calls_leave_round(world, seat);
    calls_pump(world, seat);
}

/* ---- wishes ---- */

void
calls_set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    World *world = self;
    Seat *seat = world_seat(world, uuid);
    Known *known = &seat->known;
    g_autoptr(GError) error = NULL;

    if (!known->shown || known->record.life == GUEST_LIFE_OFF)
        error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "the guest is not running");
    else if (world->link == WORLD_LINK_DOWN || !world->complete)
        error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");
    else if (!known->record.answering)
        error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    else if (known->hook_waits || known->record.migrating)
        error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "libvirt holds the guest");
    if (error != NULL || (has_bug(BUG_TOLD_ONCE) && known->certain && known->told_kib == target_kib)) {
        done(user_data, uuid, target_kib, error);
        return;
    }
    end_wish(seat, DYNMEM_ERROR_REFUSED, "a newer target has taken the place of this one");
    seat->told_by = world->daemon;
    known->wish_set = true;
    known->wish_kib = target_kib;
    known->wish_done = done;
    known->wish_data = user_data;
    calls_pump(world, seat);
    calls_show(seat);
}

void
calls_set_period(void *self, const char *uuid, uint32_t seconds)
{
    World *world = self;
    Seat *seat = world_seat(world, uuid);

    if (!seat->known.exists)
        return;
    seat->known.period_wished = true;
    seat->known.period_sec = seconds == PERIOD_RELEASE ? 1 : seconds; /* as its XML says */
    calls_pump(world, seat);
}

void
calls_ask_now(void *self, const char *uuid)
{
    World *world = self;
    Seat *seat = world_seat(world, uuid);
    Known *known = &seat->known;

    if (known->period_sec == 0 || known->period_wished || known->record.life != GUEST_LIFE_RUNNING ||
        !known->record.answering || known->record.migrating || known->hook_waits)
        return;
    known->ask_wanted = true;
    calls_pump(world, seat);
}

/* A balloon keeps what it took: its guest has more where memory was plugged, whatever it was told. */
void
calls_note_ram(Seat *seat)
{
    Known *known = &seat->known;
    uint64_t before = known->ram_kib, now = machine_ram(seat->machine);

    known->ram_kib = now;
    if (before == 0 || before == now)
        return;
    known->grown_kib += saturating_sub(now, before);
    if (known->told_kib != 0)
        known->told_kib += saturating_sub(now, before);
    known->certain = false;
    calls_show(seat);
}

/* ---- what ends them otherwise ---- */

void
calls_restart(World *world, Seat *seat, const char *why)
{
    Known *known = &seat->known;

    known->certain = known->bounded = false;
    known->told_kib = known->ram_kib = known->grown_kib = 0;
    end_doubt(known, world->now_usec);
    if (known->call != NULL && known->call->kind == CALL_TARGET)
        end_call_with(seat, known->call, DYNMEM_ERROR_NOT_FOUND, why);
    end_wish(seat, DYNMEM_ERROR_NOT_FOUND, why);
    calls_show(seat);
}

void
calls_disconnect(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        Call *call = seat->known.call;

        if (call != NULL) {
            seat->known.call = NULL;
            call->open = false;
            /* what has not reached QEMU goes down with libvirtd; what a QEMU that hangs has got is done when it goes on */
            if (call->undone && (seat->machine == NULL || !seat->machine->hung || call->fate == FATE_REFUSED))
                call->undone = false;
            if (call->kind == CALL_TARGET) {
                call->fate = call->fate == FATE_REFUSED ? FATE_REFUSED : FATE_UNKNOWN;
                take_target(world, seat, call);
            }
        }
        seat->known.record.answering = true;
        end_wish(seat, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");
        calls_show(seat);
    }
    if (world->answers_open)
        end_round(world);
}

void
calls_orphan(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        if (seat->known.call != NULL)
            end_call_with(seat, seat->known.call, DYNMEM_ERROR_DISCONNECTED, "dynmemd is about to end");
        seat->known.call = NULL;
        end_wish(seat, DYNMEM_ERROR_DISCONNECTED, "dynmemd is about to end");
    }
    for (guint i = 0; i < world->calls->len; i++)
        ((Call *)g_ptr_array_index(world->calls, i))->open = false;
}
