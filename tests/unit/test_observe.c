/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "error.h"
#include "observe/observe.h"
#include "units.h"

#include <string.h>

#define SEC USEC_PER_SEC
#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB
#define ALL_FIELDS                                                                                                     \
    (REPORT_ACTUAL | REPORT_USABLE | REPORT_TOTAL | REPORT_UNUSED | REPORT_CACHE | REPORT_SWAP_IN | REPORT_SWAP_OUT |  \
     REPORT_MAJOR_FAULTS | REPORT_LAST_UPDATE | REPORT_RESIDENT)

typedef struct Fixture {
    Observer *observer;
    Snapshot snapshot;
    GuestSettings settings;
    GuestRecord record;
    uint64_t now_usec;
    WorldLink link;
    uint64_t interval_usec;
    bool host_fails;
    bool resident_known;
    HostFigures figures;
    GuestLimits limits;
} Fixture;

static bool
read_host(void *self, HostFigures *figures, GError **error)
{
    Fixture *f = self;

    if (f->host_fails) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "no");
        return false;
    }
    *figures = f->figures;
    return true;
}

static bool
read_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    Fixture *f = self;

    if (!f->resident_known)
        return false;
    *resident = (GuestResident){.memory_kib = 777, .other_kib = 55};
    return true;
}

static void
read_limits(void *self, const GuestRecord *guest, GuestLimits *limits)
{
    const Fixture *f = self;

    *limits = f->limits;
}

/* Each partition has a limit of its own. */
static void
read_above(void *self, const char *partition, GroupsAbove *above)
{
    (void)self;
    *above = (GroupsAbove){.group = {{.id = partition == NULL ? 1 : g_str_hash(partition)}}};
}

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->observer = observer_new();
    f->settings = (GuestSettings){.managed = true,
                                  .minimum_kib = GIB,
                                  .startup_kib = 2 * GIB,
                                  .maximum_kib = 8 * GIB,
                                  .vcpus = 1,
                                  .configured_period_sec = 10,
                                  .current_period_sec = 7};
    f->interval_usec = SEC;
    g_strlcpy(f->record.uuid, "00000000-0000-0000-0000-000000000001", sizeof f->record.uuid);
    f->record.name = (char *)"web";
    f->record.life = GUEST_LIFE_RUNNING;
    f->record.answering = true;
    f->now_usec = 1000 * SEC;
    f->record.boot_usec = f->now_usec;
    f->link = WORLD_LINK_READ_WRITE;
    f->figures = (HostFigures){.total_kib = 64 * GIB, .available_kib = 32 * GIB};
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    snapshot_clear(&f->snapshot);
    observer_free(f->observer);
    g_free(f);
    return 0;
}

static const GuestSnapshot *
look(Fixture *f)
{
    const GuestRecord *records[] = {&f->record};
    const GuestSettings *settings[] = {&f->settings};
    const Ports ports = {.host = {.self = f, .read = read_host, .resident = read_resident},
                         .limits = {.self = f, .read = read_limits, .above = read_above}};

    observer_observe(f->observer, records, settings, 1, f->link, &ports, f->interval_usec, f->now_usec, &f->snapshot);
    return &f->snapshot.guests[0];
}

/* An answer to a question of now: the guest has 4 GiB of balloon and reports 1 GiB usable at last_update. */
static GuestReport *
answer(Fixture *f, uint64_t last_update)
{
    GuestReport *report = &f->record.report;

    report->serial++;
    report->asked_usec = f->now_usec;
    report->answered_usec = f->now_usec;
    report->fields = ALL_FIELDS;
    report->actual_kib = 4 * GIB;
    report->total_kib = 4 * GIB - 100 * MIB;
    report->usable_kib = GIB;
    report->unused_kib = 512 * MIB;
    report->cache_kib = 600 * MIB;
    report->last_update_sec = last_update;
    report->resident_kib = 4 * GIB;
    return report;
}

static const GuestSnapshot *
step(Fixture *f, uint64_t last_update)
{
    f->now_usec += SEC;
    answer(f, last_update);
    return look(f);
}

/* Started under the daemon's eyes and reporting. */
static const GuestSnapshot *
begin(Fixture *f)
{
    f->record.boots = 1;
    f->record.boot_usec = f->now_usec;
    step(f, 500);
    return step(f, 501);
}

