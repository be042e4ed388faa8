/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * 500 guests, of which at any time some twenty are being stopped or are booting, for as long as is asked for: what the daemon has of
 * the heap and asks of libvirt does not grow from one hour to the next, the host is never promised twice, and who waits for its start
 * gets it. What a tick costs of the processor is printed: its end is to be as its beginning.
 *
 * SIM_LOAD_HOURS: how long, in virtual hours (168 are a week).
 */

#include "report/changes.h"
#include "report/held_tick.h"
#include "report/history.h"
#include "sim/world.h"
#include "units.h"

#include "heap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GUESTS 500
#define DEFAULT_HOURS 1
#define HOUR 3600
/* Tables have their size by then. */
#define WARM_SECONDS 600
/* Each is stopped so often, started again so much later, and boots for ten seconds: some twenty at any time. */
#define CYCLE_SECONDS 480
#define OFF_SECONDS 8
/* The same second of each cycle has the same guests off; what differs is what they were last told. */
#define GROWTH_BYTES (64 * 1024)
/* What is asked and told in the last cycles, of what was in the first. */
#define GROWTH_PERCENT 105

/* Of one cycle. */
typedef struct Cost {
    uint64_t asked, told, limited;
    uint64_t processor_usec;
} Cost;

typedef struct Run {
    Changes *changes;
    HeldTick *held;
    History *history;
    uint64_t stopped, started;
    size_t first_bytes, most_bytes; /* but for the history, which has its own bound */
    size_t history_bytes;
    uint64_t over_budget;
    Cost cost;
    GArray *costs; /* of Cost */
} Run;

static uint64_t
processor_usec(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * USEC_PER_SEC + (uint64_t)used.tv_nsec / 1000;
}

static void
count_cost(Run *run, const Snapshot *snapshot, const Plan *plan)
{
    for (size_t i = 0; i < snapshot->guest_count; i++) {
        run->cost.asked += snapshot->guests[i].asked_usec + USEC_PER_SEC > snapshot->now_usec;
        run->cost.told += plan->guests[i].tell;
        run->cost.limited += plan->guests[i].limit_tell;
    }
}

static void
end_cycle(Run *run)
{
    uint64_t now_usec = processor_usec();
    Cost cost = run->cost;

    cost.processor_usec = now_usec - cost.processor_usec;
    if (run->cost.processor_usec != 0)
        g_array_append_val(run->costs, cost);
    run->cost = (Cost){.processor_usec = now_usec};
}

/* The mean of so many cycles. */
static Cost
mean_cost(const GArray *costs, guint from, guint count)
{
    Cost sum = {0};

    for (guint i = from; i < from + count; i++) {
        const Cost *cost = &g_array_index(costs, Cost, i);

        sum.asked += cost->asked / count;
        sum.told += cost->told / count;
        sum.limited += cost->limited / count;
        sum.processor_usec += cost->processor_usec / count;
    }
    return sum;
}

static void
print_cost(const char *when, const Cost *cost)
{
    printf("%s: %.3f questions a guest and tick, %.4f targets, %.4f limits; %.2f ms of the processor a tick, "
           "simulation included\n",
           when, (double)cost->asked / GUESTS / CYCLE_SECONDS, (double)cost->told / GUESTS / CYCLE_SECONDS,
           (double)cost->limited / GUESTS / CYCLE_SECONDS, (double)cost->processor_usec / 1000 / CYCLE_SECONDS);
}

/* The last quarter of the cycles costs libvirt what the first did. */
static bool
is_flat(const GArray *costs)
{
    guint part = MAX(costs->len / 4, 1);
    Cost first = mean_cost(costs, 0, part);
    Cost last = mean_cost(costs, costs->len - part, part);

    print_cost("first", &first);
    print_cost("last", &last);
    return last.asked * 100 <= first.asked * GROWTH_PERCENT && last.told * 100 <= first.told * GROWTH_PERCENT &&
           last.limited * 100 <= first.limited * GROWTH_PERCENT;
}

