/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A tick built by hand, for the tests of report/: a calm host of 16 GiB with the guests that the test adds. Every
 * figure may be changed before the tick is handed in. Guests are added in the order of their uuids.
 */

#include "outcome.h"
#include "units.h"

#define FAKE_GUESTS 128
#define FAKE_STARTS 8
#define FAKE_FILES 8

typedef struct FakeTick {
    Settings *settings;
    GuestSettings guest_settings[FAKE_GUESTS];
    char uuids[FAKE_GUESTS][37];
    char *names[FAKE_GUESTS];
    GuestSnapshot snapshots[FAKE_GUESTS];
    GuestPlan plans[FAKE_GUESTS];
    StartRequest requests[FAKE_STARTS];
    const StartRequest *request_list[FAKE_STARTS];
    StartPlan starts[FAKE_STARTS];
    PagingRecord files[FAKE_FILES];
    const PagingRecord *file_list[FAKE_FILES];
    Snapshot snapshot;
    Plan plan;
    Outcome outcome;
    GPtrArray *issues;
    TickReport report;
} FakeTick;

FakeTick *fake_tick_new(void);
void fake_tick_free(FakeTick *tick);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeTick, fake_tick_free)

/*
 * Adds a running, settled guest of 1 to 4 GiB (startup 2) that has 2 GiB, its target, needs 1.5 and wants 1.8 GiB. Its uuid
 * ends in its number, from 0 on. The pointers stay valid.
 */
GuestPlan *fake_tick_add(FakeTick *tick, const char *name);
GuestSnapshot *fake_tick_snapshot(FakeTick *tick, size_t index);
GuestSettings *fake_tick_settings(FakeTick *tick, size_t index);
/* Takes the guest out; those behind it move up, with their uuids. */
void fake_tick_remove(FakeTick *tick, size_t index);

void fake_tick_act(FakeTick *tick, size_t index, uint64_t old_kib, uint64_t new_kib, ActionResult result,
                   const char *error);
void fake_tick_reject(FakeTick *tick, size_t index, const char *message);
/* Its settings are in force, and lead to something. */
void fake_tick_advise(FakeTick *tick, size_t index, const char *message);

/*
 * A start of that guest, which is taken to be off, asked for five seconds ago and answered within 25: it needs 2 GiB and
 * 150 MiB of overhead, 512 MiB are free, 1 GiB can be taken from others. The pointer stays valid.
 */
StartPlan *fake_tick_start(FakeTick *tick, size_t index, StartVerdict verdict);
/* The start is over. */
void fake_tick_drop_starts(FakeTick *tick);
/* Limits of the guest's cgroup: memory.high is ours to set and is set to 2 GiB. */
GuestLimits *fake_tick_limit(FakeTick *tick, size_t index);
/*
 * A paging file of 512 MiB for that guest, in /var/lib/dynmem/paging, made 60 s ago, 300 MiB used, at most 400. The pointer
 * stays valid.
 */
PagingRecord *fake_tick_file(FakeTick *tick, size_t index, PagingStage stage);
void fake_tick_drop_files(FakeTick *tick);

/* The next tick: time goes on by a second, actions are forgotten. */
void fake_tick_next(FakeTick *tick);