static void
a_new_process_is_believed_with_its_first_report(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    f->record.boots = 1;
    g = step(f, 0);
    assert_false(g->driver_up);
    assert_false(g->fresh);
    assert_false(g->has_usable);
    assert_true(g->has_actual);
    assert_false(g->adopted);
    g = step(f, 500);
    assert_true(g->driver_up);
    assert_true(g->fresh);
    assert_true(g->has_usable);
    assert_int_equal(g->driver_usec, f->now_usec);
    assert_int_equal(g->report_serial, 1);
    assert_int_equal(g->report_usec, f->now_usec);
    assert_int_equal(g->report_span_usec, 0);
    assert_int_equal(g->usable_kib, GIB);
    assert_int_equal(g->report_actual_kib, 4 * GIB);
    assert_int_equal(g->unused_kib, 512 * MIB);
    assert_int_equal(g->cache_kib, 600 * MIB);
    assert_int_equal(g->doubts, 0);
    g = step(f, 501);
    assert_int_equal(g->report_serial, 2);
    assert_int_equal(g->report_span_usec, SEC);
    assert_int_equal(g->driver_usec, f->now_usec - SEC);
}

static void
an_answer_of_the_process_before_is_not_believed(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC;
    answer(f, 502); /* asked of the old process ... */
    f->record.boots = 2;
    f->record.boot_usec = f->now_usec + 1; /* ... and then there is a new one */
    g = look(f);
    assert_false(g->driver_up);
    assert_false(g->has_actual);
    assert_false(g->has_usable);
    assert_int_equal(g->resident_kib, 0);
    g = step(f, 503);
    assert_true(g->driver_up);
}

static void
a_guest_that_ran_before_the_daemon_must_report_anew(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g = step(f, 500);

    assert_true(g->adopted);
    assert_false(g->driver_up);
    assert_true(g->has_actual);
    g = step(f, 500);
    assert_false(g->driver_up);
    g = step(f, 501);
    assert_true(g->driver_up);
    assert_true(g->fresh);
    assert_int_equal(g->report_actual_kib, 4 * GIB);
}

static void
a_clock_that_is_set_neither_ages_nor_renews_a_report(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    g = step(f, 100); /* an hour back: another number, so a report */
    assert_true(g->fresh);
    assert_int_equal(g->report_serial, 3);
    for (int i = 0; i < 2; i++)
        g = step(f, 100);
    assert_true(g->fresh);
    g = step(f, 100);
    assert_false(g->fresh);
    assert_int_equal(g->report_serial, 3);
    assert_true(g->driver_up);
    assert_true(g->has_usable); /* old numbers, and marked so */
    g = step(f, 99999);
    assert_true(g->fresh);
    assert_int_equal(g->report_serial, 4);
}

static void
three_periods_without_a_report_make_it_stale(void **state)
{
    Fixture *f = *state;

    begin(f);
    f->now_usec += 3 * SEC - 1;
    assert_true(look(f)->fresh);
    f->now_usec += 1;
    assert_false(look(f)->fresh);
}

static void
a_paused_guest_is_frozen_and_not_stale(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->record.life = GUEST_LIFE_PAUSED;
    for (int i = 0; i < 100; i++)
        g = step(f, 501);
    assert_true(g->fresh);
    f->record.life = GUEST_LIFE_SUSPENDED;
    for (int i = 0; i < 100; i++)
        g = step(f, 501);
    assert_true(g->fresh);
    f->record.life = GUEST_LIFE_RUNNING;
    for (int i = 0; i < 2; i++)
        g = step(f, 501);
    assert_true(g->fresh);
    for (int i = 0; i < 2; i++)
        g = step(f, 501);
    assert_false(g->fresh);
}

static void
a_stale_guest_does_not_become_fresh_by_a_pause(void **state)
{
    Fixture *f = *state;

    begin(f);
    for (int i = 0; i < 5; i++)
        step(f, 501);
    f->record.life = GUEST_LIFE_PAUSED;
    assert_false(step(f, 501)->fresh);
}

static void
reset(Fixture *f)
{
    f->record.boots++;
    f->record.boot_usec = f->now_usec;
    f->record.boot_in_place = true;
}

