/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk.h"

#include "scenario.h"

typedef struct Start {
    SimDesk *desk;
    size_t guest;
    bool waiting;
    bool granted;
    uint64_t asked_second;
} Start;

struct SimDesk {
    SimWorld *world;
    const SimScenario *scenario;
    SimSummary *summary;
    Start *starts; /* by guest */
    size_t count;
    uint64_t second;
    bool daemon_lost;
};

SimDesk *
sim_desk_new(SimWorld *world, const SimScenario *scenario, SimSummary *summary)
{
    SimDesk *desk = g_new0(SimDesk, 1);

    desk->world = world;
    desk->scenario = scenario;
    desk->summary = summary;
    desk->count = sim_world_guest_count(world);
    desk->starts = g_new0(Start, desk->count);
    for (size_t i = 0; i < desk->count; i++)
        desk->starts[i] = (Start){.desk = desk, .guest = i};
    return desk;
}

void
sim_desk_free(SimDesk *desk)
{
    if (desk == NULL)
        return;
    g_free(desk->starts);
    g_free(desk);
}

static void
note_refusal(SimDesk *desk, const Start *start, const char *reason)
{
    SimRefusal *refusal = g_new0(SimRefusal, 1);

    refusal->name = g_strdup(sim_world_guest(desk->world, start->guest)->spec->name);
    refusal->second = desk->second;
    refusal->reason = g_strdup(reason);
    g_ptr_array_add(desk->summary->refused, refusal);
}

static void
answered(void *user_data, bool granted, const char *reason)
{
    Start *start = user_data;
    SimDesk *desk = start->desk;

    if (!start->waiting)
        return; /* who wanted it gave up */
    start->waiting = false;
    if (desk->daemon_lost) {
        granted = desk->scenario->settings->admission_allow_when_absent;
        reason = "dynmemd is not there to say whether there is memory for it, and WhenAbsent=refuse";
    }
    start->granted = granted;
    if (!granted)
        note_refusal(desk, start, reason);
}

void
sim_desk_start(SimDesk *desk, Engine *engine, uint64_t second)
{
    for (size_t i = 0; i < desk->count; i++) {
        Start *start = &desk->starts[i];

        if (!start->granted)
            continue;
        start->granted = false;
        sim_world_start_guest(desk->world, i, second);
        engine_note_start(engine, sim_world_record(desk->world, i)->uuid, START_NOTE_STARTED);
    }
}

static void
ask(SimDesk *desk, Engine *engine, size_t guest)
{
    const SimGuest *asked = sim_world_guest(desk->world, guest);
    const GuestRecord *record = sim_world_record(desk->world, guest);
    const StartAsk question = {
        .uuid = record->uuid,
        .xml = record->inactive_xml,
        .kind = asked->saved_kib != 0 ? START_RESTORE : START_BOOT,
        .hook = true,
    };
    Start *start = &desk->starts[guest];

    start->waiting = true;
    start->asked_second = desk->second;
    engine_ask_start(engine, &question, answered, start);
}

void
sim_desk_ask(SimDesk *desk, Engine *engine, uint64_t second)
{
    desk->second = second;
    for (size_t i = 0; i < desk->count; i++) {
        Start *start = &desk->starts[i];

        if (sim_world_take_stop(desk->world, i)) {
            start->waiting = start->granted = false;
            engine_note_start(engine, sim_world_record(desk->world, i)->uuid, START_NOTE_STOPPED);
        }
        if (sim_world_take_asking(desk->world, i))
            ask(desk, engine, i);
        if (start->waiting && second > start->asked_second)
            desk->summary->guests[i].delayed_seconds++;
    }
}

void
sim_desk_lose_daemon(SimDesk *desk, bool host_too)
{
    desk->daemon_lost = true;
    for (size_t i = 0; i < desk->count; i++) {
        if (host_too)
            desk->starts[i].waiting = desk->starts[i].granted = false;
        answered(&desk->starts[i], false, "");
    }
    desk->daemon_lost = false;
}
