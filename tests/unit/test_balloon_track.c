/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest is played in steps of a millisecond: its balloon moves towards a target, its need is what the case says, it
 * reports once a second (a little later each time, as real ones do), and is asked once a second. The need worked out
 * from what is seen must be the need it had when it reported.
 */

#include "cmocka_all.h"
#include "observe/balloon_track.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>

#define MAXIMUM (8 * KIB_PER_GIB)
#define GAP (200 * KIB_PER_MIB)

typedef struct Play {
    BalloonAccounting accounting;
    uint64_t size_kib, target_kib;
    uint64_t rate_kib_per_ms;
    uint64_t need_kib; /* without the gap, which is used up in every guest */
    uint64_t now_ms, next_report_ms, next_ask_ms;
    bool told; /* a report came since the last answer */
    uint64_t report_total_kib, report_usable_kib, report_size_kib;
    BalloonTrack track;
    /* what the tests look at */
    uint64_t worst_error_kib;
} Play;

static void
report(Play *play)
{
    play->told = true;
    play->report_size_kib = play->size_kib;
    play->report_usable_kib = play->size_kib - GAP - play->need_kib;
    play->report_total_kib = play->accounting == BALLOON_ACCOUNTING_FOLLOWS ? play->size_kib - GAP : MAXIMUM - GAP;
}

static void
answer(Play *play)
{
    if (play->told) {
        uint64_t size =
            balloon_track_report(&play->track, play->size_kib, &play->report_total_kib, play->report_usable_kib, false);
        uint64_t error = size > play->report_size_kib ? size - play->report_size_kib : play->report_size_kib - size;

        if (error > play->worst_error_kib)
            play->worst_error_kib = error;
        play->told = false;
    }
    balloon_track_answer(&play->track, play->size_kib);
}

static void
run(Play *play, uint64_t milliseconds)
{
    for (uint64_t end = play->now_ms + milliseconds; play->now_ms < end; play->now_ms++) {
        if (play->size_kib < play->target_kib)
            play->size_kib = MIN(play->target_kib, play->size_kib + play->rate_kib_per_ms);
        else if (play->size_kib > play->target_kib)
            play->size_kib = MAX(play->target_kib, saturating_sub(play->size_kib, play->rate_kib_per_ms));
        if (play->now_ms >= play->next_report_ms) {
            report(play);
            play->next_report_ms = play->now_ms + 1003;
        }
        if (play->now_ms >= play->next_ask_ms) {
            answer(play);
            play->next_ask_ms = play->now_ms + 1000;
        }
    }
}

static Play
begin(BalloonAccounting accounting, uint64_t phase_ms)
{
    Play play = {.accounting = accounting,
                 .size_kib = MAXIMUM,
                 .target_kib = MAXIMUM,
                 .rate_kib_per_ms = 800,
                 .need_kib = KIB_PER_GIB,
                 .next_report_ms = phase_ms};

    balloon_track_reset(&play.track, MAXIMUM);
    return play;
}

static void
move(Play *play, uint64_t target_kib, uint64_t milliseconds)
{
    play->target_kib = target_kib;
    run(play, milliseconds);
}

static const uint64_t phases[] = {1, 130, 500, 870, 999};
static const BalloonAccounting accountings[] = {BALLOON_ACCOUNTING_FOLLOWS, BALLOON_ACCOUNTING_CONSTANT};

static void
while_the_balloon_is_still_the_size_is_exact(void **state)
{
    for (size_t a = 0; a < G_N_ELEMENTS(accountings); a++) {
        Play play = begin(accountings[a], 400);

        for (int i = 0; i < 20; i++) {
            play.need_kib = (i % 2 + 1) * KIB_PER_GIB;
            run(&play, 1000);
        }
        assert_int_equal(play.worst_error_kib, 0);
    }
}

static void
at_constant_need_a_moving_balloon_does_not_change_it(void **state)
{
    for (size_t a = 0; a < G_N_ELEMENTS(accountings); a++) {
        for (size_t p = 0; p < G_N_ELEMENTS(phases); p++) {
            Play play = begin(accountings[a], phases[p]);

            run(&play, 3000);
            move(&play, 2 * KIB_PER_GIB, 4000); /* stops between two commands or does not */
            move(&play, 7 * KIB_PER_GIB, 3000);
            move(&play, 3 * KIB_PER_GIB, 9000);
            move(&play, 3 * KIB_PER_GIB + 300 * KIB_PER_MIB, 5000);
            /* the balloon turns round within a window at the commands: it is a step away from either end then */
            assert_in_range(play.worst_error_kib, 0, 2 * KIB_PER_MIB);
        }
    }
}

static void
a_total_that_follows_shows_a_need_that_changes_while_the_balloon_moves(void **state)
{
    for (size_t p = 0; p < G_N_ELEMENTS(phases); p++) {
        Play play = begin(BALLOON_ACCOUNTING_FOLLOWS, phases[p]);

        run(&play, 3000);
        move(&play, 6 * KIB_PER_GIB, 8000); /* what its total does is known then */
        play.worst_error_kib = 0;
        play.target_kib = 4 * KIB_PER_GIB;
        for (int i = 0; i < 50; i++) {
            play.need_kib += 20 * KIB_PER_MIB;
            run(&play, 100);
        }
        assert_in_range(play.worst_error_kib, 0, 2 * KIB_PER_MIB);
    }
}