static void
after_a_reset_the_old_numbers_are_not_believed(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC / 2;
    reset(f);
    g = look(f);
    assert_false(g->driver_up);
    assert_false(g->fresh);
    assert_false(g->has_usable);
    assert_int_equal(g->driver_usec, 0);
    /* QEMU goes on showing the last report of before, which may be one that was not seen yet */
    for (int i = 0; i < 60; i++) {
        g = step(f, 502);
        assert_false(g->driver_up);
        assert_false(g->has_usable);
    }
    g = step(f, 560);
    assert_true(g->driver_up);
    assert_true(g->has_usable);
    assert_true(g->fresh);
    assert_int_equal(g->driver_usec, f->now_usec);
    assert_int_equal(g->report_span_usec, 0);
}

static void
an_answer_asked_for_before_the_reset_is_no_baseline(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC;
    answer(f, 501)->answered_usec = f->now_usec + SEC; /* a slow one */
    f->now_usec += SEC / 2;
    reset(f);
    f->now_usec += SEC;
    look(f);
    /* the guest had reported once more just before it was reset; had the slow answer been the baseline, that
       report would now pass for one of the new driver */
    g = step(f, 502);
    assert_false(g->driver_up);
    g = step(f, 502);
    assert_false(g->driver_up);
    assert_true(step(f, 530)->driver_up);
}

/* The QEMU that ran has loaded it, and shows what the guest reported before. */
static void
after_a_snapshot_is_loaded_the_old_numbers_are_not_believed(void **state)
{
    Fixture *f = *state;

    begin(f);
    f->now_usec += SEC;
    f->record.boots++;
    f->record.boot_usec = f->now_usec;
    f->record.boot_resumed = true;
    for (int i = 0; i < 10; i++)
        assert_false(step(f, 502)->driver_up);
    assert_true(step(f, 520)->driver_up);
    /* one that QEMU was started for shows none */
    f->record.boots++;
    f->record.boot_usec = f->now_usec;
    assert_false(step(f, 0)->driver_up);
    assert_true(step(f, 530)->driver_up);
}

static void
a_second_reset_begins_anew(void **state)
{
    Fixture *f = *state;

    begin(f);
    reset(f);
    step(f, 501);
    assert_true(step(f, 510)->driver_up);
    reset(f);
    assert_false(look(f)->driver_up);
    assert_false(step(f, 510)->driver_up);
    assert_true(step(f, 520)->driver_up);
}

static void
after_libvirt_was_away_a_guest_must_report_anew(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += 10 * SEC;
    f->record.gap_usec = f->now_usec;
    g = look(f);
    assert_false(g->driver_up || g->fresh || g->has_usable);
    assert_true(g->adopted);
    /* it was reset meanwhile, its counters begin anew, and nobody heard of it */
    g = step(f, 505);
    assert_false(g->driver_up);
    f->now_usec += SEC;
    answer(f, 530)->major_faults = 3;
    g = look(f);
    assert_true(g->driver_up && g->fresh && g->has_usable);
    assert_int_equal(g->doubts, 0);
    assert_int_equal(g->major_faults, 0);
    assert_int_equal(g->boot_usec, f->record.gap_usec);
}

/* The driver that came with its memory may be gone by a reset that nobody heard of. */
static void
after_libvirt_was_away_a_guest_that_brought_its_memory_is_adopted(void **state)
{
    Fixture *f = *state;

    for (unsigned resumed = 0; resumed < 2; resumed++) {
        f->record.boots++;
        f->record.boot_usec = f->now_usec;
        f->record.boot_resumed = resumed != 0;
        assert_false(look(f)->adopted);
        f->now_usec += 2 * SEC;
        f->record.gap_usec = f->now_usec;
        assert_int_equal(look(f)->adopted, resumed);
    }
}

static void
the_balloon_counts_as_empty_until_the_new_driver_reports(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    reset(f);
    step(f, 501);
    f->now_usec += SEC;
    /* the new driver reported when it had not inflated anything, and has inflated to 4 GiB since */
    answer(f, 510)->total_kib = 8 * GIB - 100 * MIB;
    f->record.report.usable_kib = 7 * GIB;
    g = look(f);
    assert_int_equal(g->report_actual_kib, 8 * GIB);
    assert_int_equal(g->actual_kib, 4 * GIB);
    assert_int_equal(g->usable_kib, 7 * GIB);
    assert_int_equal(g->doubts, 0);
}

