/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that ran before the daemon, or while libvirt was away: what they are taken to have, and for what is waited. */

#include "decide/budget.h"
#include "decide/limit.h"
#include "test_limited_world.h"

/* An earlier daemon left a limit on it that lets in granted_kib beside a QEMU that costs so much. Its driver has not said anything yet. */
static FakeGuest *
add_adopted(FakeWorld *world, uint64_t actual_kib, uint64_t granted_kib, uint64_t costs_kib)
{
    size_t i = world->count;
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, actual_kib, GIB);
    GuestSnapshot *guest = &world->guests[i];

    world->lazy = true;
    fake->inflate = fake->deflate = 0; /* wherever it was told to be, it is there */
    fake->mute = true;
    guest->adopted = true;
    guest->boots = 0;
    guest->boot_usec = world->snapshot.now_usec;
    guest->driver_up = guest->fresh = guest->target_known = false;
    guest->target_kib = 0;
    guest->limits = (GuestLimits){.usable = true, .set = true};
    guest->limits.high_kib = granted_kib + costs_kib + LIMIT_LEAST_SLACK_KIB;
    return fake;
}

/* ---- what it is taken to have ---- */

/*
 * Its QEMU costs 40 MiB, which the daemon before had learnt, and 72 are the estimate. What the limit lets in is known to be
 * 2 GiB when its size is; a size that falls before its driver has reported may be that of a guest that was reset.
 */
static void
what_it_was_granted_is_known_when_its_size_is(void **state)
{
    FakeWorld *world = world_new(10 * GIB, 128 * MIB);
    FakeGuest *fake = add_adopted(world, 2 * GIB, 2 * GIB, 40 * MIB);

    assert_int_equal(overhead_estimate(&fake->settings), 72 * MIB);
    world->guests[0].has_actual = false;
    tick_with_limits(world);
    world->guests[0].has_actual = true;
    for (unsigned t = 0; t < 5; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_ADOPTING);
        assert_int_equal(world->plan.guests[0].committed_kib, 2 * GIB);
        fake->actual = 1536 * MIB;
    }
    world_free(world);
    (void)state;
}

/* Before its size is known its limit rises by what this daemon leaves it of the reserve: that is slack, and not granted. */
static void
slack_of_the_daemon_itself_is_not_taken_for_granted(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    uint64_t left;

    add_adopted(world, 4 * GIB, 2 * GIB, 72 * MIB);
    left = world->guests[0].limits.high_kib;
    world->guests[0].has_actual = false;
    run_with_limits(world, 3);
    assert_true(world->guests[0].limits.high_kib > left + 64 * MIB);
    world->guests[0].has_actual = true;
    for (unsigned t = 0; t < 5; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[0].committed_kib, 2 * GIB);
    }
    world_free(world);
    (void)state;
}

/* It was sent here with a memory device of which its XML says nothing any more, and there is no report of it yet. */
static void
a_guest_that_holds_more_than_its_xml_says_is_booked_at_that(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, 8 * GIB, 2 * GIB);

    world->guests[0].adopted = world->guests[0].migrating = true;
    world->guests[0].driver_up = world->guests[0].fresh = world->guests[0].target_known = false;
    world->guests[0].boots = 0;
    fake->mute = fake->inhibited = true;
    fake->resident = 9 * GIB + overhead_estimate(&fake->settings);
    world_run(world, 3);
    assert_int_equal(world->plan.guests[0].committed_kib, 9 * GIB);
    world_free(world);
    (void)state;
}

/* Nobody looked after it when it started, and libvirt was away since; it becomes managed a moment after that. */
static void
nobody_ordered_a_limit_for_a_guest_that_was_nobodys(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    world_add(world, GIB, 4 * GIB, 4 * GIB, 2 * GIB);
    make_limited(world, 0);
    world->fake[0].settings.managed = false;
    world->guests[0].unseen_kib = GIB; /* it may bring that online at any moment */
    run_with_limits(world, 30);
    world->guests[0].adopted = true;
    world->guests[0].boot_usec = world->guests[0].gap_usec = world->snapshot.now_usec;
    tick_with_limits(world);
    world->fake[0].settings.managed = true;
    tick_with_limits(world);
    assert_int_equal(world->plan.guests[0].committed_kib, 4 * GIB);
    world_free(world);
    (void)state;
}

/*
 * A revert to a snapshot that looked like a restart, to the daemon before: QEMU reads 6 GiB within a limit that lets in 2, and as long as
 * that holds it back it does not get there. Nobody else claims what is free.
 */
static void
a_guest_that_loads_within_the_limit_of_an_earlier_daemon_goes_on(void **state)
{
    for (unsigned managed = 0; managed < 2; managed++) {
        FakeWorld *world = world_new(16 * GIB, GIB);
        FakeGuest *fake = add_adopted(world, 0, 2 * GIB, 72 * MIB);
        GuestSnapshot *guest = &world->guests[0];

        fake->settings.managed = managed != 0;
        world->lazy = false;
        fake->inhibited = true; /* what it holds has nothing to do with its balloon */
        guest->life = GUEST_LIFE_PAUSED;
        guest->has_actual = false;
        guest->target_unbounded = true;
        for (unsigned t = 0; t < 60; t++) {
            uint64_t loaded = MIN(guest->limits.high_kib, 6 * GIB);

            guest->limits.held_back += loaded < 6 * GIB;
            guest->limits.charged_kib = fake->resident = loaded;
            tick_with_limits(world);
            assert_false(world->plan.over_budget);
        }
        assert_true(guest->limits.high_kib >= 6 * GIB);
        world_free(world);
    }
    (void)state;
}

