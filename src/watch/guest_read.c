/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_read.h"

#include "process.h"

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
        reading->coming = reason == VIR_DOMAIN_PAUSED_STARTING_UP;
        /* Where this is a run's first reading: it arrives, or was restored and stays paused. */
        reading->resumed = reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_FROM_SNAPSHOT;
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
        /* Also after the revert to a snapshot of a guest that was off, whose event does not tell (qemu_snapshot.c,
           qemuSnapshotRevertInactive). */
        reading->booted = state == VIR_DOMAIN_RUNNING && reason == VIR_DOMAIN_RUNNING_BOOTED;
        break;
    }
}

/* Takes over text, which is libvirt's. */
static char *
take_text(char *text)
{
    char *copy = g_strdup(text);

    free(text);
    return copy;
}

/* No image, one that can't be read, and a driver that has no such thing are all the same: the guest boots. */
static char *
read_saved(virDomainPtr domain, const char *name)
{
    char *text;

    if (virDomainHasManagedSaveImage(domain, 0) != 1)
        return NULL;
    text = virDomainManagedSaveGetXMLDesc(domain, 0);
    if (text == NULL) {
        g_autoptr(GError) error = NULL;

        virt_take_error(&error, "what the guest %s was saved with can't be read", name);
        g_debug("%s", error->message);
    }
    return take_text(text);
}

bool
guest_read(VirtLane *lane, const char *pid_directory, GuestReading *reading, GError **error)
{
    g_autoptr(virDomain) domain = virt_lane_domain(lane, reading->uuid, true, error);
    int state = VIR_DOMAIN_NOSTATE, reason = 0, persistent;

    if (domain == NULL)
        return false;
    reading->name = g_strdup(virDomainGetName(domain));
    reading->id = (int)virDomainGetID(domain);
    if (virDomainGetState(domain, &state, &reason, 0) < 0 || (persistent = virDomainIsPersistent(domain)) < 0)
        goto failed;
    take_state(reading, state, reason);
    if (reading->life != GUEST_LIFE_OFF) {
        reading->live_xml = take_text(virDomainGetXMLDesc(domain, 0));
        if (reading->live_xml == NULL)
            goto failed;
        reading->pid = process_read_pid(pid_directory, reading->name);
    }
    if (persistent > 0) {
        reading->inactive_xml = take_text(virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE));
        if (reading->inactive_xml == NULL)
            goto failed;
        if (reading->life == GUEST_LIFE_OFF)
            reading->saved_xml = read_saved(domain, reading->name);
    }
    return true;

failed:
    virt_take_error(error, "can't read the guest %s", reading->name);
    return false;
}