static void
counters_are_told_as_what_they_grew_by(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    f->record.boots = 1;
    step(f, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        f->now_usec += 2 * SEC;
        answer(f, 500 + i);
        f->record.report.swap_in_kib = 1000 * i * i;
        f->record.report.swap_out_kib = 2000 * i * i;
        f->record.report.major_faults = 10 * i;
        g = look(f);
    }
    assert_int_equal(g->swapped_in_kib, 5000);
    assert_int_equal(g->swapped_out_kib, 10000);
    assert_int_equal(g->major_faults, 10);
    assert_int_equal(g->report_span_usec, 2 * SEC);
    /* the same report seen again tells the same */
    f->now_usec += SEC;
    f->record.report.serial++;
    g = look(f);
    assert_int_equal(g->swapped_in_kib, 5000);
    assert_int_equal(g->report_serial, 3);
}

static void
a_counter_that_goes_back_is_doubted(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC;
    answer(f, 502)->major_faults = 50;
    look(f);
    f->now_usec += SEC;
    answer(f, 503)->major_faults = 20;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_COUNTER_WENT_BACK);
    assert_int_equal(g->major_faults, 0);
    f->now_usec += SEC;
    answer(f, 504)->major_faults = 25;
    g = look(f);
    assert_int_equal(g->doubts, 0);
    assert_int_equal(g->major_faults, 5);
    /* after a reset they begin at 0, and nothing is wrong with that */
    reset(f);
    step(f, 504);
    f->now_usec += SEC;
    answer(f, 510)->major_faults = 1;
    g = look(f);
    assert_int_equal(g->doubts, 0);
    assert_int_equal(g->major_faults, 0);
}

static void
impossible_numbers_are_bounded_and_marked(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC;
    answer(f, 502)->usable_kib = UINT64_MAX;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_IMPOSSIBLE);
    assert_false(g->has_usable);

    f->now_usec += SEC;
    answer(f, 503)->usable_kib = 5 * GIB;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_USABLE_ABOVE_TOTAL);
    assert_true(g->usable_kib <= 4 * GIB);

    f->now_usec += SEC;
    answer(f, 504)->cache_kib = 6 * GIB;
    f->record.report.unused_kib = 6 * GIB;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_USABLE_ABOVE_TOTAL);
    assert_true(g->cache_kib <= 4 * GIB && g->unused_kib <= 4 * GIB);

    f->now_usec += SEC;
    answer(f, 505)->total_kib = 9 * GIB;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_TOTAL_ABOVE_ACTUAL);
    assert_int_equal(g->total_kib, 8 * GIB);

    f->now_usec += SEC;
    answer(f, 506)->actual_kib = 9 * GIB;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_ACTUAL_ABOVE_MAXIMUM);
    assert_int_equal(g->actual_kib, 8 * GIB);

    f->now_usec += SEC;
    answer(f, 507)->actual_kib = UINT64_MAX - 5;
    g = look(f);
    assert_int_equal(g->doubts, DOUBT_ACTUAL_ABOVE_MAXIMUM | DOUBT_IMPOSSIBLE);
    assert_int_equal(g->actual_kib, 8 * GIB);

    f->now_usec += SEC;
    answer(f, 508)->swap_in_kib = UINT64_MAX;
    g = look(f);
    assert_true(g->swapped_in_kib <= KIB_LIMIT);
    assert_int_equal(g->doubts, DOUBT_IMPOSSIBLE);
}

static void
without_usable_demand_is_not_worked_out(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->now_usec += SEC;
    answer(f, 502)->fields = REPORT_ACTUAL | REPORT_LAST_UPDATE | REPORT_TOTAL;
    g = look(f);
    assert_true(g->driver_up && g->fresh && g->has_actual && g->has_total);
    assert_false(g->has_usable || g->has_unused || g->has_cache);
    assert_int_equal(g->usable_kib, 0);
    assert_int_equal(g->report_actual_kib, 0);
}

