/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must hold in every second about starts, restarts, limits and paging files. */

#include "sim/scenario.h"
#include "sim/sim.h"

typedef struct GuestPast {
    bool had_file;
    bool booting;
    PagingStage stage;        /* of its file */
    uint64_t off_seconds;     /* that its file has outlived it */
    uint64_t held_seconds;    /* that it has been held back though nothing is to hold it back */
    uint64_t emptied_seconds; /* that its file has been emptied */
    uint64_t emptied_boots;   /* its boots when that began */
} GuestPast;

typedef struct RestartInvariants {
    const SimScenario *scenario;
    GuestPast *guests;
} RestartInvariants;

void restart_invariants_init(RestartInvariants *invariants, const SimScenario *scenario);
void restart_invariants_clear(RestartInvariants *invariants);

/* NULL when all of them hold in that second, else which does not, with the figures. Caller frees. */
char *restart_invariants_check(RestartInvariants *invariants, const SimStep *step);

/* Nothing is left behind where everything has come to its end. The last second of a run that came to rest. */
char *restart_invariants_check_end(const SimStep *step);