/* It boots with a paging file: its size is the one from before its reset, and says nothing of what it was granted. */
static void
size_of_a_guest_with_a_paging_file_takes_nothing_from_it(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB};
    FakeWorld *world = world_new(10 * GIB, GIB);

    add_adopted(world, 300 * MIB, 1200 * MIB, 72 * MIB);
    world->guests[0].paging = &file;
    world->guests[0].has_actual = false;
    for (unsigned t = 0; t < 5; t++) {
        tick_with_limits(world);
        assert_true(world->plan.guests[0].granted_kib >= 1200 * MIB);
        world->guests[0].has_actual = true;
    }
    world_free(world);
    (void)state;
}

/*
 * Its guests have all that is not reserved, and are read one after another. Of the reserve, three quarters are for the slack of all limits
 * together, which the first of them does not have for itself.
 */
static void
slacks_of_guests_that_become_known_one_by_one_leave_a_quarter_of_the_reserve(void **state)
{
    const uint64_t granted_kib = 9 * GIB / 4 - 72 * MIB;
    FakeWorld *world = world_new(10 * GIB, GIB);
    uint64_t limits = 0;

    world->snapshot.host.unread = true;
    for (unsigned i = 0; i < 4; i++) {
        add_adopted(world, granted_kib, granted_kib, 72 * MIB);
        run_with_limits(world, 2);
    }
    world->snapshot.host.unread = false;
    run_with_limits(world, 2);
    for (size_t i = 0; i < world->count; i++) {
        assert_int_equal(world->plan.guests[i].rule, PLAN_RULE_ADOPTING);
        limits += world->guests[i].limits.high_kib;
    }
    assert_in_range(limits, 9 * GIB, 10 * GIB - GIB / 4);
    world_free(world);
    (void)state;
}

/* Its slack is the part of half of the reserve that it is booked at of the 9 GiB that the host can give, whoever else is there. */
static void
slack_is_the_same_whoever_else_is_there(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    add_adopted(world, 3 * GIB, 3 * GIB, 72 * MIB)->need = 2560 * MIB;
    for (unsigned all = 0; all < 2; all++) {
        run_with_limits(world, 5);
        assert_in_range(world->guests[0].limits.high_kib, (3072 + 72 + 174) * MIB, (3072 + 72 + 176) * MIB);
        world->fake[0].mute = false;
        world->guests[0].driver_up = world->guests[0].fresh = true;
        world_add(world, GIB, 30 * GIB, 2 * GIB, GIB)->settings.managed = false;
    }
    assert_int_equal(world->plan.guests[1].committed_kib, 30 * GIB);
    world_free(world);
    (void)state;
}

/* ---- its first report ---- */

static void
reports_nothing_of_use(GuestSnapshot *guest)
{
    guest->fresh = true; /* QEMU stamps also a report with nothing in it */
}

static void
reported_before(GuestSnapshot *guest)
{
    guest->has_usable = true;
    guest->usable_kib = GIB;
    guest->report_actual_kib = 3 * GIB;
}

/* What it may have is what it has: one that tells nothing, and may have more, is not spoken of in haste. */
static void
expect_waits(FakeWorld *world, size_t i)
{
    for (unsigned t = 0; t < 9; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[i].state, GUEST_STATE_ACTIVE);
        assert_int_equal(world->plan.guests[i].rule, PLAN_RULE_ADOPTING);
        assert_int_equal(world->plan.guests[i].committed_kib, 3 * GIB);
    }
    run_with_limits(world, 2);
    assert_int_equal(world->plan.guests[i].rule, PLAN_RULE_NO_STATISTICS);
}

/* For ten seconds, also where its driver is known to be up; what it said a while ago is no first report. */
static void
it_is_waited_for_until_it_reports_what_it_needs(void **state)
{
    static void (*const says[])(GuestSnapshot * guest) = {reports_nothing_of_use, reported_before};

    for (size_t s = 0; s < G_N_ELEMENTS(says); s++) {
        FakeWorld *world = world_new(20 * GIB, GIB);

        add_adopted(world, 3 * GIB, 3 * GIB, 72 * MIB);
        world->guests[0].driver_up = true;
        says[s](&world->guests[0]);
        expect_waits(world, 0);
        world_free(world);
    }
    (void)state;
}

