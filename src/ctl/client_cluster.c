/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client_cluster.h"

#include "names.h"

#define TIMEOUT_MSEC 10000

void
cluster_reply_clear(ClusterReply *reply)
{
    g_clear_pointer(&reply->line, g_free);
    g_clear_pointer(&reply->wish, g_free);
}

/* Takes parameters over. */
static GVariant *
call(GDBusConnection *bus, const char *method, GVariant *parameters, const char *type, GDBusCallFlags flags,
     int timeout_msec, GError **error)
{
    return client_call(bus, DYNMEM_BUS_INTERFACE_CLUSTER, method, parameters, type, flags, timeout_msec, error);
}

bool
client_cluster_exchange(GDBusConnection *bus, const char *node, GVariant *lines, GVariant *resources,
                        ClusterReply *reply, GError **error)
{
    g_autoptr(GVariant) said = call(bus, "Exchange", g_variant_new("(s@a(ss)@a(ss))", node, lines, resources), "(susu)",
                                    G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MSEC, error);

    if (said == NULL)
        return false;
    g_variant_get(said, "(susu)", &reply->line, &reply->room, &reply->wish, &reply->score);
    return true;
}

bool
client_cluster_withdraw(GDBusConnection *bus, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, "Withdraw", NULL, "()", G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MSEC, error);

    return reply != NULL;
}

bool
client_cluster_confirm(GDBusConnection *bus, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply =
        call(bus, "Confirm", g_variant_new("(s)", guest), "()", client_asking_flags(), G_MAXINT, error);

    return reply != NULL;
}

char *
client_cluster_status(GDBusConnection *bus, GError **error)
{
    g_autoptr(GVariant) reply = call(bus, "Status", NULL, "(s)", G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MSEC, error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}
