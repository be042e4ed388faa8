/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include "held_tick.h"
#include "paging_view.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Collectors come by every 15 seconds or so. */
#define WRITE_USEC (5 * USEC_PER_SEC)

struct Metrics {
    char *path;
    char *temporary;
    GString *text;
    uint64_t written_usec;
    bool written;
    uint64_t busy_usec;
    uint64_t targets;
    uint64_t failures;
    uint64_t changes[CHANGE_KIND_COUNT]; /* told so far */
};

typedef struct GuestMetric {
    const char *name;
    const char *unit; /* NULL: none */
    const char *help;
    uint64_t (*value)(const GuestPlan *guest);
    bool (*known)(const GuestPlan *guest); /* NULL: always; where it is not the guest has no sample */
} GuestMetric;

typedef struct HostMetric {
    const char *name;
    const char *unit;
    const char *help;
    uint64_t (*value)(const TickReport *report);
} HostMetric;

/* ---- the figures; sizes in bytes ---- */

#define GUEST_VALUE(function, expression)                                                                              \
    static uint64_t function(const GuestPlan *guest)                                                                   \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
#define GUEST_KNOWN(function, expression)                                                                              \
    static bool function(const GuestPlan *guest)                                                                       \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
#define HOST_VALUE(function, expression)                                                                               \
    static uint64_t function(const TickReport *report)                                                                 \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

static uint64_t
limit_of(const GuestPlan *guest)
{
    const GuestLimits *limits = &guest->guest->limits;

    return limits->set && limits->high_kib != LIMIT_NONE ? limits->high_kib : 0;
}

static uint64_t
count_waiting(const Plan *plan)
{
    uint64_t waiting = 0;

    for (size_t i = 0; i < plan->start_count; i++)
        waiting += plan->starts[i].verdict == START_WAITS;
    return waiting;
}

/* clang-format off */
GUEST_VALUE(guest_assigned, bytes_from_kib(guest->assigned_kib))
GUEST_VALUE(guest_target, bytes_from_kib(guest->target_kib))
GUEST_VALUE(guest_committed, bytes_from_kib(guest->committed_kib))
GUEST_VALUE(guest_lent, bytes_from_kib(guest->lent_kib))
GUEST_VALUE(guest_demand, bytes_from_kib(guest->demand_kib))
GUEST_VALUE(guest_want, bytes_from_kib(guest->want_kib))
GUEST_VALUE(guest_resident, bytes_from_kib(guest->guest->resident_kib))
GUEST_VALUE(guest_charged, bytes_from_kib(guest->guest->limits.charged_kib))
GUEST_VALUE(guest_held_back, guest->guest->limits.held_back)
GUEST_KNOWN(guest_has_group, guest->guest->limits.charged_kib != 0)
GUEST_VALUE(guest_total, bytes_from_kib(guest->guest->total_kib))
GUEST_KNOWN(guest_has_total, guest->guest->has_total)
GUEST_VALUE(guest_usable, bytes_from_kib(guest->guest->usable_kib))
GUEST_KNOWN(guest_has_usable, guest->guest->has_usable)
GUEST_VALUE(guest_unused, bytes_from_kib(guest->guest->unused_kib))
GUEST_KNOWN(guest_has_unused, guest->guest->has_unused)
GUEST_VALUE(guest_cache, bytes_from_kib(guest->guest->cache_kib))
GUEST_KNOWN(guest_has_cache, guest->guest->has_cache)
GUEST_VALUE(guest_fresh, guest->guest->fresh)
GUEST_KNOWN(guest_reports, guest->guest->life == GUEST_LIFE_RUNNING && guest->guest->driver_up)
GUEST_VALUE(guest_overhead, bytes_from_kib(guest->overhead_kib))
GUEST_VALUE(guest_minimum, bytes_from_kib(guest->guest->settings->minimum_kib))
GUEST_VALUE(guest_startup, bytes_from_kib(guest->guest->settings->startup_kib))
GUEST_VALUE(guest_maximum, bytes_from_kib(guest->guest->settings->maximum_kib))
GUEST_VALUE(guest_priority, guest->guest->settings->priority)
GUEST_VALUE(guest_managed, guest->guest->settings->managed)
GUEST_VALUE(guest_status, (uint64_t)guest->status)
GUEST_VALUE(guest_stuck, guest->state == GUEST_STATE_STUCK)
GUEST_VALUE(guest_unresponsive, guest->state == GUEST_STATE_UNRESPONSIVE)
GUEST_VALUE(guest_starved, guest->starved)
GUEST_VALUE(guest_shortfall, bytes_from_kib(guest->shortfall_kib))
GUEST_VALUE(guest_limit, bytes_from_kib(limit_of(guest)))
GUEST_VALUE(guest_swapped, bytes_from_kib(guest->guest->limits.swapped_kib))
GUEST_VALUE(guest_paging, bytes_from_kib(guest->guest->paging != NULL ? guest->guest->paging->size_kib : 0))
GUEST_VALUE(guest_paging_used, bytes_from_kib(guest->guest->paging != NULL ? guest->guest->paging->used_kib : 0))
GUEST_VALUE(guest_paging_overdue, guest->paging_urgency == PAGING_URGENCY_OVERDUE)

