/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/private.h"

#include <string.h>

ClusterRules
cluster_rules_default(void)
{
    return (ClusterRules){
        /* above it buffers are not whole: one more burst, and guests lack what they need */
        .pressure_percent = 100,
        /* a guest of a tenth of a host: less is not worth what a migration costs, and noise makes it */
        .gain_percent = 10,
        /* a boot, a backup, a build are over by then */
        .hold_usec = 180 * USEC_PER_SEC,
        /* so that a load that comes and goes each hour carries no guest to and fro */
        .cooldown_usec = 3600 * USEC_PER_SEC,
    };
}

Cluster *
cluster_new(const char *name, const ClusterRules *rules)
{
    Cluster *cluster = g_new0(Cluster, 1);

    g_assert(cluster_name_is_good(name));
    g_strlcpy(cluster->name, name, sizeof cluster->name);
    cluster->rules = *rules;
    cluster->peers = g_ptr_array_new_with_free_func(g_free);
    cluster->staying = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    cluster->unheard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return cluster;
}

void
cluster_set_rules(Cluster *cluster, const ClusterRules *rules)
{
    cluster->rules = *rules;
}

void
cluster_free(Cluster *cluster)
{
    if (cluster == NULL)
        return;
    g_ptr_array_unref(cluster->peers);
    g_hash_table_unref(cluster->staying);
    g_hash_table_unref(cluster->unheard);
    g_free(cluster);
}

const char *
cluster_why_text(ClusterWhy why)
{
    static const char *const texts[] = {
        [CLUSTER_WHY_MOVES] = "a guest of this host is being moved",
        [CLUSTER_WHY_CALM] = "this host is not under pressure",
        [CLUSTER_WHY_HOLD] = "the pressure has not lasted long enough",
        [CLUSTER_WHY_MOTION] = "another guest of the cluster is being moved, or was a moment ago",
        [CLUSTER_WHY_RESERVE] = "too little memory is left here to send a guest with",
        [CLUSTER_WHY_NO_MOVE] = "no move would make it enough better",
        [CLUSTER_WHY_LEVEL] = "Level= of [Cluster] lets nothing be moved",
        [CLUSTER_WHY_CONFIRM] = "it waits to be confirmed",
        [CLUSTER_WHY_RECEIVES] = "this host is taking a guest in",
    };

    return texts[why];
}

/* The figures are others' to read: what can't be is not said. */
static void
fill_figures(Cluster *cluster, const ClusterHost *host, ClusterFigures *figures)
{
    figures->beat = ++cluster->beat;
    figures->level = host->level;
    figures->budget_kib = MIN(host->budget_kib, KIB_LIMIT);
    figures->want_kib = MIN(host->want_kib, KIB_LIMIT);
    figures->free_kib = MIN(host->free_kib, figures->budget_kib);
    figures->reclaimable_kib = MIN(host->reclaimable_kib, KIB_LIMIT);
    figures->stars = MIN(host->stars, CLUSTER_STARS_MAX);
    figures->phase = cluster->phase;
    if (cluster->phase == CLUSTER_PHASE_IDLE)
        return;
    figures->guest = cluster->guest;
    g_strlcpy(figures->partner, cluster->partner, sizeof figures->partner);
}

void
cluster_step(Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterStep *step)
{
    *step = (ClusterStep){.pressure = cluster_pressure(host->want_kib, host->budget_kib)};
    if (step->pressure < cluster->rules.pressure_percent)
        cluster->pressed_usec = 0;
    else if (cluster->pressed_usec == 0)
        cluster->pressed_usec = now_usec;
    motion_step(cluster, host, now_usec, step);
    step->room = cluster_room_score(&cluster->room, MIN(host->stars, CLUSTER_STARS_MAX), now_usec);
    fill_figures(cluster, host, &step->figures);
}
