/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_period.h"

#include "guest_calls.h"
#include "inventory.h"
#include "link.h"
#include "units.h"

#define RETRY_USEC (5 * USEC_PER_SEC)
#define RETRY_MAX_USEC (300 * USEC_PER_SEC)

static uint64_t
now_usec(void)
{
    return (uint64_t)g_get_monotonic_time();
}

bool
guest_period_is_due(const Watch *watch, const Guest *guest)
{
    return guest->period_wished && guest->period_known && guest->period_sec != guest->period_wish_sec &&
           guest->record.life == GUEST_LIFE_RUNNING && !guest->record.migrating &&
           link_state(watch->link) == WORLD_LINK_READ_WRITE && now_usec() >= guest->period_retry_usec &&
           !hook_notes_waits(watch->hooks, guest->record.uuid);
}

void
guest_period_end_call(Guest *guest, const MonitorCall *call)
{
    if (call->serial != guest->record.serial || call->runs != guest->runs)
        return;
    if (call->error == NULL) {
        guest->changes++; /* what was read of it before that is void, and not somebody else's doing */
        guest->period_failures = 0;
        guest->period_known = true;
        guest->period_sec = call->period_sec;
        if (guest->period_released && guest->period_sec == guest->period_wish_sec)
            guest->period_wished = false;
        return;
    }
    g_debug("%s", call->error->message);
    guest->period_retry_usec = now_usec() + MIN(RETRY_USEC << MIN(guest->period_failures, 10u), RETRY_MAX_USEC);
    guest->period_failures++;
}

static bool
can_ask(const Watch *watch, const Guest *guest)
{
    return guest->period_wished && !guest->period_released && guest->period_known && guest->period_sec != 0 &&
           guest->period_sec == guest->period_wish_sec && guest->record.life == GUEST_LIFE_RUNNING &&
           guest->record.answering && !guest->record.migrating && !watch->stop.active &&
           link_state(watch->link) == WORLD_LINK_READ_WRITE && !hook_notes_waits(watch->hooks, guest->record.uuid);
}

bool
guest_period_take_ask(const Watch *watch, Guest *guest)
{
    guest->ask_under_way = guest->ask_wanted && can_ask(watch, guest);
    guest->ask_wanted = false;
    return guest->ask_under_way;
}

/* Where the call ended half way the period is not what is wished, and is put right like any other. */
void
guest_period_end_ask(Watch *watch, Guest *guest, const MonitorCall *call)
{
    guest->ask_under_way = false;
    if (call->serial != guest->record.serial || call->runs != guest->runs)
        return;
    guest->changes++; /* what was read of it before may show the moment in between */
    if (call->error != NULL)
        g_debug("%s", call->error->message);
    if (call->half_done)
        guest->period_sec = 0;
    if (call->other_period)
        inventory_read_guest(watch, guest);
}

void
guest_period_ask(Watch *watch, const char *uuid)
{
    Guest *guest = registry_find(watch->registry, uuid);

    if (guest == NULL || !can_ask(watch, guest))
        return;
    guest->ask_wanted = true;
    guest_calls_settle(watch, guest);
}

/* What somebody else set last; or what its definition says, and a transient guest has none but what it was started with. */
static uint32_t
period_of_others(const Guest *guest)
{
    const GuestRecord *record = &guest->record;

    if (record->period_changed)
        return record->period_changed_sec;
    return record->inactive_xml != NULL ? guest_xml_period(record->inactive_xml) : guest->period_first_sec;
}

static void
wish(Watch *watch, Guest *guest, uint32_t seconds)
{
    guest->period_released = seconds == PERIOD_RELEASE;
    guest->period_wished = true;
    guest->period_wish_sec = guest->period_released ? period_of_others(guest) : seconds;
    guest->period_retry_usec = 0;
    guest_calls_settle(watch, guest);
}

void
guest_period_set(Watch *watch, const char *uuid, uint32_t seconds)
{
    Guest *guest = registry_find(watch->registry, uuid);

    if (guest == NULL || watch->stop.active)
        return;
    if (guest->period_wished && !guest->period_released && guest->period_wish_sec == seconds)
        inventory_read_guest(watch, guest);
    else
        wish(watch, guest, seconds);
}

/* ---- stop ---- */

static gboolean
on_stopped(void *data)
{
    WatchHandle *handle = data;

    if (handle->watch != NULL)
        handle->watch->stop.done(handle->watch->stop.user_data);
    watch_handle_unref(handle);
    return G_SOURCE_REMOVE;
}

static void
stop_end(Watch *watch)
{
    if (watch->stop.ended)
        return;
    watch->stop.ended = true;
    g_clear_handle_id(&watch->stop.timer, g_source_remove);
    watch_post(on_stopped, watch_handle_ref(watch->handle));
}

typedef struct Due {
    Watch *watch;
    unsigned count;
} Due;

static void
count_due(Guest *guest, void *data)
{
    Due *due = data;

    if ((guest_period_is_due(due->watch, guest) || guest->ask_under_way) &&
        !call_pool_is_late(due->watch->monitor, guest->record.uuid))
        due->count++;
}

void
guest_period_check_stop(Watch *watch)
{
    Due due = {.watch = watch};

    if (!watch->stop.active || watch->stop.ended)
        return;
    if (guest_calls_possible(watch))
        registry_foreach(watch->registry, count_due, &due);
    if (due.count == 0)
        stop_end(watch);
}

static gboolean
on_stop_timer(void *data)
{
    Watch *watch = data;

    watch->stop.timer = 0;
    stop_end(watch);
    return G_SOURCE_REMOVE;
}

static void
restore_period(Guest *guest, void *data)
{
    if (guest->period_wished)
        wish(data, guest, PERIOD_RELEASE);
}

void
guest_period_restore_all(Watch *watch, uint64_t deadline_usec)
{
    watch->stop.timer = g_timeout_add((guint)MIN(deadline_usec / USEC_PER_MSEC + 1, G_MAXINT), on_stop_timer, watch);
    registry_foreach(watch->registry, restore_period, watch);
    guest_period_check_stop(watch);
}