HOST_VALUE(host_memory, bytes_from_kib(report->snapshot->host.figures.total_kib))
HOST_VALUE(host_available, bytes_from_kib(report->snapshot->host.figures.available_kib))
HOST_VALUE(host_budget, bytes_from_kib(report->plan->budget_kib))
HOST_VALUE(host_committed, bytes_from_kib(report->plan->committed_kib))
HOST_VALUE(host_free, bytes_from_kib(report->plan->free_kib))
HOST_VALUE(host_lent, bytes_from_kib(report->plan->lent_kib))
HOST_VALUE(host_reserve, bytes_from_kib(report->plan->reserve_kib))
HOST_VALUE(host_overhead, bytes_from_kib(report->plan->overhead_kib))
HOST_VALUE(host_other, bytes_from_kib(report->plan->other_kib))
HOST_VALUE(host_minimums, bytes_from_kib(report->plan->minimums_kib))
HOST_VALUE(host_demand, bytes_from_kib(report->plan->demands_kib))
HOST_VALUE(host_want, bytes_from_kib(report->plan->wants_kib))
HOST_VALUE(host_over_budget, report->plan->over_budget)
HOST_VALUE(host_minimums_fit, report->plan->minimums_fit)
HOST_VALUE(host_pressure, report->plan->host_pressure)
HOST_VALUE(host_connected, report->snapshot->host.link != WORLD_LINK_DOWN)
HOST_VALUE(host_guests, report->plan->guest_count)
HOST_VALUE(host_reserved, bytes_from_kib(report->plan->reserved_kib))
HOST_VALUE(host_paging_files, report->snapshot->file_count)
HOST_VALUE(host_paging_available, *paging_view_bar(report) == '\0')
HOST_VALUE(host_waiting, count_waiting(report->plan))
HOST_VALUE(host_rejected, tick_report_rejected(report))
/* clang-format on */