static void
stop_and_start(Run *run, const SimStep *step)
{
    for (size_t i = 0; i < step->count; i++) {
        /* handed out to be looked at only */
        SimGuest *guest = (SimGuest *)sim_world_guest(step->world, i);
        uint64_t phase = (step->second + i * 7) % CYCLE_SECONDS;

        if (phase == 0 && guest->running) {
            sim_guest_stop(guest, step->second, false);
            run->stopped++;
        }
        if (phase == OFF_SECONDS && !guest->running) {
            guest->asks = true;
            run->started++;
        }
    }
}

static bool
look(void *data, const SimStep *step)
{
    Run *run = data;

    const GPtrArray *list = changes_compare(run->changes, held_tick_report(run->held), step->tick);
    uint64_t now_usec = (step->second + 1) * USEC_PER_SEC;

    history_add(run->history, step->tick, now_usec);
    for (guint i = 0; i < list->len; i++)
        history_note(run->history, g_ptr_array_index(list, i), now_usec);
    held_tick_update(run->held, step->tick);
    run->over_budget += step->tick->plan->over_budget;
    count_cost(run, step->tick->snapshot, step->tick->plan);
    if (step->second >= WARM_SECONDS && (step->second - WARM_SECONDS) % CYCLE_SECONDS == 0) {
        end_cycle(run);
        size_t bytes = heap_bytes() - history_bytes(run->history);

        run->history_bytes = MAX(run->history_bytes, history_bytes(run->history));
        run->most_bytes = MAX(run->most_bytes, bytes);
        if (run->first_bytes == 0)
            run->first_bytes = bytes;
    }
    stop_and_start(run, step);
    return true;
}

static char *
make_text(uint64_t hours)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "[host]\nmemory=1200GiB\nreserve=8GiB\nseconds=%" PRIu64 "\nseed=1\n", hours * HOUR);
    for (unsigned i = 0; i < GUESTS; i++)
        g_string_append_printf(text,
                               "[guest g%u]\nminimum=512MiB\nstartup=1GiB\nmaximum=8GiB\npriority=%u\n"
                               "demand=square %uMiB %uMiB %u %u\nnoise=50MiB\n",
                               i, i % 101, 600 + i * 3 % 900, 1200 + i * 7 % 1800, 60 + i % 240, i % 2);
    return g_string_free(text, FALSE);
}

int
main(void)
{
    const char *wanted = g_getenv("SIM_LOAD_HOURS");
    uint64_t hours = wanted != NULL ? strtoull(wanted, NULL, 10) : DEFAULT_HOURS;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = make_text(hours);
    g_autoptr(SimScenario) scenario = sim_scenario_parse("load", text, -1, &error);
    g_autoptr(Changes) changes = changes_new();
    g_autoptr(HeldTick) held = held_tick_new();
    g_autoptr(History) history = history_new();
    g_autoptr(GArray) costs = g_array_sized_new(FALSE, FALSE, sizeof(Cost), (guint)(hours * HOUR / CYCLE_SECONDS + 1));
    Run run = {.changes = changes, .held = held, .history = history, .costs = costs};
    SimSummary summary = {0};
    bool good;

    g_assert_no_error(error);
    sim_run(scenario, look, &run, &summary);
    printf("%" PRIu64 " hours, %" PRIu64 " stops, %" PRIu64
           " starts, %u refused; heap %zu bytes, then at most %zu; history %zu\n",
           hours, run.stopped, run.started, summary.refused->len, run.first_bytes, run.most_bytes, run.history_bytes);
    good = run.first_bytes > 0 && run.most_bytes <= run.first_bytes + GROWTH_BYTES &&
           run.history_bytes <= (size_t)GUESTS * HISTORY_GUEST_BYTES && run.over_budget == 0 &&
           summary.exhausted_seconds == 0 && summary.refused->len == 0 && run.started > hours * GUESTS &&
           is_flat(costs);
    if (!good)
        printf("FAIL over budget for %" PRIu64 " seconds, exhausted for %" PRIu64 "\n", run.over_budget,
               summary.exhausted_seconds);
    sim_summary_clear(&summary);
    return good ? 0 : 1;
}
