/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is seen of a guest between its reports. */

#include "cmocka_all.h"
#include "observe/observe.h"
#include "units.h"

#define MIB KIB_PER_MIB

typedef struct Fixture {
    Observer *observer;
    GuestRecord record;
    const GuestRecord *records[1];
    LimitWorld limits;
    GuestGlance now;
    bool absent;
    uint64_t now_usec;
} Fixture;

static bool
glance(void *self, const GuestRecord *record, GuestGlance *glance)
{
    Fixture *f = self;

    if (!f->absent)
        *glance = f->now;
    return !f->absent;
}

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->observer = observer_new();
    f->record = (GuestRecord){.uuid = "00000000-0000-0000-0000-000000000001", .serial = 1, .life = GUEST_LIFE_RUNNING};
    f->records[0] = &f->record;
    f->limits = (LimitWorld){.self = f, .glance = glance};
    f->now_usec = 1000 * USEC_PER_SEC;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    observer_free(f->observer);
    g_free(f);
    return 0;
}

/* It holds so much. Returns by how much it has grown, UINT64_MAX where nothing is known. */
static uint64_t
look(Fixture *f, uint64_t charged_mib)
{
    GuestMoment moment;

    f->now.charged_kib = charged_mib * MIB;
    f->now_usec += 100 * USEC_PER_MSEC;
    observer_glance(f->observer, &f->limits, f->records, 1);
    return observer_moment(f->observer, &f->record, &moment) ? moment.grown_kib / MIB : UINT64_MAX;
}

static void
ask(Fixture *f)
{
    observer_note_questions(f->observer, f->records, 1);
}

/* An answer; with another usable than before it is another report. */
static void
answer(Fixture *f, uint64_t usable_kib)
{
    GuestReport *report = &f->record.report;

    report->serial++;
    report->asked_usec = f->now_usec;
    report->fields = REPORT_LAST_UPDATE | REPORT_USABLE;
    report->last_update_sec = 1700000000;
    report->usable_kib = usable_kib;
    observer_note_answers(f->observer, f->records, 1, USEC_PER_SEC, USEC_PER_SEC / 4);
}

static void
growth_counts_from_the_last_report(void **state)
{
    Fixture *f = *state;

    assert_int_equal(look(f, 1000), 0);
    assert_int_equal(look(f, 1300), 300);
    ask(f);
    ask(f);
    answer(f, 500);
    assert_int_equal(look(f, 1300), 0);
    assert_int_equal(look(f, 1350), 50);
    /* an answer without another report changes nothing */
    ask(f);
    ask(f);
    answer(f, 500);
    assert_int_equal(look(f, 1400), 100);
    /* what is given back is not there any more */
    assert_int_equal(look(f, 1100), 0);
    assert_int_equal(look(f, 1200), 100);
}

/* A report that is fetched now was made after the questions before: what it took in between may not be in it. */
static void
growth_while_the_report_was_on_its_way_counts(void **state)
{
    Fixture *f = *state;

    look(f, 1000);
    ask(f);
    look(f, 1080);
    look(f, 1200);
    ask(f);
    answer(f, 500);
    assert_int_equal(look(f, 1200), 200);
    ask(f);
    look(f, 1200);
    ask(f);
    answer(f, 300);
    assert_int_equal(look(f, 1200), 0);
}

static void
report_that_was_asked_for_is_awaited_until_it_comes(void **state)
{
    Fixture *f = *state;

    look(f, 1000);
    ask(f);
    answer(f, 500);
    look(f, 1400);
    assert_false(observer_awaits(f->observer, &f->record, f->now_usec));
    observer_await(f->observer, &f->record, f->now_usec, f->now_usec + USEC_PER_SEC);
    assert_true(observer_awaits(f->observer, &f->record, f->now_usec));
    /* one that was on its way already, and no other */
    answer(f, 400);
    assert_true(observer_awaits(f->observer, &f->record, f->now_usec));
    f->now_usec += 100 * USEC_PER_MSEC;
    answer(f, 400);
    assert_true(observer_awaits(f->observer, &f->record, f->now_usec));
    /* in the same second of the clock as the one before */
    answer(f, 100);
    assert_false(observer_awaits(f->observer, &f->record, f->now_usec));
    assert_int_equal(look(f, 1400), 0);
    assert_int_equal(look(f, 1420), 20);

    observer_await(f->observer, &f->record, f->now_usec, f->now_usec + USEC_PER_SEC);
    f->now_usec += USEC_PER_SEC;
    assert_false(observer_awaits(f->observer, &f->record, f->now_usec));
}

static void
another_process_begins_anew(void **state)
{
    Fixture *f = *state;

    look(f, 1000);
    observer_await(f->observer, &f->record, f->now_usec, f->now_usec + USEC_PER_SEC);
    f->record.boots++;
    assert_int_equal(look(f, 3000), 0);
    assert_false(observer_awaits(f->observer, &f->record, f->now_usec));
    assert_int_equal(look(f, 3100), 100);
    f->record.life = GUEST_LIFE_PAUSED;
    assert_int_equal(look(f, 3200), UINT64_MAX);
    f->record.life = GUEST_LIFE_RUNNING;
    f->absent = true;
    assert_int_equal(look(f, 3200), UINT64_MAX);
    f->absent = false;
    assert_int_equal(look(f, 3300), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(growth_counts_from_the_last_report),
        TEST(growth_while_the_report_was_on_its_way_counts),
        TEST(report_that_was_asked_for_is_awaited_until_it_comes),
        TEST(another_process_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
