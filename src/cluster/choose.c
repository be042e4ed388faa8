/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whom to move, and to whom: by what both hosts look like after it. */

#include "cluster/private.h"

#include <string.h>

#define PRESSURE_CAP 100000

unsigned
cluster_pressure(uint64_t want_kib, uint64_t budget_kib)
{
    if (budget_kib == 0)
        return want_kib > 0 ? PRESSURE_CAP : 0;
    return (unsigned)MIN(want_kib * 100 / budget_kib, PRESSURE_CAP);
}

/* ---- who is not moved now ---- */

static void
put_time(GHashTable *table, char *key, uint64_t until_usec)
{
    const uint64_t *before = g_hash_table_lookup(table, key);

    if (before != NULL && *before >= until_usec)
        g_free(key);
    else
        g_hash_table_insert(table, key, g_memdup2(&until_usec, sizeof until_usec));
}

/* Whether the time of key is not over; forgotten once it is. */
static bool
has_time(GHashTable *table, const char *key, uint64_t now_usec)
{
    const uint64_t *until = g_hash_table_lookup(table, key);

    if (until != NULL && *until > now_usec)
        return true;
    g_hash_table_remove(table, key);
    return false;
}

void
choose_stay(Cluster *cluster, const char *uuid, uint64_t until_usec)
{
    put_time(cluster->staying, g_strdup(uuid), until_usec);
}

void
choose_unheard(Cluster *cluster, const char *uuid, const char *host, uint64_t until_usec)
{
    put_time(cluster->unheard, g_strdup_printf("%s %s", uuid, host), until_usec);
}

static bool
stays(const Cluster *cluster, const char *uuid, uint64_t now_usec)
{
    return has_time(cluster->staying, uuid, now_usec) && !cluster_broken(CLUSTER_FAULT_NO_COOLDOWN);
}

static bool
is_unheard(const Cluster *cluster, const char *uuid, const char *host, uint64_t now_usec)
{
    g_autofree char *key = g_strdup_printf("%s %s", uuid, host);

    return has_time(cluster->unheard, key, now_usec) && !cluster_broken(CLUSTER_FAULT_ASK_FOR_EVER);
}

/* ---- what a move would come to ---- */

/* One of the two hosts. */
typedef struct Side {
    uint64_t want_kib;
    uint64_t budget_kib;
    bool besides;
    uint64_t room_kib; /* free, or to be had */
} Side;

static Side
side_of(const ClusterFigures *figures)
{
    return (Side){figures->want_kib, figures->budget_kib, figures->besides,
                  figures->free_kib + figures->reclaimable_kib};
}

static Side
side_here(const ClusterHost *host)
{
    return (Side){host->want_kib, host->budget_kib, host->besides, host->free_kib + host->reclaimable_kib};
}

static uint64_t
wants_of(const ClusterGuest *guest)
{
    return guest->want_kib + guest->overhead_kib;
}

static void
project(const Side *source, const Side *target, const ClusterGuest *guest, ClusterMove *move)
{
    uint64_t wants = wants_of(guest);
    uint64_t leaves = source->besides ? guest->overhead_kib : 0, comes = target->besides ? guest->overhead_kib : 0;

    move->guest = *guest;
    move->source_before = cluster_pressure(source->want_kib, source->budget_kib);
    move->source_after =
        cluster_pressure(saturating_sub(source->want_kib, wants), saturating_sub(source->budget_kib, leaves));
    move->target_before = cluster_pressure(target->want_kib, target->budget_kib);
    move->target_after = cluster_pressure(target->want_kib + wants, target->budget_kib + comes);
}

unsigned
cluster_move_gain(const ClusterMove *move)
{
    unsigned after = MAX(move->source_after, move->target_after);

    if (cluster_broken(CLUSTER_FAULT_ONE_SIDED))
        after = move->source_after;
    return (unsigned)saturating_sub(MAX(move->source_before, move->target_before), after);
}

/*
 * A host of many guests is relieved by several moves, each of which gains little. So what is demanded lies between where the
 * one host was and where the other one comes to; of the guest itself only that its going is felt.
 */
#define FELT_PART 10

static bool
gains_enough(const Cluster *cluster, const Side *source, const ClusterMove *move)
{
    unsigned least = cluster->rules.gain_percent;
    unsigned gain = cluster_move_gain(move);
    uint64_t between = saturating_sub(MAX(move->source_before, move->target_before), move->target_after);

    if (cluster_broken(CLUSTER_FAULT_NO_GAIN))
        return gain > 0;
    if (cluster_broken(CLUSTER_FAULT_GAIN_AT_ONCE))
        return gain >= least;
    return gain > 0 && between >= least &&
           cluster_pressure(wants_of(&move->guest), source->budget_kib) >= MAX(least / FELT_PART, 1);
}

/* Whether the target has the memory, and both hosts are the better for it. */
static bool
is_worth_it(const Cluster *cluster, const Side *source, const Side *target, const ClusterMove *move)
{
    if (!gains_enough(cluster, source, move))
        return false;
    if (cluster_broken(CLUSTER_FAULT_ONE_SIDED))
        return true;
    return move->target_after < cluster->rules.pressure_percent &&
           target->room_kib >= move->guest.brings_kib + move->guest.overhead_kib;
}

/* The more is gained the better; where it is the same, the less has to be sent. */
static bool
is_better(const ClusterMove *move, const ClusterMove *best)
{
    if (!best->found || cluster_move_gain(move) != cluster_move_gain(best))
        return !best->found || cluster_move_gain(move) > cluster_move_gain(best);
    if (move->guest.brings_kib != best->guest.brings_kib)
        return move->guest.brings_kib < best->guest.brings_kib;
    return strcmp(move->guest.uuid, best->guest.uuid) < 0;
}

static bool
may_receive(const ClusterPeer *peer, uint64_t now_usec)
{
    return cluster_peer_is_fresh(peer, now_usec) && peer->figures.level >= CLUSTER_LEVEL_CONFIRM;
}

void
choose_move(const Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterMove *move)
{
    Side source = side_here(host);

    *move = (ClusterMove){.found = false};
    for (size_t i = 0; i < host->count; i++) {
        const ClusterGuest *guest = &host->guests[i].guest;

        if (!host->guests[i].movable || stays(cluster, guest->uuid, now_usec))
            continue;
        for (size_t k = 0; cluster_peer(cluster, k) != NULL; k++) {
            const ClusterPeer *peer = cluster_peer(cluster, k);
            Side target = side_of(&peer->figures);
            ClusterMove other = {.found = true};

            if (!may_receive(peer, now_usec) || is_unheard(cluster, guest->uuid, peer->name, now_usec))
                continue;
            project(&source, &target, guest, &other);
            if (!is_worth_it(cluster, &source, &target, &other) || !is_better(&other, move))
                continue;
            g_strlcpy(other.target, peer->name, sizeof other.target);
            *move = other;
        }
    }
}

bool
choose_accepts(const Cluster *cluster, const ClusterHost *host, const ClusterPeer *peer, uint64_t now_usec)
{
    const ClusterGuest *guest = &peer->figures.guest;
    Side source = side_of(&peer->figures);
    Side target = side_here(host);
    ClusterMove move = {.found = true};

    if (is_unheard(cluster, guest->uuid, cluster->name, now_usec))
        return false;
    for (size_t i = 0; i < host->count; i++)
        if (strcmp(host->guests[i].guest.uuid, guest->uuid) == 0)
            return false; /* it is here, or another one that says so */
    project(&source, &target, guest, &move);
    return is_worth_it(cluster, &source, &target, &move);
}
