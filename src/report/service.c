/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include "bus_guests.h"
#include "bus_limit.h"
#include "cluster_methods.h"
#include "dynmem-bus.h"
#include "explain.h"
#include "guest_search.h"
#include "history_reply.h"
#include "methods.h"
#include "names.h"
#include "paging_view.h"
#include "settings_methods.h"
#include "start_methods.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

/* Seconds to the next try after the bus went away: doubled each time, up to the last one. */
#define FIRST_RETRY_SEC 1
#define LAST_RETRY_SEC 30
/* Nobody who starts waits longer than that for a bus; it may still come. */
#define BUS_SEC 10
/* So long the bus has to say who has the name. */
#define OWNER_MSEC 5000

struct Service {
    ServiceOptions options;
    GCancellable *cancellable;
    GDBusConnection *connection; /* NULL while the bus is away */
    unsigned long closed_id;
    unsigned name_id;
    unsigned retry_id;
    unsigned retry_sec;
    unsigned late_id;
    PolkitQuestions questions;
    bool settled;
    bool owned;
    GDBusObjectManagerServer *objects;
    BusManager *manager;
    BusGuests *guests;
    BusLimit *limit;
    StartMethods *starts;
    SettingsMethods *settings;
    ClusterMethods *cluster;
    uint64_t told_usec;
    uint64_t told_budget_kib;
    uint64_t told_available_kib;
    uint64_t told_wants_kib;
};

static void
settle(Service *service, bool owned, bool taken, const char *why)
{
    /* that another daemon has it is news also where there was no bus before */
    if (service->settled && service->owned == owned && !taken)
        return;
    service->settled = true;
    service->owned = owned;
    if (service->options.settled != NULL)
        service->options.settled(service->options.user_data, owned, taken, why);
}

/* ---- methods ---- */

