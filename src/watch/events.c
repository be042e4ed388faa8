/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "events.h"

#include "guest_calls.h"
#include "inventory.h"
#include "link.h"
#include "virt.h"

#define EVENTS_MAX 12

struct EventHooks {
    WatchHandle *handle;
    virConnectPtr connection;
    bool has_close_callback;
    int ids[EVENTS_MAX];
    unsigned id_count;
};

static void
hooks_clear(void *data)
{
    EventHooks *hooks = data;

    watch_handle_unref(hooks->handle);
}

static void
hooks_unref(void *hooks)
{
    g_atomic_rc_box_release_full(hooks, hooks_clear);
}

/*
 * The guest an event is about, added if it isn't known. NULL when the event is of a connection that is not the
 * present one. Events are delivered from the event loop (virObjectEventTimer), hence on the main thread.
 */
static Guest *
find_guest(EventHooks *hooks, virDomainPtr domain)
{
    Watch *watch = hooks->handle->watch;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (watch == NULL || !link_is_current(watch->link, hooks) || virDomainGetUUIDString(domain, uuid) < 0)
        return NULL;
    return registry_add(watch->registry, uuid);
}

/* A guest that is not known to run gets its life from the reading that follows. */
static void
set_life(Guest *guest, GuestLife life, bool migrating)
{
    guest->changes++;
    if (guest->record.life == GUEST_LIFE_OFF)
        return;
    guest->record.life = life;
    guest->job_denied = guest->job_denied && !migrating;
    if (migrating)
        guest->record.migrating = true;
    else
        guest->job_doubt = guest->record.migrating;
}

/* It brought its memory with it, and has not booted. */
static bool
is_resumed(int started_detail)
{
    return started_detail == VIR_DOMAIN_EVENT_STARTED_RESTORED || started_detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED ||
           started_detail == VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT;
}

static StopKind
stop_kind(int stopped_detail)
{
    switch (stopped_detail) {
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
    case VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT:
        return STOP_KEPT;
    default:
        return STOP_OVER;
    }
}

static int
on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
    EventHooks *hooks = data;
    Guest *guest = find_guest(hooks, domain);
    Watch *watch;

    if (guest == NULL)
        return 0;
    watch = hooks->handle->watch;
    switch (event) {
    case VIR_DOMAIN_EVENT_DEFINED:
        if (detail == VIR_DOMAIN_EVENT_DEFINED_ADDED)
            guest_note_defined(guest);
        else
            guest->changes++;
        break;
    case VIR_DOMAIN_EVENT_STARTED:
        if (detail == VIR_DOMAIN_EVENT_STARTED_WAKEUP)
            set_life(guest, GUEST_LIFE_RUNNING, false);
        else
            guest_note_start(guest, is_resumed(detail));
        /* Its memory only begins to arrive (qemu_migration.c, qemuMigrationDstPrepareActive), or is there, and another event
           tells that it runs (qemu_saveimage.c, qemuSaveImageStartVM). */
        if (detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED || detail == VIR_DOMAIN_EVENT_STARTED_RESTORED)
            set_life(guest, GUEST_LIFE_PAUSED, detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED);
        break;
    case VIR_DOMAIN_EVENT_STOPPED:
        guest->reverting =
            guest_hear_stop(guest, stop_kind(detail)) && detail == VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT;
        break;
    case VIR_DOMAIN_EVENT_SUSPENDED:
        set_life(guest, GUEST_LIFE_PAUSED,
                 detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED || detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY ||
                     detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED);
        if (detail == VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT && guest->record.life != GUEST_LIFE_OFF)
            guest_note_revert(guest);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        set_life(guest, GUEST_LIFE_RUNNING,
                 detail == VIR_DOMAIN_EVENT_RESUMED_POSTCOPY || detail == VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED);
        if (detail == VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT && guest->record.life != GUEST_LIFE_OFF)
            guest_note_revert(guest);
        break;
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
        set_life(guest, GUEST_LIFE_SUSPENDED, false);
        break;
    case VIR_DOMAIN_EVENT_CRASHED:
        set_life(guest, GUEST_LIFE_PAUSED, false);
        break;
    default:
        /* Undefined, shutting down: the reading tells. */
        guest->changes++;
        break;
    }
    inventory_read_guest(watch, guest);
    guest_calls_settle(watch, guest);
    watch_note_change(watch);
    return 0;
}

static void
on_reboot(virConnectPtr connection, virDomainPtr domain, void *data)
{
    EventHooks *hooks = data;
    Guest *guest = find_guest(hooks, domain);

    if (guest == NULL)
        return;
    guest_note_reset(guest);
    if (!guest->shown)
        inventory_read_guest(hooks->handle->watch, guest);
    watch_note_change(hooks->handle->watch);
}

/* Its definition is another, or a part of it. */
static void
reread(EventHooks *hooks, virDomainPtr domain)
{
    Guest *guest = find_guest(hooks, domain);

    if (guest == NULL)
        return;
    guest->changes++;
    inventory_read_guest(hooks->handle->watch, guest);
}

static void
on_metadata_change(virConnectPtr connection, virDomainPtr domain, int type, const char *uri, void *data)
{
    reread(data, domain);
}

static void
on_device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *data)
{
    reread(data, domain);
}

