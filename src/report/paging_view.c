/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_view.h"

void
paging_view_fill(const GuestPlan *guest, const TickReport *report, PagingView *view)
{
    const GuestSnapshot *snapshot = guest->guest;
    const GuestLimits *limits = &snapshot->limits;
    const PagingRecord *file = snapshot->paging;
    const char *directory = snapshot->settings->paging_directory != NULL ? snapshot->settings->paging_directory
                                                                         : report->settings->paging_directory;

    *view = (PagingView){
        .state = guest->paging_urgency == PAGING_URGENCY_OVERDUE ? "overdue" : paging_phase_name(guest->paging_phase),
        .directory = directory != NULL ? directory : "",
        .reason = guest->paging_phase == PAGING_PHASE_REFUSED && guest->paging_bar != NULL ? guest->paging_bar : "",
        .shortfall_kib = guest->shortfall_kib,
        .limit_kib = limits->set && limits->high_kib != LIMIT_NONE ? limits->high_kib : 0,
        .limit_bar = limits->usable || limits->bar == NULL ? "" : limits->bar,
    };
    if (file == NULL || file->stage == PAGING_STAGE_FAILED || file->stage == PAGING_STAGE_GONE)
        return;
    view->size_kib = file->size_kib;
    view->used_kib = file->used_kib;
    view->peak_kib = file->peak_kib;
    view->since_usec = file->since_usec;
    view->deadline_usec = guest->paging_deadline_usec;
    view->directory = file->directory;
    if (file->error != NULL)
        view->reason = file->error;
}

const char *
paging_view_bar(const TickReport *report)
{
    if (!report->settings->paging_enabled)
        return "Smart Paging is off (Enabled=no in [SmartPaging])";
    if (report->dry_run)
        return "this is a dry run";
    return report->snapshot->paging_bar != NULL ? report->snapshot->paging_bar : "";
}

const char *
limit_view_bar(const TickReport *report)
{
    const char *bar = "";

    if (!report->settings->memory_high)
        return "limits are off (MemoryHigh=no in [Enforcement])";
    for (size_t i = 0; i < report->plan->guest_count; i++) {
        const GuestSnapshot *guest = report->plan->guests[i].guest;

        if (!guest->settings->managed || guest->life == GUEST_LIFE_OFF)
            continue;
        if (guest->limits.usable)
            return "";
        if (guest->limits.bar != NULL)
            bar = guest->limits.bar;
    }
    return bar;
}

uint64_t
wall_clock_usec(const TickReport *report, uint64_t then_usec)
{
    uint64_t now_usec = (uint64_t)g_get_real_time();

    if (then_usec == 0)
        return 0;
    return then_usec > report->now_usec ? now_usec + (then_usec - report->now_usec)
                                        : now_usec - MIN(now_usec, report->now_usec - then_usec);
}
