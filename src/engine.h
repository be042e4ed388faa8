/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One tick: collect, observe, decide, act, report. The same engine runs in the daemon and in the
 * simulator; who calls engine_tick and when is theirs.
 */

#include "ports.h"

typedef struct Engine Engine;

/* ports are copied; settings are taken over. With dry nothing is changed in any guest. */
Engine *engine_new(const Ports *ports, Settings *settings, bool dry);
void engine_free(Engine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Engine, engine_free)

/*
 * Starts a tick. It ends, with a call of the report sink, when the guests have answered or the collect
 * deadline has passed. A tick asked for while one is under way is done right after it.
 */
void engine_tick(Engine *engine);

/* Other settings from the next tick on; taken over. */
void engine_set_settings(Engine *engine, Settings *settings);
const Settings *engine_settings(const Engine *engine);

/* The kernel reported memory pressure. */
void engine_note_pressure(Engine *engine);

/* Breaks the rules of decide/ whose bits are set (decide/faults.h). For tests only. */
void engine_break_rules(Engine *engine, uint32_t faults);

/* Ticks completed so far: feeds the watchdog. */
uint64_t engine_ticks(const Engine *engine);
