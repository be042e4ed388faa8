/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

SimHistory *
sim_history_new(size_t guest_count, uint64_t seconds, size_t max_columns)
{
    SimHistory *history = g_new0(SimHistory, 1);

    history->guest_count = guest_count;
    history->seconds = MAX(seconds, 1);
    history->columns = (size_t)MIN((uint64_t)max_columns, history->seconds);
    history->points = g_new0(DrawPoint, guest_count * history->columns);
    history->hosts = g_new0(SimHostPoint, history->columns);
    history->samples = g_new0(uint64_t, history->columns);
    return history;
}

void
sim_history_free(SimHistory *history)
{
    if (history == NULL)
        return;
    g_free(history->points);
    g_free(history->hosts);
    g_free(history->samples);
    g_free(history);
}

void
sim_history_add(SimHistory *history, const SimStep *step)
{
    size_t column = (size_t)MIN(step->second * history->columns / history->seconds, (uint64_t)history->columns - 1);
    SimHostPoint *host = &history->hosts[column];
    bool first = history->samples[column]++ == 0;

    host->budget_kib += step->tick->plan->budget_kib;
    host->committed_kib += step->tick->plan->committed_kib;
    host->resident_kib += step->resident_kib;
    host->over_budget |= step->tick->plan->over_budget;
    for (size_t i = 0; i < history->guest_count; i++) {
        const SimSample *sample = &step->samples[i];
        DrawPoint *point = &history->points[i * history->columns + column];
        bool off = sample->assigned_kib == 0;

        point->need_kib += sample->need_kib;
        point->demand_kib += sample->plan->demand_kib;
        point->want_kib += sample->plan->want_kib;
        point->assigned_kib += sample->assigned_kib;
        if (sample->need_kib > sample->assigned_kib)
            point->lacked_to_kib = MAX(point->lacked_to_kib, sample->need_kib);
        point->paged_kib = MAX(point->paged_kib, sample->paged_kib);
        point->off = off && (first || point->off);
    }
}

void
sim_history_finish(SimHistory *history)
{
    for (size_t column = 0; column < history->columns; column++) {
        uint64_t samples = MAX(history->samples[column], 1);
        SimHostPoint *host = &history->hosts[column];

        host->budget_kib /= samples;
        host->committed_kib /= samples;
        host->resident_kib /= samples;
        for (size_t i = 0; i < history->guest_count; i++) {
            DrawPoint *point = &history->points[i * history->columns + column];

            point->need_kib /= samples;
            point->demand_kib /= samples;
            point->want_kib /= samples;
            point->assigned_kib /= samples;
        }
    }
}

const DrawPoint *
sim_history_point(const SimHistory *history, size_t guest, size_t column)
{
    return &history->points[guest * history->columns + column];
}
