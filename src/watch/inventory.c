/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include "error.h"
#include "guest_calls.h"
#include "link.h"
#include "units.h"
#include "virt.h"

#include <string.h>

/* The key of the listing among those of guests. */
#define INVENTORY_KEY "*"
/* After it the resync goes on without that guest; nothing else depends on it. */
#define READ_DEADLINE_USEC (3 * USEC_PER_SEC)
#define READ_WAIT_USEC (60 * USEC_PER_SEC)
#define LIST_DEADLINE_USEC (3 * USEC_PER_SEC)
#define RETRY_MAX_SEC 30

/* ---- one guest ---- */

typedef struct ReadCall {
    WatchHandle *handle;
    char *pid_directory;
    uint64_t changes; /* the guest's at the time of the call */
    GuestReading reading;
    GError *error;
} ReadCall;

static void
read_call_free(void *data)
{
    ReadCall *call = data;

    watch_handle_unref(call->handle);
    guest_reading_clear(&call->reading);
    g_clear_error(&call->error);
    g_free(call->pid_directory);
    g_free(call);
}

/* A libvirtd that was started after the end doesn't know (virdomainobjlist.c, virDomainObjListLoadConfig). */
static StopKind
stop_kind(int reason)
{
    switch (reason) {
    case VIR_DOMAIN_SHUTOFF_UNKNOWN:
        return STOP_UNTOLD;
    case VIR_DOMAIN_SHUTOFF_MIGRATED:
    case VIR_DOMAIN_SHUTOFF_SAVED:
    case VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT:
        return STOP_KEPT;
    default:
        return STOP_OVER;
    }
}

static void
take_state(GuestReading *reading, int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_SHUTOFF:
        reading->life = GUEST_LIFE_OFF;
        reading->stop = stop_kind(reason);
        break;
    case VIR_DOMAIN_PAUSED:
        reading->life = GUEST_LIFE_PAUSED;
        reading->migrating = reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_POSTCOPY ||
                             reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED;
        break;
    case VIR_DOMAIN_PMSUSPENDED:
        reading->life = GUEST_LIFE_SUSPENDED;
        break;
    case VIR_DOMAIN_CRASHED:
        /* With its QEMU kept for a look at it, or without. */
        reading->life = reading->id >= 0 ? GUEST_LIFE_PAUSED : GUEST_LIFE_OFF;
        break;
    default:
        /* Running, blocked, shutting down: it has memory, and its driver may answer. */
        reading->life = GUEST_LIFE_RUNNING;
        reading->migrating = state == VIR_DOMAIN_RUNNING &&
                             (reason == VIR_DOMAIN_RUNNING_POSTCOPY || reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED);
        reading->resumed = state == VIR_DOMAIN_RUNNING &&
                           (reason == VIR_DOMAIN_RUNNING_MIGRATED || reason == VIR_DOMAIN_RUNNING_RESTORED ||
                            reason == VIR_DOMAIN_RUNNING_FROM_SNAPSHOT);
        break;
    }
}

static bool
read_domain(VirtLane *lane, ReadCall *call)
{
    GuestReading *reading = &call->reading;
    g_autoptr(virDomain) domain = virt_lane_domain(lane, reading->uuid, true, &call->error);
    int state = VIR_DOMAIN_NOSTATE, reason = 0, persistent;

    if (domain == NULL)
        return false;
    reading->name = g_strdup(virDomainGetName(domain));
    reading->id = (int)virDomainGetID(domain);
    if (virDomainGetState(domain, &state, &reason, 0) < 0 || (persistent = virDomainIsPersistent(domain)) < 0)
        goto failed;
    take_state(reading, state, reason);
    if (reading->life != GUEST_LIFE_OFF) {
        char *text = virDomainGetXMLDesc(domain, 0);

        if (text == NULL)
            goto failed;
        reading->live_xml = g_strdup(text);
        free(text);
        reading->pid = process_read_pid(call->pid_directory, reading->name);
    }
    if (persistent > 0) {
        char *text = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);

        if (text == NULL)
            goto failed;
        reading->inactive_xml = g_strdup(text);
        free(text);
    }
    return true;

failed:
    virt_take_error(&call->error, "can't read the guest %s", reading->name);
    return false;
}

static bool
run_read(void *lane, void *data)
{
    ReadCall *call = data;

    if (read_domain(lane, call))
        return true;
    virt_lane_forget(lane, call->reading.uuid);
    return virt_lane_is_alive(lane);
}

static void
set_complete(Watch *watch)
{
    if (watch->inventory.complete)
        return;
    watch->inventory.complete = true;
    watch->inventory.known = true;
    g_debug("the inventory is complete");
    watch_note_change(watch);
    guest_calls_settle_all(watch);
}

/* The resync no longer waits for guest. */
static void
stop_awaiting(Watch *watch, Guest *guest)
{
    if (!guest->awaited)
        return;
    guest->awaited = false;
    watch->inventory.awaited--;
    if (watch->inventory.awaited == 0 && watch->inventory.listed)
        set_complete(watch);
}

