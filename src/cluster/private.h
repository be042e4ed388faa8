/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this folder share. */

#include "cluster/cluster.h"
#include "cluster/faults.h"
#include "units.h"

#define PERIOD_USEC (CLUSTER_PERIOD_SEC * USEC_PER_SEC)

/* Figures of a daemon that has not been heard of for three periods and a moment are nobody's. */
#define FRESH_USEC (3 * PERIOD_USEC + PERIOD_USEC / 2)
/* A guest may still be moving for a host that went silent over it. A migration of a large guest takes minutes. */
#define GHOST_USEC (600 * USEC_PER_SEC)
/*
 * Between reading the others' lines and publishing one's own a host needs up to half a period. Two that began at once have
 * seen one another when both have been there for longer than a period.
 */
#define SETTLE_USEC (PERIOD_USEC + PERIOD_USEC / 2)
/* Who is offered a guest and has room answers within three periods; an offer stays for twice that. */
#define OFFER_USEC (6 * PERIOD_USEC)
/* Looking for memory takes [Admission] TimeoutSec= of 30 s; where that is more the offer is too late all the same. */
#define BOOK_USEC (6 * PERIOD_USEC)
/* The cluster follows a wish within a second. One that it does not follow it can't: its own constraints stand against it. */
#define WISH_USEC (6 * PERIOD_USEC)
/*
 * The cluster may begin to follow a wish in the moment in which it is withdrawn. By then both hosts have seen and said whether it has;
 * until then the memory stays booked, and the wish comes back where it has: without it a guest under way is stopped.
 */
#define WITHDRAW_USEC (3 * PERIOD_USEC)
/*
 * A guest that runs here is still being written down by the cluster (migrate_from, stop), and its first reports are not yet
 * what it will want here. The wish stays so long, and nobody else moves.
 */
#define LINGER_USEC (12 * PERIOD_USEC)
/* What QEMU itself needs on the source while it sends: its buffers and bitmaps. */
#define SEND_RESERVE_KIB (128 * KIB_PER_MIB)

struct Cluster {
    char name[CLUSTER_NAME_SIZE];
    ClusterRules rules;
    GPtrArray *peers;      /* of ClusterPeer, sorted by name */
    GHashTable *staying;   /* uuid -> until when it is not moved (uint64_t *) */
    GHashTable *unheard;   /* "uuid host" -> until when that host is not offered that guest */
    uint64_t pressed_usec; /* since when the pressure has been too high; 0: it is not */
    ClusterRoom room;
    uint64_t beat;
    /* the motion that this host takes part in */
    ClusterPhase phase;
    uint64_t since_usec;     /* of the phase */
    uint64_t runs_usec;      /* since when the guest that came runs here; 0: not yet */
    uint64_t gone_usec;      /* since when the guest that is offered is not here any more; 0: it is */
    uint64_t withdrawn_usec; /* since when the wish has been withdrawn; 0: it has not */
    ClusterEnd withdrawn_for;
    bool answered;    /* the host that is offered a guest has begun to book */
    bool sent;        /* the guest has been seen leaving */
    ClusterMove move; /* what was to come of it, where this host gives */
    ClusterGuest guest;
    char partner[CLUSTER_NAME_SIZE];
};

/* ---- peers.c ---- */

/* That peer where it is fresh, NULL otherwise. */
const ClusterPeer *peer_fresh(const Cluster *cluster, const char *name, uint64_t now_usec);
/* Whether the peer does something with that guest. */
bool peer_has(const ClusterPeer *peer, const char *uuid);
/*
 * Whether a guest other than uuid moves, or may still move, by what others publish. An offer alone counts where it goes before
 * one of this pressure and name; NULL as name: any offer counts.
 */
bool peers_move_another(const Cluster *cluster, const char *uuid, const char *name, unsigned pressure,
                        uint64_t now_usec);

/* ---- choose.c ---- */

/* The best move of a guest of this host, whatever else stands against it. */
void choose_move(const Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterMove *move);
/* Whether this host may take in what the peer offers. */
bool choose_accepts(const Cluster *cluster, const ClusterHost *host, const ClusterPeer *peer, uint64_t now_usec);
/* Until then the guest is not moved; a later time only. */
void choose_stay(Cluster *cluster, const char *uuid, uint64_t until_usec);
/* Until then that host is not offered that guest. */
void choose_unheard(Cluster *cluster, const char *uuid, const char *host, uint64_t until_usec);

/* ---- motion.c ---- */

/* Goes on with the motion, ends it, or begins one. Fills what step says of it: all but figures' sums, room and pressure. */
void motion_step(Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterStep *step);
