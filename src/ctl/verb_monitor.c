/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-ctl monitor: events as they happen. The daemon announces what it writes to the journal by its signal Event;
 * what is not in the journal (a status, a guest that comes or goes, the daemon itself) is worked out here.
 */

#include "client.h"
#include "ctl.h"
#include "error.h"
#include "names.h"
#include "output.h"
#include "text.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>

typedef struct Monitor {
    const CtlOptions *options;
    GMainLoop *loop;
    GDBusConnection *bus;
    GHashTable *guests; /* object path -> GuestView, the last one known */
    bool daemon_away;
    GError *error; /* why it ended; NULL: as asked */
} Monitor;

/* One line to be printed. */
typedef struct Line {
    const char *kind;
    const char *uuid; /* "" where it concerns no guest */
    const char *name;
    uint64_t old_bytes; /* 0 where there is none */
    uint64_t new_bytes;
    const char *old_status; /* NULL unless a status changed */
    const char *new_status;
    const char *reason;
    const char *message;
} Line;

static void
print_json(const Line *line, GDateTime *now)
{
    JsonObject *object = json_object_new();
    g_autoptr(GDateTime) utc = g_date_time_to_utc(now);
    g_autofree char *time = g_date_time_format(utc, "%Y-%m-%dT%H:%M:%S.%fZ");

    json_object_set_string_member(object, "time", time);
    json_object_set_string_member(object, "kind", line->kind);
    json_object_set_string_member(object, "uuid", line->uuid);
    json_object_set_string_member(object, "name", line->name);
    json_object_set_int_member(object, "old", (gint64)MIN(line->old_bytes, (uint64_t)G_MAXINT64));
    json_object_set_int_member(object, "new", (gint64)MIN(line->new_bytes, (uint64_t)G_MAXINT64));
    if (line->new_status != NULL) {
        json_object_set_string_member(object, "oldStatus", line->old_status);
        json_object_set_string_member(object, "newStatus", line->new_status);
    }
    json_object_set_string_member(object, "reason", line->reason);
    json_object_set_string_member(object, "message", line->message);
    output_print_json_object(object, false);
}

static void
print_line(Monitor *monitor, const Line *line)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    if (monitor->options->json) {
        print_json(line, now);
    } else {
        g_autofree char *time = g_date_time_format(now, "%F %T");
        g_autofree char *message = text_clean(line->message);

        printf("%s  %s\n", time, message);
    }
    if (monitor->error == NULL && !output_flush(&monitor->error))
        g_main_loop_quit(monitor->loop);
}

static void
on_event(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal_name,
         GVariant *parameters, gpointer user_data)
{
    Line line = {0};
    guint64 old_bytes;
    guint64 new_bytes;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sssttss)")))
        return;
    g_variant_get(parameters, "(&s&s&stt&s&s)", &line.kind, &line.uuid, &line.name, &old_bytes, &new_bytes,
                  &line.reason, &line.message);
    line.old_bytes = old_bytes;
    line.new_bytes = new_bytes;
    print_line(user_data, &line);
}

static void
tell_status(Monitor *monitor, const GuestView *before, const GuestView *now)
{
    g_autofree char *assigned = text_size(now->assigned);
    g_autofree char *demand = text_size(now->demand);
    g_autofree char *want = text_size(now->want);
    g_autofree char *needs = now->want > 0 ? g_strdup_printf("its demand is %s, it wants %s", demand, want)
                                           : g_strdup("what it needs is not known");
    g_autofree char *message = g_strdup_printf("Status of guest %s is %s (it was %s): it has %s, %s.", now->name,
                                               now->status, before->status, assigned, needs);
    Line line = {
        .kind = "status-changed",
        .uuid = now->uuid,
        .name = now->name,
        .old_bytes = before->assigned,
        .new_bytes = now->assigned,
        .old_status = before->status,
        .new_status = now->status,
        .reason = now->reason,
        .message = message,
    };

    print_line(monitor, &line);
}

static void
tell_guest(Monitor *monitor, const char *kind, const GuestView *guest, const char *what)
{
    g_autofree char *message = g_strdup_printf("Guest %s (%s) %s.", guest->name, guest->uuid, what);
    Line line = {
        .kind = kind,
        .uuid = guest->uuid,
        .name = guest->name,
        .reason = "",
        .message = message,
    };

    print_line(monitor, &line);
}

static void
tell_daemon(Monitor *monitor, const char *kind, const char *message)
{
    Line line = {.kind = kind, .uuid = "", .name = "", .reason = "", .message = message};

    print_line(monitor, &line);
}

/* The properties of before with those of changed in place of them. */
static GVariant *
merge_properties(GVariant *before, GVariant *changed)
{
    GVariantDict merged;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_dict_init(&merged, before);
    g_variant_iter_init(&iter, changed);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
        g_variant_dict_insert_value(&merged, name, value);
    return g_variant_ref_sink(g_variant_dict_end(&merged));
}

static void
on_properties(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
              const char *signal_name, GVariant *parameters, gpointer user_data)
{
    Monitor *monitor = user_data;
    const GuestView *before = g_hash_table_lookup(monitor->guests, path);
    g_autoptr(GVariant) changed = NULL;
    g_autoptr(GVariant) merged = NULL;
    GuestView *now;

    if (before == NULL || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sa{sv}as)")))
        return;
    changed = g_variant_get_child_value(parameters, 1);
    merged = merge_properties(before->properties, changed);
    now = guest_view_new(path, merged);
    if (!g_str_equal(before->status, now->status))
        tell_status(monitor, before, now);
    g_hash_table_replace(monitor->guests, now->path, now);
}

