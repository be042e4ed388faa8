/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine.h"

#include "act/act.h"
#include "admit/start_book.h"
#include "config/guest_book.h"
#include "config/settings_edit.h"
#include "decide/decide.h"
#include "error.h"
#include "observe/observe.h"
#include "units.h"

#include <string.h>

/* The guests' answers are waited for so long, or half the interval where that is shorter. */
#define COLLECT_DEADLINE_USEC (500 * USEC_PER_MSEC)
/* A guest that was asked to report at once does so within milliseconds, unless its processors wait for the host's. Until then it
   is asked at each look; who does not answer these questions keeps nobody waiting for long. */
#define AWAIT_USEC (500 * USEC_PER_MSEC)
#define AWAIT_DEADLINE_USEC (200 * USEC_PER_MSEC)

struct Engine {
    Ports ports;
    Settings *settings;
    uint64_t settings_serial;
    bool dry;

    GuestBook *book;
    StartBook *starts;
    Observer *observer;
    DecideState *decide_state;
    Actuator *actuator;

    /* reused from tick to tick */
    Snapshot snapshot;
    Plan plan;
    Outcome outcome;

    uint64_t ticks;
    unsigned part; /* of the interval, counted on for ever */
    bool stopped;
    bool ticking;       /* answers are waited for */
    bool whole;         /* ... for a tick, whatever they are */
    bool moving;        /* ... also of those whose balloons move */
    bool again;         /* a tick was asked for meanwhile */
    bool lacking;       /* at the last tick somebody lacked something */
    uint64_t part_usec; /* when the answers that are waited for were asked for */
};

Engine *
engine_new(const Ports *ports, Settings *settings, Keep *keep, bool dry)
{
    Engine *engine = g_new0(Engine, 1);

    engine->ports = *ports;
    engine->settings = settings;
    engine->settings_serial = 1;
    engine->dry = dry;
    engine->book = guest_book_new();
    engine->starts = start_book_new(keep, &engine->ports.guests, &engine->ports.limits);
    engine->observer = observer_new();
    engine->decide_state = decide_state_new();
    engine->actuator = actuator_new(&engine->ports, dry);
    return engine;
}

void
engine_free(Engine *engine)
{
    if (engine == NULL)
        return;
    start_book_free(engine->starts);
    outcome_clear(&engine->outcome);
    plan_clear(&engine->plan);
    snapshot_clear(&engine->snapshot);
    actuator_free(engine->actuator);
    decide_state_free(engine->decide_state);
    observer_free(engine->observer);
    guest_book_free(engine->book);
    settings_free(engine->settings);
    g_free(engine);
}

