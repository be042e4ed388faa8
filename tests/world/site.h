/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cluster: some worlds side by side in one virtual time, each with a daemon that is a member of it, and what stands between
 * them: the agents that exchange lines, and the cluster, which follows wishes by live migration. Seat number n is the same guest
 * in all worlds; it runs in one of them. Whatever must never be published, or be done, breaks the site.
 */

#include "cases.h"
#include "cluster/cluster.h"
#include "member/member.h"

#define SITE_NODES_MAX 4

typedef struct Site Site;

typedef struct Node {
    Site *site;
    char name[8];
    World *world;
    Member *member; /* NULL: its daemon is gone */
    bool silent;    /* its agent does not run, and what it published stays */
    uint64_t next_usec;
    /* what it has published; line NULL: nothing */
    char *line;
    unsigned room;
    char wish[CLUSTER_NAME_SIZE];
    /* told by its daemon, over all its lives */
    unsigned news[CLUSTER_NEWS_WITHDRAWN + 1];
    char *reason; /* of the last withdrawn one */
} Node;

/* A guest on its way. */
typedef struct Trip {
    bool active;
    unsigned guest;
    Node *from;
    Node *to;
} Trip;

struct Site {
    Node nodes[SITE_NODES_MAX];
    unsigned count;
    unsigned guests;
    ClusterLevel level;
    uint64_t cooldown_usec; /* CooldownSec= */
    bool obeys;             /* the cluster follows wishes */
    bool breaks;            /* ... and the migration fails on its way */
    Trip trip;
    unsigned blocked; /* bit n: guest n, whose migration has failed: the cluster leaves it alone (on-fail=block) */
    unsigned moves;
    unsigned failed;
    double unmet_gib_sec; /* what guests needed and did not have */
    char *broken;
};

/* Nodes a, b, ... with so much memory each, no guests yet. */
Site *site_new(unsigned count, uint64_t memory_mib);
void site_free(Site *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Site, site_free)

/* A guest that runs on that node, with so much, and needs so much. Returns its number. */
unsigned site_add(Site *site, unsigned node, const char *name, uint64_t actual_mib, uint64_t need_mib);
/* All daemons are there from now on. */
void site_begin(Site *site);
/* Returns false when something is broken. */
bool site_run(Site *site, uint64_t usec);
/* Until that node's line says so, or so long. Returns whether it does. */
bool site_run_until(Site *site, unsigned node, ClusterPhase phase, uint64_t usec);

/* Where the guest runs. */
unsigned site_where(const Site *site, unsigned guest);
void site_need(Site *site, unsigned guest, uint64_t need_mib);
/* What guests want there in percent, as it is published; 0 where nothing is. */
unsigned site_pressure(const Site *site, unsigned node);
ClusterPhase site_phase(const Site *site, unsigned node);
/* What of the node's memory is booked ahead or being begun for it. */
StartProgress site_booking(const Site *site, unsigned node, unsigned guest);

void site_kill_daemon(Site *site, unsigned node);
void site_start_daemon(Site *site, unsigned node);
void site_set_level(Site *site, ClusterLevel level);

/* All that is published, and the last things that happened on each host. */
void site_print(const Site *site);

/* The cluster of that seed, for hours. Returns whether nothing was broken, and prints what became of it. */
bool site_chance(uint64_t seed);
