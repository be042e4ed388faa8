/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include "error.h"
#include "guest_calls.h"
#include "guest_element.h"
#include "guest_read.h"
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
/* What changes without an event is looked for so often where it matters soon, and at each turn for one guest in so many of
   the others: all of them in five minutes. */
#define LOOK_SEC 10
#define LOOK_TURNS 30

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

static bool
run_read(void *lane, void *data)
{
    ReadCall *call = data;

    if (guest_read(lane, call->pid_directory, &call->reading, &call->error))
        return true;
    virt_lane_forget(lane, call->reading.uuid);
    return virt_lane_is_alive(lane);
}

/*
 * Of some things libvirt sends no event: a managed save image that is removed, memory that a virtio-mem device is asked for,
 * a definition's part that is changed for the next start only (virsh setmem --config), a statistics period, the end of an
 * incoming migration whose guest stays paused, a start that fails (qemu_driver.c and qemu_process.c, where no event is
 * queued).
 */
static void
look_again(Guest *guest, void *data)
{
    Watch *watch = data;
    const GuestRecord *record = &guest->record;
    bool matters = guest->has_size_ask || guest->coming || record->saved_xml != NULL ||
                   (record->migrating && record->life != GUEST_LIFE_RUNNING);

    if (guest->shown && (matters || (watch->inventory.looked + record->serial) % LOOK_TURNS == 0) &&
        !call_pool_is_busy(watch->reads, record->uuid))
        inventory_read_guest(watch, guest);
}

static gboolean
on_look(void *data)
{
    Watch *watch = data;

    watch->inventory.looked++;
    registry_foreach(watch->registry, look_again, watch);
    return G_SOURCE_CONTINUE;
}

static void
set_complete(Watch *watch)
{
    if (watch->inventory.complete)
        return;
    watch->inventory.complete = true;
    watch->inventory.known = true;
    watch->inventory.look = g_timeout_add_seconds(LOOK_SEC, on_look, watch);
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
    call->reading.begun_usec = (uint64_t)g_get_monotonic_time();
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
    guest_element_note_read(watch, uuid);
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

bool
inventory_unread(const Watch *watch)
{
    g_auto(GStrv) running = NULL;

    if (watch->inventory.known)
        return false;
    running = runs_running(watch->runs);
    return running[0] != NULL || (link_state(watch->link) != WORLD_LINK_DOWN && !hook_notes_any_waits(watch->hooks));
}

static void
note_gap(Guest *guest, void *data)
{
    guest->changes++;
    guest->gap = true;
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
    g_clear_handle_id(&inventory->look, g_source_remove);
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
