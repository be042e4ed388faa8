/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include "held_tick.h"
#include "units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct Notify {
    bool ready;
    bool enabled;
    char *status;
    uint64_t watchdog_usec; /* how long systemd waits now; 0: nobody waits */
    uint64_t least_usec;    /* how long the unit says */
    uint64_t fed_usec;
};

Notify *
notify_new(void)
{
    Notify *notify = g_new0(Notify, 1);
    uint64_t usec = 0;

    notify->enabled = getenv("NOTIFY_SOCKET") != NULL;
    if (sd_watchdog_enabled(0, &usec) > 0)
        notify->watchdog_usec = notify->least_usec = usec;
    return notify;
}

void
notify_free(Notify *notify)
{
    if (notify == NULL)
        return;
    g_free(notify->status);
    g_free(notify);
}

void
notify_waiting(Notify *notify, const char *what)
{
    if (notify->ready)
        return;
    if (what != NULL) {
        sd_notifyf(0, "STATUS=Starting: %s", what);
        return;
    }
    notify->ready = true;
    sd_notify(0, "READY=1");
}

/* How far a restart with a paging file is: "paging: web 120 MiB of 400 MiB left, 2 min". NULL: there is none. */
static char *
paging_progress(const TickReport *report)
{
    const GuestPlan *worst = NULL;
    unsigned others = 0;
    g_autofree char *used = NULL;
    g_autofree char *peak = NULL;
    g_autofree char *age = NULL;
    g_autofree char *more = NULL;

    for (size_t i = 0; i < report->plan->guest_count; i++) {
        const GuestPlan *guest = &report->plan->guests[i];

        if (guest->guest->paging == NULL || guest->paging_phase == PAGING_PHASE_NONE)
            continue;
        others += worst != NULL;
        if (worst == NULL || guest->paging_urgency > worst->paging_urgency ||
            (guest->paging_urgency == worst->paging_urgency &&
             guest->guest->paging->used_kib > worst->guest->paging->used_kib))
            worst = guest;
    }
    if (worst == NULL)
        return NULL;
    used = units_format_size(worst->guest->paging->used_kib);
    peak = units_format_size(worst->guest->paging->peak_kib);
    age = units_format_span(saturating_sub(report->now_usec, worst->guest->paging->since_usec));
    more = others > 0 ? g_strdup_printf(", and %u more", others) : g_strdup("");
    return g_strdup_printf("%s: %s %s of %s left, %s%s",
                           worst->paging_urgency == PAGING_URGENCY_OVERDUE ? "paging overdue" : "paging",
                           worst->guest->name, used, peak, age, more);
}

/* Starts that wait: "starting: web needs 2.1 GiB, 512 MiB are free". NULL: there is none. */
static char *
start_progress(const TickReport *report)
{
    const StartPlan *first = NULL;
    unsigned others = 0;
    g_autofree char *needed = NULL;
    g_autofree char *free_text = NULL;
    g_autofree char *more = NULL;

    for (size_t i = 0; i < report->plan->start_count; i++) {
        const StartPlan *start = &report->plan->starts[i];

        if (start->verdict != START_WAITS)
            continue;
        others += first != NULL;
        if (first == NULL || start->request->asked_usec < first->request->asked_usec)
            first = start;
    }
    if (first == NULL)
        return NULL;
    needed = units_format_size(first->needed_kib);
    free_text = units_format_size(first->free_kib);
    more = others > 0 ? g_strdup_printf(", and %u more", others) : g_strdup("");
    return g_strdup_printf("starting: %s needs %s, %s are free%s", first->request->name, needed, free_text, more);
}

static size_t
count_restarts(const Plan *plan)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->guest_count; i++)
        count += plan->guests[i].shortfall_kib > 0;
    return count;
}

