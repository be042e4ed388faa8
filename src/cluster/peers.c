/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other hosts, as they have published themselves. */

#include "cluster/private.h"
#include "error.h"

#include <string.h>

static int
compare_peers(gconstpointer a, gconstpointer b)
{
    const ClusterPeer *const *first = a, *const *second = b;

    return strcmp((*first)->name, (*second)->name);
}

const ClusterPeer *
cluster_peer(const Cluster *cluster, size_t index)
{
    return index < cluster->peers->len ? g_ptr_array_index(cluster->peers, index) : NULL;
}

static ClusterPeer *
find(const Cluster *cluster, const char *name)
{
    for (guint i = 0; i < cluster->peers->len; i++) {
        ClusterPeer *peer = g_ptr_array_index(cluster->peers, i);

        if (strcmp(peer->name, name) == 0)
            return peer;
    }
    return NULL;
}

bool
cluster_peer_is_fresh(const ClusterPeer *peer, uint64_t now_usec)
{
    return (peer->beat_usec != 0 && now_usec - peer->beat_usec <= FRESH_USEC) ||
           cluster_broken(CLUSTER_FAULT_BELIEVE_OLD);
}

const ClusterPeer *
peer_fresh(const Cluster *cluster, const char *name, uint64_t now_usec)
{
    const ClusterPeer *peer = find(cluster, name);

    return peer != NULL && cluster_peer_is_fresh(peer, now_usec) ? peer : NULL;
}

bool
peer_has(const ClusterPeer *peer, const char *uuid)
{
    return peer->figures.phase != CLUSTER_PHASE_IDLE && strcmp(peer->figures.guest.uuid, uuid) == 0;
}

/* A host that publishes nothing any more is forgotten once nothing can move for it. */
static void
forget_gone(Cluster *cluster, uint64_t now_usec)
{
    for (guint i = cluster->peers->len; i-- > 0;) {
        const ClusterPeer *peer = g_ptr_array_index(cluster->peers, i);

        if (now_usec - peer->heard_usec > GHOST_USEC)
            g_ptr_array_remove_index(cluster->peers, i);
    }
}

/* What it says that it does it may still be doing, also where its daemon is gone. */
static bool
may_be_in_motion(const ClusterPeer *peer, uint64_t now_usec)
{
    return peer->figures.phase != CLUSTER_PHASE_IDLE && now_usec - MAX(peer->beat_usec, peer->first_usec) <= GHOST_USEC;
}

static void
note_line(ClusterPeer *peer, const ClusterFigures *figures, uint64_t now_usec)
{
    const ClusterFigures *before = &peer->figures;

    if (figures->phase != before->phase || strcmp(figures->partner, before->partner) != 0 ||
        strcmp(figures->guest.uuid, before->guest.uuid) != 0)
        peer->phase_usec = now_usec;
    peer->figures = *figures;
    peer->beat_usec = now_usec;
}

/* What an earlier daemon of this host was at: this one goes on with it. */
static void
adopt(Cluster *cluster, const ClusterFigures *figures, uint64_t now_usec)
{
    cluster->beat = figures->beat;
    cluster->phase = figures->phase;
    cluster->since_usec = now_usec;
    cluster->guest = figures->guest;
    g_strlcpy(cluster->partner, figures->partner, sizeof cluster->partner);
}

bool
cluster_hear(Cluster *cluster, const char *name, const char *line, uint64_t now_usec, GError **error)
{
    ClusterFigures figures;
    ClusterPeer *peer;

    if (!cluster_name_is_good(name)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "no host can have that name");
        return false;
    }
    if (!cluster_figures_parse(line, &figures, error))
        return false;
    if (strcmp(name, cluster->name) == 0) {
        if (cluster->beat == 0)
            adopt(cluster, &figures, now_usec);
        return true;
    }
    forget_gone(cluster, now_usec);
    peer = find(cluster, name);
    if (peer == NULL && cluster->peers->len >= CLUSTER_HOSTS_MAX) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there are %d others already", CLUSTER_HOSTS_MAX);
        return false;
    }
    if (peer == NULL) {
        peer = g_new0(ClusterPeer, 1);
        g_strlcpy(peer->name, name, sizeof peer->name);
        peer->figures = figures; /* whether somebody is there shows with its next line */
        peer->phase_usec = peer->first_usec = now_usec;
        g_ptr_array_add(cluster->peers, peer);
        g_ptr_array_sort(cluster->peers, compare_peers);
    } else if (figures.beat != peer->figures.beat) {
        note_line(peer, &figures, now_usec);
    }
    peer->heard_usec = now_usec;
    return true;
}

/* Of two that offer at once the one under more pressure goes on, else the first by name. */
static bool
goes_before(const ClusterPeer *peer, const char *name, unsigned pressure)
{
    unsigned other = cluster_pressure(peer->figures.want_kib, peer->figures.budget_kib);

    return other != pressure ? other > pressure : strcmp(peer->name, name) < 0;
}

bool
peers_move_another(const Cluster *cluster, const char *uuid, const char *name, unsigned pressure, uint64_t now_usec)
{
    if (cluster_broken(CLUSTER_FAULT_MANY_MOTIONS))
        return false;
    for (guint i = 0; i < cluster->peers->len; i++) {
        const ClusterPeer *peer = g_ptr_array_index(cluster->peers, i);

        if (!may_be_in_motion(peer, now_usec) || peer_has(peer, uuid))
            continue;
        if (peer->figures.phase != CLUSTER_PHASE_OFFERS || name == NULL || goes_before(peer, name, pressure))
            return true;
    }
    return false;
}
