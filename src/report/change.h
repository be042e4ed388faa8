/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One thing that happened and that an administrator may want to know. */

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
    CHANGE_GUEST_RESTARTED,
    CHANGE_START_WAITING,
    CHANGE_START_ADMITTED,
    CHANGE_START_REFUSED,
    CHANGE_START_DROPPED,
    CHANGE_PAGING_STARTED,
    CHANGE_PAGING_ENDED,
    CHANGE_PAGING_HARDER,
    CHANGE_PAGING_HARDEST,
    CHANGE_PAGING_OVERDUE,
    CHANGE_PAGING_REFUSED,
    CHANGE_PAGING_STUCK,
    CHANGE_PAGING_UNAVAILABLE,
    CHANGE_LIMIT_FAILED,
    CHANGE_LIMITS_UNAVAILABLE,
    CHANGE_GUEST_HELD_BACK,
    CHANGE_BALLOON_MOVED,
    CHANGE_BALLOON_EMPTIED,
    CHANGE_BALLOON_REFILLED,
    CHANGE_ELEMENT_GONE,
    CHANGE_LETTING_GO,
    CHANGE_LET_GO,
    CHANGE_LET_BE,
    CHANGE_SQUEEZED_AGAIN,
    CHANGE_MEMORY_UNSEEN,
    CHANGE_GROUP_HOLDS_MORE,
    CHANGE_PERIOD_CHANGED,
    CHANGE_SETTINGS_ADVICE,
    CHANGE_SETTINGS_CHANGED,
    CHANGE_GUEST_RENAMED,
    CHANGE_RETIRING,
    CHANGE_RETIRING_ENDED,
    CHANGE_MOVE_OFFERED,
    CHANGE_MOVE_BOOKED,
    CHANGE_MOVE_WISHED,
    CHANGE_MOVE_LEFT,
    CHANGE_MOVE_ARRIVED,
    CHANGE_MOVE_WITHDRAWN,
    CHANGE_KIND_COUNT,
} ChangeKind;

/* A short stable name, as the signal Event has it: "target-changed". */
const char *change_kind_name(ChangeKind kind);
/* Its MESSAGE_ID. */
const char *change_kind_message_id(ChangeKind kind);
/* LOG_WARNING, LOG_NOTICE, … of <syslog.h>. */
int change_kind_priority(ChangeKind kind);

/* Figures that some kinds have besides. Those of the other group are 0. */
typedef enum ChangeFigures {
    CHANGE_FIGURES_NONE,
    CHANGE_FIGURES_PAGING, /* CHANGE_PAGING_... but CHANGE_PAGING_UNAVAILABLE */
    CHANGE_FIGURES_START,  /* CHANGE_START_... */
} ChangeFigures;

typedef struct Change {
    ChangeKind kind;
    char uuid[37]; /* "" where it concerns the host */
    char *name;    /* "" likewise */
    uint64_t old_kib;
    uint64_t new_kib; /* both 0 where there are none */
    char *reason;     /* the cause alone, or "" */
    char *message;    /* all of it, understandable alone */

    /* CHANGE_FIGURES_PAGING */
    uint64_t size_kib; /* of the file */
    uint64_t used_kib;
    uint64_t peak_kib; /* most that was used */
    uint64_t shortfall_kib;
    uint64_t age_usec;
    char *directory; /* "" where there is none */
    /* CHANGE_FIGURES_START */
    uint64_t needed_kib; /* overhead included */
    uint64_t free_kib;
    uint64_t reclaimable_kib;
} Change;

/* Which of these a kind has. */
ChangeFigures change_kind_figures(ChangeKind kind);

/* A copy with strings of its own, and its end; *copy need not be clear before. */
void change_copy(const Change *change, Change *copy);
void change_clear(Change *change);

/* A list of Change that owns them. */
GPtrArray *change_list_new(void);

/*
 * Appends a change. message is taken over, the rest copied; uuid and name are "" where it concerns the host. Returns
 * it, owned by list, for the sizes to be filled in.
 */
Change *change_list_add(GPtrArray *list, ChangeKind kind, const char *uuid, const char *name, const char *reason,
                        char *message);
Change *change_list_add_guest(GPtrArray *list, ChangeKind kind, const GuestPlan *guest, uint64_t old_kib,
                              uint64_t new_kib, const char *reason, char *message);

/* A condition that comes and goes by itself: told only once it lasted, and its end likewise. Zeroed: not there. */
typedef struct Lasting {
    bool told;           /* what the administrator believes */
    uint64_t since_usec; /* since when it is otherwise; 0: it is not */
} Lasting;

/*
 * How long a condition must have lasted. A guest that grows is short for a moment each time, and a process that
 * starts takes the host over its budget until the guests have made room.
 */
#define LASTING_USEC (UINT64_C(10) * 1000 * 1000)

/* Returns true when the administrator must be told that it is now otherwise; told is then what it is. */
bool lasting_update(Lasting *lasting, bool is, uint64_t now_usec);
