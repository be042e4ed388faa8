/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a host publishes for the others: one line of text, the value of one attribute of the cluster, so that nobody sees a
 * half of it. A line comes from another host and is not trusted: it is read strictly, or not at all.
 */

#include "settings.h"
#include <glib.h>

#include <stdbool.h>
#include <stdint.h>

/* Of a host or a resource, with its NUL. */
#define CLUSTER_NAME_SIZE 64
/* The longest line that is read. */
#define CLUSTER_LINE_MAX 1024
#define CLUSTER_STARS_MAX 5

/* What a host does with a guest that moves. At most one guest moves in the whole cluster. */
typedef enum ClusterPhase {
    CLUSTER_PHASE_IDLE,
    CLUSTER_PHASE_OFFERS, /* offers one of its guests to its partner */
    CLUSTER_PHASE_LEAVES, /* ... which is being migrated */
    CLUSTER_PHASE_BOOKS,  /* looks for the memory of a guest that its partner offers */
    CLUSTER_PHASE_WISHES, /* has booked it, has seen it free, and has asked the cluster to send the guest */
    CLUSTER_PHASE_COMES,  /* the guest is on its way here, or has come a moment ago */
} ClusterPhase;

/* "idle", "offers", "leaves", "books", "wishes", "comes". Never NULL. */
const char *cluster_phase_name(ClusterPhase phase);

/* A guest that may move. Sizes of guest memory; its QEMU costs overhead_kib besides. */
typedef struct ClusterGuest {
    char uuid[37];
    char resource[CLUSTER_NAME_SIZE]; /* what the cluster calls it */
    uint64_t maximum_kib;
    uint64_t brings_kib; /* what it comes with: all that it may have at this moment */
    uint64_t want_kib;   /* what it wants here, and will want there */
    uint64_t overhead_kib;
} ClusterGuest;

typedef struct ClusterFigures {
    uint64_t beat; /* another one in each line: who repeats one is not there any more */
    ClusterLevel level;
    uint64_t budget_kib;      /* what all guests of the host may have together, overheads included */
    bool besides;             /* Budget= is what limits it: overheads come besides, so it rises and falls with them */
    uint64_t want_kib;        /* what they want, overheads included; may be more than the budget */
    uint64_t free_kib;        /* of the budget, booked for nobody */
    uint64_t reclaimable_kib; /* what guests have and do not need */
    unsigned stars;           /* how well a typical guest would fit, 0 to CLUSTER_STARS_MAX */
    ClusterPhase phase;
    char partner[CLUSTER_NAME_SIZE]; /* of the guest that moves: the other host; "" while idle */
    ClusterGuest guest;
} ClusterFigures;

/* Whether text can be the name of a host or a resource: letters, digits, '.', '_', '-', at least one, none too many. */
bool cluster_name_is_good(const char *text);

/* The line of figures that cluster_figures_parse reads. Caller frees. */
char *cluster_figures_format(const ClusterFigures *figures);

/*
 * Reads a line of another host. Returns false and sets error (DYNMEM_ERROR_INVALID, says what is wrong) where it is not
 * exactly what cluster_figures_format makes, or says what can't be; *figures is then untouched.
 */
bool cluster_figures_parse(const char *line, ClusterFigures *figures, GError **error);
