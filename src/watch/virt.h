/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every file here needs of libvirt: clean-up of its types, its errors as ours, and connections.
 * A VirtLane is a connection that carries calls: it remembers the domains it has looked up, so that a call
 * costs one message, not two.
 */

#include "error.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <glib.h>
#include <stdbool.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)

/* Prepares this process for libvirt: its event loop is the default main context, it prints nothing, and SIGPIPE is
   ignored, because it writes to sockets that libvirtd may have closed. Once, before the first connection; further
   calls do nothing. */
void virt_init(void);

/* Sets error from libvirt's last error of this thread, after "what: ". Returns libvirt's own error code. Arguments must call
   nothing of libvirt: each of its functions forgets that error, virDomainGetName too (libvirt-domain.c). */
int virt_take_error(GError **error, const char *what, ...) G_GNUC_PRINTF(2, 3);

/* libvirt's code tells for certain that what was asked for has not been done, and nothing of it. */
bool virt_error_is_certain(int code);

/*
 * Opens uri, read-write if that is granted, else read-only (*read_only says which; with it set at the call,
 * read-write isn't tried). Sets up keepalive where the connection has it. May block for ever: libvirtd answers
 * only once it has started its guests (remote_daemon.c, daemonRunStateInit). Close with virConnectClose.
 */
virConnectPtr virt_open(const char *uri, bool *read_only, GError **error);

typedef struct VirtLane VirtLane;

/* With what virt_lane_open opens. Free with virt_lane_key_free. */
typedef struct VirtLaneKey {
    char *uri;
    bool read_only;
} VirtLaneKey;

VirtLaneKey *virt_lane_key_new(const char *uri, bool read_only);
void virt_lane_key_free(void *key);

/* CallLaneOps: key is a VirtLaneKey, the result and lane a VirtLane. */
void *virt_lane_open(void *key, GError **error);
void virt_lane_close(void *lane);

/* For calls on the lane, by its thread. */
virConnectPtr virt_lane_connection(VirtLane *lane);
/* The domain of this uuid, remembered from the last time unless fresh is asked for (then name and id are those
   of now). NULL and error (DYNMEM_ERROR_NOT_FOUND: there is none). Release with virDomainFree. */
virDomainPtr virt_lane_domain(VirtLane *lane, const char *uuid, bool fresh, GError **error);
/* The domain is no more. */
void virt_lane_forget(VirtLane *lane, const char *uuid);
/* The connection still stands. Costs nothing. */
bool virt_lane_is_alive(VirtLane *lane);
