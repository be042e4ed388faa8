/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_calls.h"

#include "error.h"
#include "guest_period.h"
#include "inventory.h"
#include "link.h"
#include "monitor_call.h"
#include "units.h"

/* Of a guest that libvirt has locked until its hook is answered. */
#define STARTING_TEXT "libvirt is about to start the guest"

static void pump(Watch *watch, Guest *guest);

/* Rounded up: a timer must not go off before its time. */
static guint
msec_of(uint64_t usec)
{
    return (guint)MIN(usec / 1000 + 1, G_MAXINT);
}

bool
guest_calls_possible(const Watch *watch)
{
    return link_state(watch->link) != WORLD_LINK_DOWN && watch->inventory.complete;
}

/* ---- collections ---- */

static void
round_end(Watch *watch)
{
    Round round = watch->round;

    watch->round = (Round){0};
    g_clear_handle_id(&round.timer, g_source_remove);
    if (round.open)
        round.done(round.user_data);
}

static void
round_leave(Watch *watch, Guest *guest)
{
    guest->report_wanted = false;
    if (!guest->asked)
        return;
    guest->asked = false;
    watch->round.asked--;
    if (watch->round.open && watch->round.asked == 0)
        round_end(watch);
}

static void
stop_asking(Guest *guest, void *data)
{
    guest->asked = false;
    guest->report_wanted = false;
}

static gboolean
on_round_timer(void *data)
{
    Watch *watch = data;

    watch->round.timer = 0;
    registry_foreach(watch->registry, stop_asking, NULL);
    round_end(watch);
    return G_SOURCE_REMOVE;
}

/* One that was paused while its balloon moved has a size that no report from before has. */
static bool
has_size_to_tell(const Guest *guest)
{
    const GuestRecord *record = &guest->record;

    return record->life == GUEST_LIFE_RUNNING ||
           (record->life == GUEST_LIFE_PAUSED && !record->migrating && !guest->coming);
}

static void
ask(Guest *guest, void *data)
{
    Watch *watch = data;

    if (watch->round.chosen != NULL && !watch->round.chosen(watch->round.user_data, &guest->record))
        return;
    if (!guest->shown || !has_size_to_tell(guest) || !guest->record.answering ||
        hook_notes_waits(watch->hooks, guest->record.uuid))
        return;
    /* A call that the last collection waited for in vain is not waited for again. */
    if (call_pool_is_busy(watch->monitor, guest->record.uuid) &&
        (guest->call_is_question || guest->call_round + 1 < watch->rounds))
        return;
    guest->asked = true;
    guest->report_wanted = true;
    watch->round.asked++;
    pump(watch, guest);
}

void
guest_calls_collect(Watch *watch, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data),
                    void *user_data)
{
    if (watch->round.open) {
        registry_foreach(watch->registry, stop_asking, NULL);
        round_end(watch);
    }
    if (!guest_calls_possible(watch) || watch->stop.active) {
        done(user_data);
        return;
    }
    watch->round = (Round){.chosen = chosen, .done = done, .user_data = user_data};
    watch->rounds++;
    registry_foreach(watch->registry, ask, watch);
    if (watch->round.asked == 0) {
        done(user_data);
        return;
    }
    watch->round.open = true;
    watch->round.timer = g_timeout_add(msec_of(deadline_usec), on_round_timer, watch);
}

/* ---- calls ---- */

static void
take_job(Watch *watch, Guest *guest, const MonitorCall *call)
{
    bool migrating = call->job == MONITOR_JOB_HOLDS;

    if (call->job == MONITOR_JOB_UNKNOWN)
        return;
    guest->job_doubt = false;
    if (migrating || guest->record.migrating)
        guest->job_denied = !migrating;
    if (guest->record.migrating != migrating) {
        guest->record.migrating = migrating;
        watch_note_change(watch);
    }
}

static void
end_report(Guest *guest, const MonitorCall *call)
{
    if (call->error != NULL) {
        g_debug("%s", call->error->message);
        return;
    }
    if (call->boots != guest->record.boots || guest->record.life == GUEST_LIFE_OFF)
        return;
    monitor_call_read_report(call, &guest->record.report);
    guest_show_target(guest); /* the balloon's size is part of it while no target is known */
}