static void
a_guest_that_is_off_shows_nothing_of_its_last_run(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    begin(f);
    f->record.life = GUEST_LIFE_OFF;
    g = look(f);
    assert_false(g->driver_up || g->fresh || g->has_actual || g->has_usable || g->adopted || g->target_known);
    assert_int_equal(g->resident_kib, 0);
    /* the same number of boots, but a run of its own */
    f->record.life = GUEST_LIFE_RUNNING;
    f->record.boot_usec = f->now_usec + 1;
    assert_false(look(f)->driver_up);
}

static void
resident_memory_is_the_hosts_figure_or_else_the_reports(void **state)
{
    Fixture *f = *state;

    f->resident_known = true;
    assert_int_equal(begin(f)->resident_kib, 777);
    assert_int_equal(look(f)->group_other_kib, 55);
    f->resident_known = false;
    assert_int_equal(look(f)->resident_kib, 4 * GIB);
    assert_int_equal(look(f)->group_other_kib, 0);
    f->record.report.fields &= ~(uint32_t)REPORT_RESIDENT;
    assert_int_equal(look(f)->resident_kib, 0);
}

static void
figures_of_the_host_that_cannot_be_read_are_the_last_known_and_marked(void **state)
{
    Fixture *f = *state;

    look(f);
    assert_true(f->snapshot.host.figures_valid);
    f->host_fails = true;
    look(f);
    assert_false(f->snapshot.host.figures_valid);
    assert_int_equal(f->snapshot.host.figures.total_kib, 64 * GIB);
}

static void
pressure_is_told_once(void **state)
{
    Fixture *f = *state;

    observer_note_pressure(f->observer);
    look(f);
    assert_true(f->snapshot.host.pressure_event);
    look(f);
    assert_false(f->snapshot.host.pressure_event);
}

static void
the_period_is_the_one_the_guest_was_asked_for(void **state)
{
    Fixture *f = *state;

    assert_int_equal(look(f)->period_usec, SEC);
    f->interval_usec = SEC / 5;
    assert_int_equal(look(f)->period_usec, SEC); /* the smallest there is */
    f->interval_usec = 2 * SEC + 1;
    assert_int_equal(look(f)->period_usec, 3 * SEC);
    f->interval_usec = 0;
    assert_int_equal(look(f)->period_usec, 7 * SEC);
    f->interval_usec = SEC;
    f->settings.mode = GUEST_MODE_STATIC;
    assert_int_equal(look(f)->period_usec, 10 * SEC);
    f->settings.mode = GUEST_MODE_OBSERVE;
    assert_int_equal(look(f)->period_usec, SEC);
    f->settings.bar = BALLOON_VFIO;
    assert_int_equal(look(f)->period_usec, 10 * SEC);
    f->settings.bar = BALLOON_USABLE;
    f->settings.managed = false;
    f->settings.configured_period_sec = 0;
    f->record.boots = 1;
    step(f, 500);
    assert_false(step(f, 501)->fresh); /* nobody asks it to report, so a report says nothing about now */
}

/* The second one was asked for at once. */
static void
two_reports_of_one_second_are_two(void **state)
{
    Fixture *f = *state;
    uint64_t serial;

    begin(f);
    serial = look(f)->report_serial;
    f->now_usec += SEC / 10;
    answer(f, f->record.report.last_update_sec)->usable_kib = GIB / 2;
    assert_int_equal(look(f)->report_serial, serial + 1);
    assert_int_equal(look(f)->usable_kib, GIB / 2);
    assert_int_equal(look(f)->report_span_usec, SEC / 10);
    f->now_usec += SEC / 10;
    answer(f, f->record.report.last_update_sec)->usable_kib = GIB / 2;
    assert_int_equal(look(f)->report_serial, serial + 1);
}

/* After a reset the figures are those of before, until they are not. */
static void
after_a_reset_other_figures_of_the_same_second_are_the_new_drivers(void **state)
{
    Fixture *f = *state;
    uint64_t before;

    begin(f);
    before = f->record.report.last_update_sec;
    f->now_usec += SEC / 10;
    f->record.boots++;
    f->record.boot_usec = f->now_usec;
    f->record.boot_in_place = true;
    for (unsigned i = 0; i < 3; i++) {
        f->now_usec += SEC / 10;
        answer(f, before);
        assert_false(look(f)->driver_up);
    }
    f->now_usec += SEC / 10;
    answer(f, before)->usable_kib = 3 * GIB;
    assert_true(look(f)->driver_up);
}

