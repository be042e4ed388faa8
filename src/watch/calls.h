/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A pool of threads for calls that can block for ever and can't be cancelled.
 *
 * Calls run on lanes. A lane is a connection and the thread that opens it, makes calls on it, one at a time, and
 * closes it. (libvirt allows several threads on a connection. But the one that waits for its answer also sends for the
 * others, and can miss to be woken for it (virnetclient.c, virNetClientIO, seen with 9.0): if its own answer does not
 * come, neither do theirs.) While all is well there is one lane, or a few if many calls wait. When the calls on all
 * lanes have been under way for longer than the patience and others wait, one more is opened, up to a limit. Beyond
 * the limit nothing more is begun: what has waited too long is dropped, until a hung call returns.
 *
 * A call has a key, and a key has at most one call, waiting or under way. A call that is past its
 * deadline is late: it is told once, keeps its lane and its key, and ends when it returns.
 *
 * Knows nothing of libvirt: lanes are opened and calls are made through function pointers.
 *
 * All functions here belong to the thread that runs the default main context. late and done come there,
 * from the main loop, and may hand in further calls, but not free the pool.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CallPool CallPool;

/* Both run on threads of the pool and may block. */
typedef struct CallLaneOps {
    /* Returns a new lane, or NULL and error. self is the pool's. */
    void *(*open)(void *self, GError **error);
    void (*close)(void *lane);
} CallLaneOps;

typedef struct CallPoolOptions {
    unsigned usual_lanes;   /* as many as may be open for speed alone, and stay open */
    unsigned lanes;         /* as many as may be open */
    uint64_t patience_usec; /* a call under way for longer no longer counts as about to end */
    uint64_t reopen_usec;   /* wait before the next attempt when a lane could not be opened */
} CallPoolOptions;

typedef enum CallEnd {
    CALL_RETURNED,     /* it ran; data hold what it found */
    CALL_EXPIRED,      /* it never began: no lane was free in time */
    CALL_DISCONNECTED, /* it never began: the lanes were left behind */
    CALL_WITHDRAWN,    /* it never began: it was taken back */
} CallEnd;

/*
 * Makes the call, on a thread of the pool. lane is what open returned; data are this function's alone
 * until it returns. Returns false when the lane is broken and must not be used again.
 */
typedef bool (*CallRun)(void *lane, void *data);

typedef struct CallSpec {
    CallRun run;
    void *data; /* taken over */
    GDestroyNotify data_free;
    uint64_t deadline_usec; /* from the beginning of the call */
    uint64_t wait_usec;     /* for a lane, before it begins; 0: as long as deadline_usec */
    /* The call is late. data must not be touched. May be NULL. */
    void (*late)(void *user_data, const char *key);
    /* The call has ended; its key is free again. Comes exactly once unless the pool is freed before. */
    void (*done)(void *user_data, const char *key, void *data, CallEnd end);
    void *user_data;
} CallSpec;

/* self is handed to ops->open and freed with self_free when the last thread is done with it. */
CallPool *call_pool_new(const CallPoolOptions *options, const CallLaneOps *ops, void *self, GDestroyNotify self_free);

/* Calls under way are left behind: their data are freed when they return, if they do. No callback comes any more. */
void call_pool_free(CallPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallPool, call_pool_free)

/* Hands a call in. key must have none (call_pool_is_busy). */
void call_pool_submit(CallPool *pool, const char *key, const CallSpec *spec);

bool call_pool_is_busy(const CallPool *pool, const char *key);
/* The call of this key is past its deadline and has not returned. */
bool call_pool_is_late(const CallPool *pool, const char *key);

/* Takes back the call of this key where it still waits: it ends as CALL_WITHDRAWN right here. */
void call_pool_withdraw(CallPool *pool, const char *key);

/*
 * Leaves all lanes behind (their connection is gone, or the next ones shall be opened differently): what
 * waits ends as CALL_DISCONNECTED right here, what is under way when it returns. self is what later lanes are opened
 * with, and taken over.
 */
void call_pool_reset(CallPool *pool, void *self, GDestroyNotify self_free);

typedef struct CallPoolFigures {
    unsigned lanes;   /* open or being opened, free or hung */
    unsigned left;    /* left behind with calls that have not returned */
    unsigned running; /* calls under way */
    unsigned late;    /* of those, past their deadline */
    unsigned waiting;
} CallPoolFigures;

CallPoolFigures call_pool_figures(const CallPool *pool);
