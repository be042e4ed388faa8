/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The named scenarios. Each is a file in scenarios/ whose first comment says in one sentence what it shows; here is what
 * must come of it. The invariants of every run (invariants.h) are looked at besides.
 */

#include "decide/faults.h"
#include "trace.h"

typedef struct ScenarioCheck {
    const char *name; /* of its file, without .ini */
    /* Appends one line to wrong for all that is not as it must be. */
    void (*check)(const Trace *trace, GString *wrong);
    Fault fault; /* a rule that is broken in it anyway (decide/faults.h) */
} ScenarioCheck;

/* The last has no name. */
extern const ScenarioCheck scenario_checks[];

/* Reads the file of a scenario; ends the program where it can't. Caller frees. */
SimScenario *scenario_load(const ScenarioCheck *check);

/* The sentence that its file begins with; NULL where there is none. Caller frees. */
char *scenario_sentence(const ScenarioCheck *check);

/* What is wrong with the run of a scenario, "" where nothing is. Caller frees. */
char *scenario_verdict(const ScenarioCheck *check, const Trace *trace);