/* Looks once a second while the guest reports every so many, reports times. Returns the last look. */
static const GuestSnapshot *
report_every(Fixture *f, unsigned seconds, unsigned reports)
{
    const GuestSnapshot *g = NULL;
    uint64_t reported = f->record.report.last_update_sec;

    for (unsigned i = 1; i <= seconds * reports; i++)
        g = step(f, reported + i / seconds * seconds);
    return g;
}

static void
a_period_that_somebody_else_has_changed_shows_in_the_rhythm(void **state)
{
    Fixture *f = *state;

    begin(f);
    assert_int_equal(report_every(f, 1, 10)->rhythm_sec, 0);
    assert_int_equal(report_every(f, 5, 2)->rhythm_sec, 0);
    assert_int_equal(report_every(f, 5, 1)->rhythm_sec, 5);
    assert_int_equal(report_every(f, 6, 1)->rhythm_sec, 5); /* rounded */
    assert_int_equal(look(f)->period_usec, SEC);
    /* put right */
    assert_int_equal(report_every(f, 1, 1)->rhythm_sec, 0);
    assert_int_equal(report_every(f, 1, 10)->rhythm_sec, 0);
    /* a second more may be the guest's own */
    assert_int_equal(report_every(f, 2, 10)->rhythm_sec, 0);
    assert_int_equal(report_every(f, 3, 3)->rhythm_sec, 3);
}

static void
reports_that_come_late_for_another_reason_are_no_rhythm(void **state)
{
    static const unsigned late[] = {3, 5, 2, 9, 4, 6, 3, 1, 5, 8};
    Fixture *f = *state;

    begin(f);
    /* a slow guest, a busy host */
    for (unsigned i = 0; i < G_N_ELEMENTS(late); i++)
        assert_int_equal(report_every(f, late[i], 1)->rhythm_sec, 0);
    /* paused again and again, five seconds each time: the clock goes on, and no time passes in the guest */
    for (unsigned i = 0; i < 6; i++) {
        f->record.life = GUEST_LIFE_PAUSED;
        for (unsigned second = 0; second < 5; second++)
            step(f, f->record.report.last_update_sec);
        f->record.life = GUEST_LIFE_RUNNING;
        look(f);
        assert_int_equal(step(f, f->record.report.last_update_sec + 6)->rhythm_sec, 0);
    }
    /* the clock is set, again and again */
    for (unsigned i = 0; i < 6; i++) {
        step(f, f->record.report.last_update_sec);
        assert_int_equal(step(f, f->record.report.last_update_sec + 5)->rhythm_sec, 0);
    }
}

