/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What became of each guest over the last day: its figures in points of ten seconds for the last hour and of five minutes for
 * the last 25 hours, and what happened to it. In memory only, and bounded: a guest's history takes at most HISTORY_GUEST_BYTES,
 * however long it runs, and there are HISTORY_GUESTS of them at most. One begins when a guest is first seen other than off, or
 * when something happens to it. It outlives the guest, until nothing of the last 25 hours is left in it or another guest needs
 * the place.
 *
 * Times are microseconds of history_clock_usec(), which goes on while the host sleeps; if it went back all the same, the last
 * time that was seen counts until it has caught up.
 */

#include "change.h"

#define HISTORY_FINE_SEC 10
#define HISTORY_FINE_POINTS 360
#define HISTORY_COARSE_SEC 300
#define HISTORY_COARSE_POINTS 300
#define HISTORY_GUESTS 1024
#define HISTORY_GUEST_EVENTS 32
#define HISTORY_HOST_EVENTS 64
/* A longer message is cut. */
#define HISTORY_MESSAGE_BYTES 400
/* 21 KB of points, 15 KB of events that are all of the longest, and what holds them. */
#define HISTORY_GUEST_BYTES (40 * 1024)

typedef struct History History;

/* A stretch of time in which a guest was looked at. */
typedef struct HistorySpan {
    uint64_t start_usec;
    uint64_t length_usec;
    uint64_t assigned_kib;    /* mean */
    uint64_t demand_kib;      /* mean of when it was known; 0: it never was */
    uint64_t demand_most_kib; /* in a moment of it */
    uint64_t want_kib;        /* mean of the same time */
    uint64_t lacked_kib;      /* most by which what it had was less than its demand */
    uint64_t paged_kib;       /* most that was in its paging file */
    uint32_t target_changes;  /* how often it was told another target; 255: that or more */
    GuestState state;         /* at its end */
    GuestStatus status;       /* the worst of it */
    PlanRule rule;            /* that held then, the last time */
} HistorySpan;

typedef struct HistoryEvent {
    uint64_t time_usec;
    ChangeKind kind;
    bool host; /* it concerns the host */
    uint64_t old_kib;
    uint64_t new_kib;
    char *message;
} HistoryEvent;

/* Whose history it is. Belongs to the history, until the next history_add or history_note. */
typedef struct HistoryOwner {
    const char *uuid;
    const char *name; /* its last one */
} HistoryOwner;

History *history_new(void);
void history_free(History *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(History, history_free)

/* CLOCK_BOOTTIME. */
uint64_t history_clock_usec(void);

/* Takes the figures of a tick. */
void history_add(History *history, const TickReport *report, uint64_t now_usec);

/* Takes what happened; call it after history_add for the same tick. */
void history_note(History *history, const Change *change, uint64_t now_usec);

/* Since when it is kept: the first call of history_add, or 0. */
uint64_t history_began_usec(const History *history);

/* Whose name or uuid text is, also where the guest is gone; of several of that name the one that ran last. False: nobody's. */
bool history_find(const History *history, const char *text, HistoryOwner *owner);

/*
 * What is known of the guest with that uuid since then, oldest first, without overlap: an array of HistorySpan, empty where there
 * is nothing. Times in which it was not looked at are missing. Caller unrefs.
 */
GArray *history_spans(const History *history, const char *uuid, uint64_t since_usec);

/*
 * What happened to it and to the host since then, oldest first: an array of const HistoryEvent, which belong to the history
 * until the next history_note. That it was told another target is no event here: spans count that. Caller unrefs.
 */
GPtrArray *history_events(const History *history, const char *uuid, uint64_t since_usec);

/* How many guests have a history, and what all of it takes, in bytes. */
unsigned history_guests(const History *history);
size_t history_bytes(const History *history);