static gboolean
handle_explain(BusManager *manager, GDBusMethodInvocation *invocation, const char *text, void *data)
{
    Service *service = data;
    const GuestPlan *guest = method_find_guest(invocation, service->options.held, text);
    g_autofree char *json = NULL;

    if (guest == NULL)
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    json = explain_guest(guest, held_tick_report(service->options.held));
    bus_manager_complete_explain(manager, invocation, json);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Of a guest that is gone too. */
static gboolean
handle_history(BusManager *manager, GDBusMethodInvocation *invocation, const char *text, uint64_t seconds, void *data)
{
    Service *service = data;
    g_autoptr(GError) error = NULL;
    const GuestPlan *guest = guest_search(held_tick_report(service->options.held), text, &error);
    HistoryOwner owner;

    if (guest != NULL)
        owner = (HistoryOwner){.uuid = guest->guest->uuid, .name = guest->guest->name};
    else if (error->code == GUEST_SEARCH_AMBIGUOUS || !history_find(service->options.history, text, &owner)) {
        method_no_guest(invocation, error);
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
    bus_manager_complete_history(manager, invocation,
                                 history_reply(service->options.history, &owner, seconds, history_clock_usec()));
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
reload_authorized(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    Service *service = data;

    if (!method_is_allowed(&service->questions, invocation, refusal))
        return;
    if (service->options.reload != NULL)
        service->options.reload(service->options.user_data);
    bus_manager_complete_reload(service->manager, invocation);
}

static gboolean
handle_reload(BusManager *manager, GDBusMethodInvocation *invocation, void *data)
{
    Service *service = data;

    return method_ask_polkit(&service->questions, invocation, reload_authorized, service);
}

/* Who asks dynmemd to end for good: told, as it is done to all guests. */
typedef struct Asker {
    Service *service;
    GDBusMethodInvocation *invocation;
} Asker;

static Asker *
asker_new(Service *service, GDBusMethodInvocation *invocation)
{
    Asker *asker = g_new(Asker, 1);

    *asker = (Asker){.service = service, .invocation = g_object_ref(invocation)};
    return asker;
}

static void
retire_asker_known(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree Asker *asker = data;
    g_autoptr(GDBusMethodInvocation) invocation = asker->invocation;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_autofree char *who = NULL;
    uint32_t user;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        method_refuse(invocation, "dynmemd is stopping"); /* service is gone */
        return;
    }
    if (reply == NULL) {
        who = g_strdup("somebody who has left the bus");
    } else {
        g_variant_get(reply, "(u)", &user);
        who = user == 0 ? g_strdup("root") : g_strdup_printf("user %" PRIu32, user);
    }
    asker->service->options.retire(asker->service->options.user_data, who);
    bus_manager_complete_retire(asker->service->manager, invocation);
}

static void
retire_authorized(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    Service *service = data;

    if (!method_is_allowed(&service->questions, invocation, refusal))
        return;
    g_dbus_connection_call(g_dbus_method_invocation_get_connection(invocation), "org.freedesktop.DBus",
                           "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                           g_variant_new("(s)", g_dbus_method_invocation_get_sender(invocation)), G_VARIANT_TYPE("(u)"),
                           G_DBUS_CALL_FLAGS_NONE, -1, service->cancellable, retire_asker_known,
                           asker_new(service, invocation));
}

static gboolean
handle_retire(BusManager *manager, GDBusMethodInvocation *invocation, void *data)
{
    Service *service = data;

    if (service->options.retire != NULL)
        return method_ask_polkit(&service->questions, invocation, retire_authorized, service);
    method_refuse(invocation, "this daemon changes nothing in any guest");
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- connection and name ---- */

static void connect_start(Service *service);

static gboolean
retry(void *data)
{
    Service *service = data;

    service->retry_id = 0;
    connect_start(service);
    return G_SOURCE_REMOVE;
}

static gboolean
is_late(void *data)
{
    Service *service = data;

    service->late_id = 0;
    if (!service->settled)
        settle(service, false, false, "the bus does not answer");
    return G_SOURCE_REMOVE;
}

static void
retry_later(Service *service)
{
    service->retry_id = g_timeout_add_seconds(service->retry_sec, retry, service);
    service->retry_sec = MIN(service->retry_sec * 2, LAST_RETRY_SEC);
}

static void
connection_drop(Service *service)
{
    if (service->connection == NULL)
        return;
    if (service->name_id != 0)
        g_bus_unown_name(service->name_id);
    service->name_id = 0;
    g_signal_handler_disconnect(service->connection, service->closed_id);
    g_dbus_object_manager_server_set_connection(service->objects, NULL);
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(service->manager));
    g_dbus_interface_skeleton_unexport(cluster_methods_skeleton(service->cluster));
    g_clear_object(&service->connection);
}

static void
connection_closed(GDBusConnection *connection, gboolean vanished, GError *error, void *data)
{
    Service *service = data;
    g_autofree char *why =
        g_strdup_printf("the bus is away: %s", error != NULL ? error->message : "it closed the connection");

    connection_drop(service);
    settle(service, false, false, why);
    retry_later(service);
}

static void
name_acquired(GDBusConnection *connection, const char *name, void *data)
{
    Service *service = data;

    service->retry_sec = FIRST_RETRY_SEC;
    settle(service, true, false, NULL);
}

/* Who has the name, in words for people who may have started a second daemon by hand. It is about to end, and may wait. */
static char *
name_owner_text(GDBusConnection *connection, const char *owner)
{
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_sync(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                    "GetConnectionUnixProcessID", g_variant_new("(s)", owner), G_VARIANT_TYPE("(u)"),
                                    G_DBUS_CALL_FLAGS_NONE, OWNER_MSEC, NULL, NULL);
    uint32_t process = 0;

    if (reply == NULL)
        return g_strdup("another dynmemd runs, and has the bus name " DYNMEM_BUS_NAME);
    g_variant_get(reply, "(u)", &process);
    return g_strdup_printf("another dynmemd runs, process %" PRIu32 ", and has the bus name " DYNMEM_BUS_NAME, process);
}

/* A bus that goes away, or that does not answer, has given the name to nobody else. */
static void
owner_known(GObject *source, GAsyncResult *result, void *data)
{
    GDBusConnection *connection = G_DBUS_CONNECTION(source);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(connection, result, &error);
    g_autofree char *why = NULL;
    Service *service = data;
    const char *owner = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || service->connection != connection)
        return; /* service is gone, or connection_closed has seen to it */
    if (reply != NULL)
        g_variant_get(reply, "(&s)", &owner);
    if (owner != NULL && strcmp(owner, g_dbus_connection_get_unique_name(connection)) != 0)
        why = name_owner_text(connection, owner);
    else if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
        why =
            g_strdup("the bus name " DYNMEM_BUS_NAME " is not to be had: the policy of the bus lets only root have it");
    if (why != NULL)
        settle(service, false, true, why);
    else
        g_dbus_connection_close(connection, NULL, NULL, NULL); /* and connection_closed goes on */
}

static void
name_lost(GDBusConnection *connection, const char *name, void *data)
{
    Service *service = data;

    /* connection is NULL when it closed: that is connection_closed's */
    if (connection != NULL)
        g_dbus_connection_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "GetNameOwner", g_variant_new("(s)", name), G_VARIANT_TYPE("(s)"),
                               G_DBUS_CALL_FLAGS_NONE, OWNER_MSEC, service->cancellable, owner_known, service);
}

