/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk.h"
#include "engine.h"
#include "scenario.h"
#include "units.h"
#include "world.h"

typedef struct Run {
    const SimScenario *scenario;
    SimWorld *world;
    SimObserver observer;
    void *user_data;
    SimSummary *summary;
    SimSample *samples;
    uint64_t second;
    bool settling;
    bool ended;
} Run;

static void
take_sample(Run *run, const TickReport *report, size_t index)
{
    const SimGuest *guest = sim_world_guest(run->world, index);
    SimGuestSummary *sum = &run->summary->guests[index];
    SimSample *sample = &run->samples[index];
    uint64_t unmet;

    *sample = (SimSample){
        .name = guest->spec->name,
        .need_kib = guest->need_kib,
        .assigned_kib = sim_guest_assigned(guest),
        .target_kib = report->plan->guests[index].target_kib,
        .resident_kib = sim_guest_resident(guest),
        .paged_kib = guest->paged_kib,
        .file = sim_world_file(run->world, index),
        .plan = &report->plan->guests[index],
    };
    unmet = saturating_sub(sample->need_kib, sample->assigned_kib);
    sum->unmet_kib_sec = saturating_add(sum->unmet_kib_sec, unmet);
    sum->unmet_seconds += unmet > 0;
    sum->paging_seconds += sample->file != NULL;
    sum->paging_peak_kib = MAX(sum->paging_peak_kib, sample->paged_kib);
}

/* The sink: targets have been told by now, so the second passes and is looked at. */
static void
ticked(void *self, const TickReport *report)
{
    Run *run = self;
    SimStep step = {
        .second = run->second,
        .tick = report,
        .samples = run->samples,
        .count = run->summary->count,
        .world = run->world,
    };

    if (run->settling)
        return;
    sim_world_move(run->world, run->second);
    for (size_t i = 0; i < step.count; i++)
        take_sample(run, report, i);
    step.resident_kib = sim_world_resident(run->world);
    run->summary->over_budget_ticks += report->plan->over_budget;
    run->summary->exhausted_seconds +=
        step.resident_kib + sim_level(run->scenario->other, run->second) > run->scenario->memory_kib;
    run->summary->seconds++;
    if (run->observer != NULL && !run->observer(run->user_data, &step))
        run->ended = true;
}

static Engine *
make_engine(Run *run, Keep *keep)
{
    Ports ports = sim_world_ports(run->world);
    Engine *engine;

    ports.sink = (ReportSink){.self = run, .tick = ticked};
    engine = engine_new(&ports, settings_copy(run->scenario->settings), keep, false);
    return engine;
}

/* It may look, and not change anything: the guests have their startup memory at second 0. */
static void
settle(Run *run, Engine *engine)
{
    run->settling = true;
    sim_world_set_link(run->world, WORLD_LINK_READ_ONLY);
    for (uint64_t before = run->scenario->settle_seconds; before > 0; before--) {
        sim_world_settle(run->world, before);
        engine_tick(engine);
    }
    sim_world_set_link(run->world, WORLD_LINK_READ_WRITE);
    run->settling = false;
}

static bool
is_due(const GArray *seconds, uint64_t second)
{
    for (guint i = 0; i < seconds->len; i++)
        if (g_array_index(seconds, uint64_t, i) == second)
            return true;
    return false;
}

static Keep *
new_keep(void)
{
    g_autofree char *problem = NULL;

    return keep_open(NULL, "simulated", &problem);
}

static void
refusal_free(gpointer data)
{
    SimRefusal *refusal = data;

    g_free(refusal->name);
    g_free(refusal->reason);
    g_free(refusal);
}

void
sim_run(const SimScenario *scenario, SimObserver observer, void *user_data, SimSummary *summary)
{
    g_autoptr(SimWorld) world = sim_world_new(scenario);
    g_autoptr(SimDesk) desk = sim_desk_new(world, scenario, summary);
    Run run = {.scenario = scenario, .world = world, .observer = observer, .user_data = user_data, .summary = summary};
    Keep *keep = new_keep();
    Engine *engine = make_engine(&run, keep);

    *summary = (SimSummary){
        .guests = g_new0(SimGuestSummary, scenario->guests->len),
        .count = scenario->guests->len,
        .refused = g_ptr_array_new_with_free_func(refusal_free),
    };
    run.samples = g_new0(SimSample, summary->count);
    settle(&run, engine);
    for (run.second = 0; run.second < scenario->seconds && !run.ended; run.second++) {
        bool host_lost = is_due(scenario->host_reboots, run.second);

        if (host_lost || is_due(scenario->daemon_restarts, run.second)) {
            sim_desk_lose_daemon(desk, host_lost);
            engine_free(engine);
            if (host_lost) {
                keep_free(keep);
                keep = new_keep();
                sim_world_lose_host(world, run.second);
            } else {
                sim_world_lose_daemon(world, run.second);
            }
            engine = make_engine(&run, keep);
        }
        sim_desk_start(desk, engine, run.second);
        sim_world_begin(world, run.second);
        sim_desk_ask(desk, engine, run.second);
        engine_tick(engine);
    }
    sim_desk_lose_daemon(desk, true);
    engine_free(engine);
    keep_free(keep);
    for (size_t i = 0; i < summary->count; i++) {
        summary->guests[i].name = sim_world_guest(world, i)->spec->name;
        summary->guests[i].target_changes = sim_world_target_changes(world, i);
    }
    g_free(run.samples);
}

void
sim_summary_clear(SimSummary *summary)
{
    g_clear_pointer(&summary->guests, g_free);
    g_clear_pointer(&summary->refused, g_ptr_array_unref);
}
