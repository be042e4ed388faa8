/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a host of a cluster decides: whom of its guests it offers to which other host, and whether it takes in a guest that
 * another one offers. A function of what this host is, what the others have published, and the time; it asks and tells
 * nobody. There is no leader: each host runs this by itself, and all see the same lines.
 *
 *        the host that is short of memory            the host that has some
 *
 *          idle                                         idle
 *           | under pressure for long, nobody moves      |
 *          offers  ------- its line ------------------> books      the memory is looked for, in the book of starts
 *           |                                            | booked and seen free, and all can have seen it
 *           |      <------ the cluster migrates ------- wishes     its wish: "send it to me"
 *          leaves                                       comes      libvirt here has begun to take it in
 *           | the guest is gone                          | it has run here for a while
 *          idle                                         idle       the wish is withdrawn
 *
 * Only the host that has booked the memory publishes a wish. One guest moves at a time in the whole cluster: who sees
 * another motion begins none, and where two began at once all but one give up before anything is wished. A wish is withdrawn
 * where nobody follows it in time, or its booking has lapsed; but not between the beginning of the migration and the
 * moment when the cluster has written down its end: then it would take the guest back by stopping it (Pacemaker's scheduler,
 * partial migrations: lib/pacemaker/pcmk_sched_migration.c).
 */

#include "cluster/figures.h"
#include "cluster/score.h"

#include <stddef.h>

/* How often lines are exchanged. All times below are multiples of it. A build for tests may have another one. */
#ifndef CLUSTER_PERIOD_SEC
#define CLUSTER_PERIOD_SEC 10
#endif
/* More hosts than that are not listened to. */
#define CLUSTER_HOSTS_MAX 64

typedef struct ClusterRules {
    unsigned pressure_percent; /* what guests want of the budget, at least, before one of them moves */
    unsigned gain_percent;     /* so many points the target must, after it, be below what the worse was before it */
    uint64_t hold_usec;        /* so long the pressure must have lasted */
    uint64_t cooldown_usec;    /* a guest that has come, or could not be moved, stays so long at least */
} ClusterRules;

/* The rules of [Cluster]. */
ClusterRules cluster_rules_of(const Settings *settings);
/* The rules unless others are set. */
ClusterRules cluster_rules_default(void);

typedef struct ClusterCandidate {
    ClusterGuest guest;
    bool movable; /* it runs, and nothing stands against its moving now */
    bool leaving; /* it is being migrated away */
} ClusterCandidate;

/* What has become of the booking of the guest that is being received. */
typedef enum ClusterBooking {
    CLUSTER_BOOKING_NONE,  /* refused, lapsed, ended, or never asked for */
    CLUSTER_BOOKING_ASKED, /* memory is looked for */
    CLUSTER_BOOKING_HELD,  /* booked, its memory seen free */
    CLUSTER_BOOKING_BEGUN, /* libvirt has begun to take the guest in */
    CLUSTER_BOOKING_RUNS,  /* the guest runs here */
} ClusterBooking;

/* This host at this moment. */
typedef struct ClusterHost {
    ClusterLevel level;
    uint64_t budget_kib; /* these five as in ClusterFigures */
    bool besides;
    uint64_t want_kib;
    uint64_t free_kib;
    uint64_t reclaimable_kib;
    /* What its kernel has left for anybody at this moment, the reserve included: guests short of memory have all the rest. */
    uint64_t available_kib;
    unsigned stars;
    const ClusterCandidate *guests; /* those that the cluster may move; they run here, or leave */
    size_t count;
    const char *confirmed;  /* uuid of the guest whose move an administrator has confirmed; NULL: none */
    ClusterBooking booking; /* of the guest of the last step's figures, while that receives one */
} ClusterHost;

/* A move, and what it would come to: pressures in percent, before and after it. */
typedef struct ClusterMove {
    bool found;
    ClusterGuest guest;
    char target[CLUSTER_NAME_SIZE];
    unsigned source_before, source_after;
    unsigned target_before, target_after;
} ClusterMove;

/* By how many points the worse of both hosts is better after it. */
unsigned cluster_move_gain(const ClusterMove *move);