static gboolean
on_read_retry(void *data)
{
    ReadCall *call = data; /* only what is needed to find the guest again */
    Watch *watch = call->handle->watch;
    Guest *guest = watch != NULL ? registry_find(watch->registry, call->reading.uuid) : NULL;

    if (guest != NULL) {
        guest->read_retry = 0;
        inventory_read_guest(watch, guest);
    }
    return G_SOURCE_REMOVE;
}

static ReadCall *
read_call_new(Watch *watch, const Guest *guest)
{
    ReadCall *call = g_new0(ReadCall, 1);

    call->handle = watch_handle_ref(watch->handle);
    call->pid_directory = g_strdup(watch->pid_directory);
    call->changes = guest->changes;
    g_strlcpy(call->reading.uuid, guest->record.uuid, sizeof call->reading.uuid);
    return call;
}

static void
read_again_later(Watch *watch, Guest *guest)
{
    unsigned pause_sec = MIN(1u << MIN(guest->read_failures, 5u), RETRY_MAX_SEC);

    guest->read_failures++;
    if (guest->read_retry == 0) {
        guest->read_retry = g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, pause_sec, on_read_retry,
                                                       read_call_new(watch, guest), read_call_free);
    }
}

static void
on_read_late(void *user_data, const char *uuid)
{
    Watch *watch = user_data;
    Guest *guest = registry_find(watch->registry, uuid);

    g_debug("the guest %s can't be read: libvirt has it locked", uuid);
    if (guest != NULL)
        stop_awaiting(watch, guest);
}

static void
on_read_done(void *user_data, const char *uuid, void *data, CallEnd end)
{
    Watch *watch = user_data;
    ReadCall *call = data;
    Guest *guest = registry_find(watch->registry, uuid);

    /* Without a connection nothing is believed: at the next one everything is read again. */
    if (guest == NULL || link_state(watch->link) == WORLD_LINK_DOWN)
        return;
    if (end == CALL_WITHDRAWN) {
        guest->read_put_off = true;
        return;
    }
    if (end != CALL_RETURNED) {
        read_again_later(watch, guest);
        stop_awaiting(watch, guest);
        return;
    }
    if (guest->read_again || call->changes != guest->changes) {
        guest->read_again = false;
        inventory_read_guest(watch, guest);
        return;
    }
    if (g_error_matches(call->error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND)) {
        bool shown = guest->shown;

        stop_awaiting(watch, guest);
        guest_calls_forget(watch, guest);
        registry_remove(watch->registry, guest, call->error);
        if (shown)
            watch_note_change(watch);
        return;
    }
    if (call->error != NULL) {
        g_debug("%s", call->error->message);
        read_again_later(watch, guest);
        stop_awaiting(watch, guest);
        return;
    }
    guest->read_failures = 0;
    if (call->reading.life != GUEST_LIFE_OFF)
        call->reading.started_usec = hook_notes_take_start(watch->hooks, uuid);
    if (guest_apply_reading(guest, &call->reading))
        watch_note_change(watch);
    guest_calls_settle(watch, guest);
    stop_awaiting(watch, guest);
}

void
inventory_read_guest(Watch *watch, Guest *guest)
{
    CallSpec spec = {
        .run = run_read,
        .data_free = read_call_free,
        .deadline_usec = READ_DEADLINE_USEC,
        .wait_usec = READ_WAIT_USEC,
        .late = on_read_late,
        .done = on_read_done,
        .user_data = watch,
    };

    if (link_state(watch->link) == WORLD_LINK_DOWN || watch->stop.active)
        return;
    if (hook_notes_waits(watch->hooks, guest->record.uuid)) {
        guest->read_put_off = true;
        return;
    }
    guest->read_put_off = false;
    if (call_pool_is_busy(watch->reads, guest->record.uuid)) {
        guest->read_again = true;
        return;
    }
    guest->read_again = false;
    g_clear_handle_id(&guest->read_retry, g_source_remove);
    spec.data = read_call_new(watch, guest);
    call_pool_submit(watch->reads, guest->record.uuid, &spec);
}

/* ---- all guests ---- */

typedef struct ListCall {
    GPtrArray *uuids; /* NULL: error says why */
    GError *error;
} ListCall;

static void
list_call_free(void *data)
{
    ListCall *call = data;

    g_clear_pointer(&call->uuids, g_ptr_array_unref);
    g_clear_error(&call->error);
    g_free(call);
}

static bool
run_list(void *lane, void *data)
{
    ListCall *call = data;
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(virt_lane_connection(lane), &domains, 0);

    if (count < 0) {
        virt_take_error(&call->error, "can't list the guests");
        return virt_lane_is_alive(lane);
    }
    call->uuids = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domains[i], uuid) == 0)
            g_ptr_array_add(call->uuids, g_strdup(uuid));
        virDomainFree(domains[i]);
    }
    free(domains);
    return true;
}

