/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_start.h"

#include "error.h"
#include "link.h"
#include "units.h"
#include "virt.h"

/* Nothing depends on how long it takes; it is told when it has ended. */
#define START_DEADLINE_USEC (3600 * USEC_PER_SEC)

typedef struct StartCall {
    char uuid[37];
    GuestStartDone done; /* main thread; NULL: has been called */
    void *user_data;
    GError *error; /* found */
} StartCall;

static void
start_call_free(void *data)
{
    StartCall *call = data;

    g_clear_error(&call->error);
    g_free(call);
}

static bool
run_start(void *lane, void *data)
{
    StartCall *call = data;
    g_autoptr(virDomain) domain = virt_lane_domain(lane, call->uuid, true, &call->error);
    const char *name;

    if (domain == NULL) {
        if (g_error_matches(call->error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND)) {
            g_clear_error(&call->error);
            call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                                      "libvirt has no guest %s: it must be defined before it can be started "
                                      "(virsh define); \"virsh list --all\" shows those there are",
                                      call->uuid);
        }
        return virt_lane_is_alive(lane);
    }
    name = virDomainGetName(domain); /* before: it forgets libvirt's last error */
    if (virDomainCreate(domain) == 0)
        return true;
    virt_take_error(&call->error, "can't start the guest %s", name);
    return virt_lane_is_alive(lane);
}

static void
tell(StartCall *call, const GError *error)
{
    GuestStartDone done = call->done;

    call->done = NULL;
    if (done != NULL)
        done(call->user_data, call->uuid, error);
}

static void
on_start_done(void *user_data, const char *uuid, void *data, CallEnd end)
{
    Watch *watch = user_data;
    StartCall *call = data;

    g_hash_table_remove(watch->starts, uuid);
    if (end == CALL_EXPIRED)
        call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT,
                                  "no connection was free: other guests are being started on all of them");
    else if (end != CALL_RETURNED)
        call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                                  "libvirt went away before the start had begun; try again when it is back");
    tell(call, call->error);
}

/* NULL where it may be tried. */
static GError *
why_not(Watch *watch, const char *uuid)
{
    const Guest *guest = registry_find(watch->registry, uuid);

    if (watch->stop.active)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                           "dynmemd is being stopped; try again when it runs, or use virsh start");
    if (link_state(watch->link) == WORLD_LINK_DOWN)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                           "dynmemd is not connected to libvirt (%s); start libvirt's daemon and try again",
                           link_text(watch->link));
    if (link_state(watch->link) == WORLD_LINK_READ_ONLY)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "the connection to libvirt is read-only: run dynmemd as root or as a member of its group");
    if (guest != NULL && guest->record.life != GUEST_LIFE_OFF)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "the guest %s runs already; \"virsh reboot\" and \"virsh reset\" restart it",
                           guest->record.name != NULL ? guest->record.name : uuid);
    if (call_pool_is_busy(watch->creates, uuid) || hook_notes_waits(watch->hooks, uuid))
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "the guest is being started already; 'dm-ctl explain' tells what it waits for");
    return NULL;
}

void
guest_start(Watch *watch, const char *uuid, GuestStartDone done, void *user_data)
{
    g_autoptr(GError) error = why_not(watch, uuid);
    CallSpec spec = {
        .run = run_start,
        .data_free = start_call_free,
        .deadline_usec = START_DEADLINE_USEC,
        .done = on_start_done,
        .user_data = watch,
    };
    StartCall *call;

    if (error != NULL) {
        done(user_data, uuid, error);
        return;
    }
    call = g_new0(StartCall, 1);
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    call->done = done;
    call->user_data = user_data;
    spec.data = call;
    g_hash_table_insert(watch->starts, call->uuid, call);
    call_pool_submit(watch->creates, call->uuid, &spec);
}

void
guest_start_stop(Watch *watch)
{
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                                          "dynmemd is being stopped; libvirt goes on with the start if it had begun");
    g_autoptr(GList) calls = g_hash_table_get_values(watch->starts);

    g_hash_table_remove_all(watch->starts);
    for (GList *link = calls; link != NULL; link = link->next)
        tell(link->data, error);
}