static void
end_target(Guest *guest, const MonitorCall *call)
{
    const GuestRecord *record = &guest->record;
    bool same_process = call->serial == record->serial && call->runs == guest->runs;
    uint64_t actual_kib = (record->report.fields & REPORT_ACTUAL) != 0 ? record->report.actual_kib : 0;
    TargetFate fate = call->error == NULL ? TARGET_TAKEN : call->certain ? TARGET_NOT_TAKEN : TARGET_UNCERTAIN;

    /* Which of the two processes took it can't be told. */
    if (!same_process && fate == TARGET_TAKEN)
        fate = TARGET_UNCERTAIN;
    if (fate == TARGET_UNCERTAIN)
        guest_note_stray_target(guest, call->target_kib);
    if (fate == TARGET_TAKEN)
        guest_note_target_taken(guest, call->asked_usec);
    target_book_end(&guest->target, record->uuid, fate, actual_kib, call->error);
    guest_show_target(guest);
}

static void
on_call_late(void *user_data, const char *uuid)
{
    Watch *watch = user_data;
    Guest *guest = registry_find(watch->registry, uuid);
    g_autoptr(GError) error = NULL;

    if (guest == NULL)
        return;
    guest->record.answering = false;
    error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    target_book_give_up(&guest->target, uuid, error);
    guest_show_target(guest);
    round_leave(watch, guest);
    watch_note_change(watch);
    guest_period_check_stop(watch);
}

static void
on_call_done(void *user_data, const char *uuid, void *data, CallEnd end)
{
    Watch *watch = user_data;
    MonitorCall *call = data;
    Guest *guest = registry_find(watch->registry, uuid);

    if (guest == NULL) {
        registry_end_stray_call(watch->registry, uuid);
        guest_period_check_stop(watch);
        return;
    }
    if (!guest->record.answering) {
        guest->record.answering = true;
        watch_note_change(watch);
    }
    if (end != CALL_RETURNED) {
        call->certain = true;
        if (end == CALL_EXPIRED) {
            call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT,
                                      "no connection was free: calls to other guests hang on all of them");
        } else if (end == CALL_WITHDRAWN) {
            call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, STARTING_TEXT);
        } else {
            call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");
        }
    }
    /* What was asked of the guest that had this uuid before tells nothing of this one, but for its target. */
    if (call->serial == guest->record.serial)
        take_job(watch, guest, call);
    switch (call->kind) {
    case MONITOR_CALL_REPORT:
        if (call->serial == guest->record.serial)
            end_report(guest, call);
        round_leave(watch, guest);
        break;
    case MONITOR_CALL_TARGET:
        end_target(guest, call);
        break;
    case MONITOR_CALL_PERIOD:
        guest_period_end_call(guest, call);
        break;
    case MONITOR_CALL_ASK:
        guest_period_end_ask(watch, guest, call);
        break;
    case MONITOR_CALL_JOB:
        break;
    }
    /* Its end has not been heard of yet, or never will be. */
    if (call->not_running && guest->record.life != GUEST_LIFE_OFF)
        inventory_read_guest(watch, guest);
    guest_calls_settle(watch, guest);
    guest_period_check_stop(watch);
}

static void
submit(Watch *watch, Guest *guest, MonitorCall *call)
{
    CallSpec spec = {
        .run = monitor_call_run,
        .data = call,
        .data_free = monitor_call_free,
        .deadline_usec = watch->call_deadline_usec,
        .late = on_call_late,
        .done = on_call_done,
        .user_data = watch,
    };

    call->serial = guest->record.serial;
    call->boots = guest->record.boots;
    call->runs = guest->runs;
    guest->call_is_question = call->kind == MONITOR_CALL_REPORT;
    guest->call_round = watch->rounds;
    call->ask_job = guest->record.migrating || guest->job_doubt || call->kind == MONITOR_CALL_TARGET ||
                    call->kind == MONITOR_CALL_ASK;
    guest->job_doubt = false;
    call_pool_submit(watch->monitor, guest->record.uuid, &spec);
}