/* Why this host offers nothing at this moment. */
typedef enum ClusterWhy {
    CLUSTER_WHY_MOVES,    /* it does */
    CLUSTER_WHY_CALM,     /* it is not under pressure */
    CLUSTER_WHY_HOLD,     /* not for long enough */
    CLUSTER_WHY_MOTION,   /* a guest moves already */
    CLUSTER_WHY_RESERVE,  /* too little is left to send a guest with */
    CLUSTER_WHY_NO_MOVE,  /* no move would make it enough better */
    CLUSTER_WHY_LEVEL,    /* [Cluster] Level= says that nothing is moved */
    CLUSTER_WHY_CONFIRM,  /* nobody has confirmed it */
    CLUSTER_WHY_RECEIVES, /* it takes a guest in */
} ClusterWhy;

/* "moves", "calm", "hold", "motion", "reserve", "no-move", "level", "confirm", "receives". Never NULL. */
const char *cluster_why_name(ClusterWhy why);
/* One clause for people. Never NULL. */
const char *cluster_why_text(ClusterWhy why);

/* What has ended the motion that this host took part in. */
typedef enum ClusterEnd {
    CLUSTER_END_NONE, /* it goes on, or there was none */
    CLUSTER_END_LEFT, /* the guest has gone there */
    CLUSTER_END_GONE, /* it has ended here, and nobody sent it */
    CLUSTER_END_CAME, /* it has run here for a while */
    CLUSTER_END_OFF,  /* [Cluster] Level= lets nothing be moved any more */
    CLUSTER_END_YIELDS,
    CLUSTER_END_UNANSWERED,
    CLUSTER_END_REFUSED,
    CLUSTER_END_NOT_SENT,
    CLUSTER_END_CALLED_OFF,
    CLUSTER_END_NO_ROOM,
    CLUSTER_END_NOT_FOLLOWED,
    CLUSTER_END_NOT_COME,
} ClusterEnd;

/* One clause for people; "" for CLUSTER_END_NONE. Never NULL. */
const char *cluster_end_text(ClusterEnd end);

typedef struct ClusterStep {
    ClusterFigures figures; /* to publish; cluster_figures_format makes the line */
    int room;               /* to publish: the score of this host for guests that start */
    bool book;              /* ask the book of starts for figures.guest; ask again for as long as this is set */
    bool release;           /* take the booking of released back, unless libvirt has begun */
    char released[37];      /* uuid */
    bool wish;              /* publish CLUSTER_WISH_SCORE for figures.guest; without it withdraw whatever was wished */
    ClusterMove move;       /* that is made, or the best there is, whether it may be made or not */
    ClusterWhy why;
    ClusterEnd end;
    char stays[37]; /* uuid of a guest that from now on is not moved until then; "": none */
    uint64_t stays_usec;
    unsigned pressure; /* of this host, in percent */
} ClusterStep;

typedef struct Cluster Cluster;

/* name: this host as the cluster calls it; must be good (cluster_name_is_good). */
Cluster *cluster_new(const char *name, const ClusterRules *rules);
/* Other rules from now on. */
void cluster_set_rules(Cluster *cluster, const ClusterRules *rules);
/* What an earlier daemon of this host said in ClusterStep.stays. */
void cluster_stay(Cluster *cluster, const char *uuid, uint64_t until_usec);
void cluster_free(Cluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cluster, cluster_free)

/*
 * What another host has published, as it is read now. Returns false and sets error where it is ignored, and says why; what
 * was heard of it before then gets old. The line of this host itself, heard before the first step, is that of an earlier daemon:
 * this one goes on with the motion that it was at.
 */
bool cluster_hear(Cluster *cluster, const char *name, const char *line, uint64_t now_usec, GError **error);

/* Once each period, after all lines were heard. Fills step. */
void cluster_step(Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterStep *step);

/* Another host as it is known. */
typedef struct ClusterPeer {
    char name[CLUSTER_NAME_SIZE];
    ClusterFigures figures;
    uint64_t first_usec; /* when it was heard of first */
    uint64_t heard_usec; /* ... and last, also where it said the same as before */
    uint64_t beat_usec;  /* when its beat was another one the last time; 0: it was not yet */
    uint64_t phase_usec; /* since when it does the same with the same guest */
} ClusterPeer;

/* That peer, in the order of names; NULL past the last. Valid until a line is heard. */
const ClusterPeer *cluster_peer(const Cluster *cluster, size_t index);
/* Whether its figures are those of a daemon that is there. */
bool cluster_peer_is_fresh(const ClusterPeer *peer, uint64_t now_usec);

/* What guests want in percent of the budget; capped, so that a host without a budget can be compared. */
unsigned cluster_pressure(uint64_t want_kib, uint64_t budget_kib);
