/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_port.h"

void
cluster_motion_copy(const ClusterMotion *motion, ClusterMotion *copy)
{
    *copy = *motion;
    copy->guest = g_strdup(motion->guest);
    copy->reason = g_strdup(motion->reason);
}

void
cluster_motion_clear(ClusterMotion *motion)
{
    g_clear_pointer(&motion->guest, g_free);
    g_clear_pointer(&motion->reason, g_free);
}

static void
clear_motion(void *data)
{
    cluster_motion_clear(data);
}

static void
clear_ignored(void *data)
{
    ClusterIgnored *ignored = data;

    g_clear_pointer(&ignored->reason, g_free);
}

void
cluster_status_init(ClusterStatus *status)
{
    *status = (ClusterStatus){
        .moves = g_array_new(FALSE, TRUE, sizeof(ClusterMotion)),
        .hosts = g_array_new(FALSE, TRUE, sizeof(ClusterHostView)),
        .ignored = g_array_new(FALSE, TRUE, sizeof(ClusterIgnored)),
    };
    g_array_set_clear_func(status->moves, clear_motion);
    g_array_set_clear_func(status->ignored, clear_ignored);
}

void
cluster_status_clear(ClusterStatus *status)
{
    g_clear_pointer(&status->moves, g_array_unref);
    g_clear_pointer(&status->hosts, g_array_unref);
    g_clear_pointer(&status->ignored, g_array_unref);
    g_clear_pointer(&status->best.guest, g_free);
}