static const GuestMetric guest_metrics[] = {
    {"dynmem_guest_assigned_bytes", "bytes", "Memory the guest has now.", guest_assigned},
    {"dynmem_guest_target_bytes", "bytes", "What its balloon was told to become, 0 where nothing can be told.",
     guest_target},
    {"dynmem_guest_committed_bytes", "bytes", "What the ledger books for it, without overhead.", guest_committed},
    {"dynmem_guest_lent_bytes", "bytes", "What its limit leaves to the page cache of its disks, out of free memory.",
     guest_lent},
    {"dynmem_guest_demand_bytes", "bytes", "Memory it needs now, without buffer.", guest_demand},
    {"dynmem_guest_want_bytes", "bytes", "Demand and buffer, within minimum and maximum.", guest_want},
    {"dynmem_guest_resident_bytes", "bytes", "What its QEMU holds of the host's memory.", guest_resident},
    {"dynmem_guest_charged_bytes", "bytes", "What its control group holds, page cache of its disks included.",
     guest_charged, guest_has_group},
    {"dynmem_guest_total_bytes", "bytes", "Memory that the guest itself says it has.", guest_total, guest_has_total},
    {"dynmem_guest_usable_bytes", "bytes", "Memory that the guest says it could use without swapping.", guest_usable,
     guest_has_usable},
    {"dynmem_guest_unused_bytes", "bytes", "Memory that the guest says is free in it.", guest_unused, guest_has_unused},
    {"dynmem_guest_cache_bytes", "bytes", "Memory that the guest says holds its page cache.", guest_cache,
     guest_has_cache},
    {"dynmem_guest_statistics_fresh", NULL, "0 while its driver has stopped to report.", guest_fresh, guest_reports},
    {"dynmem_guest_overhead_bytes", "bytes", "What it costs besides its memory.", guest_overhead},
    {"dynmem_guest_minimum_bytes", "bytes", "Least memory it may be squeezed to.", guest_minimum},
    {"dynmem_guest_startup_bytes", "bytes", "Memory it must have to boot.", guest_startup},
    {"dynmem_guest_maximum_bytes", "bytes", "Most memory it may ever have.", guest_maximum},
    {"dynmem_guest_priority", NULL, "Its priority, 0 to 100.", guest_priority},
    {"dynmem_guest_managed", NULL, "1 where dynmem manages it.", guest_managed},
    {"dynmem_guest_status", NULL,
     "0 ok, 1 low (its demand only), 2 warning (not even that, or starved at its maximum).", guest_status},
    {"dynmem_guest_stuck", NULL, "1 while its balloon does not follow its target.", guest_stuck},
    {"dynmem_guest_unresponsive", NULL, "1 while its QEMU does not answer.", guest_unresponsive},
    {"dynmem_guest_starved", NULL, "1 while it swaps or has almost nothing usable left.", guest_starved},
    {"dynmem_guest_limit_bytes", "bytes", "What its control group may hold (memory.high), 0 where no limit is set.",
     guest_limit},
    {"dynmem_guest_held_back_total", NULL, "Times it was held back at its limit since its QEMU was started.",
     guest_held_back, guest_has_group},
    {"dynmem_guest_swapped_bytes", "bytes", "What its control group has in swap, 0 where that is not known.",
     guest_swapped},
    {"dynmem_guest_shortfall_bytes", "bytes", "Startup memory that could not be found at its restart.",
     guest_shortfall},
    {"dynmem_guest_paging_bytes", "bytes", "Size of its paging file, 0 where it has none.", guest_paging},
    {"dynmem_guest_paging_used_bytes", "bytes", "What is used of its paging file.", guest_paging_used},
    {"dynmem_guest_paging_overdue", NULL, "1 while its paging file should have been gone.", guest_paging_overdue},
};

static const HostMetric host_metrics[] = {
    {"dynmem_host_memory_bytes", "bytes", "Memory of the host.", host_memory},
    {"dynmem_host_available_bytes", "bytes", "Memory of the host that is available.", host_available},
    {"dynmem_host_budget_bytes", "bytes", "What all guests may be committed together.", host_budget},
    {"dynmem_host_committed_bytes", "bytes", "What the guests may touch at this moment.", host_committed},
    {"dynmem_host_free_bytes", "bytes", "Budget less committed.", host_free},
    {"dynmem_host_lent_bytes", "bytes", "Free memory that guests' limits leave to the page cache of their disks.",
     host_lent},
    {"dynmem_host_reserve_bytes", "bytes", "What is kept for the host itself.", host_reserve},
    {"dynmem_host_overhead_bytes", "bytes", "What the guests cost besides their memory.", host_overhead},
    {"dynmem_host_other_bytes", "bytes", "What processes that are no guests use.", host_other},
    {"dynmem_host_reserved_bytes", "bytes", "What is booked for guests that are about to start.", host_reserved},
    {"dynmem_host_minimums_bytes", "bytes", "Minimums of the guests that share.", host_minimums},
    {"dynmem_host_demand_bytes", "bytes", "Demand of the guests that share.", host_demand},
    {"dynmem_host_want_bytes", "bytes", "Want of the guests that share.", host_want},
    {"dynmem_host_over_budget", NULL, "1 while more is committed than the budget.", host_over_budget},
    {"dynmem_host_minimums_fit", NULL, "0 while not even the minimums fit in the budget.", host_minimums_fit},
    {"dynmem_host_pressure", NULL, "1 while the kernel reports that the host lacks memory, and little is available.",
     host_pressure},
    {"dynmem_host_starts_waiting", NULL, "Starts that wait for memory.", host_waiting},
    {"dynmem_host_paging_files", NULL, "Paging files there are.", host_paging_files},
    {"dynmem_host_paging_available", NULL, "0 while no guest can have a paging file.", host_paging_available},
    {"dynmem_libvirt_connected", NULL, "1 while dynmemd is connected to libvirt.", host_connected},
    {"dynmem_guests", NULL, "Guests that libvirt knows.", host_guests},
    {"dynmem_guests_settings_rejected", NULL, "Guests whose settings can't be used.", host_rejected},
};

