/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Pacemaker's own scheduler would do with a cluster, asked of crm_simulate. Errors as of cluster_tool.h. */

#include <glib.h>
#include <stdbool.h>

/* Its actions on resources, of char * for people ("migrate web from a to b"), for the CIB in that file. Caller unrefs. */
GPtrArray *cluster_simulate(const char *cib_path, GError **error);

/* Those of after that are not in before, but the starts of dynmem's own agent. Caller unrefs; valid as long as after. */
GPtrArray *cluster_simulate_new(const GPtrArray *before, const GPtrArray *after);
