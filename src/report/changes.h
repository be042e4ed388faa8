/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happened between two ticks that an administrator may want to know. Worked out once; journal, D-Bus signals
 * and whatever else shows events consume this list and nothing else.
 */

#include "change.h"
#include "cluster_port.h"
#include "config_problem.h"

typedef struct Changes Changes;

Changes *changes_new(void);
void changes_free(Changes *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Changes, changes_free)

/*
 * What is new in now against before, the tick before it (NULL for the first one). Conditions that come
 * and go by themselves (a status, an exceeded budget) are told only once they lasted. Returns an array of Change,
 * empty in most ticks, owned by changes and valid until the next call of any of these functions.
 */
const GPtrArray *changes_compare(Changes *changes, const TickReport *before, const TickReport *now);

/*
 * The same for the connection to libvirt; text is one line on it. That there is none right at the start is told by
 * changes_compare, once it lasted.
 */
const GPtrArray *changes_link(Changes *changes, WorldLink link, const char *text);

/*
 * All guests are to get their startup memory back from now on, asked for by who ("root", "user 1000"). before is the last tick, or
 * NULL. Told once, until the settings of a tick are not retiring any more, which is told by changes_compare.
 */
const GPtrArray *changes_retire(Changes *changes, const TickReport *before, const char *who);

/* What a cluster does with a guest; detail is one clause for people, or "". */
const GPtrArray *changes_move(Changes *changes, ClusterNews news, const ClusterMotion *motion, const char *detail);

/* Each line of the configuration that was not used. */
const GPtrArray *changes_config(Changes *changes, const GPtrArray *problems);
