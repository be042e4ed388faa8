/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * This host as a member of a cluster: stands between who speaks for the cluster (its agent, over the bus), what a host of a
 * cluster decides (src/cluster/), and the engine of this host.
 *
 *   an exchange ──► lines ─────────────► cluster_hear ─┐
 *                   the last tick's plan ► host.c ──────┴► cluster_step ──► line, room, wish ──► the answer
 *                                                              │
 *                                                              └► bookings ahead, in the book of starts
 *
 * There is no cluster until the first exchange, nor after it has not been heard of for a while. All on the main loop's thread.
 */

#include "cluster_port.h"
#include "engine.h"
#include "keep/keep.h"
#include "ports.h"

/* A cluster that has not been heard of for so long is none. */
#define MEMBER_SILENCE_USEC (30 * USEC_PER_SEC)

typedef struct Member Member;

typedef struct MemberOptions {
    Clock clock;
    bool dry;         /* nothing may be moved, whatever the level says */
    Keep *keep;       /* borrowed; must outlive the member */
    ClusterTell tell; /* may be NULL */
    void *user_data;  /* of tell */
} MemberOptions;

/* options is copied. */
Member *member_new(const MemberOptions *options);
/* Gives the engine to it, borrowed: it must be there before an exchange, and ends before the member. */
void member_attach(Member *member, Engine *engine);
void member_free(Member *member);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Member, member_free)

/* To be called every few seconds: lets go of a cluster that is not heard of any more. */
void member_look(Member *member);

/* What the bus asks for. Valid as long as member lives. */
ClusterPort member_port(Member *member);
