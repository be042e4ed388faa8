/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* dm-ctl's side of org.dynmem1.Cluster, as of client.h: each blocks, with the errors that are named there. */

#include "client.h"

#include <stdint.h>

/* What dynmemd has this host publish. */
typedef struct ClusterReply {
    char *line;
    uint32_t room;
    char *wish; /* a resource; "": none */
    uint32_t score;
} ClusterReply;

void cluster_reply_clear(ClusterReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ClusterReply, cluster_reply_clear)

/* lines and resources are a(ss), floating or not. *reply is filled where it succeeds. */
bool client_cluster_exchange(GDBusConnection *bus, const char *node, GVariant *lines, GVariant *resources,
                             ClusterReply *reply, GError **error);

/* This host takes part in no motion any more. */
bool client_cluster_withdraw(GDBusConnection *bus, GError **error);

/* The move of that guest may be made; polkit may ask for a password. */
bool client_cluster_confirm(GDBusConnection *bus, const char *guest, GError **error);

/* One JSON object. Caller frees. */
char *client_cluster_status(GDBusConnection *bus, GError **error);