/* Counters of what was told. */
static const struct {
    const char *name;
    const char *help;
    ChangeKind kind;
    ChangeKind other; /* counted too; the same where there is none */
} change_metrics[] = {
    {"dynmem_starts_admitted_total", "Starts that were admitted.", CHANGE_START_ADMITTED, CHANGE_START_ADMITTED},
    {"dynmem_starts_refused_total", "Starts that were refused.", CHANGE_START_REFUSED, CHANGE_START_REFUSED},
    {"dynmem_restarts_total",
     "Restarts of guests: resets, starts soon after a stop, first starts after a boot of the host.", CHANGE_GUEST_RESET,
     CHANGE_GUEST_RESTARTED},
    {"dynmem_paging_started_total", "Restarts with a paging file, and files that were taken over.",
     CHANGE_PAGING_STARTED, CHANGE_PAGING_STARTED},
    {"dynmem_paging_refused_total", "Restarts that needed a paging file and could not have one.", CHANGE_PAGING_REFUSED,
     CHANGE_PAGING_REFUSED},
    {"dynmem_paging_overdue_total", "Paging files that were not gone in time.", CHANGE_PAGING_OVERDUE,
     CHANGE_PAGING_OVERDUE},
};

/* ---- text ---- */

Metrics *
metrics_new(const char *path)
{
    Metrics *metrics = g_new0(Metrics, 1);

    metrics->path = g_strdup(path);
    metrics->temporary = g_strconcat(path, ".new", NULL);
    metrics->text = g_string_new(NULL);
    return metrics;
}

void
metrics_free(Metrics *metrics)
{
    if (metrics == NULL)
        return;
    if (metrics->written)
        (void)unlink(metrics->path);
    g_string_free(metrics->text, TRUE);
    g_free(metrics->path);
    g_free(metrics->temporary);
    g_free(metrics);
}

static void
append_number(GString *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    g_string_append_len(text, digits + at, (gssize)(sizeof digits - at));
}

/*
 * What is no counter is a gauge, which is written alike in OpenMetrics and in the older format of Prometheus. A counter is not:
 * the one names its type without _total, the other with it, and takes the other's for a second metric without help. So counters
 * have no type here; whoever reads the file knows them by their names.
 */
static void
append_head(GString *text, const char *name, const char *unit, const char *help)
{
    if (!g_str_has_suffix(name, "_total")) {
        g_string_append_printf(text, "# TYPE %s gauge\n", name);
        if (unit != NULL)
            g_string_append_printf(text, "# UNIT %s %s\n", name, unit);
    }
    g_string_append_printf(text, "# HELP %s %s\n", name, help);
}

/* The value of a label: backslash, quote and line feed are escaped, and what is no UTF-8 replaced. */
static char *
label_value(const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    GString *escaped = g_string_new(NULL);

    for (const char *p = valid; *p != '\0'; p++) {
        if (*p == '\\' || *p == '"')
            g_string_append_c(escaped, '\\');
        if (*p == '\n')
            g_string_append(escaped, "\\n");
        else
            g_string_append_c(escaped, *p);
    }
    return g_string_free(escaped, FALSE);
}

static void
append_counter(GString *text, const char *name, const char *help, uint64_t count)
{
    append_head(text, name, NULL, help);
    g_string_append_printf(text, "%s %" PRIu64 "\n", name, count);
}

