/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"
#include "registry_private.h"
#include "units.h"

/* One reset can be told twice within milliseconds (virsh reset). */
#define RESET_TWICE_USEC (300 * USEC_PER_MSEC)
/* A start that was concluded from a reading is the one whose event comes within this time; and a revert to a snapshot
   the one whose start came so long before. */
#define START_TWICE_USEC (10 * USEC_PER_SEC)

/*
 * libvirtd goes on with a call whose client is gone: it may wait so long for the guest (virdomainjob.c, VIR_JOB_WAIT_TIME), and
 * those that wait are not served in order. The same call may also reach the process after the one it was meant for.
 */
#define STRAY_USEC (35 * USEC_PER_SEC)

static uint64_t
now_usec(void)
{
    return (uint64_t)g_get_monotonic_time();
}

static void
on_process_ended(void *data)
{
    Guest *guest = data;
    int id = guest->id;
    pid_t pid = guest->record.pid;

    g_clear_pointer(&guest->process, process_watch_free);
    guest_note_off(guest, STOP_UNTOLD);
    guest->dead_id = id;
    guest->dead_pid = pid;
    guest->registry->process_ended(guest->registry->user_data, guest);
}

static void
guest_set_pid(Guest *guest, pid_t pid)
{
    if (pid == guest->record.pid)
        return;
    g_clear_pointer(&guest->process, process_watch_free);
    guest->record.pid = pid;
    if (pid > 0)
        guest->process = process_watch_new(guest->registry->processes, pid, on_process_ended, guest);
}

void
guest_show_target(Guest *guest)
{
    target_book_show(&guest->target, &guest->record);
    if (guest->stray_kib == 0)
        return;
    guest->record.target_known = false;
    guest->record.target_kib = MAX(guest->record.target_kib, guest->stray_kib);
}

void
guest_note_stray_target(Guest *guest, uint64_t target_kib)
{
    guest->stray_kib = MAX(guest->stray_kib, target_kib);
    guest->stray_usec = now_usec();
    guest_show_target(guest);
}

/* What was in force up to then is not any more. */
static void
guest_end_strays(Guest *guest, uint64_t then_usec)
{
    if (then_usec >= guest->stray_usec + STRAY_USEC)
        guest->stray_kib = 0;
}

void
guest_note_target_taken(Guest *guest, uint64_t asked_usec)
{
    guest->record.target_usec = now_usec();
    guest_end_strays(guest, asked_usec);
}

static void
guest_forget_target(Guest *guest, const GError *error)
{
    guest_end_strays(guest, now_usec());
    target_book_restart(&guest->target, guest->record.uuid, error);
    guest_show_target(guest);
}

/* Nothing that was learnt from the old process holds any more. */
static void
guest_forget_process(Guest *guest, const char *why)
{
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "the guest %s", why);

    guest->runs++;
    guest_set_pid(guest, 0);
    guest->record.migrating = false;
    guest->record.report.fields = 0;
    guest->record.gap_usec = 0;
    guest->record.period_changed = false;
    guest->period_wished = guest->period_wished && !guest->period_released;
    guest->period_known = false;
    guest->period_failures = 0;
    guest->period_retry_usec = 0;
    guest->ask_wanted = guest->ask_under_way = false;
    guest->job_doubt = false;
    guest->job_denied = false;
    guest->coming = false;
    guest_forget_target(guest, error);
}

/*
 * The guest of this uuid is another one than before: nothing of that one holds. Its boots are counted on, so that who only
 * compares them sees a difference too.
 */
static void
guest_become_another(Guest *guest)
{
    GuestRecord *record = &guest->record;

    record->serial = ++guest->registry->serials;
    record->definition_serial++;
    record->report = (GuestReport){0};
    record->ran_at_host_down = runs_ran_at_host_down(guest->registry->runs, record->uuid);
    record->period_changed = false;
    guest->period_wished = false;
    guest->period_first_sec = 0;
}

/* What its next start brings is used up, or thrown away. */
static void
guest_forget_saved(Guest *guest)
{
    if (guest->record.saved_xml == NULL)
        return;
    g_clear_pointer(&guest->record.saved_xml, g_free);
    guest->record.definition_serial++;
}

