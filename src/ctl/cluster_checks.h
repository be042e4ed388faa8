/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is missing or wrong in the configuration of a cluster whose guests dynmem is to move, and what would mend it. */

#include "checks.h"
#include "cluster_change.h"

typedef struct ClusterWanted {
    const char *agent;      /* of the resources that are guests */
    const char *guests;     /* a pattern for their names, as of cluster_constraints_xml; NULL: their names themselves */
    bool capacities;        /* placement by what guests can't be without, too */
    const GPtrArray *lines; /* of ClusterLine: what hosts have published; empty where that is not known */
} ClusterWanted;

/* Adds to checks (of Check) and to changes (as of cluster_changes_new) what is found. */
void cluster_checks_run(Cib *cib, const ClusterWanted *wanted, GPtrArray *checks, GPtrArray *changes);

/* ---- the parts of it ---- */

/* Guests that can be moved at all, of const CibGuest * that live as long as those of cib. Caller unrefs. */
GPtrArray *cluster_checks_guests(Cib *cib, const ClusterWanted *wanted, GPtrArray *checks);
void cluster_checks_capacities(Cib *cib, const ClusterWanted *wanted, const GPtrArray *guests, GPtrArray *checks,
                               GPtrArray *changes);
/* Adds one, with the names (of char *) that it is about; nothing where there are none. */
void cluster_checks_names(GPtrArray *checks, const char *name, CheckLevel level, const char *text,
                          const GPtrArray *names, const char *advice);
