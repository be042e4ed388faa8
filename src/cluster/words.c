/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said to people. */

#include "cluster/cluster.h"

static const struct {
    const char *name;
    const char *text;
} whys[] = {
    [CLUSTER_WHY_MOVES] = {"moves", "a guest of this host is being moved"},
    [CLUSTER_WHY_CALM] = {"calm", "this host is not under pressure"},
    [CLUSTER_WHY_HOLD] = {"hold", "the pressure has not lasted long enough"},
    [CLUSTER_WHY_MOTION] = {"motion", "another guest of the cluster is being moved, or was a moment ago"},
    [CLUSTER_WHY_RESERVE] = {"reserve", "too little memory is left here to send a guest with"},
    [CLUSTER_WHY_NO_MOVE] = {"no-move", "no move would make it enough better"},
    [CLUSTER_WHY_LEVEL] = {"level", "Level= of [Cluster] lets nothing be moved"},
    [CLUSTER_WHY_CONFIRM] = {"confirm", "it waits to be confirmed"},
    [CLUSTER_WHY_RECEIVES] = {"receives", "this host is taking a guest in"},
};

const char *
cluster_why_name(ClusterWhy why)
{
    return whys[why].name;
}

const char *
cluster_why_text(ClusterWhy why)
{
    return whys[why].text;
}

const char *
cluster_end_text(ClusterEnd end)
{
    static const char *const texts[] = {
        [CLUSTER_END_NONE] = "",
        [CLUSTER_END_LEFT] = "it runs there",
        [CLUSTER_END_GONE] = "it has ended",
        [CLUSTER_END_CAME] = "it runs here",
        [CLUSTER_END_OFF] = "Level= of [Cluster] lets nothing be moved any more",
        [CLUSTER_END_YIELDS] = "another host offered a guest at the same time, and goes first",
        [CLUSTER_END_UNANSWERED] = "the other host has not answered",
        [CLUSTER_END_REFUSED] = "the other host has given it up",
        [CLUSTER_END_NOT_SENT] = "its migration has failed, or was called off",
        [CLUSTER_END_CALLED_OFF] = "the other host does not offer it any more",
        [CLUSTER_END_NO_ROOM] = "its memory could not be booked",
        [CLUSTER_END_NOT_FOLLOWED] =
            "the cluster has not sent it in time: a constraint of its own may stand against it",
        [CLUSTER_END_NOT_COME] = "its migration has failed",
    };

    return texts[end];
}
