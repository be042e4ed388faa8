/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The motions in which this host took part, and what is told of them. */

#include "cluster/cluster.h"
#include "cluster_port.h"

/* So many are remembered. */
#define MOVES_MAX 32

typedef struct Moves Moves;

/* Each piece of news is told once, as it comes about. */
Moves *moves_new(ClusterTell tell, void *user_data);
void moves_free(Moves *moves);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Moves, moves_free)

/* What a step came to. */
typedef struct MovesStep {
    const char *node;             /* this host */
    const ClusterFigures *before; /* of the step before it, or of the daemon before this one: news of that are old */
    const ClusterStep *step;
    const char *guest;      /* name of the guest that moves, or moved; NULL: it is not known */
    ClusterBooking booking; /* as the step had it */
    const char *refusal;    /* why nothing could be booked; NULL: nobody said */
    uint64_t now_usec;
} MovesStep;

void moves_note(Moves *moves, const MovesStep *step);

/* What goes on is not followed any more, for that reason. */
void moves_break_off(Moves *moves, const char *reason, uint64_t now_usec);

/* Appends copies, newest first. */
void moves_list(const Moves *moves, GArray *list);
