/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When the engine ticks: what is news, and what comes after it was stopped. */

#include "cmocka_all.h"
#include "engine.h"
#include "outcome.h"
#include "units.h"

#include <string.h>

#define GUESTS 3
#define SHOWN 2
#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB

/* Guests a, b and c, of which two are shown: a needs 200 MiB of 2 GiB, the others 1500. */
typedef struct Bench {
    Engine *engine;
    Keep *keep;
    GuestRecord guests[GUESTS];
    const GuestRecord *shown[SHOWN];
    size_t shown_count;
    uint64_t now_usec;
    void (*collected)(void *user_data);
    void *collected_data;
    bool slow; /* answers wait to be delivered */
    unsigned told;
    unsigned ticks;
} Bench;

static void
report(Bench *bench, GuestRecord *guest, uint64_t need_kib)
{
    GuestReport *report = &guest->report;

    *report = (GuestReport){
        .serial = report->serial + 1,
        .asked_usec = bench->now_usec,
        .answered_usec = bench->now_usec,
        .fields = REPORT_ACTUAL | REPORT_USABLE | REPORT_TOTAL | REPORT_LAST_UPDATE,
        .actual_kib = 2 * GIB,
        .usable_kib = 2 * GIB - need_kib,
        .total_kib = 2 * GIB,
        .last_update_sec = report->last_update_sec + 1,
    };
}

static uint64_t
need_of(const Bench *bench, const GuestRecord *guest)
{
    return guest == &bench->guests[0] ? 200 * MIB : 1500 * MIB;
}

static void
deliver(Bench *bench)
{
    void (*done)(void *user_data) = bench->collected;

    bench->collected = NULL;
    done(bench->collected_data);
}

static void
collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data)
{
    Bench *bench = self;

    for (size_t i = 0; i < bench->shown_count; i++) {
        GuestRecord *guest = &bench->guests[bench->shown[i] - bench->guests];

        report(bench, guest, need_of(bench, guest));
    }
    bench->collected = done;
    bench->collected_data = user_data;
    if (!bench->slow)
        deliver(bench);
}

static const GuestRecord *const *
records(void *self, size_t *count)
{
    *count = ((Bench *)self)->shown_count;
    return ((Bench *)self)->shown;
}

static WorldLink
link_state(void *self)
{
    return WORLD_LINK_READ_WRITE;
}

static void
set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    ((Bench *)self)->told++;
    done(user_data, uuid, target_kib, NULL);
}

static void
set_period(void *self, const char *uuid, uint32_t seconds)
{
}

static bool
host_read(void *self, HostFigures *figures, GError **error)
{
    *figures = (HostFigures){.total_kib = 64 * GIB, .available_kib = 60 * GIB};
    return true;
}

static bool
host_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    return false;
}

static uint64_t
now(void *self)
{
    return ((Bench *)self)->now_usec;
}

static void
take_tick(void *self, const TickReport *report)
{
    ((Bench *)self)->ticks++;
}

static void
define(GuestRecord *guest, char letter)
{
    *guest = (GuestRecord){.serial = (uint64_t)letter,
                           .life = GUEST_LIFE_RUNNING,
                           .answering = true,
                           .definition_serial = 1,
                           .boot_usec = USEC_PER_SEC,
                           .pid = letter};
    memset(guest->uuid, letter, sizeof guest->uuid - 1);
    guest->name = g_strdup_printf("%c", letter);
    guest->live_xml = g_strdup_printf(
        "<domain type='kvm'><name>%c</name><metadata><dynmem:memory xmlns:dynmem='urn:dynmem:domain:1'"
        " minimum='2GiB' startup='2GiB'/></metadata><memory unit='GiB'>4</memory>"
        "<currentMemory unit='GiB'>2</currentMemory><devices><memballoon model='virtio'/></devices></domain>",
        letter);
}

static void
run(Bench *bench, unsigned parts)
{
    for (unsigned i = 0; i < parts; i++) {
        bench->now_usec += USEC_PER_SEC / ENGINE_PARTS;
        engine_tick_part(bench->engine);
    }
}

