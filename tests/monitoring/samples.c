/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files as the daemon writes them, for the parsers and monitoring systems that read them: of a host without guests, of
 * guests with awkward names, of one with every figure there is, and of the last minutes of a run of the real engine.
 * Usage: metrics_samples DIRECTORY SCENARIO FIRST LAST (seconds).
 */

#include "fake_tick.h"
#include "report/changes.h"
#include "report/held_tick.h"
#include "report/metrics.h"
#include "sim/sim.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>

typedef struct Run {
    const char *directory;
    uint64_t first;
    uint64_t last;
    Changes *changes;
    HeldTick *held;
    Metrics *metrics;
    char *written;
} Run;

/* What was written, under another name: metrics_free() takes its own away. */
static void
keep(const char *written, const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    if (g_rename(written, path) != 0)
        g_error("%s: %s", path, g_strerror(errno));
}

static void
write_fake(const char *directory, const char *name, const FakeTick *tick)
{
    g_autofree char *written = g_build_filename(directory, "metrics.prom", NULL);
    g_autoptr(Metrics) metrics = metrics_new(written);

    metrics_update(metrics, &tick->report);
    keep(written, directory, name);
}

static void
write_odd_guests(const char *directory)
{
    g_autoptr(FakeTick) tick = fake_tick_new();

    write_fake(directory, "empty.prom", tick);
    fake_tick_add(tick, "a \"quoted\\\" name\nof two lines");
    fake_tick_add(tick, "no \xff UTF-8, {braces}, # and \xe2\x82\xac");
    fake_tick_snapshot(tick, 0)->has_usable = false;
    write_fake(directory, "odd.prom", tick);
}

static void
write_whole_guest(const char *directory)
{
    g_autoptr(FakeTick) tick = fake_tick_new();
    GuestSnapshot *guest;
    GuestLimits *limits;

    fake_tick_add(tick, "web");
    guest = fake_tick_snapshot(tick, 0);
    guest->has_usable = guest->has_total = guest->has_unused = guest->has_cache = true;
    guest->total_kib = 2000 * KIB_PER_MIB;
    guest->usable_kib = 500 * KIB_PER_MIB;
    guest->unused_kib = 100 * KIB_PER_MIB;
    guest->cache_kib = 300 * KIB_PER_MIB;
    limits = fake_tick_limit(tick, 0);
    limits->charged_kib = 1800 * KIB_PER_MIB;
    limits->held_back = 7;
    fake_tick_file(tick, 0, PAGING_STAGE_ON);
    write_fake(directory, "whole.prom", tick);
}

static bool
look(void *user_data, const SimStep *step)
{
    Run *run = user_data;
    const GPtrArray *list = changes_compare(run->changes, held_tick_report(run->held), step->tick);

    held_tick_update(run->held, step->tick);
    for (unsigned i = 0; i < list->len; i++)
        metrics_count(run->metrics, g_ptr_array_index(list, i));
    metrics_update(run->metrics, step->tick);
    if (step->second >= run->first && g_file_test(run->written, G_FILE_TEST_EXISTS)) {
        g_autofree char *name = g_strdup_printf("run-%06" G_GUINT64_FORMAT ".prom", step->second);

        keep(run->written, run->directory, name);
    }
    return step->second < run->last;
}

int
main(int argc, char **argv)
{
    g_autoptr(SimScenario) scenario = NULL;
    g_autoptr(Changes) changes = changes_new();
    g_autoptr(HeldTick) held = held_tick_new();
    g_autoptr(Metrics) metrics = NULL;
    g_autofree char *written = NULL;
    SimSummary summary = {0};
    Run run;

    if (argc != 5)
        g_error("usage: metrics_samples DIRECTORY SCENARIO FIRST LAST");
    scenario = sim_scenario_load(argv[2], NULL);
    g_assert(scenario != NULL);
    write_odd_guests(argv[1]);
    write_whole_guest(argv[1]);
    written = g_build_filename(argv[1], "metrics.prom", NULL);
    metrics = metrics_new(written);
    run = (Run){.directory = argv[1],
                .first = strtoull(argv[3], NULL, 10),
                .last = strtoull(argv[4], NULL, 10),
                .changes = changes,
                .held = held,
                .metrics = metrics,
                .written = written};
    sim_run(scenario, look, &run, &summary);
    sim_summary_clear(&summary);
    return EXIT_SUCCESS;
}
