/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of the simulated host: world.c has the guests and the figures of the host, limit_world.c the limits of
 * the guests' cgroups, paging_world.c their paging files.
 */

#include "world.h"

/* memory.high of a guest being written: one write is under way, and one may wait for it. */
typedef struct SimLimitWrite {
    bool active;
    uint64_t high_kib;
    GuestLimitDone done;
    void *user_data;
} SimLimitWrite;

typedef struct SimLimit {
    bool set; /* memory.high is one that the engine set */
    uint64_t reclaim_seconds;
    SimLimitWrite writing;
    SimLimitWrite waiting;
} SimLimit;

typedef struct SimFile {
    bool there;
    bool shown; /* as gone or failed: it goes with the next second */
    PagingRecord record;
    uint64_t boots;        /* of its guest when it was made: another QEMU has no part in it */
    uint64_t begun_second; /* of what it is at */
    uint64_t retry_second; /* of swapoff */
    uint64_t off_fails;    /* so often swapoff will fail yet */
} SimFile;

typedef struct SimSeat {
    SimGuest guest;
    GuestRecord record;
    char *xml;
    uint64_t target_changes;
    uint64_t unseen_boots; /* starts and resets that this daemon has not seen */
    uint64_t seen_second;  /* when this daemon first saw it run; only where unseen_boots are all there were */
    bool hook_waits;       /* libvirt waits with the guest locked: nobody may ask it anything */
    SimLimit limit;
    SimFile file;
} SimSeat;

struct SimWorld {
    const SimScenario *scenario;
    SimSeat *seats;
    size_t count;
    GHashTable *by_uuid; /* uuid in the seat's record -> SimSeat */
    const GuestRecord **records;
    const PagingRecord **files;
    uint64_t files_failed; /* makings that failed so far */
    uint64_t second;
    uint64_t now_usec;
    WorldLink link;
    char *misdeed; /* what the engine did and never may */
};

SimSeat *sim_world_seat(SimWorld *world, const char *uuid);

/* Tells of something that may never be done; the first of them is kept. */
void sim_world_blame(SimWorld *world, const SimSeat *seat, const char *deed);

/* ---- limits ---- */

LimitWorld sim_limit_world(SimWorld *world);
/* The second begins: what is written comes into force. */
void sim_limits_begin(SimWorld *world);
/* A new QEMU has a new cgroup. */
void sim_limit_forget(SimSeat *seat);

/* ---- paging files ---- */

PagingWorld sim_paging_world(SimWorld *world);
void sim_paging_begin(SimWorld *world);
/* The daemon is gone, and another takes over what it finds. */
void sim_paging_find(SimWorld *world);
/* The host is gone: no file is switched on after it, and what is left of them is deleted by whoever finds it. */
void sim_paging_fall(SimWorld *world);
