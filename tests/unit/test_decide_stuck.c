/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "decide/stuck.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC

static const GuestSettings settings = {.minimum_kib = GIB, .maximum_kib = 8 * GIB};

typedef struct Track {
    StuckMemory memory;
    GuestSnapshot guest;
    uint64_t target_kib;
    uint64_t now_usec;
    bool starved;
    StuckVerdict verdict;
} Track;

static void
track_init(Track *track, uint64_t actual_kib, uint64_t target_kib)
{
    *track = (Track){.guest = {.settings = &settings,
                               .has_actual = true,
                               .actual_kib = actual_kib,
                               .has_usable = true,
                               .usable_kib = actual_kib / 2,
                               .report_actual_kib = actual_kib,
                               .resident_kib = actual_kib},
                     .target_kib = target_kib,
                     .now_usec = 100 * SEC};
}

/* Seconds go by while the guest moves by so much in each; returns how many until verdict, at most seconds. */
static unsigned
track_run(Track *track, unsigned seconds, uint64_t speed_kib, StuckVerdict until)
{
    for (unsigned i = 0; i < seconds; i++) {
        track->now_usec += SEC;
        track->guest.asked_usec = track->now_usec;
        track->verdict =
            stuck_judge(&track->memory, &track->guest, track->target_kib, track->starved, 100 * MIB, track->now_usec);
        if (track->verdict == until)
            return i;
        if (track->guest.actual_kib > track->target_kib)
            track->guest.actual_kib = MAX(track->target_kib, track->guest.actual_kib - speed_kib);
        else
            track->guest.actual_kib = MIN(track->target_kib, track->guest.actual_kib + speed_kib);
        track->guest.resident_kib = track->guest.actual_kib;
    }
    return seconds;
}

static void
guest_that_moves_follows(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, GIB);
    assert_int_equal(track_run(&track, 300, 30 * MIB, STUCK_SLOW), 300);
    assert_int_equal(track.verdict, STUCK_FOLLOWS);
}

static void
guest_that_does_not_move_is_slow_then_stuck(void **state)
{
    Track track;
    unsigned slow;

    track_init(&track, 8 * GIB, GIB);
    slow = track_run(&track, 60, 0, STUCK_SLOW);
    assert_in_range(slow, 3, 8);
    assert_in_range(slow + track_run(&track, 60, 0, STUCK_STUCK), 18, 28);
    assert_true(track.memory.flagged_usec != 0);
}

static void
guest_that_does_not_give_back_is_flagged_as_well(void **state)
{
    Track track;

    track_init(&track, GIB, 4 * GIB);
    assert_in_range(track_run(&track, 60, 0, STUCK_STUCK), 18, 28);
}

static void
page_now_and_then_is_no_progress(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, GIB);
    assert_true(track_run(&track, 60, MIB, STUCK_STUCK) < 60);
}

static void
small_guest_may_be_slower(void **state)
{
    Track track;

    track_init(&track, 256 * MIB, 128 * MIB);
    assert_int_equal(track_run(&track, 60, 6 * MIB, STUCK_SLOW), 60);
}

static void
small_difference_is_nobodys_fault(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, 8 * GIB - 100 * MIB);
    assert_int_equal(track_run(&track, 300, 0, STUCK_SLOW), 300);
}

static void
trials_come_at_growing_distances(void **state)
{
    Track track;
    unsigned last = 0;

    track_init(&track, 8 * GIB, GIB);
    track_run(&track, 60, 0, STUCK_STUCK);
    for (unsigned trial = 0; trial < 4; trial++) {
        unsigned wait = track_run(&track, 3600, 0, STUCK_TRIAL);

        assert_true(wait < 3600);
        assert_true(wait > last + last / 2);
        last = wait;
        assert_true(track_run(&track, 60, 0, STUCK_STUCK) < 20);
    }
}

static void
starved_guest_is_tried_sooner(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, GIB);
    track_run(&track, 60, 0, STUCK_STUCK);
    track.starved = true;
    assert_in_range(track_run(&track, 3600, 0, STUCK_TRIAL), 20, 40);
}

static void
flag_is_cleared_after_good_behaviour_only(void **state)
{
    Track track;
    unsigned cleared;

    track_init(&track, 8 * GIB, GIB);
    track_run(&track, 60, 0, STUCK_STUCK);
    track_run(&track, 3600, 0, STUCK_TRIAL);
    cleared = track_run(&track, 600, 50 * MIB, STUCK_FOLLOWS);
    assert_in_range(cleared, 18, 40);
    assert_int_equal(track.memory.flagged_usec, 0);
}