static uint32_t
report_period_sec(const Settings *settings)
{
    return (uint32_t)MAX(1, (settings->interval_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

static bool
somebody_lacks(const Plan *plan)
{
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].starved || plan->guests[i].status != GUEST_STATUS_OK)
            return true;
    return false;
}

/* The whole of a tick, from the answers to the report: data flows downwards. */
static void
flow(Engine *engine)
{
    const Ports *ports = &engine->ports;
    uint64_t now_usec = ports->clock.now_usec(ports->clock.self);
    WorldLink link = ports->guests.link(ports->guests.self);
    size_t count = 0;
    const GuestRecord *const *records = ports->guests.records(ports->guests.self, &count);
    const GuestSettings *const *settings;
    Snapshot *snapshot = &engine->snapshot;
    bool dry = engine->dry || link == WORLD_LINK_READ_ONLY;

    guest_book_forget_gone(engine->book); /* the last snapshot is over */
    settings = guest_book_update(engine->book, engine->settings, engine->settings_serial, records, count);
    observer_observe(engine->observer, records, settings, count, link, ports, dry ? 0 : engine->settings->interval_usec,
                     now_usec, snapshot);
    snapshot->starts = start_book_requests(engine->starts, records, count, link, now_usec, &snapshot->start_count);
    decide(engine->decide_state, snapshot, engine->settings, dry, &engine->plan);
    actuator_execute(engine->actuator, &engine->plan, engine->settings, report_period_sec(engine->settings), now_usec,
                     &engine->outcome);

    engine->ticks++;
    ports->sink.tick(ports->sink.self, &(TickReport){
                                           .tick = engine->ticks,
                                           .now_usec = now_usec,
                                           .duration_usec = ports->clock.now_usec(ports->clock.self) - now_usec,
                                           .settings = engine->settings,
                                           .snapshot = &engine->snapshot,
                                           .plan = &engine->plan,
                                           .outcome = &engine->outcome,
                                           .issues = guest_book_issues(engine->book),
                                           .dry_run = engine->dry,
                                       });
    start_book_settle(engine->starts, &engine->plan, now_usec);
    engine->lacking = somebody_lacks(&engine->plan);
}

/* A report that somebody is helped by sooner: the guest lacks something, or another does and this one may have it. */
static bool
is_news(const Engine *engine, const GuestPlan *plan, const GuestRecord *record)
{
    const GuestReport *report = &record->report;

    if (plan->guest->serial != record->serial || !observer_has_news(engine->observer, record) ||
        (report->fields & REPORT_USABLE) == 0)
        return false;
    return engine->lacking || saturating_sub(report->actual_kib, report->usable_kib) > decide_news_kib(plan);
}

static bool
has_news(const Engine *engine, const GuestRecord *const *records, size_t count)
{
    /* who came or went since is told of by the world */
    if (count != engine->plan.guest_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_news(engine, &engine->plan.guests[i], records[i]))
            return true;
    return false;
}

static void
collected(void *user_data)
{
    Engine *engine = user_data;
    const GuestWorld *guests = &engine->ports.guests;
    const GuestRecord *const *records;
    size_t count = 0;

    if (engine->stopped)
        return;
    records = guests->records(guests->self, &count);
    observer_note_answers(engine->observer, records, count, report_period_sec(engine->settings) * USEC_PER_SEC,
                          engine->settings->interval_usec / ENGINE_PARTS);
    if (engine->whole || engine->moving || has_news(engine, records, count))
        flow(engine);
    engine->ticking = false;
    if (engine->again) {
        engine->again = false;
        engine_tick(engine);
    }
}

static bool
is_chosen(void *user_data, const GuestRecord *record)
{
    const Engine *engine = user_data;

    return observer_is_due(engine->observer, record, engine->part_usec) ||
           (engine->moving && guest_record_moves(record));
}

static bool
is_awaited(void *user_data, const GuestRecord *record)
{
    const Engine *engine = user_data;

    return observer_awaits(engine->observer, record, engine->part_usec);
}

static void
collect(Engine *engine, bool whole, bool moving, GuestChosen chosen, uint64_t deadline_usec)
{
    const Clock *clock = &engine->ports.clock;

    engine->ticking = true;
    engine->whole = whole;
    engine->moving = moving;
    engine->part_usec = clock->now_usec(clock->self);
    engine->ports.guests.collect(engine->ports.guests.self, chosen,
                                 MIN(deadline_usec, engine->settings->interval_usec / 2), collected, engine);
}

static void
begin_tick(Engine *engine, bool whole, bool moving, GuestChosen chosen)
{
    const GuestWorld *guests = &engine->ports.guests;
    size_t count = 0;
    const GuestRecord *const *records = guests->records(guests->self, &count);

    observer_note_questions(engine->observer, records, count);
    collect(engine, whole, moving, chosen, COLLECT_DEADLINE_USEC);
}

void
engine_tick(Engine *engine)
{
    if (engine->ticking)
        engine->again = true;
    else
        begin_tick(engine, true, true, NULL);
}

static bool
somebody_waits(const Plan *plan)
{
    for (size_t i = 0; i < plan->start_count; i++)
        if (plan->starts[i].verdict == START_WAITS)
            return true;
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].rule == PLAN_RULE_WAIT_FREE || plan->guests[i].rule == PLAN_RULE_RESTART)
            return true;
    return false;
}

void
engine_tick_part(Engine *engine)
{
    bool whole = engine->part++ % ENGINE_PARTS == 0;

    if (!engine->ticking && (whole || !engine->dry))
        begin_tick(engine, whole, whole || somebody_waits(&engine->plan), is_chosen);
    else if (whole)
        engine->again = true;
}

/* Returns whether a tick is to be now. */
static bool
look_at(Engine *engine, const GuestRecord *record, size_t i, uint64_t now_usec)
{
    const GuestWorld *guests = &engine->ports.guests;
    GuestMoment moment;

    if (!observer_moment(engine->observer, record, &moment))
        return false;
    switch (decide_alarm(engine->decide_state, &engine->plan, i, &moment, now_usec)) {
    case ALARM_TICK:
        return true;
    case ALARM_ASK:
        if (guests->ask_now == NULL)
            break;
        guests->ask_now(guests->self, record->uuid);
        observer_await(engine->observer, record, now_usec, now_usec + AWAIT_USEC);
        break;
    case ALARM_NONE:
        break;
    }
    return false;
}

void
engine_glance(Engine *engine)
{
    const GuestWorld *guests = &engine->ports.guests;
    const Clock *clock = &engine->ports.clock;
    uint64_t now_usec = clock->now_usec(clock->self);
    bool awaits = false, tick = false;
    size_t count = 0;
    const GuestRecord *const *records;

    if (engine->stopped || engine->dry || engine->ports.limits.glance == NULL)
        return;
    records = guests->records(guests->self, &count);
    observer_glance(engine->observer, &engine->ports.limits, records, count);
    for (size_t i = 0; i < MIN(count, engine->plan.guest_count); i++) {
        awaits = awaits || observer_awaits(engine->observer, records[i], now_usec);
        /* who came or went since the last tick is told of by the world */
        if (records[i]->serial == engine->snapshot.guests[i].serial)
            tick = look_at(engine, records[i], i, now_usec) || tick;
    }
    if (tick)
        flow(engine);
    if (awaits && !engine->ticking)
        collect(engine, false, false, is_awaited, AWAIT_DEADLINE_USEC);
}

