/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt.h"

#include <errno.h>
#include <libvirt-glib/libvirt-glib-event.h>
#include <signal.h>

/* Seconds between keepalive messages, and how many may stay unanswered: as libvirtd does it itself. */
#define KEEPALIVE_INTERVAL 5
#define KEEPALIVE_COUNT 5

/* Guests come and go on a busy host: at this many remembered domains a lane starts over. */
#define LANE_DOMAINS_MAX 16384

struct VirtLane {
    virConnectPtr connection;
    GHashTable *domains; /* uuid -> virDomainPtr */
};

static void
ignore_error(void *data, virErrorPtr error)
{
}

void
virt_init(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        signal(SIGPIPE, SIG_IGN);
        gvir_event_register();
        virInitialize();
        virSetErrorFunc(NULL, ignore_error);
        g_once_init_leave(&done, 1);
    }
}

static DynmemError
error_code(const virError *error)
{
    switch (error->code) {
    case VIR_ERR_NO_DOMAIN:
        return DYNMEM_ERROR_NOT_FOUND;
    case VIR_ERR_OPERATION_TIMEOUT:
        return DYNMEM_ERROR_TIMEOUT;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
        return DYNMEM_ERROR_DISCONNECTED;
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_OPERATION_INVALID:
        return DYNMEM_ERROR_REFUSED;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return DYNMEM_ERROR_UNSUPPORTED;
    case VIR_ERR_INVALID_ARG:
        return DYNMEM_ERROR_INVALID;
    default:
        return DYNMEM_ERROR_FAILED;
    }
}

int
virt_take_error(GError **error, const char *what, ...)
{
    const virError *last = virGetLastError();
    g_autofree char *prefix = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, what);
    prefix = g_strdup_vprintf(what, args);
    va_end(args);
    if (last == NULL || last->code == VIR_ERR_OK) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s: libvirt gives no reason", prefix);
        return VIR_ERR_INTERNAL_ERROR;
    }
    /* what QEMU said as it ended has several lines */
    line = g_strdelimit(g_strdup(last->message), "\r\n", ' ');
    g_set_error(error, DYNMEM_ERROR, error_code(last), "%s: %s", prefix, g_strstrip(line));
    return last->code;
}

bool
virt_error_is_certain(int code)
{
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_CONNECT:        /* no connection could be had */
    case VIR_ERR_OPERATION_TIMEOUT: /* another job holds the guest: ours never began */
    case VIR_ERR_OPERATION_INVALID: /* not running */
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

/* The error says that we may not, rather than that there is nobody. */
static bool
is_denied(const virError *error)
{
    if (error == NULL)
        return false;
    return error_code(error) == DYNMEM_ERROR_REFUSED ||
           (error->code == VIR_ERR_SYSTEM_ERROR && (error->int1 == EACCES || error->int1 == EPERM));
}

virConnectPtr
virt_open(const char *uri, bool *read_only, GError **error)
{
    virConnectPtr connection = NULL;

    if (!*read_only) {
        connection = virConnectOpen(uri);
        if (connection == NULL && is_denied(virGetLastError())) {
            connection = virConnectOpenReadOnly(uri);
            *read_only = connection != NULL;
        }
    } else {
        connection = virConnectOpenReadOnly(uri);
    }
    if (connection == NULL) {
        virt_take_error(error, "can't connect to %s", uri);
        return NULL;
    }
    /* -1: it failed; 1: the other side has no keepalive. The close callback tells what matters. */
    (void)virConnectSetKeepAlive(connection, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT);
    return connection;
}

VirtLaneKey *
virt_lane_key_new(const char *uri, bool read_only)
{
    VirtLaneKey *key = g_new0(VirtLaneKey, 1);

    key->uri = g_strdup(uri);
    key->read_only = read_only;
    return key;
}

void
virt_lane_key_free(void *data)
{
    VirtLaneKey *key = data;

    g_free(key->uri);
    g_free(key);
}

static void
release_domain(void *domain)
{
    virDomainFree(domain);
}

void *
virt_lane_open(void *data, GError **error)
{
    const VirtLaneKey *key = data;
    bool read_only = key->read_only;
    virConnectPtr connection = virt_open(key->uri, &read_only, error);
    VirtLane *lane;

    if (connection == NULL)
        return NULL;
    lane = g_new0(VirtLane, 1);
    lane->connection = connection;
    lane->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, release_domain);
    return lane;
}

void
virt_lane_close(void *data)
{
    VirtLane *lane = data;

    g_hash_table_unref(lane->domains);
    virConnectClose(lane->connection);
    g_free(lane);
}

virConnectPtr
virt_lane_connection(VirtLane *lane)
{
    return lane->connection;
}

virDomainPtr
virt_lane_domain(VirtLane *lane, const char *uuid, bool fresh, GError **error)
{
    virDomainPtr domain = NULL;

    if (!fresh) {
        domain = g_hash_table_lookup(lane->domains, uuid);
        if (domain != NULL) {
            virDomainRef(domain);
            return domain;
        }
    }
    domain = virDomainLookupByUUIDString(lane->connection, uuid);
    if (domain == NULL) {
        virt_take_error(error, "can't find the guest %s", uuid);
        return NULL;
    }
    virDomainRef(domain);
    if (g_hash_table_size(lane->domains) >= LANE_DOMAINS_MAX)
        g_hash_table_remove_all(lane->domains);
    g_hash_table_replace(lane->domains, g_strdup(uuid), domain);
    return domain;
}

void
virt_lane_forget(VirtLane *lane, const char *uuid)
{
    g_hash_table_remove(lane->domains, uuid);
}

bool
virt_lane_is_alive(VirtLane *lane)
{
    return virConnectIsAlive(lane->connection) == 1;
}
