/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * This host as one of a cluster, for who asks on the bus: what the cluster's agent exchanges with it, and what is shown. Words
 * (levels, phases) are those of src/cluster/; they live for ever. All on the main loop's thread, and none of it blocks.
 */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a host or a resource as a cluster calls it, with its NUL. */
#define CLUSTER_TEXT_SIZE 64

typedef struct ClusterPair {
    const char *first;
    const char *second;
} ClusterPair;

/* What the agent brings. */
typedef struct ClusterExchange {
    const char *node;         /* this host */
    const ClusterPair *lines; /* a host and what it has published */
    size_t line_count;
    const ClusterPair *resources; /* a resource and the uuid or name of its guest */
    size_t resource_count;
} ClusterExchange;

/* What it is to publish. */
typedef struct ClusterAnswer {
    char *line;                   /* owned by who asked */
    unsigned room;                /* score of this host for guests that start */
    char wish[CLUSTER_TEXT_SIZE]; /* the resource that is wished for; "": none */
    unsigned score;               /* of the wish; 0 without one */
} ClusterAnswer;

typedef struct ClusterHostView {
    char name[CLUSTER_TEXT_SIZE];
    bool here;  /* it is this one */
    bool fresh; /* its daemon is there */
    const char *level;
    unsigned stars;
    unsigned pressure_percent;
    uint64_t budget_kib;
    uint64_t want_kib;
    uint64_t free_kib;
    uint64_t reclaimable_kib;
    const char *phase;
    char partner[CLUSTER_TEXT_SIZE]; /* these three of the guest that moves; "" while it is idle */
    char uuid[37];
    char resource[CLUSTER_TEXT_SIZE];
} ClusterHostView;

/* A line that could not be read. */
typedef struct ClusterIgnored {
    char name[CLUSTER_TEXT_SIZE];
    char *reason;
} ClusterIgnored;

/* The best move, or the one that is made; pressures in percent. */
typedef struct ClusterBest {
    bool found;
    char *guest; /* its name */
    char uuid[37];
    char resource[CLUSTER_TEXT_SIZE];
    char target[CLUSTER_TEXT_SIZE];
    unsigned source_before, source_after;
    unsigned target_before, target_after;
    unsigned gain;
} ClusterBest;

/* A motion in which this host took part. */
typedef struct ClusterMotion {
    uint64_t began_usec; /* these two of the monotonic clock */
    uint64_t ended_usec; /* 0: it goes on */
    char *guest;         /* its name; its resource where that is not known */
    char uuid[37];
    char resource[CLUSTER_TEXT_SIZE];
    char source[CLUSTER_TEXT_SIZE];
    char target[CLUSTER_TEXT_SIZE];
    const char *phase; /* how far it came */
    bool done;         /* the guest runs at the target */
    char *reason;      /* why it has ended, for people; "" while it goes on */
} ClusterMotion;

typedef struct ClusterStatus {
    bool joined;
    const char *level;
    unsigned pressure_percent; /* these four as they are set */
    unsigned gain_percent;
    uint64_t hold_usec;
    uint64_t cooldown_usec;
    GArray *moves; /* of ClusterMotion, newest first */
    /* where joined */
    char node[CLUSTER_TEXT_SIZE];
    GArray *hosts;   /* of ClusterHostView, by name */
    GArray *ignored; /* of ClusterIgnored */
    const char *why; /* why this host moves no guest away */
    const char *why_text;
    char confirmed[37]; /* uuid; "": none */
    ClusterBest best;
} ClusterStatus;

/* Empty lists, and nothing else. */
void cluster_status_init(ClusterStatus *status);
void cluster_status_clear(ClusterStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ClusterStatus, cluster_status_clear)

void cluster_motion_copy(const ClusterMotion *motion, ClusterMotion *copy);
void cluster_motion_clear(ClusterMotion *motion);

/* What the bus asks for. A table without functions (all NULL) is a daemon that takes part in no cluster. */
typedef struct ClusterPort {
    void *self;
    const char *(*level)(void *self); /* that is in force: [Cluster] Level=, in a dry run "manual" at most */
    bool (*joined)(void *self);
    /* Returns false and sets error: DYNMEM_ERROR_INVALID, DYNMEM_ERROR_REFUSED (nothing is known of this host yet). */
    bool (*exchange)(void *self, const ClusterExchange *exchange, ClusterAnswer *answer, GError **error);
    void (*withdraw)(void *self);
    /* uuid of a guest. Returns false and sets error (DYNMEM_ERROR_REFUSED) where its move does not wait for that. */
    bool (*confirm)(void *self, const char *uuid, GError **error);
    void (*status)(void *self, ClusterStatus *status); /* *status was initialized */
} ClusterPort;

/* ---- what happens, for who reports it ---- */

typedef enum ClusterNews {
    CLUSTER_NEWS_OFFERED,   /* this host offers a guest to another one */
    CLUSTER_NEWS_BOOKED,    /* memory is looked for here, for one that another host offers */
    CLUSTER_NEWS_WISHED,    /* it is seen free, and the cluster is asked to send the guest */
    CLUSTER_NEWS_LEFT,      /* the guest has gone there */
    CLUSTER_NEWS_ARRIVED,   /* the guest runs here */
    CLUSTER_NEWS_WITHDRAWN, /* it does not move */
} ClusterNews;

/* detail: one clause for people, or "". */
typedef void (*ClusterTell)(void *user_data, ClusterNews news, const ClusterMotion *motion, const char *detail);