/* What it failed before is not held against it any more: it is tried again as soon as the first time. */
static void
guest_that_has_behaved_since_is_tried_again_as_soon_as_at_first(void **state)
{
    Track track;
    unsigned waits[3];

    track_init(&track, 8 * GIB, GIB);
    for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
        assert_true(track_run(&track, 60, 0, STUCK_STUCK) < 60);
        waits[i] = track_run(&track, 3600, 0, STUCK_TRIAL);
        assert_in_range(waits[i], 55, 65);
        assert_true(track_run(&track, 600, 50 * MIB, STUCK_FOLLOWS) < 600);
    }
    (void)state;
}

static void
trial_that_asks_for_nothing_proves_nothing(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, GIB);
    track_run(&track, 60, 0, STUCK_STUCK);
    track.target_kib = track.guest.actual_kib;
    track_run(&track, 3600, 0, STUCK_TRIAL);
    assert_int_equal(track_run(&track, 600, 0, STUCK_FOLLOWS), 600);
}

static void
guest_with_nothing_left_has_reached_its_limit(void **state)
{
    Track track;

    track_init(&track, 4 * GIB, 2 * GIB);
    track.guest.usable_kib = 10 * MIB;
    assert_int_equal(track_run(&track, 60, 0, STUCK_STUCK), 60);
    assert_int_equal(stuck_lower_limit(&track.memory, track.now_usec), 4 * GIB);
    /* it has room again: the limit was of that moment */
    track.guest.usable_kib = 2 * GIB;
    track_run(&track, 1, 0, STUCK_STUCK);
    assert_int_equal(stuck_lower_limit(&track.memory, track.now_usec), 0);
}

/* It stood still long enough, and moves now. */
static void
guest_that_moves_again_has_not_reached_its_limit(void **state)
{
    Track track;

    track_init(&track, 4 * GIB, 2 * GIB);
    assert_int_equal(track_run(&track, 12, 0, STUCK_STUCK), 12);
    track.guest.usable_kib = 10 * MIB;
    track.guest.actual_kib -= 300 * MIB;
    track_run(&track, 3, 300 * MIB, STUCK_STUCK);
    assert_int_equal(stuck_lower_limit(&track.memory, track.now_usec), 0);
}

static void
balloon_that_frees_nothing_is_found(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, 8 * GIB);
    track_run(&track, 15, 0, STUCK_STUCK);
    track.guest.actual_kib = 4 * GIB;
    track.target_kib = 4 * GIB;
    for (unsigned i = 0; i < 20; i++) {
        track.now_usec += SEC;
        track.guest.asked_usec = track.now_usec;
        track.guest.resident_kib = 8 * GIB + 100 * MIB;
        stuck_judge(&track.memory, &track.guest, track.target_kib, false, 100 * MIB, track.now_usec);
    }
    assert_true(track.memory.inhibited);
}

static void
balloon_that_frees_what_it_takes_is_not_inhibited(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, 4 * GIB);
    track_run(&track, 300, 400 * MIB, STUCK_STUCK);
    assert_int_equal(track.guest.actual_kib, 4 * GIB);
    assert_false(track.memory.inhibited);
    /* nor is one of which only QEMU's memory is known of late */
    track_init(&track, 8 * GIB, 4 * GIB);
    track_run(&track, 15, 0, STUCK_STUCK);
    track.guest.actual_kib = track.target_kib = 4 * GIB;
    track.guest.resident_kib = 8 * GIB + 100 * MIB;
    for (unsigned i = 0; i < 20; i++) {
        track.now_usec += SEC;
        stuck_judge(&track.memory, &track.guest, track.target_kib, false, 100 * MIB, track.now_usec);
    }
    assert_false(track.memory.inhibited);
    /* nor is one whose guest had never touched what the balloon took */
    track_init(&track, 8 * GIB, 4 * GIB);
    for (unsigned i = 0; i < 60; i++) {
        track.now_usec += SEC;
        track.guest.asked_usec = track.now_usec;
        track.guest.actual_kib = i < 20 ? 8 * GIB : 4 * GIB;
        track.guest.resident_kib = 2 * GIB;
        stuck_judge(&track.memory, &track.guest, track.target_kib, false, 100 * MIB, track.now_usec);
    }
    assert_false(track.memory.inhibited);
}

static void
time_that_says_nothing_does_not_count(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, GIB);
    track_run(&track, 4, 0, STUCK_STUCK);
    for (unsigned i = 0; i < 10; i++) {
        stuck_suspend(&track.memory);
        track.now_usec += 600 * SEC;
        track_run(&track, 2, 0, STUCK_STUCK);
    }
    assert_int_not_equal(track.verdict, STUCK_STUCK);
}

