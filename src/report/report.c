/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "changes.h"
#include "held_tick.h"
#include "history.h"
#include "journal.h"
#include "metrics.h"
#include "names.h"
#include "notify.h"
#include "service.h"

struct Report {
    ReportOptions options;
    HeldTick *held;
    History *history;
    Changes *changes;
    Journal *journal;
    Metrics *metrics;
    Notify *notify;
    Service *service; /* NULL: no D-Bus */
    char *link_text;
    bool name_settled;
    bool name_taken; /* by another daemon: metrics.prom is its */
    bool ticked;
    bool ready;
};

/* READY=1 when both are there: the name on the bus, or the certainty that it can't be had now, so that a host
   without a bus starts too; and the first tick, so that whoever was ordered after the daemon finds its objects. */
static void
check_ready(Report *report)
{
    if (report->ready)
        return;
    report->ready = report->name_settled && report->ticked;
    notify_waiting(report->notify, report->ready          ? NULL
                                   : report->name_settled ? "waiting for the first tick"
                                                          : "waiting for the bus name " DYNMEM_BUS_NAME);
}

static void
service_settled(void *data, bool owned, bool taken, const char *why)
{
    Report *report = data;

    report->name_settled = true;
    report->name_taken = taken;
    if (!owned && report->options.name_lost != NULL)
        report->options.name_lost(report->options.user_data, taken, why);
    if (!taken)
        check_ready(report);
}

static void
service_reload(void *data)
{
    Report *report = data;

    if (report->options.reload != NULL)
        report->options.reload(report->options.user_data);
}

static void
tell(Report *report, const GPtrArray *changes, uint64_t now_usec)
{
    uint64_t clock_usec = history_clock_usec();

    for (unsigned i = 0; i < changes->len; i++) {
        const Change *change = g_ptr_array_index(changes, i);

        journal_write(report->journal, change, now_usec);
        metrics_count(report->metrics, change);
        history_note(report->history, change, clock_usec);
        if (report->service != NULL)
            service_emit(report->service, change);
    }
}

static void
service_retire(void *data, const char *who)
{
    Report *report = data;

    report->options.retire(report->options.user_data);
    tell(report, changes_retire(report->changes, held_tick_report(report->held), who),
         (uint64_t)g_get_monotonic_time());
}

Report *
report_new(const ReportOptions *options)
{
    Report *report = g_new0(Report, 1);
    g_autofree char *metrics = g_strdup_printf(
        "%s/metrics.prom", options->run_directory != NULL ? options->run_directory : DYNMEM_RUN_DIRECTORY);

    report->options = *options;
    report->options.run_directory = NULL;
    report->held = held_tick_new();
    report->history = history_new();
    report->changes = changes_new();
    report->journal = journal_new(NULL, NULL);
    report->metrics = metrics_new(metrics);
    report->notify = notify_new();
    if (options->bus_type != G_BUS_TYPE_NONE) {
        ServiceOptions service = {
            .bus_type = options->bus_type,
            .held = report->held,
            .history = report->history,
            .dry_run = options->dry_run,
            .reload = service_reload,
            .retire = options->retire != NULL ? service_retire : NULL,
            .methods = options,
            .settled = service_settled,
            .user_data = report,
        };

        report->service = service_new(&service);
    } else {
        report->name_settled = true;
    }
    check_ready(report);
    return report;
}

void
report_free(Report *report)
{
    if (report == NULL)
        return;
    service_free(report->service);
    notify_free(report->notify);
    metrics_free(report->metrics);
    journal_free(report->journal);
    changes_free(report->changes);
    history_free(report->history);
    held_tick_free(report->held);
    g_free(report->link_text);
    g_free(report);
}

static void
report_tick(void *self, const TickReport *tick)
{
    Report *report = self;
    const GPtrArray *changes = changes_compare(report->changes, held_tick_report(report->held), tick);

    held_tick_update(report->held, tick);
    history_add(report->history, tick, history_clock_usec());
    /* properties before signals: who reads an object on a signal finds what the signal told of */
    if (report->service != NULL)
        service_update(report->service, tick);
    tell(report, changes, tick->now_usec);
    journal_settle(report->journal, tick->now_usec);
    if (report->name_settled && !report->name_taken)
        metrics_update(report->metrics, tick);
    report->ticked = true;
    check_ready(report);
    notify_tick(report->notify, tick, report->link_text);
}

ReportSink
report_sink(Report *report)
{
    return (ReportSink){.self = report, .tick = report_tick};
}

void
report_config(Report *report, const GPtrArray *problems)
{
    tell(report, changes_config(report->changes, problems), (uint64_t)g_get_monotonic_time());
}

void
report_move(Report *report, ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    tell(report, changes_move(report->changes, news, motion, detail), (uint64_t)g_get_monotonic_time());
}

void
report_link(Report *report, WorldLink link, const char *text)
{
    g_free(report->link_text);
    report->link_text = g_strdup(text);
    if (report->service != NULL)
        service_set_link(report->service, link, text);
    tell(report, changes_link(report->changes, link, text), (uint64_t)g_get_monotonic_time());
}

void
report_reloading(Report *report)
{
    notify_reloading(report->notify);
}

void
report_ready(Report *report)
{
    notify_reloaded(report->notify);
}

void
report_stopping(Report *report)
{
    notify_stopping(report->notify);
}
