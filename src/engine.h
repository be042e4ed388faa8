/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One tick: collect, observe, decide, act, report. The same engine runs in the daemon and in the
 * simulator; who calls engine_tick and when is theirs.
 */

#include "keep/keep.h"
#include "plan.h"
#include "settings_change.h"

typedef struct Engine Engine;

/* ports are copied; settings are taken over; keep is borrowed. With dry nothing is changed in any guest. */
Engine *engine_new(const Ports *ports, Settings *settings, Keep *keep, bool dry);
void engine_free(Engine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Engine, engine_free)

/*
 * Starts a tick: every guest is asked. It ends, with a call of the report sink, when the guests have answered or the collect
 * deadline has passed. A tick asked for while one is under way is done right after it.
 */
void engine_tick(Engine *engine);

/* An interval has so many parts. QEMU tells of a balloon's way once a second at most (qapi/qapi-events, BALLOON_CHANGE), of a
   report never; its size and the last report can be asked for at any time. */
#define ENGINE_PARTS 4

/*
 * To be called once in each part of an interval. Those guests are asked whose reports are due, and where somebody waits for
 * memory that is coming free those whose balloons move. The first part is always a tick, the others if what was answered
 * helps somebody. While a tick is under way nothing is done.
 */
void engine_tick_part(Engine *engine);

/* So often it is to be looked at what guests hold, whatever the interval. */
#define ENGINE_GLANCE_USEC (100 * USEC_PER_MSEC)

/*
 * Looks at what guests hold (LimitWorld.glance). One that takes much since its last report is asked for another at once, and
 * what it answers is a tick if it helps somebody; one that is held back at its limit is a tick. Nothing where limits can't be had,
 * as in a dry run.
 */
void engine_glance(Engine *engine);

/* A tick with what is known: no guest is asked anything. For who waits. */
void engine_tick_now(Engine *engine);

/* From now on nothing is decided, not even what answers that are under way bring: who waits is answered by the next daemon. */
void engine_stop(Engine *engine);

/* Other settings from the next tick on; taken over. */
void engine_set_settings(Engine *engine, Settings *settings);
/*
 * The daemon is about to end for good: from the next tick on no guest is held below its startup memory, which others above theirs
 * give up where it is short. Other settings end that.
 */
void engine_retire(Engine *engine);
const Settings *engine_settings(const Engine *engine);

/* The kernel reported memory pressure. */
void engine_note_pressure(Engine *engine);

/* ---- starts (starts.h) ---- */

/*
 * Asks for memory for a start. The answer comes with a tick, or before the return. Returns true when that tick should
 * be now: engine_tick_now, or in the simulator the next one.
 */
bool engine_ask_start(Engine *engine, const StartAsk *ask, StartAnswer answer, void *user_data);
/* How far the start of that guest has come. */
StartProgress engine_start_progress(const Engine *engine, const char *uuid);
/* Takes an asking back. Returns false where there is none for this guest. */
bool engine_release_start(Engine *engine, const char *uuid);
/* An owner of askings is gone. */
void engine_drop_owner(Engine *engine, const char *owner);
/* libvirt's hook told that a guest started, or is gone. */
void engine_note_start(Engine *engine, const char *uuid, StartNote note);
/* How well a guest of that startup memory would fit now. Before the first tick all is 0. Clear with start_rating_clear. */
void engine_rate(const Engine *engine, uint64_t startup_kib, uint32_t priority, StartRating *rating);

/* ---- settings of guests (settings_change.h) ---- */

/*
 * What the change would come to, by what is known of the guest. Returns NULL and sets error (DYNMEM_ERROR_INVALID: what would
 * be wrong and what is expected; DYNMEM_ERROR_NOT_FOUND) where it can't be done.
 */
SettingsChange *engine_preview_settings(Engine *engine, const char *uuid, const SettingsAsk *ask, GError **error);
/*
 * Changes the settings of a guest, by how it is defined at that moment. done is called once, maybe before the return, when a
 * tick has seen the change; its error is as that of engine_preview_settings, or says what became of it (edit_element of
 * ports.h).
 */
void engine_change_settings(Engine *engine, const char *uuid, const SettingsAsk *ask, ElementDone done,
                            void *user_data);

/* What the last tick came to, and what it was decided from; valid until the next one. NULL before the first. */
const Plan *engine_plan(const Engine *engine, const Snapshot **snapshot);

/* Ticks completed so far: feeds the watchdog. */
uint64_t engine_ticks(const Engine *engine);
