/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who starts simulated guests. As libvirt's hook does, it asks the engine, waits for the answer, and starts the guest or
 * does not; and it tells the engine when a guest has started or is gone.
 */

#include "engine.h"
#include "world.h"

typedef struct SimDesk SimDesk;

/* Refused and delayed starts are noted in summary. All must outlive the desk. */
SimDesk *sim_desk_new(SimWorld *world, const SimScenario *scenario, SimSummary *summary);
void sim_desk_free(SimDesk *desk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimDesk, sim_desk_free)

/* Before that second begins: starts what the second before has admitted. */
void sim_desk_start(SimDesk *desk, Engine *engine, uint64_t second);

/* After it has begun and before its tick: asks for the starts that are wanted. */
void sim_desk_ask(SimDesk *desk, Engine *engine, uint64_t second);

/* The daemon is about to be lost: who waits for it does as WhenAbsent= says, unless the host is lost too. */
void sim_desk_lose_daemon(SimDesk *desk, bool host_too);
