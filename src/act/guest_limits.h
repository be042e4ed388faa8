/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The LimitWorld of a real host: memory.high of guests' control groups, version 2. Written in the group that accounts
 * the guest, which is its own and delegated, and never in the scope above it: systemd writes that anew at each
 * daemon-reload (systemd src/core/unit-serialize.c, unit_invalidate_cgroup). Never memory.max, which kills.
 *
 * Main thread only; values are written by threads (limit_slot.h).
 */

#include "held.h"
#include "ports.h"

typedef struct Limits Limits;

/* held and system must stay; a reference of held is taken. */
Limits *limits_new(const ActSystem *system, Held *held);
/* Calls still under way end with an error; their writes are left to their threads. */
void limits_free(Limits *limits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Limits, limits_free)

/* Valid as long as limits. */
LimitWorld limits_world(Limits *limits);

/* How many limits are being forgotten because somebody else has set them. */
unsigned limits_disowned(const Limits *limits);

/* While keep is set limits_stop leaves the limit of that control group: its guest has a paging file, which it would outgrow
   without the limit. */
void limits_keep(Limits *limits, const char *group, bool keep);

/*
 * Puts every memory.high that is ours back to what it was, but those kept. done is called once, at the latest deadline_usec
 * from now; nothing is set any more. What is not put back by then is known to the next daemon.
 */
void limits_stop(Limits *limits, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data);