static bool
export_interfaces(Service *service, GDBusConnection *connection, GError **error)
{
    GDBusInterfaceSkeleton *manager = G_DBUS_INTERFACE_SKELETON(service->manager);
    GDBusInterfaceSkeleton *cluster = cluster_methods_skeleton(service->cluster);

    return g_dbus_interface_skeleton_export(manager, connection, DYNMEM_BUS_PATH, error) &&
           g_dbus_interface_skeleton_export(cluster, connection, DYNMEM_BUS_PATH, error);
}

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = g_dbus_connection_new_for_address_finish(result, &error);
    Service *service = data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* service is gone */
    if (connection != NULL)
        bus_limit_watch(service->limit, connection);
    /* one that has closed by now says so to nobody any more */
    if (connection == NULL || g_dbus_connection_is_closed(connection) ||
        !export_interfaces(service, connection, &error)) {
        g_autofree char *why =
            g_strdup_printf("no connection to the bus: %s", error != NULL ? error->message : "it was closed at once");

        settle(service, false, false, why);
        retry_later(service);
        return;
    }
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    service->closed_id = g_signal_connect(connection, "closed", G_CALLBACK(connection_closed), service);
    g_dbus_object_manager_server_set_connection(service->objects, connection);
    service->name_id = g_bus_own_name_on_connection(connection, DYNMEM_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                                    name_acquired, name_lost, service, NULL);
    service->connection = g_steal_pointer(&connection);
}

/* A connection of its own: the shared one ends the process when the bus goes away, and never comes back. */
static void
connect_start(Service *service)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = g_dbus_address_get_for_bus_sync(service->options.bus_type, NULL, &error);

    if (address == NULL) {
        g_autofree char *why = g_strdup_printf("there is no bus: %s", error->message);

        settle(service, false, false, why);
        retry_later(service);
        return;
    }
    g_dbus_connection_new_for_address(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        service->cancellable, connected, service);
}

Service *
service_new(const ServiceOptions *options)
{
    Service *service = g_new0(Service, 1);

    service->options = *options;
    service->cancellable = g_cancellable_new();
    service->questions.cancellable = service->cancellable;
    service->retry_sec = FIRST_RETRY_SEC;
    service->objects = g_dbus_object_manager_server_new(DYNMEM_BUS_PATH);
    service->guests = bus_guests_new(service->objects);
    service->limit = bus_limit_new();
    service->manager = bus_manager_skeleton_new();
    bus_manager_set_version(service->manager, DYNMEM_VERSION);
    bus_manager_set_dry_run(service->manager, options->dry_run);
    bus_manager_set_minimums_fit(service->manager, TRUE);
    bus_manager_set_budget_limit(service->manager, budget_limit_name(BUDGET_BY_TOTAL));
    service_set_link(service, WORLD_LINK_DOWN, "not connected yet");
    g_signal_connect(service->manager, "handle-explain", G_CALLBACK(handle_explain), service);
    g_signal_connect(service->manager, "handle-history", G_CALLBACK(handle_history), service);
    g_signal_connect(service->manager, "handle-reload", G_CALLBACK(handle_reload), service);
    g_signal_connect(service->manager, "handle-retire", G_CALLBACK(handle_retire), service);
    service->starts = start_methods_new(service->manager, options->methods, options->held, service->cancellable);
    service->settings = settings_methods_new(service->manager, options->methods, options->held, service->cancellable);
    service->cluster = cluster_methods_new(&options->methods->cluster, options->held, service->cancellable);
    /* as for the guests: properties are told when service_update lets them go */
    g_object_freeze_notify(G_OBJECT(service->manager));
    service->late_id = g_timeout_add_seconds(BUS_SEC, is_late, service);
    connect_start(service);
    return service;
}