char *
notify_status_text(const TickReport *report, const char *link_text)
{
    const Plan *plan = report->plan;
    g_autofree char *committed = units_format_size(plan->committed_kib);
    g_autofree char *budget = units_format_size(plan->budget_kib);
    g_autofree char *news = NULL;
    size_t managed = 0;
    size_t warnings = 0;
    size_t away = 0;
    size_t restarts = count_restarts(plan);
    unsigned rejected = tick_report_rejected(report);
    g_autofree char *paging = paging_progress(report);
    g_autofree char *starting = start_progress(report);

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];

        managed += guest->guest->settings->managed && guest->state != GUEST_STATE_OFF;
        warnings += guest->status == GUEST_STATUS_WARNING;
        away += guest->state == GUEST_STATE_STUCK || guest->state == GUEST_STATE_UNRESPONSIVE;
    }

    /* one only, since it is one line: what is under way and will pass, else the worst that lasts */
    if (report->snapshot->host.link == WORLD_LINK_DOWN)
        news = g_strdup(link_text != NULL ? link_text : "libvirt is away");
    else if (paging != NULL)
        news = g_steal_pointer(&paging);
    else if (starting != NULL)
        news = g_steal_pointer(&starting);
    else if (!plan->minimums_fit)
        news = g_strdup("the minimums do not fit");
    else if (plan->over_budget)
        news = g_strdup("over budget");
    else if (away > 0)
        news = g_strdup_printf("%zu guest%s stuck or unresponsive", away, away == 1 ? "" : "s");
    else if (warnings > 0)
        news = g_strdup_printf("%zu guest%s short of memory", warnings, warnings == 1 ? "" : "s");
    else if (restarts > 0)
        news = g_strdup_printf("%zu guest%s restarting with memory missing", restarts, restarts == 1 ? "" : "s");
    else if (plan->host_pressure)
        news = g_strdup("the host is under memory pressure");
    else if (report->snapshot->host.link == WORLD_LINK_READ_ONLY)
        news = g_strdup("read-only connection, nothing is changed");
    else if (rejected > 0)
        news = g_strdup_printf("settings of %u guest%s rejected", rejected, rejected == 1 ? "" : "s");

    return g_strdup_printf("%s%zu guest%s managed, %s of %s committed%s%s",
                           report->dry_run              ? "Dry run: "
                           : report->settings->retiring ? "Retiring: "
                                                        : "",
                           managed, managed == 1 ? "" : "s", committed, budget, news != NULL ? "; " : "",
                           news != NULL ? news : "");
}

static void
feed_watchdog(Notify *notify, const TickReport *report)
{
    /* ticks may be configured to be rarer than the unit knows of */
    uint64_t wanted_usec = MAX(notify->least_usec, 3 * report->settings->interval_usec);

    if (wanted_usec != notify->watchdog_usec) {
        notify->watchdog_usec = wanted_usec;
        sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64, wanted_usec);
    } else if (report->now_usec - notify->fed_usec < wanted_usec / 4) {
        return; /* four times as often as systemd asks for is enough */
    }
    notify->fed_usec = report->now_usec;
    sd_notify(0, "WATCHDOG=1");
}

void
notify_tick(Notify *notify, const TickReport *report, const char *link_text)
{
    if (!notify->enabled)
        return;
    if (notify->watchdog_usec != 0)
        feed_watchdog(notify, report);
    if (notify->ready) {
        g_autofree char *status = notify_status_text(report, link_text);

        if (g_strcmp0(status, notify->status) == 0)
            return;
        g_free(notify->status);
        notify->status = g_steal_pointer(&status);
        sd_notifyf(0, "STATUS=%s", notify->status);
    }
}

void
notify_reloading(Notify *notify)
{
    if (notify->ready)
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIi64, g_get_monotonic_time());
}

void
notify_reloaded(Notify *notify)
{
    /* before the start is over this would end it too early */
    if (notify->ready)
        sd_notify(0, "READY=1");
}

void
notify_stopping(Notify *notify)
{
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping; guests keep their memory");
}