void
engine_tick_now(Engine *engine)
{
    if (!engine->stopped)
        flow(engine);
}

void
engine_stop(Engine *engine)
{
    engine->stopped = true;
}

void
engine_set_settings(Engine *engine, Settings *settings)
{
    settings_free(engine->settings);
    engine->settings = settings;
    engine->settings_serial++;
}

void
engine_retire(Engine *engine)
{
    engine->settings->retiring = true;
    engine->settings_serial++;
}

const Settings *
engine_settings(const Engine *engine)
{
    return engine->settings;
}

void
engine_note_pressure(Engine *engine)
{
    observer_note_pressure(engine->observer);
}

/* ---- starts ---- */

static const GuestRecord *
find_guest(const Engine *engine, const char *uuid, const GuestSettings **settings)
{
    size_t count = 0;
    const GuestRecord *const *records = engine->ports.guests.records(engine->ports.guests.self, &count);
    const GuestSettings *const *all =
        guest_book_update(engine->book, engine->settings, engine->settings_serial, records, count);

    *settings = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(records[i]->uuid, uuid) != 0)
            continue;
        *settings = all[i];
        return records[i];
    }
    return NULL;
}

static uint64_t
now_usec(const Engine *engine)
{
    return engine->ports.clock.now_usec(engine->ports.clock.self);
}

bool
engine_ask_start(Engine *engine, const StartAsk *ask, StartAnswer answer, void *user_data)
{
    const GuestSettings *known;
    const GuestRecord *record = find_guest(engine, ask->uuid, &known);

    if (engine->dry) {
        answer(user_data, true, "dynmemd only looks on (dry run)");
        return false;
    }

    return start_book_ask(engine->starts, ask, record, known, engine->settings, now_usec(engine), answer, user_data);
}

StartProgress
engine_start_progress(const Engine *engine, const char *uuid)
{
    return start_book_progress(engine->starts, uuid);
}

bool
engine_release_start(Engine *engine, const char *uuid)
{
    return start_book_release(engine->starts, uuid, "the start was called off");
}

void
engine_drop_owner(Engine *engine, const char *owner)
{
    start_book_drop_owner(engine->starts, owner);
}

void
engine_note_start(Engine *engine, const char *uuid, StartNote note)
{
    start_book_note(engine->starts, uuid, note, now_usec(engine));
}

void
engine_rate(const Engine *engine, uint64_t startup_kib, uint32_t priority, StartRating *rating)
{
    decide_rate(engine->decide_state, &engine->plan, startup_kib, priority, rating);
}

/* ---- settings of guests ---- */

/* NULL and error where there is no such guest, or something else was asked for than can be. */
static SettingsEdit *
begin_edit(Engine *engine, const char *uuid, const SettingsAsk *ask, const GuestRecord **record, GError **error)
{
    const GuestSettings *known;

    *record = find_guest(engine, uuid, &known);
    if (*record == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "libvirt has no guest %s any more", uuid);
        return NULL;
    }
    return settings_edit_new(ask, engine->settings, guest_book_startup(engine->book, *record), error);
}

SettingsChange *
engine_preview_settings(Engine *engine, const char *uuid, const SettingsAsk *ask, GError **error)
{
    const GuestRecord *record;
    g_autoptr(SettingsEdit) edit = begin_edit(engine, uuid, ask, &record, error);

    return edit != NULL ? settings_edit_plan(edit, record->live_xml, record->inactive_xml, error) : NULL;
}

typedef struct Changing {
    Engine *engine;
    ElementDone done;
    void *user_data;
} Changing;

static void
settings_changed(void *data, const char *uuid, const GError *error)
{
    Changing *changing = data;

    if (error == NULL)
        engine_tick_now(changing->engine);
    changing->done(changing->user_data, uuid, error);
    g_free(changing);
}

static void
free_edit(void *edit)
{
    settings_edit_free(edit);
}

void
engine_change_settings(Engine *engine, const char *uuid, const SettingsAsk *ask, ElementDone done, void *user_data)
{
    const GuestWorld *guests = &engine->ports.guests;
    const GuestRecord *record;
    g_autoptr(GError) error = NULL;
    SettingsEdit *edit = NULL;
    Changing *changing;

    if (engine->dry)
        g_set_error(&error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "dynmemd runs dry and changes nothing in any guest; start it without --dry-run");
    else
        edit = begin_edit(engine, uuid, ask, &record, &error);
    if (edit == NULL) {
        done(user_data, uuid, error);
        return;
    }
    changing = g_new0(Changing, 1);
    changing->engine = engine;
    changing->done = done;
    changing->user_data = user_data;
    guests->edit_element(guests->self, uuid, settings_edit_elements, edit, free_edit, settings_changed, changing);
}

const Plan *
engine_plan(const Engine *engine, const Snapshot **snapshot)
{
    *snapshot = &engine->snapshot;
    return engine->ticks > 0 ? &engine->plan : NULL;
}

uint64_t
engine_ticks(const Engine *engine)
{
    return engine->ticks;
}