void
service_free(Service *service)
{
    if (service == NULL)
        return;
    g_cancellable_cancel(service->cancellable);
    g_clear_handle_id(&service->late_id, g_source_remove);
    if (service->retry_id != 0)
        g_source_remove(service->retry_id);
    if (service->connection != NULL) {
        g_autoptr(GDBusConnection) connection = g_object_ref(service->connection);

        connection_drop(service);
        g_dbus_connection_close(connection, NULL, NULL, NULL);
    }
    start_methods_free(service->starts);
    settings_methods_free(service->settings);
    cluster_methods_free(service->cluster);
    bus_guests_free(service->guests);
    bus_limit_free(service->limit);
    g_signal_handlers_disconnect_by_data(service->manager, service);
    g_object_unref(service->manager);
    g_object_unref(service->objects);
    g_object_unref(service->cancellable);
    g_free(service);
}

/* ---- the manager's properties ---- */

static void
manager_flush(Service *service)
{
    g_object_thaw_notify(G_OBJECT(service->manager));
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(service->manager));
    g_object_freeze_notify(G_OBJECT(service->manager));
}

void
service_set_link(Service *service, WorldLink link, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    bus_manager_set_link(service->manager, world_link_name(link));
    bus_manager_set_link_text(service->manager, valid);
}

static unsigned
count_starts(const Plan *plan, StartVerdict verdict)
{
    unsigned count = 0;

    for (size_t i = 0; i < plan->start_count; i++)
        count += plan->starts[i].verdict == verdict;
    return count;
}

/* Starts and paging files. Returns whether anything is not as it was. */
static bool
update_starts(Service *service, const TickReport *report)
{
    const Plan *plan = report->plan;
    BusManager *manager = service->manager;
    uint64_t reserved = bytes_from_kib(plan->reserved_kib);
    unsigned waiting = count_starts(plan, START_WAITS);
    unsigned admitted = count_starts(plan, START_ADMITTED);
    unsigned files = (unsigned)report->snapshot->file_count;
    g_autofree char *bar = g_utf8_make_valid(paging_view_bar(report), -1);
    g_autofree char *limit_bar = g_utf8_make_valid(limit_view_bar(report), -1);
    bool other = reserved != bus_manager_get_reserved(manager) || waiting != bus_manager_get_starts_waiting(manager) ||
                 admitted != bus_manager_get_starts_admitted(manager) ||
                 files != bus_manager_get_paging_files(manager) ||
                 g_strcmp0(bar, bus_manager_get_paging_bar(manager)) != 0 ||
                 g_strcmp0(limit_bar, bus_manager_get_limit_bar(manager)) != 0;

    if (other)
        g_object_set(manager, "reserved", reserved, "starts-waiting", waiting, "starts-admitted", admitted,
                     "paging-files", files, "paging-bar", bar, "limit-bar", limit_bar, NULL);
    return other;
}

