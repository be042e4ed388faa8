/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The simulated host with its guests, behind the ports of the engine. Its time is virtual and moves only
 * by sim_world_begin and sim_world_move.
 */

#include "guest.h"

/* What the clocks show at second 0: the host has been up for a while. */
#define SIM_MONOTONIC_START_SEC UINT64_C(100000)
#define SIM_WALL_START_SEC UINT64_C(1750000000)

typedef struct SimWorld SimWorld;

/* scenario must outlive the world. */
SimWorld *sim_world_new(const SimScenario *scenario);
void sim_world_free(SimWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimWorld, sim_world_free)

/* The ports but for the sink. Valid as long as world lives. */
Ports sim_world_ports(SimWorld *world);

/* Seconds before second 0, in which the engine gets to know the guests; before is how many are left, at least 1. */
void sim_world_settle(SimWorld *world, uint64_t before);

/* That second begins. */
void sim_world_begin(SimWorld *world, uint64_t second);

/* That second passes. */
void sim_world_move(SimWorld *world, uint64_t second);

size_t sim_world_guest_count(const SimWorld *world);
const SimGuest *sim_world_guest(const SimWorld *world, size_t index);
/* How often that guest was told another target than before. */
uint64_t sim_world_target_changes(const SimWorld *world, size_t index);

/* All memory of the host that guests hold at this moment; may be above what the host has: it would swap or kill. */
uint64_t sim_world_resident(const SimWorld *world);

/* ---- starts: the guests ask for them, desk.c takes them to the engine ---- */

/* Does somebody want that guest started since it was last asked? It is told once. */
bool sim_world_take_asking(SimWorld *world, size_t index);
/* Has its QEMU ended, or has who wanted it started given up? It is told once. */
bool sim_world_take_stop(SimWorld *world, size_t index);
/* Its start was admitted: a new QEMU. Before that second begins. */
void sim_world_start_guest(SimWorld *world, size_t index, uint64_t second);
/* As the engine sees it. Valid as long as world lives. */
const GuestRecord *sim_world_record(const SimWorld *world, size_t index);

/* ---- what is lost ---- */

/* The daemon is gone before that second begins: what it has seen is forgotten, what it did to guests and host stands. */
void sim_world_lose_daemon(SimWorld *world, uint64_t second);
/* The host goes down and comes back: no guest runs, and those that did are wanted again. */
void sim_world_lose_host(SimWorld *world, uint64_t second);

/* ---- what the tests look at ---- */

/* That guest's paging file while there is one, NULL otherwise. */
const PagingRecord *sim_world_file(const SimWorld *world, size_t index);
/* What the engine did and never may do, NULL: nothing. */
const char *sim_world_misdeed(const SimWorld *world);

/* Lets the connection to "libvirt" be in that state from now on. */
void sim_world_set_link(SimWorld *world, WorldLink link);
