/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happened between two ticks that an administrator may want to know. Worked out once; journal, D-Bus signals
 * and whatever else shows events consume this list and nothing else.
 */

#include "config_problem.h"
#include "outcome.h"

typedef enum ChangeKind {
    CHANGE_TARGET_CHANGED,
    CHANGE_TARGET_FAILED,
    CHANGE_STATE_CHANGED,
    CHANGE_GUEST_STUCK,
    CHANGE_GUEST_RECOVERED,
    CHANGE_GUEST_UNRESPONSIVE,
    CHANGE_GUEST_BACK,
    CHANGE_GUEST_STATIC,
    CHANGE_GUEST_RESET,
    CHANGE_STATUS_WARNING,
    CHANGE_STATUS_OK,
    CHANGE_STATISTICS_DOUBTED,
    CHANGE_SETTINGS_REJECTED,
    CHANGE_SETTINGS_ACCEPTED,
    CHANGE_CONFIG_REJECTED,
    CHANGE_MINIMUMS_DO_NOT_FIT,
    CHANGE_MINIMUMS_FIT,
    CHANGE_OVER_BUDGET,
    CHANGE_WITHIN_BUDGET,
    CHANGE_LIBVIRT_LOST,
    CHANGE_LIBVIRT_BACK,
    CHANGE_KIND_COUNT,
} ChangeKind;

/* A short stable name, as the signal Event has it: "target-changed". */
const char *change_kind_name(ChangeKind kind);
/* Its MESSAGE_ID. */
const char *change_kind_message_id(ChangeKind kind);
/* LOG_WARNING, LOG_NOTICE, … of <syslog.h>. */
int change_kind_priority(ChangeKind kind);

typedef struct Change {
    ChangeKind kind;
    char uuid[37]; /* "" where it concerns the host */
    char *name;    /* "" likewise */
    uint64_t old_kib;
    uint64_t new_kib; /* both 0 where there are none */
    char *reason;     /* the cause alone, or "" */
    char *message;    /* all of it, understandable alone */
} Change;

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

/* Each line of the configuration that was not used. */
const GPtrArray *changes_config(Changes *changes, const GPtrArray *problems);
