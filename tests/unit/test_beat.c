/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "observe/beat.h"
#include "units.h"

#define PART_USEC (250 * USEC_PER_MSEC)
#define PARTS_PER_SEC 4

/* A guest that reports every period_usec from some moment on, and is asked whenever it is due. */
typedef struct Bench {
    Beat beat;
    GuestRecord record;
    uint64_t now_usec;
    uint64_t report_usec; /* when its next report comes; 0: it does not report */
    uint64_t period_usec;
    uint64_t came_usec; /* the last one not fetched yet; 0: none */
    unsigned questions;
    unsigned reports;
    uint64_t waited_usec; /* of all reports, until they were fetched */
} Bench;

static void
bench_init(Bench *bench, uint64_t report_usec, uint64_t period_usec)
{
    *bench = (Bench){.now_usec = 1000 * USEC_PER_SEC, .period_usec = period_usec};
    if (period_usec > 0)
        bench->report_usec = bench->now_usec + report_usec;
}

static void
bench_part(Bench *bench)
{
    GuestReport *report = &bench->record.report;

    bench->now_usec += PART_USEC;
    while (bench->report_usec != 0 && bench->report_usec <= bench->now_usec) {
        bench->came_usec = bench->report_usec;
        bench->report_usec += bench->period_usec;
    }
    if (!beat_is_due(&bench->beat, &bench->record, bench->now_usec))
        return;
    bench->questions++;
    report->serial++;
    report->asked_usec = report->answered_usec = bench->now_usec;
    if (bench->came_usec != 0) {
        report->fields = REPORT_LAST_UPDATE;
        report->last_update_sec = bench->came_usec / USEC_PER_SEC;
        bench->waited_usec += bench->now_usec - bench->came_usec;
        bench->reports++;
        bench->came_usec = 0;
    }
    beat_note(&bench->beat, &bench->record, USEC_PER_SEC, PART_USEC);
}

static void
bench_run(Bench *bench, unsigned seconds)
{
    bench->questions = bench->reports = 0;
    bench->waited_usec = 0;
    for (unsigned i = 0; i < seconds * PARTS_PER_SEC; i++)
        bench_part(bench);
}

static void
report_is_fetched_when_it_has_come(void **state)
{
    Bench bench;

    for (uint64_t phase = 10; phase < 1000; phase += 70) {
        /* QEMU asks a period after the answer, so it drifts */
        bench_init(&bench, phase * USEC_PER_MSEC, USEC_PER_SEC + 2 * USEC_PER_MSEC);
        bench_run(&bench, 5);
        bench_run(&bench, 200);
        assert_in_range(bench.reports, 198, 200);
        assert_true(bench.waited_usec / bench.reports < PART_USEC);
        assert_in_range(bench.questions, 198, 215);
    }
}

static void
report_that_comes_earlier_is_found_again(void **state)
{
    Bench bench;

    bench_init(&bench, 900 * USEC_PER_MSEC, USEC_PER_SEC);
    bench_run(&bench, 5);
    /* somebody has set its period, which makes QEMU ask at once */
    bench.report_usec -= 600 * USEC_PER_MSEC;
    bench_run(&bench, 40);
    bench_run(&bench, 20);
    assert_true(bench.waited_usec / bench.reports < PART_USEC);
}

static void
silent_guest_is_asked_once_a_period(void **state)
{
    Bench bench;

    bench_init(&bench, 0, 0);
    bench_run(&bench, 5);
    bench_run(&bench, 100);
    assert_int_equal(bench.questions, 100);
    /* ... and found when it speaks */
    bench.period_usec = USEC_PER_SEC;
    bench.report_usec = bench.now_usec + 330 * USEC_PER_MSEC;
    bench_run(&bench, 8);
    bench_run(&bench, 20);
    assert_true(bench.waited_usec / bench.reports < PART_USEC);
}

static void
reset_is_asked_about_at_once(void **state)
{
    Bench bench;

    bench_init(&bench, 500 * USEC_PER_MSEC, USEC_PER_SEC);
    bench_run(&bench, 5);
    while (beat_is_due(&bench.beat, &bench.record, bench.now_usec + PART_USEC))
        bench_part(&bench);
    assert_false(beat_is_due(&bench.beat, &bench.record, bench.now_usec));
    bench.record.boots++;
    assert_true(beat_is_due(&bench.beat, &bench.record, bench.now_usec));
}

static void
news_are_what_has_come_since(void **state)
{
    Bench bench;

    bench_init(&bench, 100 * USEC_PER_MSEC, USEC_PER_SEC);
    bench_part(&bench);
    assert_true(bench.beat.fresh);
    bench.beat.fresh = false;
    bench_part(&bench);
    assert_false(bench.beat.fresh);
}

/* It was asked at once: its stamp is in whole seconds, its figures tell. */
static void
second_report_of_a_second_is_news(void **state)
{
    Bench bench;
    GuestReport *report = &bench.record.report;

    bench_init(&bench, 100 * USEC_PER_MSEC, USEC_PER_SEC);
    bench_part(&bench);
    report->serial++;
    assert_false(beat_note(&bench.beat, &bench.record, USEC_PER_SEC, PART_USEC));
    report->serial++;
    report->usable_kib++;
    report->asked_usec += 100 * USEC_PER_MSEC;
    assert_true(beat_note(&bench.beat, &bench.record, USEC_PER_SEC, PART_USEC));
    /* and the next one is looked for a period after that */
    assert_false(beat_is_due(&bench.beat, &bench.record, report->asked_usec + 600 * USEC_PER_MSEC));
    assert_true(beat_is_due(&bench.beat, &bench.record, report->asked_usec + USEC_PER_SEC));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_is_fetched_when_it_has_come),
        cmocka_unit_test(report_that_comes_earlier_is_found_again),
        cmocka_unit_test(silent_guest_is_asked_once_a_period),
        cmocka_unit_test(reset_is_asked_about_at_once),
        cmocka_unit_test(news_are_what_has_come_since),
        cmocka_unit_test(second_report_of_a_second_is_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