/* What it reported meanwhile nobody saw: its QEMU did not answer, or we were late. */
static void
answers_that_come_late_are_no_rhythm(void **state)
{
    Fixture *f = *state;

    begin(f);
    for (unsigned i = 0; i < 6; i++) {
        f->now_usec += 4 * SEC;
        assert_int_equal(step(f, f->record.report.last_update_sec + 5)->rhythm_sec, 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        step(f, f->record.report.last_update_sec);
        for (unsigned second = 0; second < 3; second++) {
            f->now_usec += SEC;
            look(f);
        }
        assert_int_equal(step(f, f->record.report.last_update_sec + 5)->rhythm_sec, 0);
    }
    /* and after libvirt was away it begins anew */
    assert_int_equal(report_every(f, 5, 3)->rhythm_sec, 5);
    f->record.gap_usec = f->now_usec;
    assert_int_equal(report_every(f, 5, 3)->rhythm_sec, 0);
}

static void
guests_that_come_and_go_keep_the_others_history(void **state)
{
    Fixture *f = *state;
    GuestRecord other = {.uuid = "00000000-0000-0000-0000-000000000000", .life = GUEST_LIFE_RUNNING};
    const GuestRecord *records[] = {&other, &f->record};
    const GuestSettings *settings[] = {&f->settings, &f->settings};
    const Ports ports = {.host = {.self = f, .read = read_host, .resident = read_resident}};

    begin(f);
    observer_observe(f->observer, records, settings, 2, f->link, &ports, f->interval_usec, f->now_usec, &f->snapshot);
    assert_int_equal(f->snapshot.guest_count, 2);
    assert_false(f->snapshot.guests[0].driver_up);
    assert_true(f->snapshot.guests[1].driver_up);
    assert_string_equal(f->snapshot.guests[1].name, "web");
    assert_true(look(f)->driver_up);
    observer_observe(f->observer, NULL, NULL, 0, f->link, &ports, f->interval_usec, f->now_usec, &f->snapshot);
    assert_int_equal(f->snapshot.guest_count, 0);
    assert_int_equal(look(f)->report_serial, 1); /* known no more */
}

static void
a_transient_guest_that_is_created_again_is_another_guest(void **state)
{
    Fixture *f = *state;
    const GuestSnapshot *g;

    f->record.serial = 7;
    assert_int_equal(begin(f)->serial, 7);
    assert_true(look(f)->driver_up);
    /* destroyed and created between two looks: its counters begin anew, at the numbers they had */
    f->record.serial = 8;
    f->record.report = (GuestReport){0};
    g = look(f);
    assert_int_equal(g->serial, 8);
    assert_false(g->driver_up);
    assert_false(g->has_usable);
    assert_int_equal(g->report_serial, 0);
    assert_int_equal(look(f)->serial, 8);
}

/* Whose group is not found yet comes into its partition's; whose is known stands where it is seen. */
static void
the_limits_above_a_guest_that_was_only_just_started_are_known(void **state)
{
    Fixture *f = *state;
    char apart[] = "/machine/apart";

    assert_int_equal(look(f)->limits.above.group[0].id, 1);
    f->settings.partition = apart;
    assert_int_equal(look(f)->limits.above.group[0].id, g_str_hash(apart));
    f->limits.bar = "it has no group of its own";
    assert_int_equal(look(f)->limits.above.group[0].id, 0);
    f->limits = (GuestLimits){.usable = true};
    assert_int_equal(look(f)->limits.above.group[0].id, 0);
    f->limits.above.group[0].id = 7;
    assert_int_equal(look(f)->limits.above.group[0].id, 7);
    f->record.life = GUEST_LIFE_OFF;
    f->limits = (GuestLimits){0};
    assert_int_equal(look(f)->limits.above.group[0].id, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_limits_above_a_guest_that_was_only_just_started_are_known),
        test(a_new_process_is_believed_with_its_first_report),
        test(an_answer_of_the_process_before_is_not_believed),
        test(a_guest_that_ran_before_the_daemon_must_report_anew),
        test(a_clock_that_is_set_neither_ages_nor_renews_a_report),
        test(three_periods_without_a_report_make_it_stale),
        test(a_paused_guest_is_frozen_and_not_stale),
        test(a_stale_guest_does_not_become_fresh_by_a_pause),
        test(after_a_reset_the_old_numbers_are_not_believed),
        test(an_answer_asked_for_before_the_reset_is_no_baseline),
        test(after_a_snapshot_is_loaded_the_old_numbers_are_not_believed),
        test(a_second_reset_begins_anew),
        test(after_libvirt_was_away_a_guest_must_report_anew),
        test(after_libvirt_was_away_a_guest_that_brought_its_memory_is_adopted),
        test(the_balloon_counts_as_empty_until_the_new_driver_reports),
        test(counters_are_told_as_what_they_grew_by),
        test(a_counter_that_goes_back_is_doubted),
        test(impossible_numbers_are_bounded_and_marked),
        test(without_usable_demand_is_not_worked_out),
        test(a_guest_that_is_off_shows_nothing_of_its_last_run),
        test(resident_memory_is_the_hosts_figure_or_else_the_reports),
        test(figures_of_the_host_that_cannot_be_read_are_the_last_known_and_marked),
        test(pressure_is_told_once),
        test(the_period_is_the_one_the_guest_was_asked_for),
        test(a_period_that_somebody_else_has_changed_shows_in_the_rhythm),
        test(two_reports_of_one_second_are_two),
        test(after_a_reset_other_figures_of_the_same_second_are_the_new_drivers),
        test(reports_that_come_late_for_another_reason_are_no_rhythm),
        test(answers_that_come_late_are_no_rhythm),
        test(guests_that_come_and_go_keep_the_others_history),
        test(a_transient_guest_that_is_created_again_is_another_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
