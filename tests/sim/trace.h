/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A run of a scenario, second by second, with the invariants looked at on the way; and measures of it. */

#include "invariants.h"

/* All guests together. */
#define TRACE_ALL SIZE_MAX

typedef struct TracePoint {
    uint64_t need_kib;
    uint64_t demand_kib;
    uint64_t want_kib;
    uint64_t assigned_kib;
    uint64_t target_kib;
    uint64_t committed_kib;
    GuestState state;
    PlanRule rule;
    uint32_t doubts;
    bool booting; /* its driver is not up */
    bool running;
    bool held;             /* back at memory.high */
    uint64_t high_kib;     /* memory.high in force */
    uint64_t resident_kib; /* of the host's memory, its QEMU included */
    bool has_file;
    PagingStage stage; /* of its paging file */
    uint64_t size_kib;
    uint64_t paged_kib;
    PagingUrgency urgency;
} TracePoint;

typedef struct TraceHost {
    uint64_t budget_kib;
    uint64_t committed_kib;
    uint64_t resident_kib;
    uint64_t reserved_kib;
    bool over_budget;
    bool minimums_fit;
} TraceHost;

typedef struct Trace {
    const SimScenario *scenario;
    size_t count;     /* guests */
    uint64_t seconds; /* that were run */
    TracePoint *points;
    TraceHost *hosts;
    SimSummary summary;
    char *broken; /* the first invariant that did not hold, NULL where all did; ends the run */
    Invariants invariants;
} Trace;

/* Runs scenario, which must outlive the trace, with its faults. */
Trace *trace_run(const SimScenario *scenario);
void trace_free(Trace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trace, trace_free)

const TracePoint *trace_point(const Trace *trace, size_t guest, uint64_t second);
/* The number of the guest of that name; it must be there. */
size_t trace_guest(const Trace *trace, const char *name);

/* What it needed and did not have in [from, to), in GiB s. */
double trace_unmet(const Trace *trace, size_t guest, uint64_t from, uint64_t to);
/* How often its target changed in [from, to); of all guests the one with most. */
unsigned trace_changes(const Trace *trace, size_t guest, uint64_t from, uint64_t to);
/* How many seconds from then on it has less than it needs, UINT64_MAX when that does not end. */
uint64_t trace_seconds_to_satisfy(const Trace *trace, size_t guest, uint64_t from);
/* In how many seconds of [from, to) it had a paging file. */
uint64_t trace_seconds_paging(const Trace *trace, size_t guest, uint64_t from, uint64_t to);
/* The refusal of a start of the guest of that name, the first from that second on; NULL: none was refused. */
const SimRefusal *trace_refusal(const Trace *trace, const char *name, uint64_t from);
/* In how many seconds of [from, to) the guest was in that state. */
uint64_t trace_seconds_in(const Trace *trace, size_t guest, GuestState state, uint64_t from, uint64_t to);
