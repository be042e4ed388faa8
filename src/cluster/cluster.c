/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/private.h"

#include <string.h>

ClusterRules
cluster_rules_of(const Settings *settings)
{
    return (ClusterRules){
        .pressure_percent = settings->cluster_pressure_percent,
        .gain_percent = settings->cluster_gain_percent,
        .hold_usec = settings->cluster_hold_usec,
        .cooldown_usec = settings->cluster_cooldown_usec,
    };
}

ClusterRules
cluster_rules_default(void)
{
    g_autoptr(Settings) settings = settings_new();

    return cluster_rules_of(settings);
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
cluster_stay(Cluster *cluster, const char *uuid, uint64_t until_usec)
{
    if (!cluster_broken(CLUSTER_FAULT_FORGET_STAYS))
        choose_stay(cluster, uuid, until_usec);
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

/* The figures are others' to read: what can't be is not said. */
static void
fill_figures(Cluster *cluster, const ClusterHost *host, ClusterFigures *figures)
{
    figures->beat = ++cluster->beat;
    figures->level = host->level;
    figures->budget_kib = MIN(host->budget_kib, KIB_LIMIT);
    figures->besides = host->besides;
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