void
guest_note_defined(Guest *guest)
{
    guest->changes++;
    if (!guest->shown || guest->record.life != GUEST_LIFE_OFF)
        return;
    guest_forget_saved(guest);
    guest_become_another(guest);
}

/* The first boot since the host went down is told as such as long as it lasts, a reset is another. */
static void
guest_count_boot(Guest *guest, bool in_place, bool resumed)
{
    GuestRecord *record = &guest->record;

    record->boots++;
    record->boot_usec = now_usec();
    record->boot_in_place = in_place;
    record->boot_resumed = resumed;
    guest->stop_untold = false;
    if (in_place)
        record->ran_at_host_down = false;
    guest->reverting = false;
    guest_forget_saved(guest);
    runs_note_started(guest->registry->runs, record->uuid);
}

/* What is read next is of another run. */
static void
guest_forget_live_xml(Guest *guest)
{
    if (guest->record.live_xml == NULL)
        return;
    g_clear_pointer(&guest->record.live_xml, g_free);
    guest->record.definition_serial++;
}

static bool
is_start_due(const Guest *guest)
{
    return guest->starts_due > 0 && guest->record.life != GUEST_LIFE_OFF &&
           (guest->coming || now_usec() - guest->record.boot_usec < START_TWICE_USEC);
}

void
guest_note_start(Guest *guest, bool resumed)
{
    guest->changes++;
    if (is_start_due(guest)) {
        if (--guest->starts_due > 0)
            return; /* of a run that is over */
        /* a reset that was heard before this start was not of this run */
        if (guest->record.boot_in_place)
            guest_count_boot(guest, false, resumed);
        guest->record.boot_resumed = resumed;
        if (guest->coming)
            guest->record.boot_usec = now_usec(); /* only now it can run */
        guest->coming = false;
        return;
    }
    guest->starts_due = 0;
    guest->coming = false;
    guest_forget_process(guest, "was started anew");
    guest_forget_live_xml(guest); /* nobody may have told of the end of the run before */
    /* A guest without a definition ends with its run: this one is another. */
    if (guest->shown && guest->record.inactive_xml == NULL)
        guest_become_another(guest);
    guest_count_boot(guest, false, resumed);
    guest->gap = false;
    guest->record.life = GUEST_LIFE_RUNNING;
    guest->id = -1; /* not known until it is read */
    guest->dead_id = -1;
}

void
guest_note_reset(Guest *guest)
{
    if (guest->record.boot_in_place && now_usec() - guest->record.boot_usec < RESET_TWICE_USEC)
        return;
    if (!is_start_due(guest)) /* what was missed is not waited for again */
        guest->starts_due = 0;
    guest_count_boot(guest, true, false);
}

/* The balloon's target is part of what a snapshot brings (virtio-balloon.c, vmstate_virtio_balloon_device). */
void
guest_note_revert(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest->changes++;
    if (guest->record.boot_resumed && now_usec() - guest->record.boot_usec < START_TWICE_USEC)
        return;
    error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "the guest was reverted to a snapshot");
    guest->record.report.fields = 0;
    guest->record.gap_usec = 0;
    guest->period_known = false; /* the XML is the snapshot's */
    guest_forget_target(guest, error);
    guest_count_boot(guest, false, true);
}

/* What is kept of its last run. A stop that is not told in time counts as one after which a start is a restart. */
static void
guest_settle_stop(Guest *guest, StopKind kind)
{
    if (kind == STOP_KEPT)
        guest->record.stop_usec = 0;
    guest->stop_untold = kind == STOP_UNTOLD;
    runs_note_off(guest->registry->runs, guest->record.uuid, guest->record.name, guest->record.stop_usec);
}

void
guest_note_off(Guest *guest, StopKind kind)
{
    guest->changes++;
    guest->starts_due = 0;
    if (guest->record.life == GUEST_LIFE_OFF && guest->shown) {
        if (guest->stop_untold && kind != STOP_UNTOLD)
            guest_settle_stop(guest, kind);
        return;
    }
    guest_forget_process(guest, "was switched off");
    guest->record.life = GUEST_LIFE_OFF;
    guest->record.ran_at_host_down = false;
    guest->record.stop_usec = now_usec();
    guest_settle_stop(guest, kind);
    guest->id = -1;
    guest_forget_live_xml(guest);
}

