/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guests that are about to start: who asked for memory (StartRequest, kept by admit/), what the policy says to it
 * (StartPlan, worked out by decide/), and how well a guest would fit (StartRating).
 */

#include "paging.h"
#include "settings.h"

/* Why a start counts as a restart: it may then use a paging file, and is not refused for want of memory. */
typedef enum RestartKind {
    RESTART_NONE,
    RESTART_RESET, /* reset or rebooted in place */
    RESTART_SOON,  /* started soon after it was stopped ([SmartPaging] RestartWindowSec=) */
    RESTART_HOST,  /* it ran when the host went down, and this is its first start since */
} RestartKind;

/* "none", "reset", "soon", "host". Never NULL. */
const char *restart_kind_name(RestartKind kind);

/*
 * What a boot is. stop_usec: when the guest stopped before, 0 where that is not known or no stop that matters;
 * boot_usec: when it was started, or now while it is off. resumed guests (restored, migrated here, reverted to a snapshot) bring
 * their memory and have not booted. A guest that wakes up, and one whose boot was not seen, is none of the callers' boots.
 */
RestartKind restart_kind(bool in_place, bool resumed, bool ran_at_host_down, uint64_t stop_usec, uint64_t boot_usec,
                         uint64_t window_usec);

typedef enum StartKind {
    START_BOOT,
    START_RESTORE,   /* comes with its memory, from a file */
    START_MIGRATION, /* comes with its memory, from another host */
} StartKind;

/* "boot", "restore", "migration". Never NULL. */
const char *start_kind_name(StartKind kind);

/* A start that was asked for and is not seen running yet. Keyed by uuid. */
typedef struct StartRequest {
    char uuid[37];
    char *name;
    GuestSettings settings;
    StartKind kind;
    RestartKind restart;
    /*
     * Ordinary memory, without overhead. START_BOOT: startup, and not less than the guest needs for itself (guest_floor_kib);
     * otherwise what it comes with. All that it may have where it can't be ballooned, is not managed, or is touched before
     * it runs.
     */
    uint64_t need_kib;
    uint64_t
        pool_kib; /* what it needs of a huge page pool besides; what that lacks is made when it starts, by a hook */
    uint64_t pool_page_kib; /* of that pool's pages; 0: it needs none */
    bool ahead;             /* booked for a guest that another host is to send; false from libvirt's hook on */
    bool forced; /* never refused (not managed, migrates here, admission is off): room is made as far as it goes */
    uint64_t asked_usec;
    uint64_t deadline_usec; /* it is answered by then, one way or the other */
    /* An answer is awaited; false: it was admitted, and is booked until it is seen running. One that was admitted waits again
       when what starts turns out to need more: booked_kib stays booked meanwhile. */
    bool waiting;
    bool begun;          /* libvirt is at it: once it is admitted its QEMU may be there before it is seen */
    uint64_t booked_kib; /* booked for it so far, without overhead */
    GroupsAbove above;   /* what its partition lies in; none where nothing of that is there yet */
} StartRequest;

typedef enum StartVerdict {
    START_WAITS,    /* memory is being freed for it, or a start of higher priority comes first */
    START_ADMITTED, /* its memory is seen free, and booked */
    START_REFUSED,
} StartVerdict;

/* "waiting", "admitted", "refused". Never NULL. */
const char *start_verdict_name(StartVerdict verdict);

/* Reasons why a start may not take memory, besides those of a guest's target (PlanRule, which are 0 and above). */
typedef enum StartBlock {
    START_BLOCK_PRIORITY = -1, /* the guest needs it, and its priority is higher */
    START_BLOCK_AHEAD = -2,    /* another start that stands before it in the line, or was admitted */
    START_BLOCK_HOST = -3,     /* the host: what non-guest processes use, and the reserve */
    START_BLOCK_BUDGET = -4,   /* the host: [Host] Budget= keeps it from all guests */
    START_BLOCK_NODE = -5,     /* others, of the NUMA nodes that it is strictly bound to */
    START_BLOCK_GROUP = -6,    /* memory.max of the control group above it, with what others hold of that */
} StartBlock;

/* Who has memory that a start may not take. */
typedef struct StartBlocker {
    char name[64]; /* of the guest, cut where it is longer; "" for the host itself, or for several starts together */
    uint64_t kept_kib;
    int rule; /* why: PlanRule or StartBlock */
} StartBlocker;

#define START_BLOCKERS_MAX 4

/* "db keeps 2 GiB (it is paused, suspended or migrating)". Free with g_free. */
char *start_blocker_text(const StartBlocker *blocker);