void
service_update(Service *service, const TickReport *report)
{
    const Plan *plan = report->plan;
    const HostSnapshot *host = &report->snapshot->host;
    BusManager *manager = service->manager;
    bool tell;

    tell = update_starts(service, report) ||
           bytes_from_kib(plan->committed_kib) != bus_manager_get_committed(manager) ||
           plan->over_budget != (bool)bus_manager_get_over_budget(manager) ||
           plan->minimums_fit != (bool)bus_manager_get_minimums_fit(manager) ||
           plan->host_pressure != (bool)bus_manager_get_host_pressure(manager) ||
           report->settings->retiring != (bool)bus_manager_get_retiring(manager) ||
           g_strcmp0(world_link_name(host->link), bus_manager_get_link(manager)) != 0 ||
           moving_figure_jumped(service->told_budget_kib, plan->budget_kib) ||
           moving_figure_jumped(service->told_available_kib, host->figures.available_kib) ||
           moving_figure_jumped(service->told_wants_kib, plan->wants_kib) ||
           report->now_usec - service->told_usec >= MOVING_FIGURES_USEC;

    g_object_set(manager, "ticks", report->tick, "budget", bytes_from_kib(plan->budget_kib), "budget-limit",
                 budget_limit_name(plan->budget_limit), "committed", bytes_from_kib(plan->committed_kib), "free",
                 bytes_from_kib(plan->free_kib), "lent", bytes_from_kib(plan->lent_kib), "reserve",
                 bytes_from_kib(plan->reserve_kib), "overhead", bytes_from_kib(plan->overhead_kib), "other",
                 bytes_from_kib(plan->other_kib), "total", bytes_from_kib(host->figures.total_kib), "available",
                 bytes_from_kib(host->figures.available_kib), "arc", bytes_from_kib(host->figures.arc_kib), "pressure",
                 plan->pressure_percent, "demand", bytes_from_kib(plan->demands_kib), "want",
                 bytes_from_kib(plan->wants_kib), "over-budget", (gboolean)plan->over_budget, "minimums-fit",
                 (gboolean)plan->minimums_fit, "host-pressure", (gboolean)plan->host_pressure, "retiring",
                 (gboolean)report->settings->retiring, "link", world_link_name(host->link), NULL);
    if (tell) {
        manager_flush(service);
        service->told_usec = report->now_usec;
        service->told_budget_kib = plan->budget_kib;
        service->told_available_kib = host->figures.available_kib;
        service->told_wants_kib = plan->wants_kib;
    }
    bus_guests_update(service->guests, report);
    cluster_methods_update(service->cluster);
}

/* Kinds that have a signal of their own besides Event. */
static void
emit_own_signal(BusManager *manager, const Change *change)
{
    uint64_t old_size = bytes_from_kib(change->old_kib);
    uint64_t new_size = bytes_from_kib(change->new_kib);
    uint64_t size = bytes_from_kib(change->size_kib);

    if (change->kind == CHANGE_TARGET_CHANGED)
        bus_manager_emit_target_changed(manager, change->uuid, change->name, old_size, new_size, change->reason);
    else if (change->kind == CHANGE_GUEST_STUCK)
        bus_manager_emit_guest_stuck(manager, change->uuid, change->name, new_size, old_size, change->reason);
    else if (change->kind == CHANGE_PAGING_STARTED)
        bus_manager_emit_paging_started(manager, change->uuid, change->name, size,
                                        bytes_from_kib(change->shortfall_kib), change->directory, change->reason);
    else if (change->kind == CHANGE_PAGING_ENDED)
        bus_manager_emit_paging_ended(manager, change->uuid, change->name, size, bytes_from_kib(change->peak_kib),
                                      change->age_usec);
    else if (change->kind == CHANGE_PAGING_OVERDUE)
        bus_manager_emit_paging_overdue(manager, change->uuid, change->name, size, bytes_from_kib(change->used_kib),
                                        change->age_usec, change->directory, change->reason);
    else if (change->kind == CHANGE_START_REFUSED)
        bus_manager_emit_admission_refused(manager, change->uuid, change->name, bytes_from_kib(change->needed_kib),
                                           bytes_from_kib(change->free_kib), bytes_from_kib(change->reclaimable_kib),
                                           change->reason);
}

void
service_emit(Service *service, const Change *change)
{
    uint64_t old_size = bytes_from_kib(change->old_kib);
    uint64_t new_size = bytes_from_kib(change->new_kib);

    if (service->connection == NULL)
        return;
    emit_own_signal(service->manager, change);
    bus_manager_emit_event(service->manager, change_kind_name(change->kind), change->uuid, change->name, old_size,
                           new_size, change->reason, change->message);
}