static gboolean
on_list_retry(void *data)
{
    Watch *watch = data;

    watch->inventory.retry = 0;
    inventory_start(watch);
    return G_SOURCE_REMOVE;
}

static void
await_guest(Guest *guest, void *data)
{
    Watch *watch = data;

    if (!guest->awaited && !hook_notes_waits(watch->hooks, guest->record.uuid)) {
        guest->awaited = true;
        watch->inventory.awaited++;
    }
    inventory_read_guest(watch, guest);
}

static void
add_running(Watch *watch)
{
    g_auto(GStrv) uuids = runs_running(watch->runs);

    for (size_t i = 0; uuids[i] != NULL; i++)
        registry_add(watch->registry, uuids[i]);
}

static void
await_guests(Watch *watch)
{
    watch->inventory.listed = true;
    registry_foreach(watch->registry, await_guest, watch);
    if (watch->inventory.awaited == 0)
        set_complete(watch);
}

/*
 * A hook holds some guest, and with it the listing, for as long as it runs. The guests that are known are read meanwhile:
 * none of them has to wait for the one that starts.
 */
static void
read_known(Watch *watch)
{
    g_auto(GStrv) running = runs_running(watch->runs);

    if (link_state(watch->link) == WORLD_LINK_DOWN || (!watch->inventory.known && running[0] == NULL))
        return;
    add_running(watch);
    await_guests(watch);
}

static void
on_list_late(void *user_data, const char *key)
{
    g_debug("the guests can't be listed now: libvirt has one of them locked");
    read_known(user_data);
}

static void
on_list_done(void *user_data, const char *key, void *data, CallEnd end)
{
    Watch *watch = user_data;
    Inventory *inventory = &watch->inventory;
    ListCall *call = data;

    if (link_state(watch->link) == WORLD_LINK_DOWN)
        return;
    if (inventory->wanted || end == CALL_WITHDRAWN) {
        inventory_start(watch);
        return;
    }
    if (end != CALL_RETURNED || call->uuids == NULL) {
        g_debug("%s", call->error != NULL ? call->error->message : "the guests can't be listed now");
        if (inventory->retry == 0)
            inventory->retry = g_timeout_add_seconds(2, on_list_retry, watch);
        return;
    }
    for (guint i = 0; i < call->uuids->len; i++)
        registry_add(watch->registry, call->uuids->pdata[i]);
    /* Those that are not in the list as well: their reading says that they are gone. */
    add_running(watch);
    runs_note_listed(watch->runs);
    await_guests(watch);
}

void
inventory_start(Watch *watch)
{
    CallSpec spec = {
        .run = run_list,
        .data_free = list_call_free,
        .deadline_usec = LIST_DEADLINE_USEC,
        .late = on_list_late,
        .done = on_list_done,
        .user_data = watch,
    };

    if (hook_notes_any_waits(watch->hooks)) {
        watch->inventory.put_off = true;
        read_known(watch);
        return;
    }
    watch->inventory.put_off = false;
    if (call_pool_is_busy(watch->reads, INVENTORY_KEY)) {
        watch->inventory.wanted = true;
        return;
    }
    watch->inventory.wanted = false;
    watch->inventory.listed = false;
    spec.data = g_new0(ListCall, 1);
    call_pool_submit(watch->reads, INVENTORY_KEY, &spec);
}

static void
note_gap(Guest *guest, void *data)
{
    guest->changes++;
    guest->gap = guest->record.life != GUEST_LIFE_OFF;
    guest->awaited = false;
    guest->read_again = false;
    guest->read_put_off = false;
    g_clear_handle_id(&guest->read_retry, g_source_remove);
}

void
inventory_stop(Watch *watch)
{
    Inventory *inventory = &watch->inventory;

    g_clear_handle_id(&inventory->retry, g_source_remove);
    *inventory = (Inventory){.known = inventory->known};
    registry_foreach(watch->registry, note_gap, NULL);
}

static void
follow_hook(Guest *guest, void *data)
{
    Watch *watch = data;

    if (!hook_notes_waits(watch->hooks, guest->record.uuid)) {
        if (guest->read_put_off)
            inventory_read_guest(watch, guest);
        return;
    }
    stop_awaiting(watch, guest);
    call_pool_withdraw(watch->reads, guest->record.uuid);
}

void
inventory_follow_hooks(Watch *watch)
{
    if (hook_notes_any_waits(watch->hooks)) {
        call_pool_withdraw(watch->reads, INVENTORY_KEY);
        /* One that has begun waits for the hook, and nothing shall wait for it. */
        if (!watch->inventory.complete && call_pool_is_busy(watch->reads, INVENTORY_KEY))
            read_known(watch);
    } else if (watch->inventory.put_off) {
        inventory_start(watch);
    }
    registry_foreach(watch->registry, follow_hook, watch);
}