static void
append_seconds(GString *text, const char *name, const char *help, uint64_t usec)
{
    append_head(text, name, "seconds", help);
    g_string_append_printf(text, "%s %" PRIu64 ".%06" PRIu64 "\n", name, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

static void
append_daemon(const Metrics *metrics, GString *text, const TickReport *report)
{
    append_head(text, "dynmem_build_info", NULL, "The version of dynmemd.");
    g_string_append(text, "dynmem_build_info{version=\"" DYNMEM_VERSION "\"} 1\n");
    append_counter(text, "dynmem_ticks_total", "Completed ticks.", report->tick);
    append_seconds(text, "dynmem_tick_busy_seconds_total", "Time spent deciding and acting in all ticks.",
                   metrics->busy_usec);
    append_seconds(text, "dynmem_tick_duration_seconds", "Time spent deciding and acting in the last tick.",
                   report->duration_usec);
    append_seconds(text, "dynmem_last_tick_timestamp_seconds", "When the last tick ended, wall clock.",
                   (uint64_t)g_get_real_time());
    append_counter(text, "dynmem_targets_total", "Targets that guests were told.", metrics->targets);
    append_counter(text, "dynmem_target_failures_total", "Targets that could not be told.", metrics->failures);
    for (size_t i = 0; i < G_N_ELEMENTS(change_metrics); i++) {
        ChangeKind kind = change_metrics[i].kind;
        ChangeKind other = change_metrics[i].other;

        append_counter(text, change_metrics[i].name, change_metrics[i].help,
                       metrics->changes[kind] + (other != kind ? metrics->changes[other] : 0));
    }
    append_head(text, "dynmem_dry_run", NULL, "1 in a dry run: nothing is changed in any guest.");
    g_string_append(text, report->dry_run ? "dynmem_dry_run 1\n" : "dynmem_dry_run 0\n");
}

static void
append_guests(GString *text, const Plan *plan, const GuestMetric *metric, const GPtrArray *labels)
{
    bool begun = false;

    for (size_t i = 0; i < plan->guest_count; i++) {
        if (metric->known != NULL && !metric->known(&plan->guests[i]))
            continue;
        if (!begun)
            append_head(text, metric->name, metric->unit, metric->help);
        begun = true;
        g_string_append(text, metric->name);
        g_string_append_c(text, '{');
        g_string_append(text, g_ptr_array_index(labels, i));
        g_string_append(text, "} ");
        append_number(text, metric->value(&plan->guests[i]));
        g_string_append_c(text, '\n');
    }
}

const char *
metrics_format(Metrics *metrics, const TickReport *report)
{
    const Plan *plan = report->plan;
    GString *text = metrics->text;
    g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);

    g_string_truncate(text, 0);
    append_daemon(metrics, text, report);
    for (size_t m = 0; m < G_N_ELEMENTS(host_metrics); m++) {
        const HostMetric *metric = &host_metrics[m];

        append_head(text, metric->name, metric->unit, metric->help);
        g_string_append(text, metric->name);
        g_string_append_c(text, ' ');
        append_number(text, metric->value(report));
        g_string_append_c(text, '\n');
    }

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestSnapshot *guest = plan->guests[i].guest;
        g_autofree char *name = label_value(guest->name);

        g_ptr_array_add(labels, g_strdup_printf("domain=\"%s\",uuid=\"%s\"", name, guest->uuid));
    }
    for (size_t m = 0; m < G_N_ELEMENTS(guest_metrics); m++)
        append_guests(text, plan, &guest_metrics[m], labels);
    if (plan->guest_count > 0)
        append_head(text, "dynmem_guest_state", NULL, "1 for the state that the guest is in.");
    for (size_t i = 0; i < plan->guest_count; i++)
        g_string_append_printf(text, "dynmem_guest_state{%s,state=\"%s\"} 1\n",
                               (const char *)g_ptr_array_index(labels, i), guest_state_name(plan->guests[i].state));
    g_string_append(text, "# EOF\n");
    return text->str;
}

/* ---- file ---- */

static bool
write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        length -= (size_t)written;
    }
    return true;
}

static bool
write_file(const Metrics *metrics)
{
    int fd = open(metrics->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool done;

    if (fd < 0)
        return false;
    /* whatever the umask is: collectors run as somebody else */
    done = fchmod(fd, 0644) == 0 && write_all(fd, metrics->text->str, metrics->text->len);
    if (close(fd) != 0)
        done = false;
    if (done && rename(metrics->temporary, metrics->path) == 0)
        return true;
    (void)unlink(metrics->temporary);
    return false;
}

void
metrics_count(Metrics *metrics, const Change *change)
{
    metrics->changes[change->kind]++;
}

void
metrics_update(Metrics *metrics, const TickReport *report)
{
    metrics->busy_usec += report->duration_usec;
    for (unsigned i = 0;
         report->outcome != NULL && report->outcome->targets != NULL && i < report->outcome->targets->len; i++) {
        ActionResult result = g_array_index(report->outcome->targets, TargetAction, i).result;

        metrics->targets += result == ACTION_DONE;
        metrics->failures += result == ACTION_FAILED;
    }
    if (metrics->written_usec != 0 && report->now_usec - metrics->written_usec < WRITE_USEC)
        return;
    metrics->written_usec = MAX(report->now_usec, 1);
    metrics_format(metrics, report);
    if (write_file(metrics))
        metrics->written = true;
    else
        g_debug("cannot write %s: %s", metrics->path, g_strerror(errno));
}