bool
guest_hear_stop(Guest *guest, StopKind kind)
{
    if (is_start_due(guest))
        return false;
    guest_note_off(guest, kind);
    return true;
}

void
guest_reading_clear(GuestReading *reading)
{
    g_clear_pointer(&reading->name, g_free);
    g_clear_pointer(&reading->live_xml, g_free);
    g_clear_pointer(&reading->inactive_xml, g_free);
    g_clear_pointer(&reading->saved_xml, g_free);
}

/* What changes by itself is no difference, nor is the statistics period where it is ours to set. */
static bool
is_same_live(const Guest *guest, const char *now)
{
    const char *before = guest->record.live_xml;

    if (before == NULL || now == NULL)
        return before == now;
    return guest_xml_is_same(before, now) &&
           (guest->period_wished || guest_xml_period(before) == guest_xml_period(now));
}

/* The texts. A live XML that says the same stays the one it was. */
static bool
guest_take_definition(Guest *guest, GuestReading *reading)
{
    GuestRecord *record = &guest->record;
    bool changed = false;

    if (g_strcmp0(record->name, reading->name) != 0) {
        g_free(record->name);
        record->name = g_steal_pointer(&reading->name);
        changed = true;
    }
    if (!is_same_live(guest, reading->live_xml)) {
        if (record->live_xml != NULL && reading->live_xml != NULL) {
            target_book_grow(&guest->target, guest_xml_balloon_base_kib(record->live_xml),
                             guest_xml_balloon_base_kib(reading->live_xml));
        }
        g_free(record->live_xml);
        record->live_xml = g_steal_pointer(&reading->live_xml);
        guest->has_size_ask = guest_xml_has_virtio_mem(record->live_xml);
        changed = true;
    }
    if (g_strcmp0(record->inactive_xml, reading->inactive_xml) != 0) {
        g_free(record->inactive_xml);
        record->inactive_xml = g_steal_pointer(&reading->inactive_xml);
        changed = true;
    }
    if (g_strcmp0(record->saved_xml, reading->saved_xml) != 0) {
        g_free(record->saved_xml);
        record->saved_xml = g_steal_pointer(&reading->saved_xml);
        changed = true;
    }
    if (changed)
        record->definition_serial++;
    return changed;
}

/* The reading found a process that no event has told of yet. after_another: while the one before was taken to run. */
static void
guest_take_new_run(Guest *guest, const GuestReading *reading, bool after_another)
{
    GuestRecord *record = &guest->record;
    /* While libvirt still starts it nothing says that it brings its memory, but the file that it would come from, or that it
       was stopped for a snapshot's. */
    bool resumed = reading->resumed || (reading->coming && (record->saved_xml != NULL || guest->reverting));

    unsigned due = after_another && !guest->gap && is_start_due(guest) ? guest->starts_due : 0;

    if (after_another)
        guest_note_off(guest, STOP_UNTOLD);
    guest_forget_process(guest, "was started anew");
    if (guest->shown && (record->inactive_xml == NULL || reading->inactive_xml == NULL))
        guest_become_another(guest);
    guest_count_boot(guest, false, resumed);
    if (reading->started_usec != 0 && !after_another)
        record->boot_usec = reading->started_usec;
    guest->starts_due = due + 1;
}

/* Whether a job holds it. Its state shows a migration's last part only, and goes on to do so when a guest was restored and
   stays paused (libvirt 9.0, qemu_saveimage.c, qemuSaveImageStartVM): what it does not say for certain must be asked. */
static void
guest_take_job(Guest *guest, const GuestReading *reading)
{
    bool says_so = reading->migrating && !guest->job_denied;

    guest->job_denied = guest->job_denied && reading->migrating;
    guest->job_doubt = (guest->record.migrating && !says_so) || (says_so && reading->life != GUEST_LIFE_RUNNING);
    guest->record.migrating = guest->record.migrating || says_so;
}