/* What the balloon is now comes with the next report; here only an unknown guest matters. */
static void
on_balloon_change(virConnectPtr connection, virDomainPtr domain, unsigned long long actual, void *data)
{
    EventHooks *hooks = data;
    Guest *guest = find_guest(hooks, domain);

    if (guest != NULL && !guest->shown)
        inventory_read_guest(hooks->handle->watch, guest);
}

/* A virtio-mem device has plugged or unplugged something: what it has stands in the live XML. */
static void
on_memory_device(virConnectPtr connection, virDomainPtr domain, const char *alias, unsigned long long size, void *data)
{
    reread(data, domain);
}

/* An outgoing migration, save or dump has begun another pass over the memory (QEMU's MIGRATION_PASS; libvirt
   passes it on during a job): the first sign of it. */
static void
on_migration_iteration(virConnectPtr connection, virDomainPtr domain, int iteration, void *data)
{
    EventHooks *hooks = data;
    Guest *guest = find_guest(hooks, domain);

    if (guest == NULL || guest->record.migrating || guest->record.life == GUEST_LIFE_OFF)
        return;
    guest->record.migrating = true;
    guest->job_denied = false;
    watch_note_change(hooks->handle->watch);
}

static void
on_job_completed(virConnectPtr connection, virDomainPtr domain, virTypedParameterPtr params, int count, void *data)
{
    EventHooks *hooks = data;
    Guest *guest = find_guest(hooks, domain);

    if (guest == NULL)
        return;
    guest->job_doubt = guest->record.migrating;
    inventory_read_guest(hooks->handle->watch, guest);
}

typedef struct Closing {
    EventHooks *hooks;
    int reason;
} Closing;

static gboolean
read_closing(void *data)
{
    static const char *const reasons[] = {
        [VIR_CONNECT_CLOSE_REASON_ERROR] = "the connection broke",
        [VIR_CONNECT_CLOSE_REASON_EOF] = "libvirt ended it",
        [VIR_CONNECT_CLOSE_REASON_KEEPALIVE] = "libvirt did not answer any more",
        [VIR_CONNECT_CLOSE_REASON_CLIENT] = "it was closed here",
    };
    Closing *closing = data;
    Watch *watch = closing->hooks->handle->watch;

    if (watch != NULL) {
        link_note_closed(watch->link, closing->hooks,
                         closing->reason >= 0 && closing->reason < (int)G_N_ELEMENTS(reasons) ? reasons[closing->reason]
                                                                                              : "libvirt closed it");
    }
    hooks_unref(closing->hooks);
    g_free(closing);
    return G_SOURCE_REMOVE;
}

/* Any thread: whoever was reading the socket when it ended. */
static void
on_close(virConnectPtr connection, int reason, void *data)
{
    Closing *closing = g_new0(Closing, 1);

    closing->hooks = g_atomic_rc_box_acquire(data);
    closing->reason = reason;
    watch_post(read_closing, closing);
}

static bool
register_event(EventHooks *hooks, int event, virConnectDomainEventGenericCallback callback)
{
    int id;

    g_atomic_rc_box_acquire(hooks);
    id = virConnectDomainEventRegisterAny(hooks->connection, NULL, event, callback, hooks, hooks_unref);
    if (id < 0) {
        hooks_unref(hooks);
        return false;
    }
    g_assert(hooks->id_count < EVENTS_MAX);
    hooks->ids[hooks->id_count++] = id;
    return true;
}

EventHooks *
events_register(virConnectPtr connection, WatchHandle *handle, GError **error)
{
    static const struct {
        int event;
        virConnectDomainEventGenericCallback callback;
    } optional[] = {
        {VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot)},
        {VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon_change)},
        {VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata_change)},
        {VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device)},
        {VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device)},
        {VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, VIR_DOMAIN_EVENT_CALLBACK(on_migration_iteration)},
        {VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, VIR_DOMAIN_EVENT_CALLBACK(on_job_completed)},
        {VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_memory_device)},
    };
    EventHooks *hooks = g_atomic_rc_box_new0(EventHooks);

    hooks->handle = watch_handle_ref(handle);
    hooks->connection = connection;
    /* No reference for this one: a driver that has no such thing takes it and never gives it back. */
    hooks->has_close_callback = virConnectRegisterCloseCallback(connection, on_close, hooks, NULL) == 0;
    if (!register_event(hooks, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle))) {
        virt_take_error(error, "no events of guests are to be had");
        events_close(hooks);
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
        if (!register_event(hooks, optional[i].event, optional[i].callback))
            g_debug("events of kind %d are not to be had", optional[i].event);
    }
    return hooks;
}

static void *
close_thread(void *data)
{
    EventHooks *hooks = data;

    /* Each registration holds a reference to the connection: without this it would stay open. */
    for (unsigned i = 0; i < hooks->id_count; i++)
        virConnectDomainEventDeregisterAny(hooks->connection, hooks->ids[i]);
    if (hooks->has_close_callback)
        virConnectUnregisterCloseCallback(hooks->connection, on_close);
    virConnectClose(hooks->connection);
    hooks_unref(hooks);
    return NULL;
}

void
events_close(EventHooks *hooks)
{
    GThread *thread = g_thread_try_new("libvirt-close", close_thread, hooks, NULL);

    if (thread != NULL)
        g_thread_unref(thread);
}
