/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_methods.h"

#include "cluster_json.h"
#include "error.h"
#include "methods.h"
#include "names.h"

struct ClusterMethods {
    ClusterPort port;
    BusCluster *cluster;
    const HeldTick *held;
    GCancellable *cancellable;
    PolkitQuestions questions;
};

static void
answer_error(GDBusMethodInvocation *invocation, const GError *error)
{
    bool invalid = g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID);
    g_autofree char *valid = g_utf8_make_valid(error->message, -1);

    g_dbus_method_invocation_return_dbus_error(invocation,
                                               invalid ? DYNMEM_BUS_ERROR_INVALID : DYNMEM_BUS_ERROR_REFUSED, valid);
}

/* Answers where there is nothing to be had yet, or ever. */
static bool
is_ready(ClusterMethods *methods, GDBusMethodInvocation *invocation)
{
    if (methods->port.status != NULL && held_tick_report(methods->held) != NULL)
        return true;
    method_refuse(invocation, "nothing is known of this host yet; try again in a moment");
    return false;
}

/* ---- Exchange, Withdraw ---- */

/* pairs is a(ss), and outlives what is returned. Of ClusterPair. */
static GArray *
read_pairs(GVariant *pairs)
{
    GArray *array = g_array_new(FALSE, TRUE, sizeof(ClusterPair));
    GVariantIter iter;
    ClusterPair pair;

    g_variant_iter_init(&iter, pairs);
    while (g_variant_iter_next(&iter, "(&s&s)", &pair.first, &pair.second))
        g_array_append_val(array, pair);
    return array;
}

static void
may_exchange(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    ClusterMethods *methods = data;
    GVariant *parameters = g_dbus_method_invocation_get_parameters(invocation);
    g_autoptr(GVariant) lines = NULL;
    g_autoptr(GVariant) resources = NULL;
    g_autoptr(GArray) line_pairs = NULL;
    g_autoptr(GArray) resource_pairs = NULL;
    g_autoptr(GError) error = NULL;
    ClusterExchange exchange = {.node = NULL};
    ClusterAnswer answer = {.line = NULL};

    if (refusal != NULL) {
        g_dbus_method_invocation_return_gerror(invocation, refusal);
        return;
    }
    if (!is_ready(methods, invocation))
        return;
    g_variant_get(parameters, "(&s@a(ss)@a(ss))", &exchange.node, &lines, &resources);
    line_pairs = read_pairs(lines);
    resource_pairs = read_pairs(resources);
    exchange.lines = (const ClusterPair *)(const void *)line_pairs->data;
    exchange.line_count = line_pairs->len;
    exchange.resources = (const ClusterPair *)(const void *)resource_pairs->data;
    exchange.resource_count = resource_pairs->len;
    if (!methods->port.exchange(methods->port.self, &exchange, &answer, &error)) {
        answer_error(invocation, error);
        return;
    }
    bus_cluster_complete_exchange(methods->cluster, invocation, answer.line, answer.room, answer.wish, answer.score);
    g_free(answer.line);
    cluster_methods_update(methods);
}

static gboolean
handle_exchange(BusCluster *cluster, GDBusMethodInvocation *invocation, const char *node, GVariant *lines,
                GVariant *resources, void *data)
{
    ClusterMethods *methods = data;

    authorize_self(invocation, methods->cancellable, may_exchange, methods);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
may_withdraw(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    ClusterMethods *methods = data;

    if (refusal != NULL) {
        g_dbus_method_invocation_return_gerror(invocation, refusal);
        return;
    }
    if (methods->port.withdraw != NULL)
        methods->port.withdraw(methods->port.self);
    bus_cluster_complete_withdraw(methods->cluster, invocation);
    cluster_methods_update(methods);
}

static gboolean
handle_withdraw(BusCluster *cluster, GDBusMethodInvocation *invocation, void *data)
{
    ClusterMethods *methods = data;

    authorize_self(invocation, methods->cancellable, may_withdraw, methods);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- Confirm, Status ---- */

static void
may_confirm(GDBusMethodInvocation *invocation, const GError *refusal, void *data)
{
    ClusterMethods *methods = data;
    g_autoptr(GError) error = NULL;
    const GuestPlan *guest;
    const char *text;

    if (!method_is_allowed(&methods->questions, invocation, refusal) || !is_ready(methods, invocation))
        return;
    g_variant_get(g_dbus_method_invocation_get_parameters(invocation), "(&s)", &text);
    guest = method_find_guest(invocation, methods->held, text);
    if (guest == NULL)
        return;
    if (methods->port.confirm(methods->port.self, guest->guest->uuid, &error))
        bus_cluster_complete_confirm(methods->cluster, invocation);
    else
        answer_error(invocation, error);
}

static gboolean
handle_confirm(BusCluster *cluster, GDBusMethodInvocation *invocation, const char *guest, void *data)
{
    ClusterMethods *methods = data;

    return method_ask_polkit(&methods->questions, invocation, may_confirm, methods);
}

static gboolean
handle_status(BusCluster *cluster, GDBusMethodInvocation *invocation, void *data)
{
    ClusterMethods *methods = data;
    g_auto(ClusterStatus) status = {0};
    g_autofree char *json = NULL;

    if (!is_ready(methods, invocation))
        return G_DBUS_METHOD_INVOCATION_HANDLED;
    cluster_status_init(&status);
    methods->port.status(methods->port.self, &status);
    json = cluster_json(&status, (uint64_t)g_get_monotonic_time(), (uint64_t)g_get_real_time());
    bus_cluster_complete_status(cluster, invocation, json);
    return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- life ---- */

ClusterMethods *
cluster_methods_new(const ClusterPort *port, const HeldTick *held, GCancellable *cancellable)
{
    ClusterMethods *methods = g_new0(ClusterMethods, 1);

    methods->port = *port;
    methods->held = held;
    methods->cancellable = cancellable;
    methods->questions.cancellable = cancellable;
    methods->cluster = bus_cluster_skeleton_new();
    g_signal_connect(methods->cluster, "handle-exchange", G_CALLBACK(handle_exchange), methods);
    g_signal_connect(methods->cluster, "handle-withdraw", G_CALLBACK(handle_withdraw), methods);
    g_signal_connect(methods->cluster, "handle-confirm", G_CALLBACK(handle_confirm), methods);
    g_signal_connect(methods->cluster, "handle-status", G_CALLBACK(handle_status), methods);
    cluster_methods_update(methods);
    return methods;
}

void
cluster_methods_free(ClusterMethods *methods)
{
    if (methods == NULL)
        return;
    g_signal_handlers_disconnect_by_data(methods->cluster, methods);
    g_object_unref(methods->cluster);
    g_free(methods);
}

GDBusInterfaceSkeleton *
cluster_methods_skeleton(ClusterMethods *methods)
{
    return G_DBUS_INTERFACE_SKELETON(methods->cluster);
}

void
cluster_methods_update(ClusterMethods *methods)
{
    const ClusterPort *port = &methods->port;
    const char *level = port->level != NULL ? port->level(port->self) : "off";
    gboolean joined = port->joined != NULL && port->joined(port->self);

    if (g_strcmp0(level, bus_cluster_get_level(methods->cluster)) != 0)
        bus_cluster_set_level(methods->cluster, level);
    if (joined != bus_cluster_get_joined(methods->cluster))
        bus_cluster_set_joined(methods->cluster, joined);
}
