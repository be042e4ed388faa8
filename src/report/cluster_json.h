/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer of the method Status of the cluster. */

#include "cluster_port.h"

/*
 * One JSON object, sizes in bytes, times in microseconds since 1970; data/org.dynmem1.xml names its members. now_usec is of
 * the monotonic clock, clock_usec the same moment since 1970. Caller frees.
 */
char *cluster_json(const ClusterStatus *status, uint64_t now_usec, uint64_t clock_usec);
