/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The figures that the cluster itself counts with: scores of hosts for guests, and how much fits on a host. Whatever
 * is published here, no guest may stop, or move that was not offered, because of it:
 *
 *   - a score below 0 on every host stops a guest: there is none;
 *   - a guest moves to the host with the highest score, and where it is counts its stickiness: the room of a host is always
 *     less than that, a wish always more than both together;
 *   - guests are stopped until what is left fits the host's capacity: it is never below what runs there.
 */

#include <stdbool.h>
#include <stdint.h>

/* What guests must have as resource-stickiness, at least ... */
#define CLUSTER_STICKINESS 100
/* ... and below the wish, or no wish moves them. What an administrator's own constraints add must fit between. */
#define CLUSTER_WISH_SCORE 250
/* Of a star. With all stars it is a half of the stickiness. */
#define CLUSTER_STAR_SCORE 10

/* How well a typical guest would fit, held steady: each change of it makes the cluster's scheduler look at everything. */
typedef struct ClusterRoom {
    bool known;
    unsigned stars;      /* as published */
    unsigned best;       /* of those seen since it has been worse, or the worst of those since it has been better */
    uint64_t since_usec; /* when it began to be worse, or better; 0: it is neither */
    bool falling;
} ClusterRoom;

/*
 * The score of a host on which a guest would fit with stars at this moment. It changes once stars have lain on one side of
 * what is published for a minute, and then no further than they all did.
 */
int cluster_room_score(ClusterRoom *room, unsigned stars, uint64_t now_usec);

/* The utilization of a guest: what it can't be without, in MiB. It changes with its settings only. */
uint64_t cluster_guest_utilization(uint64_t minimum_kib, uint64_t overhead_kib);

/* The capacity of a host in MiB; running is the sum of cluster_guest_utilization over what runs there. */
uint64_t cluster_host_capacity(uint64_t budget_kib, uint64_t running);