static void
a_constant_total_errs_by_less_than_the_movement_between_two_answers_and_recovers(void **state)
{
    for (size_t p = 0; p < G_N_ELEMENTS(phases); p++) {
        Play play = begin(BALLOON_ACCOUNTING_CONSTANT, phases[p]);

        run(&play, 3000);
        move(&play, 3 * KIB_PER_GIB, 10000);
        play.worst_error_kib = 0;
        play.target_kib = 7 * KIB_PER_GIB;
        for (int i = 0; i < 50; i++) {
            play.need_kib += 20 * KIB_PER_MIB; /* 200 MiB a second, while the balloon gives 781 */
            run(&play, 100);
        }
        assert_in_range(play.worst_error_kib, 0, 1000 * play.rate_kib_per_ms);
        run(&play, 2500); /* it has stopped */
        play.worst_error_kib = 0;
        run(&play, 5000);
        assert_int_equal(play.worst_error_kib, 0);
    }
}

static void
what_a_total_does_is_learnt(void **state)
{
    for (size_t a = 0; a < G_N_ELEMENTS(accountings); a++) {
        Play play = begin(accountings[a], 300);

        run(&play, 3000);
        assert_int_equal(play.track.accounting, BALLOON_ACCOUNTING_UNKNOWN);
        move(&play, 6 * KIB_PER_GIB, 10000);
        assert_int_equal(play.track.accounting, accountings[a]);
        assert_int_equal(play.track.gap_kib, play.size_kib - play.report_total_kib);
    }
}

static void
the_balloon_that_a_new_driver_inflates_at_once_is_followed(void **state)
{
    /* the driver reports when it comes up, with all its memory, and is already at work when that is seen */
    for (size_t p = 0; p < G_N_ELEMENTS(phases); p++) {
        Play play = begin(BALLOON_ACCOUNTING_FOLLOWS, 0);

        play.track.gap_kib = GAP; /* from the boot before */
        play.target_kib = 2 * KIB_PER_GIB;
        play.next_ask_ms = phases[p];
        run(&play, 12000);
        assert_in_range(play.worst_error_kib, 0, 2 * KIB_PER_MIB);
    }
}

static void
a_guest_that_lies_about_its_total_stays_within_what_is_certain(void **state)
{
    BalloonTrack track = {0};
    uint64_t total = 4 * KIB_PER_GIB;

    balloon_track_reset(&track, 8 * KIB_PER_GIB);
    balloon_track_report(&track, 4 * KIB_PER_GIB, &total, KIB_PER_GIB, false);
    balloon_track_answer(&track, 4 * KIB_PER_GIB);
    for (int i = 0; i < 64; i++) {
        uint64_t before = (4 + (uint64_t)i % 2) * KIB_PER_GIB, now = (5 - (uint64_t)i % 2) * KIB_PER_GIB, size;

        total = UINT64_C(1) << i % 42;
        size = balloon_track_report(&track, now, &total, total / 2, i % 3 == 0);
        assert_in_range(size, MIN(before, now), MAX(before, now));
        balloon_track_answer(&track, now);
    }
}

/* The need of the recorded guest hardly changes, whatever its balloon does. */
static void
a_recorded_guests_need_is_seen_through_its_moving_balloon(void **state)
{
    static const char *const recordings[] = {"follows.txt", "constant.txt"};

    for (size_t i = 0; i < G_N_ELEMENTS(recordings); i++) {
        g_autofree char *path = g_build_filename(TEST_DATA, "balloon", recordings[i], NULL);
        FILE *file = fopen(path, "re");
        BalloonTrack track = {0};
        uint64_t size, update, total, usable, seen = 0, taken_as_of_now_worst = 0;
        char line[256];
        unsigned reports = 0;

        assert_non_null(file);
        balloon_track_reset(&track, KIB_PER_GIB);
        while (fgets(line, sizeof line, file) != NULL) {
            if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &size, &update, &total, &usable) != 4)
                continue;
            if (update != seen) {
                uint64_t need = balloon_track_report(&track, size, &total, usable, false) - usable;
                uint64_t naive = size > usable ? size - usable : usable - size;

                assert_in_range(need, 150 * KIB_PER_MIB, 200 * KIB_PER_MIB);
                taken_as_of_now_worst = MAX(taken_as_of_now_worst, MAX(naive, need) - MIN(naive, need));
                seen = update;
                reports++;
            }
            balloon_track_answer(&track, size);
        }
        fclose(file);
        assert_true(reports > 30);
        assert_true(taken_as_of_now_worst > 80 * KIB_PER_MIB); /* or the recording would show nothing */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_the_balloon_is_still_the_size_is_exact),
        cmocka_unit_test(at_constant_need_a_moving_balloon_does_not_change_it),
        cmocka_unit_test(a_total_that_follows_shows_a_need_that_changes_while_the_balloon_moves),
        cmocka_unit_test(a_constant_total_errs_by_less_than_the_movement_between_two_answers_and_recovers),
        cmocka_unit_test(what_a_total_does_is_learnt),
        cmocka_unit_test(the_balloon_that_a_new_driver_inflates_at_once_is_followed),
        cmocka_unit_test(a_recorded_guests_need_is_seen_through_its_moving_balloon),
        cmocka_unit_test(a_guest_that_lies_about_its_total_stays_within_what_is_certain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