/* Its balloon gave up half, untouched, and it takes that back by itself: what it touches is ahead of its size in the last answer. */
static void
balloon_that_is_emptied_by_its_guest_is_not_inhibited(void **state)
{
    Track track;

    track_init(&track, 4 * GIB, 2 * GIB);
    for (unsigned i = 0; i < 50; i++) {
        track.guest.actual_kib = i == 0 || i > 30 ? 4 * GIB : 2 * GIB;
        track.guest.resident_kib = i < 30 ? GIB : 4 * GIB;
        track.now_usec += SEC;
        track.guest.asked_usec = track.now_usec;
        stuck_judge(&track.memory, &track.guest, track.target_kib, false, 100 * MIB, track.now_usec);
        assert_false(track.memory.inhibited);
    }
    (void)state;
}

/* ---- a QEMU that costs 1.2 GiB where 100 MiB are known to be its costs, of a balloon that works ---- */

#define COSTS (1200 * MIB)

/* A second goes by; asked: an answer of then tells the size. */
static void
look(Track *track, bool asked, uint64_t touched_kib)
{
    track->now_usec += SEC;
    if (asked)
        track->guest.asked_usec = track->now_usec;
    track->guest.target_kib = track->target_kib;
    track->guest.resident_kib = touched_kib + COSTS;
    stuck_judge(&track->memory, &track->guest, track->target_kib, false, 100 * MIB, track->now_usec);
    assert_false(track->memory.inhibited);
}

/* Also where it is asked now and then: what its QEMU gave back since is not held against a size from before. */
static void
what_was_freed_as_its_balloon_took_it_counts_as_freed(void **state)
{
    for (unsigned seldom = 0; seldom < 2; seldom++) {
        Track track;

        track_init(&track, 8 * GIB, 8 * GIB);
        for (unsigned t = 0; t < 10; t++)
            look(&track, true, 8 * GIB);
        track.target_kib = 4 * GIB;
        for (uint64_t t = 1; t <= 4; t++) {
            look(&track, !seldom, (8 - t) * GIB);
            track.guest.actual_kib = (8 - (seldom ? 0 : t)) * GIB;
        }
        track.guest.actual_kib = 4 * GIB;
        for (unsigned t = 0; t < 20; t++)
            look(&track, true, 4 * GIB);
    }
    (void)state;
}

/* Its balloon took what the guest had never touched, so nothing was freed. Then it gives back a half, which is touched. */
static void
what_a_guest_touches_that_grows_is_not_held_against_what_its_balloon_took(void **state)
{
    Track track;

    track_init(&track, 8 * GIB, 4 * GIB);
    for (unsigned t = 0; t < 20; t++) {
        look(&track, true, 2 * GIB);
        track.guest.actual_kib = 4 * GIB;
    }
    track.target_kib = 6 * GIB;
    for (uint64_t t = 0; t < 2; t++) {
        look(&track, true, (2 + 2 * t) * GIB);
        track.guest.actual_kib += GIB;
    }
    for (unsigned t = 0; t < 20; t++)
        look(&track, true, 6 * GIB);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_that_moves_follows),
        cmocka_unit_test(guest_that_does_not_move_is_slow_then_stuck),
        cmocka_unit_test(guest_that_does_not_give_back_is_flagged_as_well),
        cmocka_unit_test(page_now_and_then_is_no_progress),
        cmocka_unit_test(small_guest_may_be_slower),
        cmocka_unit_test(small_difference_is_nobodys_fault),
        cmocka_unit_test(trials_come_at_growing_distances),
        cmocka_unit_test(starved_guest_is_tried_sooner),
        cmocka_unit_test(flag_is_cleared_after_good_behaviour_only),
        cmocka_unit_test(guest_that_has_behaved_since_is_tried_again_as_soon_as_at_first),
        cmocka_unit_test(trial_that_asks_for_nothing_proves_nothing),
        cmocka_unit_test(guest_with_nothing_left_has_reached_its_limit),
        cmocka_unit_test(guest_that_moves_again_has_not_reached_its_limit),
        cmocka_unit_test(balloon_that_frees_nothing_is_found),
        cmocka_unit_test(balloon_that_frees_what_it_takes_is_not_inhibited),
        cmocka_unit_test(balloon_that_is_emptied_by_its_guest_is_not_inhibited),
        cmocka_unit_test(what_was_freed_as_its_balloon_took_it_counts_as_freed),
        cmocka_unit_test(what_a_guest_touches_that_grows_is_not_held_against_what_its_balloon_took),
        cmocka_unit_test(time_that_says_nothing_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
