/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include "sim/world.h"
#include "units.h"

#include <string.h>

static bool
take(void *user_data, const SimStep *step)
{
    Trace *trace = user_data;
    const Plan *plan = step->tick->plan;

    for (size_t i = 0; i < trace->count; i++) {
        const SimSample *sample = &step->samples[i];
        const SimGuest *guest = sim_world_guest(step->world, i);

        trace->points[step->second * trace->count + i] = (TracePoint){
            .need_kib = sample->need_kib,
            .demand_kib = sample->plan->demand_kib,
            .want_kib = sample->plan->want_kib,
            .assigned_kib = sample->assigned_kib,
            .target_kib = sample->target_kib,
            .committed_kib = sample->plan->committed_kib,
            .state = sample->plan->state,
            .rule = sample->plan->rule,
            .doubts = sample->plan->guest->doubts,
            .booting = guest->booting,
            .running = guest->running,
            .held = guest->held,
            .high_kib = guest->high_kib,
            .resident_kib = sample->resident_kib,
            .has_file = sample->file != NULL,
            .stage = sample->file != NULL ? sample->file->stage : PAGING_STAGE_GONE,
            .size_kib = sample->file != NULL ? sample->file->size_kib : 0,
            .paged_kib = sample->paged_kib,
            .urgency = sample->plan->paging_urgency,
        };
    }
    trace->hosts[step->second] = (TraceHost){
        .budget_kib = plan->budget_kib,
        .committed_kib = plan->committed_kib,
        .resident_kib = step->resident_kib,
        .reserved_kib = plan->reserved_kib,
        .over_budget = plan->over_budget,
        .minimums_fit = plan->minimums_fit,
    };
    trace->seconds = step->second + 1;
    trace->broken = invariants_check(&trace->invariants, step);
    if (trace->broken == NULL && step->second + 1 == trace->scenario->seconds)
        trace->broken = invariants_check_end(&trace->invariants, step);
    return trace->broken == NULL;
}

Trace *
trace_run(const SimScenario *scenario)
{
    Trace *trace = g_new0(Trace, 1);

    trace->scenario = scenario;
    trace->count = scenario->guests->len;
    trace->points = g_new0(TracePoint, trace->count * scenario->seconds);
    trace->hosts = g_new0(TraceHost, scenario->seconds);
    invariants_init(&trace->invariants, scenario);
    sim_run(scenario, take, trace, &trace->summary);
    return trace;
}

void
trace_free(Trace *trace)
{
    if (trace == NULL)
        return;
    g_free(trace->points);
    g_free(trace->hosts);
    g_free(trace->broken);
    invariants_clear(&trace->invariants);
    sim_summary_clear(&trace->summary);
    g_free(trace);
}

const TracePoint *
trace_point(const Trace *trace, size_t guest, uint64_t second)
{
    return &trace->points[second * trace->count + guest];
}

size_t
trace_guest(const Trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->count; i++)
        if (strcmp(((const SimGuestSpec *)g_ptr_array_index(trace->scenario->guests, i))->name, name) == 0)
            return i;
    g_error("%s has no guest %s", trace->scenario->name, name);
}

double
trace_unmet(const Trace *trace, size_t guest, uint64_t from, uint64_t to)
{
    uint64_t sum = 0;

    for (uint64_t second = from; second < MIN(to, trace->seconds); second++) {
        for (size_t i = 0; i < trace->count; i++) {
            const TracePoint *point = trace_point(trace, i, second);

            if (guest == i || guest == TRACE_ALL)
                sum += saturating_sub(point->need_kib, point->assigned_kib);
        }
    }
    return (double)sum / (double)KIB_PER_GIB;
}

unsigned
trace_changes(const Trace *trace, size_t guest, uint64_t from, uint64_t to)
{
    unsigned most = 0;

    for (size_t i = 0; i < trace->count; i++) {
        unsigned changes = 0;

        for (uint64_t second = MAX(from, 1); second < MIN(to, trace->seconds); second++)
            changes += trace_point(trace, i, second)->target_kib != trace_point(trace, i, second - 1)->target_kib;
        if (guest == i || guest == TRACE_ALL)
            most = MAX(most, changes);
    }
    return most;
}

uint64_t
trace_seconds_to_satisfy(const Trace *trace, size_t guest, uint64_t from)
{
    for (uint64_t second = from; second < trace->seconds; second++) {
        const TracePoint *point = trace_point(trace, guest, second);

        if (point->assigned_kib >= point->need_kib)
            return second - from;
    }
    return UINT64_MAX;
}

uint64_t
trace_seconds_in(const Trace *trace, size_t guest, GuestState state, uint64_t from, uint64_t to)
{
    uint64_t seconds = 0;

    for (uint64_t second = from; second < MIN(to, trace->seconds); second++)
        seconds += trace_point(trace, guest, second)->state == state;
    return seconds;
}

uint64_t
trace_seconds_paging(const Trace *trace, size_t guest, uint64_t from, uint64_t to)
{
    uint64_t seconds = 0;

    for (uint64_t second = from; second < MIN(to, trace->seconds); second++)
        seconds += trace_point(trace, guest, second)->has_file;
    return seconds;
}

const SimRefusal *
trace_refusal(const Trace *trace, const char *name, uint64_t from)
{
    for (guint i = 0; i < trace->summary.refused->len; i++) {
        const SimRefusal *refusal = g_ptr_array_index(trace->summary.refused, i);

        if (strcmp(refusal->name, name) == 0 && refusal->second >= from)
            return refusal;
    }
    return NULL;
}