/* Libvirt was away for longer than statistics may be missing: that they were is no news of its driver. */
static void
it_is_waited_for_after_libvirt_was_away_for_long(void **state)
{
    FakeWorld *world = world_new(20 * GIB, GIB);
    GuestSnapshot *guest;

    world_add(world, GIB, 8 * GIB, 3 * GIB, 2500 * MIB);
    make_limited(world, 0);
    guest = &world->guests[0];
    run_with_limits(world, 60);
    assert_int_equal(world->plan.guests[0].committed_kib, 3 * GIB);
    world->fake[0].mute = true;
    guest->fresh = false;
    world->snapshot.host.link = WORLD_LINK_DOWN;
    run_with_limits(world, 310);
    /* nor were they missing while nobody could be asked */
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LINK_DOWN);
    world->snapshot.host.link = WORLD_LINK_READ_WRITE;
    guest->gap_usec = guest->boot_usec = world->snapshot.now_usec;
    guest->adopted = true;
    guest->has_usable = false;
    reports_nothing_of_use(guest);
    expect_waits(world, 0);
    world_free(world);
    (void)state;
}

/*
 * One that has just booted is not waited for: nothing of an earlier time is known of it that could be true still. One that reported in this
 * boot has statistics, which are stale.
 */
static void
a_guest_that_was_seen_to_boot_is_not_waited_for(void **state)
{
    for (unsigned reported = 0; reported < 2; reported++) {
        FakeWorld *world = world_of(1, 3 * GIB, 2 * GIB);

        world->fake[0].mute = true;
        world->guests[0].boot_usec = world->snapshot.now_usec - 5 * SEC;
        world->guests[0].driver_usec = world->snapshot.now_usec;
        if (reported)
            reported_before(&world->guests[0]);
        world->guests[0].fresh = !reported;
        world_run(world, 1);
        assert_int_equal(world->plan.guests[0].rule, reported ? PLAN_RULE_STALE : PLAN_RULE_NO_STATISTICS);
        world_free(world);
    }
    (void)state;
}

/*
 * Guest 0 was adopted and has not reported yet, guest 1 was restored with 3 GiB, of which 2 are its startup, guest 2 needs more than there
 * is: what guest 0 does not need may be enough, and so nobody is squeezed before it has said so.
 */
static void
a_guest_that_settles_is_not_brought_to_its_startup_while_another_is_waited_for(void **state)
{
    FakeWorld *world = world_new(11 * GIB, GIB);
    GuestSnapshot *restored = &world->guests[1];

    add_adopted(world, 3 * GIB, 3 * GIB, 72 * MIB);
    world_add(world, GIB, 8 * GIB, 3 * GIB, GIB)->settings.startup_kib = 2 * GIB;
    world_add(world, GIB, 8 * GIB, 4 * GIB, 8 * GIB);
    restored->boot_resumed = true;
    restored->boot_usec = restored->driver_usec = world->snapshot.now_usec;
    for (unsigned t = 0; t < 4; t++) {
        tick_with_limits(world);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_ADOPTING);
        assert_int_equal(restored->target_kib, 3 * GIB);
    }
    world->fake[0].mute = false;
    world->fake[0].need = 3 * GIB;
    world->guests[0].driver_up = world->guests[0].fresh = true;
    run_with_limits(world, 4);
    assert_in_range(restored->target_kib, 2 * GIB, 3 * GIB - 512 * MIB);
    world_free(world);
    (void)state;
}

/* libvirt was away, and since then its balloon moves and it tells nothing: what it told before is of no use. */
static void
a_guest_that_tells_nothing_since_libvirt_is_back_is_booked_in_full(void **state)
{
    FakeWorld *world = world_of(3, 4 * GIB, 3 * GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_run(world, 30);
    guest->gap_usec = guest->boot_usec = world->snapshot.now_usec + SEC;
    guest->adopted = true;
    guest->driver_up = guest->fresh = guest->has_usable = false;
    guest->driver_usec = 0;
    world->fake[0].mute = true;
    world_run(world, 5);
    world->fake[0].actual -= 200 * MIB;
    world_run(world, 20);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_STATISTICS);
    assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_was_granted_is_known_when_its_size_is),
        cmocka_unit_test(a_guest_that_tells_nothing_since_libvirt_is_back_is_booked_in_full),
        cmocka_unit_test(a_guest_that_holds_more_than_its_xml_says_is_booked_at_that),
        cmocka_unit_test(nobody_ordered_a_limit_for_a_guest_that_was_nobodys),
        cmocka_unit_test(slack_of_the_daemon_itself_is_not_taken_for_granted),
        cmocka_unit_test(a_guest_that_loads_within_the_limit_of_an_earlier_daemon_goes_on),
        cmocka_unit_test(size_of_a_guest_with_a_paging_file_takes_nothing_from_it),
        cmocka_unit_test(slacks_of_guests_that_become_known_one_by_one_leave_a_quarter_of_the_reserve),
        cmocka_unit_test(slack_is_the_same_whoever_else_is_there),
        cmocka_unit_test(it_is_waited_for_until_it_reports_what_it_needs),
        cmocka_unit_test(it_is_waited_for_after_libvirt_was_away_for_long),
        cmocka_unit_test(a_guest_that_was_seen_to_boot_is_not_waited_for),
        cmocka_unit_test(a_guest_that_settles_is_not_brought_to_its_startup_while_another_is_waited_for),
    };

    return cmocka_run_group_tests_name("decide_adopted", tests, NULL, NULL);
}
