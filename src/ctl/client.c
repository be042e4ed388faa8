/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include "error.h"
#include "names.h"
#include "password.h"
#include "remote.h"
#include "text.h"

#include <string.h>

#define TIMEOUT_MSEC 10000
/* Who asks of hundreds of guests is told to ask less often, and waits. */
#define PAUSE_USEC (G_USEC_PER_SEC / 2)
#define PAUSES 20

/* To look is no reason to start the daemon. */
#define CALL_FLAGS G_DBUS_CALL_FLAGS_NO_AUTO_START

static const char *remote_host; /* NULL: this one */

void
client_set_host(const char *host)
{
    remote_host = host;
}

bool
client_is_here(void)
{
    return remote_host == NULL;
}

GDBusConnection *
client_connect(GError **error)
{
    g_autoptr(GError) raw = NULL;
    GDBusConnection *bus;

    if (remote_host != NULL)
        return remote_connect(remote_host, error);
    bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &raw);
    if (bus == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                    "system bus: it can't be reached: %s; dynmemd and dm-ctl need a running D-Bus daemon",
                    raw->message);
        return NULL;
    }
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    return bus;
}

static void
set_no_daemon(GError **error)
{
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                "dynmemd: it does not run, nobody answers as " DYNMEM_BUS_NAME
                " on the system bus; start it with 'systemctl start dynmemd'");
}

/* For errors of the daemon's own: its message is what people need. */
static DynmemError
code_of_remote(const char *remote)
{
    if (g_strcmp0(remote, DYNMEM_BUS_ERROR_NO_SUCH_GUEST) == 0 || g_strcmp0(remote, DYNMEM_BUS_ERROR_AMBIGUOUS) == 0)
        return DYNMEM_ERROR_NOT_FOUND;
    if (g_strcmp0(remote, DYNMEM_BUS_ERROR_REFUSED) == 0)
        return DYNMEM_ERROR_REFUSED;
    if (g_strcmp0(remote, DYNMEM_BUS_ERROR_INVALID) == 0)
        return DYNMEM_ERROR_INVALID;
    return DYNMEM_ERROR_FAILED;
}

void
client_take_error(GError *raw, GError **error)
{
    g_autoptr(GError) owned = raw;
    g_autofree char *remote = g_dbus_error_get_remote_error(owned);
    g_autofree char *message = NULL;

    if (g_error_matches(owned, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(owned, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)) {
        set_no_daemon(error);
        return;
    }
    if (g_error_matches(owned, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                    "dynmemd: it went away before it answered; 'systemctl status dynmemd' tells why");
        return;
    }
    if (g_error_matches(owned, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
        g_error_matches(owned, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT,
                    "dynmemd: it has not answered for %d seconds; 'systemctl status dynmemd' and its journal tell why",
                    TIMEOUT_MSEC / 1000);
        return;
    }
    if (g_error_matches(owned, G_IO_ERROR, G_IO_ERROR_CLOSED)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "system bus: it closed the connection; try again");
        return;
    }

    g_dbus_error_strip_remote_error(owned);
    message = text_clean(owned->message);
    if (g_error_matches(owned, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "dynmemd: access denied: %s", message);
    else
        g_set_error(error, DYNMEM_ERROR, code_of_remote(remote), "dynmemd: %s", message);
}

GVariant *
client_call(GDBusConnection *bus, const char *interface, const char *method, GVariant *parameters,
            const char *reply_type, GDBusCallFlags flags, int timeout_msec, GError **error)
{
    g_autoptr(GVariant) kept = g_variant_ref_sink(parameters != NULL ? parameters : g_variant_new("()"));

    for (unsigned pauses = 0;; pauses++) {
        GError *raw = NULL;
        g_autofree char *remote = NULL;
        GVariant *reply = g_dbus_connection_call_sync(bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, interface, method, kept,
                                                      G_VARIANT_TYPE(reply_type), flags, timeout_msec, NULL, &raw);

        if (reply != NULL)
            return reply;
        remote = g_dbus_error_get_remote_error(raw);
        if (g_strcmp0(remote, DYNMEM_BUS_ERROR_TOO_OFTEN) != 0 || pauses == PAUSES) {
            client_take_error(raw, error);
            return NULL;
        }
        g_clear_error(&raw);
        g_usleep(PAUSE_USEC);
    }
}

static GVariant *
call(GDBusConnection *bus, const char *interface, const char *method, GVariant *parameters, const char *reply_type,
     GError **error)
{
    return client_call(bus, interface, method, parameters, reply_type, CALL_FLAGS, TIMEOUT_MSEC, error);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    const GuestView *left = *(const GuestView *const *)a;
    const GuestView *right = *(const GuestView *const *)b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->uuid, right->uuid);
}

/* reply is that of GetManagedObjects. */
static GPtrArray *
guests_from_reply(GVariant *reply)
{
    GPtrArray *guests = g_ptr_array_new_with_free_func((GDestroyNotify)guest_view_free);
    g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
    GVariantIter iter;
    const char *path;
    GVariant *interfaces;

    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) properties =
            g_variant_lookup_value(interfaces, DYNMEM_BUS_INTERFACE_GUEST, G_VARIANT_TYPE_VARDICT);

        if (properties != NULL)
            g_ptr_array_add(guests, guest_view_new(path, properties));
    }
    g_ptr_array_sort(guests, compare_names);
    return guests;
}

