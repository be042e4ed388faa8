/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits on guests' cgroups and paging files, as they are found in the world: raw facts that travel from the ports
 * through the Snapshot. What is to become of them is in plan.h.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No limit ("max" in the cgroup's files). */
#define LIMIT_NONE UINT64_MAX

/* memory.max of a group above a guest. */
typedef struct LimitAbove {
    uint64_t id; /* which group that is: the same for all guests in it; 0: none */
    uint64_t limit_kib;
    uint64_t charged_kib; /* memory.current of that group less its page cache that can be given back */
} LimitAbove;

#define LIMITS_ABOVE 3

/* Of the groups above a guest that are limited (machine.slice, a partition) those that come first; none once id is 0. */
typedef struct GroupsAbove {
    LimitAbove group[LIMITS_ABOVE]; /* the tightest by what is left in it, then the others */
} GroupsAbove;

/*
 * Limits of one running guest's memory cgroup (v2; kernel mm/memcontrol.c). memory.high never kills: above it a
 * guest is held back while its pages are reclaimed.
 */
typedef struct GuestLimits {
    bool usable;       /* it has a memory cgroup of its own, whose memory.high is ours to set */
    const char *bar;   /* why not, one clause for people; NULL where usable, and where it is only just starting. Owned
                              by the world, or static */
    bool pending;      /* a write of memory.high is under way */
    bool set;          /* memory.high is one that was set here */
    uint64_t high_kib; /* memory.high; LIMIT_NONE: none. While pending no less than what is written */
    uint64_t charged_kib;  /* memory.current: page cache of its disks included */
    uint64_t swapped_kib;  /* memory.swap.current */
    uint64_t swap_max_kib; /* memory.swap.max; LIMIT_NONE: none */
    /* memory.max of its own group, or what version 1 has for it (<hard_limit>); LIMIT_NONE: none; 0: not known */
    uint64_t max_kib;
    GroupsAbove above;
    uint64_t held_back; /* times it was held back at memory.high since its QEMU was started (memory.events) */
} GuestLimits;

/* What a paging file is at. It goes from one to the next, and from each to GONE. */
typedef enum PagingStage {
    PAGING_STAGE_MAKING,   /* allocated, switched on, limits put in place */
    PAGING_STAGE_ON,       /* in /proc/swaps, and its guest may use it */
    PAGING_STAGE_EMPTYING, /* its guest may not use it any more; what it holds is read back, then swapoff */
    /* Switched off, all limits as they were; deleted, or error says why it is not: that is tried again. The record goes with the
       next look. */
    PAGING_STAGE_GONE,
    PAGING_STAGE_FAILED, /* it could not be made: nothing of it is left, error says why; goes with the next look */
} PagingStage;

/* "making", "on", "emptying", "gone", "failed". Never NULL. */
const char *paging_stage_name(PagingStage stage);

typedef struct PagingRecord {
    char uuid[37]; /* of the guest it belongs to */
    PagingStage stage;
    char *directory; /* absolute */
    uint64_t size_kib;
    uint64_t
        used_kib; /* by its guest: no more than memory.swap.current, nor than /proc/swaps tells of all files of ours */
    uint64_t peak_kib;   /* most that was used */
    uint64_t since_usec; /* when its making began; may lie before the daemon's start */
    bool found;          /* left by an earlier daemon, and taken over */
    unsigned failures;   /* of its end: of swapoff, and of what comes before and after; each is tried again */
    char *error;         /* what failed last, one line with what would help; NULL: nothing */
} PagingRecord;

/* What is asked for. */
typedef struct PagingRequest {
    const char *uuid;
    const char *name;
    pid_t pid;                 /* of its QEMU */
    const char *directory;     /* absolute */
    uint64_t size_kib;         /* of the file: what its guest may swap out is as much */
    uint64_t minimum_free_kib; /* must stay free in the file system */
} PagingRequest;
