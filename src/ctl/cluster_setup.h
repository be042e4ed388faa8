/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* dm-ctl cluster setup: what is missing or wrong in the cluster, the commands that mend it, and what would come of them. */

#include "cluster_change.h"
#include "ctl.h"

typedef struct ClusterSetup {
    const char *cib;   /* a file that is looked at instead of the cluster; NULL: none */
    const char *agent; /* as in ClusterWanted, as the next two */
    const char *guests;
    bool capacities;
    ClusterShell shell; /* whose commands are printed */
    bool apply;         /* do it, too */
} ClusterSetup;

/*
 * Prints all that. Changes nothing but with apply, and that only where none of it moves, stops or starts a guest. Returns false and sets
 * error where something is left that the commands do not mend, or could not be done.
 */
bool cluster_setup(const CtlOptions *options, const ClusterSetup *setup, GError **error);