/* reply is that of GetAll. */
static HostView *
host_from_reply(GVariant *reply)
{
    g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);

    return host_view_new(properties);
}

GPtrArray *
client_read_guests(GDBusConnection *bus, GError **error)
{
    g_autoptr(GVariant) reply =
        call(bus, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", error);

    return reply != NULL ? guests_from_reply(reply) : NULL;
}

HostView *
client_read_host(GDBusConnection *bus, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, "org.freedesktop.DBus.Properties", "GetAll",
                                     g_variant_new("(s)", DYNMEM_BUS_INTERFACE_MANAGER), "(a{sv})", error);

    return reply != NULL ? host_from_reply(reply) : NULL;
}

typedef struct Reading {
    GCancellable *cancellable;
    GPtrArray *guests;
    ClientReadDone done;
    void *user_data;
} Reading;

static void
reading_free(Reading *reading)
{
    g_clear_object(&reading->cancellable);
    g_clear_pointer(&reading->guests, g_ptr_array_unref);
    g_free(reading);
}

/* Tells the caller how the reading ended; takes raw over, frees reading. */
static void
reading_end(Reading *reading, HostView *host, GError *raw)
{
    g_autoptr(GError) error = NULL;

    if (raw != NULL)
        client_take_error(raw, &error);
    reading->done(error == NULL ? reading->guests : NULL, error == NULL ? host : NULL, error, reading->user_data);
    reading_free(reading);
}

static void
on_host_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(HostView) host = NULL;
    GError *raw = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &raw);

    if (reply != NULL)
        host = host_from_reply(reply);
    reading_end(user_data, host, raw);
}

static void
on_guests_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GDBusConnection *bus = G_DBUS_CONNECTION(source);
    Reading *reading = user_data;
    GError *raw = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(bus, result, &raw);

    if (reply == NULL) {
        reading_end(reading, NULL, raw);
        return;
    }
    reading->guests = guests_from_reply(reply);
    g_dbus_connection_call(bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                           g_variant_new("(s)", DYNMEM_BUS_INTERFACE_MANAGER), G_VARIANT_TYPE("(a{sv})"), CALL_FLAGS,
                           TIMEOUT_MSEC, reading->cancellable, on_host_read, reading);
}

void
client_read_all(GDBusConnection *bus, GCancellable *cancellable, ClientReadDone done, void *user_data)
{
    Reading *reading = g_new0(Reading, 1);

    reading->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
    reading->done = done;
    reading->user_data = user_data;
    g_dbus_connection_call(bus, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", NULL, G_VARIANT_TYPE("(a{oa{sa{sv}}})"), CALL_FLAGS, TIMEOUT_MSEC,
                           cancellable, on_guests_read, reading);
}

char *
client_explain(GDBusConnection *bus, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply =
        call(bus, DYNMEM_BUS_INTERFACE_MANAGER, "Explain", g_variant_new("(s)", guest), "(s)", error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}

GVariant *
client_history(GDBusConnection *bus, const char *guest, uint64_t seconds, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, DYNMEM_BUS_INTERFACE_MANAGER, "History",
                                     g_variant_new("(st)", guest, (guint64)seconds), "(a{sv})", error);

    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}

char *
client_rate(GDBusConnection *bus, uint64_t startup, uint32_t priority, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, DYNMEM_BUS_INTERFACE_MANAGER, "Rate",
                                     g_variant_new("(tu)", (guint64)startup, priority), "(s)", error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}

char *
client_preview_settings(GDBusConnection *bus, const char *uuid, GVariant *settings, bool unset, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, DYNMEM_BUS_INTERFACE_MANAGER, "PreviewGuest",
                                     g_variant_new("(s@a{sv}b)", uuid, settings, (gboolean)unset), "(s)", error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}

GDBusCallFlags
client_asking_flags(void)
{
    return CALL_FLAGS | password_call_flags(remote_host == NULL);
}

/* A method that polkit may ask for a password for. Takes parameters over. */
static bool
call_manager(GDBusConnection *bus, const char *method, GVariant *parameters, GError **error)
{
    g_autoptr(GVariant) reply = client_call(bus, DYNMEM_BUS_INTERFACE_MANAGER, method, parameters, "()",
                                            client_asking_flags(), G_MAXINT, error);

    return reply != NULL;
}

bool
client_change_settings(GDBusConnection *bus, const char *uuid, GVariant *settings, bool unset, GError **error)
{
    return call_manager(bus, unset ? "UnsetGuest" : "SetGuest",
                        unset ? g_variant_new("(s)", uuid) : g_variant_new("(s@a{sv})", uuid, settings), error);
}

bool
client_retire(GDBusConnection *bus, GError **error)
{
    return call_manager(bus, "Retire", NULL, error);
}