/* Between what it was told last and what is wished, or 0 while it is asked at once: a call may be under way. Anything else is
   somebody else's. */
static void
guest_take_period(Guest *guest, uint32_t live_sec)
{
    GuestRecord *record = &guest->record;

    if (guest->ask_under_way && live_sec == 0)
        return;
    if (!guest->period_known) {
        guest->period_first_sec = live_sec;
    } else if (guest->period_wished && live_sec != guest->period_sec && live_sec != guest->period_wish_sec) {
        record->period_changed = true;
        record->period_changed_sec = live_sec;
        guest->period_wished = !guest->period_released;
    } else if (guest->period_released && live_sec == guest->period_wish_sec) {
        guest->period_wished = false;
    }
    guest->period_known = true;
    guest->period_sec = live_sec;
}

/* Returns true when something changed that others want to know. */
static bool
guest_take_run(Guest *guest, const GuestReading *reading)
{
    GuestRecord *record = &guest->record;
    GuestRecord before = *record;
    bool was_on = record->life != GUEST_LIFE_OFF;
    bool another_run = was_on && ((guest->id >= 0 && guest->id != reading->id) ||
                                  (record->pid != 0 && reading->pid != 0 && record->pid != reading->pid));

    if (!guest->shown && !was_on && reading->started_usec == 0) {
        record->boot_usec = now_usec(); /* it ran before it was seen */
        runs_note_started(guest->registry->runs, record->uuid);
    } else if (!was_on || another_run) {
        bool heard = reading->started_usec == 0 || reading->started_usec >= guest->registry->made_usec;

        guest_take_new_run(guest, reading, another_run);
        /* it was restored while nobody heard of it, and may have been reset since */
        if ((guest->gap || !heard) && record->boot_resumed && reading->life == GUEST_LIFE_RUNNING &&
            !reading->migrating)
            record->gap_usec = now_usec();
    } else if (guest->gap) {
        record->gap_usec = now_usec();
    }
    /* An event told of this run, and not that the guest which had a definition had gone before. */
    if (was_on && !another_run && guest->id < 0 && guest->shown && record->inactive_xml != NULL &&
        reading->inactive_xml == NULL)
        guest_become_another(guest);
    record->life = reading->life;
    if (reading->booted)
        record->boot_resumed = false;
    guest_take_job(guest, reading);
    guest->coming = reading->coming;
    guest->id = reading->id;
    guest->dead_id = -1;
    guest_set_pid(guest, reading->pid);
    guest_take_period(guest, guest_xml_period(reading->live_xml));
    return record->serial != before.serial || record->boots != before.boots || record->life != before.life ||
           record->boot_resumed != before.boot_resumed || record->gap_usec != before.gap_usec ||
           (record->migrating && !before.migrating);
}

bool
guest_apply_reading(Guest *guest, GuestReading *reading)
{
    GuestRecord *record = &guest->record;
    bool changed = !guest->shown;

    /* libvirt has not noticed yet that this run is over. Started anew it may have given the id to another one. */
    if (reading->life != GUEST_LIFE_OFF && guest->dead_id >= 0 && reading->id == guest->dead_id &&
        (reading->pid == 0 || reading->pid == guest->dead_pid)) {
        reading->life = GUEST_LIFE_OFF;
        g_clear_pointer(&reading->live_xml, g_free);
    } else {
        guest->dead_id = -1;
    }
    if (reading->life == GUEST_LIFE_OFF) {
        changed = changed || record->life != GUEST_LIFE_OFF;
        if (guest->shown || record->life != GUEST_LIFE_OFF || runs_is_running(guest->registry->runs, record->uuid))
            guest_note_off(guest, reading->stop);
    } else {
        changed = guest_take_run(guest, reading) || changed;
    }
    guest->gap = false;
    record->read_usec = reading->begun_usec;
    changed = guest_take_definition(guest, reading) || changed;
    guest_show_target(guest);
    if (record->life != GUEST_LIFE_OFF)
        runs_note_running(guest->registry->runs, record->uuid, record->name);
    if (!guest->shown) {
        guest->shown = true;
        guest->registry->records_valid = false;
    }
    return changed;
}
