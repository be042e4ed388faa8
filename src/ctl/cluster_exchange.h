/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the cluster's agent has done every few seconds, and when it stops: between dynmemd and the cluster. Only root may. */

#include "cib.h"

/*
 * One exchange: dynmemd is told what all hosts have published and which guests the cluster may move, and what it answers is
 * published. agent: of the resources that are guests. Where it fails (errors as of client.h and cluster_tool.h), all is withdrawn
 * as cluster_withdraw does.
 */
bool cluster_exchange(const char *agent, GError **error);

/*
 * Takes back what this host has published, and dynmemd's part in a motion; where there is no dynmemd too. A wish whose guest is on
 * its way stays, and with it the line that tells of it: without a wish the cluster would take the guest back, stopping it. Such an
 * end is waited for so many seconds. Returns false and sets error where something could not be taken back.
 */
bool cluster_withdraw(unsigned wait_sec, GError **error);

/*
 * Whether the wish of that host for that resource must stay: as the cluster has it, or as the hosts say (lines, of ClusterLine),
 * its guest is on its way there, and not seen running there yet.
 */
bool cluster_wish_stays(const Cib *cib, const GPtrArray *lines, const char *host, const char *resource);
