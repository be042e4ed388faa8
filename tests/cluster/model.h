/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cluster in virtual time: hosts that decide with src/cluster, guests whose needs come and go, and in place of the cluster
 * engine what it was measured to do: lines show after a while, a wish that is seen starts a migration, one that is gone before
 * the end of the migration is written down stops the guest. Daemons die and come back, guests can't be moved, migrations fail.
 * The truth is the model's own: what must not be is looked for without a formula of src/cluster.
 */

#include "cluster/cluster.h"
#include "rng.h"

#include <stdio.h>

#define MODEL_HOSTS_MAX 32
#define MODEL_GUESTS_MAX 1000
/* As many as are drawn. */
#define MODEL_HOSTS_DRAWN 8
#define MODEL_GUESTS_DRAWN 48
#define MODEL_NOWHERE (-1)

typedef enum ModelFlight {
    MODEL_FLIGHT_NONE,
    MODEL_FLIGHT_TO,   /* migrate_to runs */
    MODEL_FLIGHT_FROM, /* it runs on the target, and the cluster has not written that down yet */
} ModelFlight;

typedef struct ModelGuest {
    ClusterGuest figures; /* what its host says of it */
    uint64_t minimum_kib;
    uint64_t base_kib; /* its need moves around this */
    int host;
    ModelFlight flight;
    int target;
    uint64_t until_usec; /* of the flight's stage */
    uint64_t sent_usec;  /* when it began */
    uint64_t came_usec;  /* with its last move; 0: it has not moved */
    bool fails;          /* its migration will */
    bool blocked;        /* its migration has failed: the cluster leaves it alone until an administrator comes */
    uint64_t blocked_usec;
    int banned; /* from that host by a constraint of the administrator */
} ModelGuest;

typedef struct ModelHost {
    char name[CLUSTER_NAME_SIZE];
    uint64_t budget_kib;
    uint64_t wants_kib; /* what its guests want, as of this second */
    ClusterLevel level;
    Cluster *cluster;                   /* NULL: its daemon is gone */
    uint64_t gone_usec, back_usec;      /* when it went, and came */
    bool agent_gone;                    /* ... and nobody takes back what it has published */
    uint64_t next_usec;                 /* when it exchanges */
    uint64_t told_kib, told_before_kib; /* what its guests wanted when it did last, and the time before */
    uint64_t pressed_usec;
    char *line; /* as all can see it; NULL: none */
    int wish;   /* guest; MODEL_NOWHERE: none */
    uint64_t wish_usec;
    uint64_t follow_usec; /* when the cluster will follow it */
    char *coming_line;    /* is published then */
    int coming_wish;
    uint64_t shows_usec;   /* 0: nothing is coming */
    uint64_t stepped_usec; /* when that was decided */
    int room;
    uint64_t room_usec;
    ClusterStep step;
    ClusterBooking booking;
    int booked; /* guest */
    uint64_t booking_usec, lapsed_usec;
    char confirmed[37];
    int offered, offered_to; /* its last offer, when it began, and when it ended unheard */
    uint64_t offered_usec, unheard_usec;
} ModelHost;

typedef struct Model {
    Rng rng;
    uint64_t now_usec;
    ClusterRules rules;
    ModelHost hosts[MODEL_HOSTS_MAX];
    int host_count;
    ModelGuest guests[MODEL_GUESTS_MAX];
    int guest_count;
    bool calm;        /* nothing dies, fails or is forbidden */
    bool still;       /* nothing is moved, for comparison */
    bool leaves_dead; /* a fault: what a dead daemon has published stays */
    unsigned moves, offers, failed, bookings;
    uint64_t pressed_sec; /* hosts were under pressure for so long, all together */
    double unmet_gib_sec;
    char broken[256]; /* what must not be, and was; "" nothing */
} Model;

/* The world of that seed; hosts 0: as many hosts and guests as are drawn. */
void model_init(Model *model, uint64_t seed, bool calm, int hosts, int guests);
void model_clear(Model *model);
/* A second passes. Returns false once something is broken. */
bool model_second(Model *model);
/* Its hosts, guests and what is published, as one JSON object in one line. */
void model_print(const Model *model, FILE *out);
/* What guests want on that host in percent of its budget, in truth. */
double model_pressure(const Model *model, int host);
