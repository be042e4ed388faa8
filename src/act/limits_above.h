/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * memory.max of the control groups that guests' groups lie in: machine.slice, partitions, a guest's scope. Guests of one
 * slice have one reading of it. Main thread only.
 */

#include "paging.h"
#include "system.h"

typedef struct LimitsAbove LimitsAbove;

LimitsAbove *limits_above_new(const ActSystem *system);
void limits_above_free(LimitsAbove *above);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LimitsAbove, limits_above_free)

/*
 * Fills groups for the guest with this group (as in LimitFiles). A group without a limit is read again when its reading is about
 * a second old, one with a limit in each tick. *kept counts the files open, see limit_file_read.
 */
void limits_above_read(LimitsAbove *above, const char *group, uint64_t now_usec, unsigned *kept, GroupsAbove *groups);

/* The same for whom libvirt puts into this partition. What is not there yet has no limit. */
void limits_above_of_partition(LimitsAbove *above, const char *partition, uint64_t now_usec, unsigned *kept,
                               GroupsAbove *groups);
