/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A simulated host with simulated guests behind the ports of the real engine, in virtual time. One
 * simulation file (a key file) is one run; the same file always gives the same run.
 */

#include "outcome.h"

#include <stdio.h>

typedef struct SimScenario SimScenario;
typedef struct SimWorld SimWorld;

/*
 * Reads a simulation file; name is for messages. length < 0: up to the NUL. Returns NULL and sets error
 * (DYNMEM_ERROR_INVALID) with file, line, what is wrong and why.
 */
SimScenario *sim_scenario_parse(const char *name, const char *text, gssize length, GError **error);
/* The same from a file; the error is then also that of reading it. */
SimScenario *sim_scenario_load(const char *path, GError **error);
void sim_scenario_free(SimScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimScenario, sim_scenario_free)

/* One guest in one second of the run, after it has moved. */
typedef struct SimSample {
    const char *name;
    uint64_t need_kib;     /* what the file says; 0 while off */
    uint64_t assigned_kib; /* what it can touch: its balloon's size, or its maximum while its driver is not up, as
                              far as a limit lets it */
    uint64_t target_kib;
    uint64_t resident_kib;    /* of the host's memory, its QEMU included */
    uint64_t paged_kib;       /* in its paging file */
    const PagingRecord *file; /* NULL: it has none */
    const GuestPlan *plan;
} SimSample;

/* One second of the run. What it points to is valid for the time of the call. */
typedef struct SimStep {
    uint64_t second;
    const TickReport *tick; /* the engine's report; its snapshot is from before the guests moved */
    const SimSample *samples;
    size_t count;
    uint64_t resident_kib; /* what all QEMUs hold of the host's memory after the guests moved */
    SimWorld *world;
} SimStep;

/* Called once a second. Returns false to end the run early. */
typedef bool (*SimObserver)(void *user_data, const SimStep *step);

typedef struct SimGuestSummary {
    const char *name;         /* the scenario's */
    uint64_t unmet_kib_sec;   /* sum over the run of what it needed and did not have */
    uint64_t unmet_seconds;   /* in how many seconds that was so */
    uint64_t target_changes;  /* how often it was told another target */
    uint64_t paging_seconds;  /* in which it had a paging file */
    uint64_t paging_peak_kib; /* most that was in it */
    uint64_t delayed_seconds; /* that its starts waited to be admitted */
} SimGuestSummary;

/* A start that was refused. */
typedef struct SimRefusal {
    char *name;
    uint64_t second;
    char *reason;
} SimRefusal;

typedef struct SimSummary {
    SimGuestSummary *guests;
    size_t count;
    uint64_t seconds; /* that were run */
    uint64_t over_budget_ticks;
    uint64_t exhausted_seconds; /* the QEMUs held more than the host has */
    GPtrArray *refused;         /* of SimRefusal, in the order of time */
} SimSummary;

/*
 * Runs the scenario, one tick of the real engine a second. observer may be NULL. Fills *summary, which the caller
 * gives to sim_summary_clear and which borrows names from scenario.
 */
void sim_run(const SimScenario *scenario, SimObserver observer, void *user_data, SimSummary *summary);
void sim_summary_clear(SimSummary *summary);

typedef struct SimOutput {
    FILE *json;     /* the JSON document goes here, as the run goes on; NULL: none */
    uint64_t every; /* samples of each such second only; 0 is 1 */
    FILE *text;     /* the drawing in text; NULL: none */
    unsigned width; /* of the drawing, in columns */
    bool colour;
    bool unicode;
    bool legend; /* and the head of the table */
    FILE *svg;   /* the picture; NULL: none */
} SimOutput;

/*
 * Runs the scenario and writes what is asked for. Whether all of it could be written the streams know (ferror). A run of which
 * nothing but JSON is wanted is given up when that can't be written.
 */
void sim_show(const SimScenario *scenario, const SimOutput *output);
