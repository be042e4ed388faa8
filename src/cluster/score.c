/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/score.h"

#include "cluster/faults.h"
#include "units.h"

/* So long it must have been better, or worse. Starts and boots of guests move the rating for less. */
#define ROOM_HOLD_USEC (60 * USEC_PER_SEC)

static int
score_of(unsigned stars)
{
    int score = (int)stars * CLUSTER_STAR_SCORE;

    if (cluster_broken(CLUSTER_FAULT_NEGATIVE))
        score -= 3 * CLUSTER_STICKINESS;
    if (cluster_broken(CLUSTER_FAULT_HIGH_SCORE))
        score *= CLUSTER_STICKINESS;
    return score;
}

int
cluster_room_score(ClusterRoom *room, unsigned stars, uint64_t now_usec)
{
    bool falling = stars < room->stars;

    if (!room->known || cluster_broken(CLUSTER_FAULT_NERVOUS_STARS)) {
        *room = (ClusterRoom){.known = true, .stars = stars};
        return score_of(stars);
    }
    if (stars == room->stars) {
        room->since_usec = 0;
        return score_of(room->stars);
    }
    if (room->since_usec == 0 || falling != room->falling) {
        room->since_usec = now_usec;
        room->best = stars;
        room->falling = falling;
    }
    room->best = falling ? (stars > room->best ? stars : room->best) : (stars < room->best ? stars : room->best);
    if (now_usec - room->since_usec >= ROOM_HOLD_USEC) {
        room->stars = room->best;
        room->since_usec = 0;
    }
    return score_of(room->stars);
}

uint64_t
cluster_guest_utilization(uint64_t minimum_kib, uint64_t overhead_kib)
{
    return (saturating_add(minimum_kib, overhead_kib) + KIB_PER_MIB - 1) / KIB_PER_MIB;
}

uint64_t
cluster_host_capacity(uint64_t budget_kib, uint64_t running)
{
    uint64_t budget = budget_kib / KIB_PER_MIB;

    if (cluster_broken(CLUSTER_FAULT_SMALL_CAPACITY))
        return budget;
    return budget > running ? budget : running;
}