static int
set_up(void **state)
{
    Bench *bench = g_new0(Bench, 1);
    g_autofree char *problem = NULL;
    Ports ports = {
        .guests = {.self = bench,
                   .collect = collect,
                   .records = records,
                   .link = link_state,
                   .set_target = set_target,
                   .set_period = set_period},
        .host = {.self = bench, .read = host_read, .resident = host_resident},
        .clock = {.self = bench, .now_usec = now},
        .sink = {.self = bench, .tick = take_tick},
    };

    for (unsigned i = 0; i < GUESTS; i++)
        define(&bench->guests[i], (char)('a' + i));
    bench->shown[0] = &bench->guests[0];
    bench->shown[1] = &bench->guests[1];
    bench->shown_count = SHOWN;
    bench->now_usec = 1000 * USEC_PER_SEC;
    bench->keep = keep_open(NULL, "test", &problem);
    bench->engine = engine_new(&ports, settings_new(), bench->keep, false);
    run(bench, 60 * ENGINE_PARTS); /* all is known of them */
    bench->ticks = bench->told = 0;
    *state = bench;
    return 0;
}

static int
tear_down(void **state)
{
    Bench *bench = *state;

    engine_free(bench->engine);
    keep_free(bench->keep);
    for (unsigned i = 0; i < GUESTS; i++) {
        g_free(bench->guests[i].name);
        g_free(bench->guests[i].live_xml);
    }
    g_free(bench);
    return 0;
}

static void
the_first_part_of_an_interval_is_a_tick_and_reports_without_news_are_none(void **state)
{
    Bench *bench = *state;

    run(bench, ENGINE_PARTS);
    assert_int_equal(bench->ticks, 1);
}

/* b stands where a stood: what b reports is no news about a. */
static void
a_report_is_held_against_what_was_planned_for_its_own_guest(void **state)
{
    Bench *bench = *state;

    run(bench, 1);
    bench->ticks = 0;
    bench->shown[0] = &bench->guests[1];
    bench->shown[1] = &bench->guests[2];
    run(bench, ENGINE_PARTS - 1);
    assert_int_equal(bench->ticks, 0);
}

static void
answers_that_come_after_it_was_stopped_decide_nothing(void **state)
{
    Bench *bench = *state;

    bench->slow = true;
    engine_tick(bench->engine);
    engine_stop(bench->engine);
    deliver(bench);
    assert_int_equal(bench->ticks, 0);
    engine_tick_now(bench->engine);
    bench->slow = false;
    run(bench, 2 * ENGINE_PARTS);
    assert_int_equal(bench->ticks, 0);
    assert_int_equal(bench->told, 0);
}

static void
vanish(Bench *bench)
{
    bench->shown_count = 0;
    for (unsigned i = 0; i < SHOWN; i++) {
        memset(bench->guests[i].uuid, 'x', sizeof bench->guests[i].uuid - 1);
        g_clear_pointer(&bench->guests[i].name, g_free);
    }
}

/* A transient guest is gone with its end, up to a second before the next tick, and whoever asks meanwhile is told of the last one. */
static void
what_the_last_tick_came_to_outlives_the_guests_it_was_of(void **state)
{
    Bench *bench = *state;
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    g_auto(StartRating) rating = {0};
    const Snapshot *snapshot;

    run(bench, ENGINE_PARTS);
    vanish(bench);
    assert_null(engine_preview_settings(bench->engine, bench->guests[0].uuid, &(SettingsAsk){.values = values}, NULL));
    assert_non_null(engine_plan(bench->engine, &snapshot));
    assert_int_equal(snapshot->guest_count, SHOWN);
    assert_int_equal(snapshot->guests[0].uuid[0], 'a');
    assert_string_equal(snapshot->guests[0].name, "a");
    assert_int_equal(snapshot->guests[1].settings->maximum_kib, 4 * GIB);
    engine_rate(bench->engine, 64 * GIB, 50, &rating);
    assert_true(rating.blocker_count >= SHOWN);
    for (unsigned i = 0; i < rating.blocker_count; i++)
        assert_true(g_ascii_isprint(rating.blockers[i].name[0]) || rating.blockers[i].name[0] == '\0');
    run(bench, ENGINE_PARTS);
    assert_non_null(engine_plan(bench->engine, &snapshot));
    assert_int_equal(snapshot->guest_count, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_part_of_an_interval_is_a_tick_and_reports_without_news_are_none),
        TEST(a_report_is_held_against_what_was_planned_for_its_own_guest),
        TEST(answers_that_come_after_it_was_stopped_decide_nothing),
        TEST(what_the_last_tick_came_to_outlives_the_guests_it_was_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