/* The policy's answer to one StartRequest. Sizes without overhead but where it says so. */
typedef struct StartPlan {
    const StartRequest *request;
    StartVerdict verdict;
    bool timed_out;                            /* refused, or admitted by force, because the time is over */
    uint64_t overhead_kib;                     /* of its QEMU, booked besides */
    uint64_t pool_kib;                         /* ordinary memory for the huge pages that its pool lacks */
    uint64_t needed_kib;                       /* request, overhead and pool_kib */
    uint64_t free_kib;                         /* what it could have at once */
    uint64_t reclaimable_kib;                  /* what it may take from others, beyond free */
    uint64_t missing_kib;                      /* needed less free less reclaimable, at least 0 */
    uint64_t booked_kib;                       /* what is booked for it from now on, without overhead */
    uint64_t shortfall_kib;                    /* of an admitted restart: what must come from a paging file */
    StartBlocker blockers[START_BLOCKERS_MAX]; /* of what is missing; those with most first */
    unsigned blocker_count;
} StartPlan;

/*
 * The answer in one line for people, with figures: "web needs 1.1 GiB to start (1 GiB and 88 MiB for its QEMU), 300 MiB are
 * free and 200 MiB can be taken from others; db keeps 2 GiB (…); what would help: …". Free with g_free.
 */
char *start_plan_text(const StartPlan *plan);

/* Whom a start would squeeze, and how far. */
typedef struct StartSqueeze {
    char uuid[37];
    char *name;
    uint64_t assigned_kib;
    uint64_t target_kib;
    bool below_demand;
} StartSqueeze;

/*
 * How well a guest would fit now. Stars: 5: it fits in free memory with its buffer; 4: in free memory; 3: with buffers of others;
 * 2: with memory others need, none below three quarters of its demand; 1: with all that may be taken; 0: it would be refused.
 */
typedef struct StartRating {
    unsigned stars;
    uint64_t startup_kib;
    uint32_t priority;
    uint64_t needed_kib; /* overhead included */
    uint64_t free_kib;
    uint64_t buffers_kib; /* could be taken from others' buffers */
    uint64_t demand_kib;  /* could be taken from what others need */
    uint64_t missing_kib;
    GArray *squeezes; /* of StartSqueeze, those that give most first */
    StartBlocker blockers[START_BLOCKERS_MAX];
    unsigned blocker_count;
} StartRating;

/* Appends a copy. */
void start_rating_add(StartRating *rating, const StartSqueeze *squeeze);
void start_rating_clear(StartRating *rating);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StartRating, start_rating_clear)

/* ---- asking ---- */

/* A guest of another host that is to come here: what is known of it before libvirt's hook brings its XML. */
typedef struct StartAhead {
    const char *name;
    uint64_t maximum_kib;
    uint64_t brings_kib;   /* ordinary memory that it comes with */
    uint64_t overhead_kib; /* what its QEMU costs where it runs */
} StartAhead;

typedef struct StartAsk {
    const char *uuid;
    const char *xml; /* what libvirt is about to start; NULL: its definition as it is known */
    StartKind kind;
    const char
        *owner; /* who asks, a unique name on the bus: when it goes away, so does what it asked for. NULL: nobody */
    bool hook;  /* libvirt waits for the answer with the guest locked */
    /*
     * NULL: it is started. Else its memory is to be booked before anybody sends it: it is never let in by force, nobody gives up
     * what he needs for it, and it is let go after a minute in which neither is it asked for again nor does libvirt begin.
     */
    const StartAhead *ahead;
} StartAsk;

/* How far an asking has come. */
typedef enum StartProgress {
    START_PROGRESS_NONE, /* nobody has asked, or it was refused, let go, or has ended in a guest that runs or is gone */
    START_PROGRESS_WAITS, /* memory is looked for */
    START_PROGRESS_HELD,  /* it is booked, and nobody has begun it */
    START_PROGRESS_BEGUN, /* libvirt is at it */
} StartProgress;

/* The reason of an answer that is none: the daemon ends, and who asked should ask the next one. Compared as text. */
#define START_REASON_STOPPING "dynmemd is being stopped"

/* reason: one line for people, never NULL, valid for the call. Called once, maybe before the asking returns. */
typedef void (*StartAnswer)(void *user_data, bool granted, const char *reason);

/* What else is heard of a guest's start: from libvirt's hook, and from who called libvirt. */
typedef enum StartNote {
    START_NOTE_HANDED,  /* the daemon calls libvirt to start it (virDomainCreate), which goes on whoever goes away */
    START_NOTE_STARTED, /* its processors run, or are about to */
    START_NOTE_STOPPED, /* it is gone, or its start has failed */
} StartNote;
