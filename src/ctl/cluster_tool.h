/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pacemaker's own programs (packages pacemaker-cli-utils of Debian, pacemaker-cli of Red Hat): what is asked of the cluster and told
 * to it goes through them, so that dynmem is linked with nothing of it. Errors: DYNMEM_ERROR_UNSUPPORTED where a program is not
 * installed, DYNMEM_ERROR_FAILED where it fails, with what it says.
 */

#include <glib.h>
#include <stdbool.h>

/* Finds programs also where only root's path has them. Before all others. */
void cluster_tool_init(void);

/*
 * Runs a program; words ends with NULL, input is what it reads or NULL, cib a file that stands for the cluster, or NULL. Returns
 * what it prints. Caller frees.
 */
char *cluster_tool_run(const char *const *words, const char *input, const char *cib, GError **error);

/* The configuration and state of the cluster that this host is in, as XML. Caller frees. */
char *cluster_tool_read_cib(GError **error);

/* What this host is called in the cluster. Caller frees. */
char *cluster_tool_read_node(GError **error);

/* What a host has published for the others. */
typedef struct ClusterLine {
    char *host;
    char *line;
} ClusterLine;

/* The lines of all hosts that have one, of ClusterLine. Caller unrefs. */
GPtrArray *cluster_tool_read_lines(GError **error);