static void
pump(Watch *watch, Guest *guest)
{
    MonitorCall *call;
    uint64_t target_kib;

    if (!guest_calls_possible(watch) || !guest->shown || guest->record.life == GUEST_LIFE_OFF ||
        call_pool_is_busy(watch->monitor, guest->record.uuid) || hook_notes_waits(watch->hooks, guest->record.uuid))
        return;
    if (target_book_send(&guest->target, &target_kib)) {
        call = monitor_call_new(MONITOR_CALL_TARGET, guest->record.uuid, guest->record.name);
        call->target_kib = target_kib;
    } else if (guest_period_is_due(watch, guest)) {
        call = monitor_call_new(MONITOR_CALL_PERIOD, guest->record.uuid, guest->record.name);
        call->period_sec = guest->period_wish_sec;
    } else if (guest_period_take_ask(watch, guest)) {
        call = monitor_call_new(MONITOR_CALL_ASK, guest->record.uuid, guest->record.name);
        call->period_sec = guest->period_sec;
    } else if (guest->report_wanted) {
        guest->report_wanted = false;
        call = monitor_call_new(MONITOR_CALL_REPORT, guest->record.uuid, guest->record.name);
    } else if (guest->job_doubt && guest->record.life != GUEST_LIFE_RUNNING) {
        /* One that runs is asked with its next report. */
        call = monitor_call_new(MONITOR_CALL_JOB, guest->record.uuid, guest->record.name);
    } else {
        return;
    }
    submit(watch, guest, call);
}

void
guest_calls_settle(Watch *watch, Guest *guest)
{
    if (call_pool_is_late(watch->monitor, guest->record.uuid))
        guest->record.answering = false; /* it was removed and came back meanwhile */
    if (!has_size_to_tell(guest))
        round_leave(watch, guest);
    pump(watch, guest);
}

static void
settle(Guest *guest, void *data)
{
    guest_calls_settle(data, guest);
}

void
guest_calls_settle_all(Watch *watch)
{
    registry_foreach(watch->registry, settle, watch);
}

static void
follow_hook(Guest *guest, void *data)
{
    Watch *watch = data;

    if (hook_notes_waits(watch->hooks, guest->record.uuid))
        call_pool_withdraw(watch->monitor, guest->record.uuid);
    else
        pump(watch, guest);
}

void
guest_calls_follow_hooks(Watch *watch)
{
    registry_foreach(watch->registry, follow_hook, watch);
}

void
guest_calls_forget(Watch *watch, Guest *guest)
{
    round_leave(watch, guest);
}

static void
disconnect(Guest *guest, void *data)
{
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");

    stop_asking(guest, NULL);
    target_book_give_up(&guest->target, guest->record.uuid, error);
    guest_show_target(guest);
}

void
guest_calls_disconnect(Watch *watch)
{
    registry_foreach(watch->registry, disconnect, watch);
    round_end(watch);
    guest_period_check_stop(watch);
}

/* ---- wishes ---- */

void
guest_calls_set_target(Watch *watch, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    Guest *guest = registry_find(watch->registry, uuid);
    g_autoptr(GError) error = NULL;

    if (guest == NULL || !guest->shown || guest->record.life == GUEST_LIFE_OFF)
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "the guest is not running");
    else if (!guest_calls_possible(watch) || watch->stop.active)
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");
    else if (link_state(watch->link) == WORLD_LINK_READ_ONLY)
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                            "the connection to libvirt is read-only: run as root or as a member of its group");
    else if (!guest->record.answering)
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT, "the guest's QEMU does not answer");
    else if (hook_notes_waits(watch->hooks, uuid))
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, STARTING_TEXT);
    else if (guest->record.migrating)
        error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "a migration or another job holds the guest");
    if (error != NULL) {
        done(user_data, uuid, target_kib, error);
        return;
    }
    g_assert(guest != NULL);
    target_book_wish(&guest->target, uuid, target_kib, done, user_data);
    guest_show_target(guest);
    pump(watch, guest);
}
