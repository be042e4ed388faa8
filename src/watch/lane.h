/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A lane: a connection and the thread that opens it, makes calls on it one after the other, and closes it. What
 * the thread has to tell comes to the main thread through a LaneHome, which all lanes of a pool share and
 * which outlives the pool as long as a thread hangs.
 *
 * Everything here belongs to the main thread unless it says otherwise.
 */

#include "calls.h"

/* A call to be made. Belongs to the lane's thread from lane_begin until it is told as returned. */
typedef struct LaneOrder {
    CallRun run;
    void *data;
    bool broke_lane;                          /* found: run returned false */
    void (*discard)(struct LaneOrder *order); /* frees it, when there is nobody any more to be told; main thread */
} LaneOrder;

typedef struct LaneThread LaneThread;

typedef struct Lane {
    LaneThread *thread;
    LaneOrder *order; /* under way; NULL: none */
    bool open;        /* the attempt to open it is over; then handle is what it gave, or NULL */
    bool left;        /* behind: nothing is begun on it any more. The pool's mark */
    void *handle;
} Lane;

typedef struct LaneListener {
    /* lane->open has become true. error says why it has no handle. */
    void (*opened)(void *user_data, Lane *lane, const GError *error);
    /* The order of lane has returned; it is the listener's again. */
    void (*returned)(void *user_data, Lane *lane, LaneOrder *order);
    /* All that had come has been told. */
    void (*caught_up)(void *user_data);
    void *user_data;
} LaneListener;

typedef struct LaneHome LaneHome;

LaneHome *lane_home_new(const LaneListener *listener);
/* Nothing is told any more. The home goes with its last lane's thread. */
void lane_home_close(LaneHome *home);

/* How to open and close lanes; shared by those that are opened alike. */
typedef struct LaneOpener LaneOpener;

/* self is freed with self_free when the last of its lanes is closed. */
LaneOpener *lane_opener_new(const CallLaneOps *ops, void *self, GDestroyNotify self_free);
void lane_opener_unref(LaneOpener *opener);
const CallLaneOps *lane_opener_ops(const LaneOpener *opener);

/* Starts a thread and has it open its connection. NULL: no thread can be had. */
Lane *lane_start(LaneHome *home, LaneOpener *opener);

/* Hands order to the thread. The lane must be open, and have none. */
void lane_begin(Lane *lane, LaneOrder *order);

/* Sends the thread home when it is done with what it has; it closes the connection. Frees lane. */
void lane_dismiss(Lane *lane);
