/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cluster: some worlds side by side in one virtual time, each with a daemon that is a member of it, and what stands between
 * them: the agents that exchange lines, and the cluster, which follows wishes by live migration and starts guests of a host that
 * fell somewhere else. A guest has a number in the site, and a seat in each world that it has ever had to do with; it runs in one
 * of them. Whatever must never be published, or be done, breaks the site.
 */

#include "cases.h"
#include "cluster/cluster.h"
#include "member/member.h"

#define SITE_NODES_MAX 32
#define SITE_GUESTS_MAX 1000
#define SITE_NOWHERE SITE_NODES_MAX
#define SITE_NOBODY SITE_GUESTS_MAX

typedef struct Site Site;

typedef struct Node {
    Site *site;
    char name[8];
    uint64_t memory_mib;
    World *world;                    /* NULL: it has fallen */
    Member *member;                  /* NULL: its daemon is gone */
    bool silent;                     /* its agent does not run, and what it published stays */
    unsigned seats[SITE_GUESTS_MAX]; /* by guest: the number of its seat in the world, from 1 on; 0: it has none */
    uint64_t next_usec;
    /* what it has published; line NULL: nothing */
    char *line;
    ClusterFigures figures; /* ... as others read it; those of a host that does nothing where there is none */
    unsigned room;
    char wish[CLUSTER_NAME_SIZE];
    unsigned booked; /* guest that it takes in, or took in last; SITE_NOBODY: none */
    /* told by its daemon, over all its lives */
    unsigned news[CLUSTER_NEWS_WITHDRAWN + 1];
    char *reason; /* of the last withdrawn one */
} Node;

typedef struct SiteGuest {
    Definition definition;
    char uuid[37];
    char resource[CLUSTER_NAME_SIZE];
    unsigned where;        /* node; SITE_NOWHERE: it runs nowhere */
    unsigned starting;     /* node on which the cluster starts it; SITE_NOWHERE: none */
    uint64_t needs_kib;    /* what it needs, wherever it runs */
    uint64_t lost_usec;    /* when its host fell */
    uint64_t blocked_usec; /* until then the cluster leaves it alone: its migration has failed (on-fail=block) */
    uint64_t banned_usec[SITE_NODES_MAX]; /* until then it is not started there: its start has failed */
    unsigned moves;
} SiteGuest;

/* A guest on its way. */
typedef struct Trip {
    bool active;
    bool orphaned; /* the host that it leaves has fallen */
    unsigned guest;
    Node *from;
    Node *to;
} Trip;

/* What happens to a guest, for who watches. */
typedef enum SiteDeed {
    SITE_OFFERED, /* from offers it to to */
    SITE_MOVED,
    SITE_STARTED, /* on to, after its host fell */
} SiteDeed;

typedef void (*SiteTell)(void *user_data, SiteDeed deed, unsigned guest, unsigned from, unsigned to);

struct Site {
    Node nodes[SITE_NODES_MAX];
    unsigned count;
    SiteGuest guests[SITE_GUESTS_MAX];
    unsigned guest_count;
    ClusterPair resources[SITE_GUESTS_MAX]; /* as agents bring them */
    GHashTable *numbers;                    /* resource -> guest */
    uint64_t now_usec;
    ClusterLevel level;
    uint64_t cooldown_usec; /* CooldownSec= */
    uint64_t blocked_usec;  /* so long an administrator takes to look at a migration that has failed */
    bool obeys;             /* the cluster follows wishes */
    bool breaks;            /* ... and the migration fails on its way */
    Trip trip;
    unsigned moves;
    unsigned failed;
    unsigned restarts;    /* guests started elsewhere because their hosts fell */
    unsigned refused;     /* ... that a host would not start */
    double unmet_gib_sec; /* what guests needed and did not have */
    double down_sec;      /* guests ran nowhere so long, all together */
    SiteTell tell;        /* may be NULL */
    void *tell_data;
    char *broken;
};

/* Nodes a, b, ... with so much memory each, no guests yet. */
Site *site_new(unsigned count, uint64_t memory_mib);
/* Another size of a node that has no guests yet. */
void site_size(Site *site, unsigned node, uint64_t memory_mib);
void site_free(Site *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Site, site_free)

/* A guest that runs on that node, with so much, and needs so much. Returns its number. */
unsigned site_add(Site *site, unsigned node, const char *name, uint64_t actual_mib, uint64_t need_mib);
unsigned site_add_defined(Site *site, unsigned node, Definition definition, uint64_t actual_mib, uint64_t need_mib);
/* All daemons are there from now on. */
void site_begin(Site *site);
/* Returns false when something is broken. */
bool site_run(Site *site, uint64_t usec);
/* Until that node's line says so, or so long. Returns whether it does. */
bool site_run_until(Site *site, unsigned node, ClusterPhase phase, uint64_t usec);
/* Something must not be: the first is kept, with its time. */
void site_break(Site *site, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Where the guest runs. */
unsigned site_where(const Site *site, unsigned guest);
/* Its seat there; it is made where there is none yet. */
Seat *site_seat(Site *site, unsigned node, unsigned guest);
void site_need(Site *site, unsigned guest, uint64_t need_mib);
/* What guests want there in percent, as it is published; 0 where nothing is. */
unsigned site_pressure(const Site *site, unsigned node);
ClusterPhase site_phase(const Site *site, unsigned node);
/* What of the node's memory is booked ahead or being begun for it. */
StartProgress site_booking(const Site *site, unsigned node, unsigned guest);

void site_start_daemon(Site *site, unsigned node);
/* As by SIGKILL. */
void site_kill_daemon(Site *site, unsigned node);
/* The host is gone, with all that ran there; the cluster starts that elsewhere. */
void site_fell(Site *site, unsigned node);
/* It is back, and nothing runs there. */
void site_return(Site *site, unsigned node);
/* Level= of all of them. */
void site_set_level(Site *site, ClusterLevel level);
/* What is left when nobody moves any more; NULL: nothing. */
const char *site_find_left(const Site *site);
/* All that is known, for who reads a failure. */
void site_print(const Site *site);

/* ---- site_chance.c ---- */

/* Hours of a cluster in which anything happens. Returns whether it held. */
bool site_chance(uint64_t seed);

/* ---- site_day.c ---- */

/* A day of a cluster, with moves and without; 0 hosts: as the seed has it. Returns whether it held. */
bool site_day(uint64_t seed, unsigned hosts, unsigned guests, unsigned hours);
/* Such a day with moves alone, and nothing printed: what broke it, or NULL. Free with g_free. */
char *site_day_broken(uint64_t seed, unsigned hosts, unsigned guests, unsigned hours);