static void
on_added(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal_name,
         GVariant *parameters, gpointer user_data)
{
    Monitor *monitor = user_data;
    g_autoptr(GVariant) interfaces = NULL;
    g_autoptr(GVariant) properties = NULL;
    const char *object;
    GuestView *guest;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oa{sa{sv}})")))
        return;
    g_variant_get(parameters, "(&o@a{sa{sv}})", &object, &interfaces);
    properties = g_variant_lookup_value(interfaces, DYNMEM_BUS_INTERFACE_GUEST, G_VARIANT_TYPE_VARDICT);
    if (properties == NULL)
        return;
    guest = guest_view_new(object, properties);
    /* a daemon that was started again announces guests that are long known */
    if (!g_hash_table_contains(monitor->guests, object))
        tell_guest(monitor, "guest-appeared", guest, "is known to dynmemd now");
    g_hash_table_replace(monitor->guests, guest->path, guest);
}

static void
on_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal_name,
           GVariant *parameters, gpointer user_data)
{
    Monitor *monitor = user_data;
    const GuestView *guest;
    const char *object;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oas)")))
        return;
    g_variant_get(parameters, "(&oas)", &object, NULL);
    guest = g_hash_table_lookup(monitor->guests, object);
    if (guest == NULL)
        return;
    tell_guest(monitor, "guest-vanished", guest, "is gone: it is no longer defined");
    g_hash_table_remove(monitor->guests, object);
}

static void
remember_guests(Monitor *monitor, const GPtrArray *guests)
{
    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);
        GuestView *copy = guest_view_new(guest->path, guest->properties);

        g_hash_table_replace(monitor->guests, copy->path, copy);
    }
}

static void
on_daemon_vanished(GDBusConnection *bus, const char *name, gpointer user_data)
{
    Monitor *monitor = user_data;

    if (bus == NULL || g_dbus_connection_is_closed(bus)) {
        if (monitor->error == NULL)
            g_set_error(&monitor->error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                        "system bus: it closed the connection; start dm-ctl again when it is back");
        g_main_loop_quit(monitor->loop);
        return;
    }
    if (!monitor->daemon_away)
        tell_daemon(monitor, "daemon-stopped",
                    "dynmemd has stopped: guests keep what they have. Waiting for it to start again.");
    monitor->daemon_away = true;
}

static void
on_daemon_appeared(GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
    Monitor *monitor = user_data;
    g_autoptr(GPtrArray) guests = NULL;

    if (!monitor->daemon_away)
        return;
    monitor->daemon_away = false;
    tell_daemon(monitor, "daemon-started", "dynmemd runs again.");
    guests = client_read_guests(bus, NULL);
    if (guests != NULL) /* else it has gone again, which is told too */
        remember_guests(monitor, guests);
}

static gboolean
on_stop_signal(gpointer user_data)
{
    g_main_loop_quit(((Monitor *)user_data)->loop);
    return G_SOURCE_CONTINUE;
}

/* Returns the subscription. The signal is wanted from the daemon only, whoever that is at the time. */
static guint
subscribe(Monitor *monitor, const char *interface, const char *signal_name, const char *path, const char *arg0,
          GDBusSignalCallback callback)
{
    return g_dbus_connection_signal_subscribe(monitor->bus, DYNMEM_BUS_NAME, interface, signal_name, path, arg0,
                                              G_DBUS_SIGNAL_FLAGS_NONE, callback, monitor, NULL);
}

static void
run(Monitor *monitor)
{
    guint interrupt = g_unix_signal_add(SIGINT, on_stop_signal, monitor);
    guint terminate = g_unix_signal_add(SIGTERM, on_stop_signal, monitor);
    guint watch = g_bus_watch_name_on_connection(monitor->bus, DYNMEM_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_daemon_appeared, on_daemon_vanished, monitor, NULL);

    g_main_loop_run(monitor->loop);
    g_bus_unwatch_name(watch);
    g_source_remove(terminate);
    g_source_remove(interrupt);
}

bool
verb_monitor(const CtlOptions *options, char **arguments, GError **error)
{
    static const char *const object_manager = "org.freedesktop.DBus.ObjectManager";
    Monitor monitor = {.options = options};
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = NULL;
    guint subscriptions[4];

    if (bus == NULL)
        return false;
    monitor.bus = bus;
    monitor.loop = g_main_loop_new(NULL, FALSE);
    monitor.guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)guest_view_free);

    /* first listen, then look, so that nothing is missed between */
    subscriptions[0] = subscribe(&monitor, DYNMEM_BUS_INTERFACE_MANAGER, "Event", DYNMEM_BUS_PATH, NULL, on_event);
    subscriptions[1] = subscribe(&monitor, "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL,
                                 DYNMEM_BUS_INTERFACE_GUEST, on_properties);
    subscriptions[2] = subscribe(&monitor, object_manager, "InterfacesAdded", DYNMEM_BUS_PATH, NULL, on_added);
    subscriptions[3] = subscribe(&monitor, object_manager, "InterfacesRemoved", DYNMEM_BUS_PATH, NULL, on_removed);
    guests = client_read_guests(bus, &monitor.error);
    if (guests != NULL) {
        remember_guests(&monitor, guests);
        if (options->legend && !options->json) {
            printf("Watching %u guest%s; ^C ends it.\n", guests->len, guests->len == 1 ? "" : "s");
            output_flush(&monitor.error);
        }
    }
    if (monitor.error == NULL)
        run(&monitor);

    for (size_t i = 0; i < G_N_ELEMENTS(subscriptions); i++)
        g_dbus_connection_signal_unsubscribe(bus, subscriptions[i]);
    g_hash_table_unref(monitor.guests);
    g_main_loop_unref(monitor.loop);
    if (monitor.error != NULL) {
        g_propagate_error(error, monitor.error);
        return false;
    }
    return true;
}
