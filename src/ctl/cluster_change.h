/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to be changed in the configuration of a cluster: as commands of pcs and of crmsh, and as XML that cibadmin merges. */

#include "cib.h"

#include <stdint.h>

/* The steps of setup, in their order: so made, none does harm before the next one is. */
typedef enum SetupStep {
    SETUP_STEP_HOSTS,       /* capacities */
    SETUP_STEP_GUESTS,      /* how they stay, and how they are migrated */
    SETUP_STEP_CONSTRAINTS, /* from now on what hosts publish counts */
    SETUP_STEP_AGENT,       /* from now on they publish */
    SETUP_STEP_STRATEGY,    /* from now on capacities count */
} SetupStep;
#define SETUP_STEPS (SETUP_STEP_STRATEGY + 1)

/* "hosts", "guests", "constraints", "agent", "strategy". Never NULL. */
const char *setup_step_name(SetupStep step);

typedef enum ClusterShell {
    CLUSTER_SHELL_PCS,
    CLUSTER_SHELL_CRMSH,
} ClusterShell;
#define CLUSTER_SHELLS (CLUSTER_SHELL_CRMSH + 1)

typedef struct ClusterChange {
    SetupStep step;
    char *commands[CLUSTER_SHELLS]; /* a line each, or a few */
    char *xml;                      /* what stands inside <configuration> */
} ClusterChange;

/* Empty array of ClusterChange. Caller unrefs. */
GPtrArray *cluster_changes_new(void);

/* Each adds one. A guest must stand alone (parent NULL, not cloned). */
void cluster_change_meta(GPtrArray *changes, const Cib *cib, const CibGuest *guest, const char *name,
                         const char *value);
/* timeout, on_fail: NULL leaves it. */
void cluster_change_operation(GPtrArray *changes, const Cib *cib, const CibGuest *guest, const char *operation,
                              const char *timeout, const char *on_fail);
void cluster_change_need(GPtrArray *changes, const Cib *cib, const CibGuest *guest, uint64_t need);
void cluster_change_capacity(GPtrArray *changes, const Cib *cib, const char *host, uint64_t capacity);
void cluster_change_property(GPtrArray *changes, const Cib *cib, SetupStep step, const char *name, const char *value);
/* guests: as of cluster_constraints_xml; those that there are are replaced. */
void cluster_change_constraints(GPtrArray *changes, const Cib *cib, const char *guests);
/* The clone that runs ocf:dynmem:host; of another agent of guests than VirtualDomain it is told. */
void cluster_change_agent(GPtrArray *changes, const char *guest_agent);

/* The XML of all changes of a step for cibadmin; NULL: there are none. Caller frees. */
char *cluster_changes_xml(const GPtrArray *changes, SetupStep step);
