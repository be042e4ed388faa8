/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that boot under a limit: what they claim and are booked at, and what they are told when their driver is back. */

#include "test_restart_world.h"

#include "decide/faults.h"
#include "decide/limit.h"

/* ---- what a guest held before its reset ---- */

/*
 * Guest 0 has 300 MiB of 512 of startup and is reset; what it held before stays where it was, and it touches boot_kib of other pages
 * until its driver is back. Guest 1 needs all the rest, and less urgently.
 */
static RestartWorld *
boots_beside_what_it_held(uint64_t boot_kib, uint64_t maximum_kib)
{
    RestartWorld *rw = restart_world_new(2, GIB);

    rw->world->fake[0].settings.minimum_kib = 300 * MIB;
    rw->world->fake[0].settings.maximum_kib = maximum_kib;
    rw->world->fake[0].settings.priority = 60;
    rw->world->fake[1].need = 2 * GIB;
    restart_world_run(rw, 60);
    assert_int_equal(rw->world->plan.guests[0].committed_kib, 300 * MIB);
    assert_int_equal(rw->qemu[0].touched, 300 * MIB);
    rw->qemu[0].most = 300 * MIB + boot_kib;
    restart_world_reset(rw, 0);
    rw->qemu[0].slow = true;
    return rw;
}

static void
a_guest_that_is_held_back_in_its_boot_by_what_it_held_before_gets_room_for_that(void **state)
{
    static const struct {
        uint64_t boot_kib, maximum_kib, least_kib, most_kib;
    } rows[] = {
        {212 * MIB, 2 * GIB, 512 * MIB, 512 * MIB}, /* both are its startup: it is not held back */
        {252 * MIB, 2 * GIB, 552 * MIB, 640 * MIB}, /* no more than it is held back for, but for a step of an eighth */
        {512 * MIB, 2 * GIB, 812 * MIB, 812 * MIB}, /* all that it could hold */
        {512 * MIB, 700 * MIB, 700 * MIB, 700 * MIB},
        {1200 * MIB, 2 * GIB, 812 * MIB, 812 * MIB}, /* what it needs beyond its startup is not what it held */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        RestartWorld *rw = boots_beside_what_it_held(rows[i].boot_kib, rows[i].maximum_kib);

        restart_world_run(rw, 9);
        assert_int_equal(rw->qemu[0].files, 0);
        restart_world_run(rw, 60);
        assert_string_equal(rw->broken, "");
        assert_in_range(rw->world->plan.guests[0].granted_kib, rows[i].least_kib, rows[i].most_kib);
        assert_true(rw->qemu[0].touched >= MIN(rw->qemu[0].most, rows[i].most_kib));
        restart_world_free(rw);
    }
    (void)state;
}

/* With its driver its balloon is back: what it needs now it gets like the others. */
static void
a_guest_whose_driver_is_back_claims_nothing_for_what_it_held_before(void **state)
{
    RestartWorld *rw = boots_beside_what_it_held(212 * MIB, 2 * GIB);

    restart_world_run(rw, 20);
    rw->world->fake[0].need = 2 * GIB;
    restart_world_driver_up(rw, 0);
    rw->world->fake[0].inflate = 0;
    for (unsigned t = 0; t < 4; t++) {
        uint64_t held_back = rw->qemu[0].held_back;

        restart_world_tick(rw);
        assert_int_equal(rw->world->plan.guests[0].rule, PLAN_RULE_RESTART);
        assert_int_equal(rw->world->plan.guests[0].granted_kib, 512 * MIB);
        assert_true(rw->qemu[0].held_back > held_back);
    }
    restart_world_free(rw);
    (void)state;
}

/* Its balloon has taken what it can before anybody asked, and stands still above its target. */
static void
a_new_qemu_whose_balloon_has_taken_something_is_believed(void **state)
{
    for (unsigned in_place = 0; in_place < 2; in_place++) {
        RestartWorld *rw = restart_world_new(2, 200 * MIB);

        restart_world_run(rw, 20);
        if (in_place) {
            restart_world_reset(rw, 0); /* of this one the size may be from before */
        } else {
            restart_world_stop(rw, 0);
            restart_world_tick(rw);
            restart_world_start(rw, 0);
        }
        rw->qemu[0].slow = true;
        restart_world_tick(rw);
        restart_world_driver_up(rw, 0);
        rw->world->fake[0].actual = 600 * MIB;
        rw->world->fake[0].inflate = rw->world->fake[0].deflate = 0;
        restart_world_run(rw, 2);
        assert_int_equal(rw->world->plan.guests[0].state == GUEST_STATE_ACTIVE, !in_place);
        restart_world_free(rw);
    }
    (void)state;
}

/* Somebody else told its balloon another size before it was reset, and it has come to that. */
static void
a_balloon_that_stands_elsewhere_after_a_reset_is_told_again(void **state)
{
    RestartWorld *rw = restart_world_new(2, 400 * MIB);
    unsigned told = 0;

    restart_world_run(rw, 20);
    restart_world_reset(rw, 0);
    rw->world->fake[0].actual = 400 * MIB;
    rw->qemu[0].slow = true;
    restart_world_run(rw, 20);
    restart_world_driver_up(rw, 0);
    rw->world->fake[0].actual = 400 * MIB;
    rw->world->fake[0].inflate = rw->world->fake[0].deflate = 0;
    for (unsigned t = 0; t < 25; t++) {
        restart_world_tick(rw);
        assert_int_equal(rw->world->plan.guests[0].rule, PLAN_RULE_RESTART);
        assert_false(rw->world->plan.guests[0].moved);
        told += rw->world->plan.guests[0].tell;
        assert_true(t >= 8 || told == 0);
    }
    assert_in_range(told, 1, 3);
    restart_world_free(rw);
    (void)state;
}

/* ---- what its limit lets in ---- */

/* Guest 0 has 300 MiB, and its limit lets in 400 more for the page cache of its disks, when it is reset. */
static RestartWorld *
is_reset_under_a_high_limit(uint64_t spare_kib)
{
    RestartWorld *rw = restart_world_new(2, spare_kib);

    for (size_t i = 0; i < 2; i++)
        rw->world->fake[i].settings.minimum_kib = 300 * MIB;
    restart_world_run(rw, 60);
    rw->qemu[0].high += 400 * MIB;
    restart_world_reset(rw, 0);
    rw->qemu[0].slow = true;
    restart_world_tick(rw);
    return rw;
}

static void
what_its_limit_lets_in_is_its_own_as_far_as_it_is_there(void **state)
{
    RestartWorld *rw = is_reset_under_a_high_limit(400 * MIB);

    assert_int_equal(rw->world->plan.guests[0].granted_kib, 512 * MIB);
    assert_false(rw->world->plan.over_budget);
    restart_world_free(rw);
    /* it is not, and comes back as the limit comes down */
    rw = is_reset_under_a_high_limit(0);
    assert_in_range(rw->world->plan.guests[0].granted_kib, 300 * MIB, 320 * MIB);
    assert_true(rw->world->plan.over_budget);
    restart_world_run(rw, 3);
    assert_false(rw->world->plan.over_budget);
    assert_in_range(rw->qemu[0].high, 300 * MIB, 420 * MIB);
    restart_world_free(rw);
    (void)state;
}

/* Its first limit is being written, which lasts while the kernel takes back page cache, and its balloon has taken 2 GiB since. */
static void
a_limit_that_is_on_its_way_at_a_reset_is_booked_at_what_it_will_let_in(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];
    uint64_t told_kib;

    world_add(world, GIB, 8 * GIB, 3 * GIB, 2500 * MIB)->settings.startup_kib = GIB;
    world->lazy = true;
    guest->limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
    world_run(world, 10);
    told_kib = world->plan.guests[0].limit_kib;
    assert_in_range(told_kib, 3 * GIB, 4 * GIB);
    guest->limits.pending = true;
    world->fake[0].need = 700 * MIB;
    world_run(world, 600);
    assert_int_equal(world->plan.guests[0].committed_kib, GIB);
    world_reset(world, 0);
    world_tick(world);
    /* what its QEMU may cost, and slack that is the host's reserve */
    assert_in_range(world->plan.guests[0].committed_kib, told_kib - 512 * MIB, told_kib);
    world_free(world);
    (void)state;
}

/* It was taken away because nobody was to have any, and is told anew in the tick that sees the reset. */
static void
a_limit_that_is_told_at_a_reset_is_relied_on_whatever_was_told_before(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, GIB, 8 * GIB, 3 * GIB, 2500 * MIB);
    guest->limits = (GuestLimits){.usable = true, .set = true, .high_kib = 4 * GIB};
    world->settings->memory_high = false;
    world_tick(world);
    assert_true(world->plan.guests[0].limit_tell);
    assert_true(world->plan.guests[0].limit_kib == LIMIT_NONE);
    guest->limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
    world_run(world, 10);
    world->settings->memory_high = true;
    world_reset(world, 0);
    world_tick(world);
    assert_true(world->plan.guests[0].limit_tell);
    assert_in_range(world->plan.guests[0].limit_kib, 3 * GIB, 4 * GIB);
    assert_int_equal(world->plan.guests[0].committed_kib, 3 * GIB);
    world_free(world);
    (void)state;
}

/* Its start was admitted, the daemon ended, and the next one finds it with its driver, and a balloon on its way down. */
static void
who_has_booted_before_it_is_seen_had_no_limit(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);

    restart_world_stop(rw, 0);
    restart_world_run(rw, 20);
    restart_world_admit(rw, 280 * MIB);
    restart_world_start(rw, 0);
    rw->world->guests[0].boot_usec -= 12 * SEC;
    restart_world_driver_up(rw, 0);
    rw->world->fake[0].actual = 1500 * MIB;
    restart_world_tick(rw);
    assert_true(rw->world->plan.guests[0].committed_kib >= 1500 * MIB);
    assert_true(rw->world->plan.guests[0].limit_tell);
    restart_world_free(rw);
    (void)state;
}

/* ---- what it is told ---- */

/*
 * Its driver is back, it has a paging file and was granted 1536 MiB; 1 GiB is its startup. Noise of a few MiB in what it needs is nothing
 * to tell, but it is to have its startup, and its balloon is to end within what it was granted, or its file would never be done with.
 */
static void
a_guest_that_leaves_its_file_is_told_what_it_needs_of_what_it_was_granted(void **state)
{
    static const struct {
        uint64_t need_kib, before_kib, told_kib, unseen_kib, age_usec;
        bool stale, mute, just_up;
    } rows[] = {
        {1200 * MIB, 1230 * MIB, 1230 * MIB},
        {1200 * MIB, 1300 * MIB, 1225 * MIB}, /* with a little air */
        {600 * MIB, 1016 * MIB, 1024 * MIB},
        {600 * MIB, 1016 * MIB, 1024 * MIB, .age_usec = 290 * SEC},
        {600 * MIB, 1016 * MIB, 612 * MIB + 512, .age_usec = 301 * SEC}, /* now it is the file that counts */
        {100 * MIB, 1016 * MIB, 512 * MIB, .age_usec = 301 * SEC},
        {600 * MIB, 1016 * MIB, 1024 * MIB, .age_usec = 301 * SEC, .stale = true}, /* who knows what it needs */
        {600 * MIB, 1016 * MIB, 1024 * MIB, .age_usec = 301 * SEC, .mute = true},
        {600 * MIB, 1016 * MIB, 1024 * MIB, .age_usec = 301 * SEC, .just_up = true},
        {2048 * MIB, 1544 * MIB, 1536 * MIB},
        {600 * MIB, 1016 * MIB, 1536 * MIB, .unseen_kib = 512 * MIB}, /* which it can't live on */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const PagingRecord file = {
            .stage = PAGING_STAGE_ON, .size_kib = GIB, .since_usec = 1000 * SEC - rows[i].age_usec};
        FakeWorld *world = world_new(0, GIB);
        GuestSnapshot *guest = &world->guests[0];

        world_add(world, 512 * MIB, 4 * GIB, 3 * GIB, rows[i].need_kib)->settings.startup_kib = GIB;
        world->snapshot.host.figures.total_kib = 1536 * MIB + overhead_estimate(guest->settings) + GIB;
        guest->adopted = true;
        guest->boots = 0;
        guest->target_kib = rows[i].before_kib;
        guest->fresh = !rows[i].stale;
        world->fake[0].mute = rows[i].mute;
        world->lazy = true;
        if (rows[i].just_up)
            guest->driver_usec = world->snapshot.now_usec - 8 * SEC;
        guest->unseen_kib = rows[i].unseen_kib;
        guest->paging = &file;
        guest->limits = (GuestLimits){.usable = true, .set = true};
        guest->limits.high_kib = 1536 * MIB + overhead_estimate(guest->settings) + LIMIT_LEAST_SLACK_KIB;
        world_tick(world);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_PAGING_LEAVE);
        assert_int_equal(world->plan.guests[0].granted_kib, 1536 * MIB);
        assert_int_equal(world->plan.guests[0].target_kib, rows[i].told_kib);
        assert_int_equal(world->plan.guests[0].tell, rows[i].told_kib != rows[i].before_kib);
        world_free(world);
    }
    (void)state;
}

/* ---- limits that come late ---- */

/* With a startup of 512 of 2048 MiB; it was off for long, and its boot does not end. */
static RestartWorld *
starts(uint64_t spare_kib, uint64_t boot_kib)
{
    RestartWorld *rw = restart_world_new(1, spare_kib);

    restart_world_stop(rw, 0);
    restart_world_run(rw, 400);
    restart_world_start(rw, 0);
    rw->qemu[0].slow = true;
    rw->qemu[0].most = boot_kib;
    return rw;
}

static void
who_starts_as_libvirt_goes_is_limited_all_the_same(void **state)
{
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        RestartWorld *rw = starts(300 * MIB, 600 * MIB);

        rules_break(wrong ? FAULT_LIMIT_BY_LIBVIRT : FAULT_NONE);
        rw->world->snapshot.host.link = WORLD_LINK_DOWN;
        restart_world_run(rw, 1);
        assert_int_equal(rw->qemu[0].set, !wrong);
        restart_world_run(rw, 20);
        assert_int_equal(rw->world->plan.guests[0].committed_kib, (wrong ? 2048 : 512) * MIB);
        assert_string_equal(rw->broken, "");
        restart_world_free(rw);
    }
    rules_break(FAULT_NONE);
    (void)state;
}

/* Before it is there nothing holds its guest; then it is one of what the guest was given to start with, or has taken meanwhile. */
static void
a_limit_that_comes_late_is_one_of_what_was_granted(void **state)
{
    static const struct {
        uint64_t boot_kib, granted_kib;
        Fault wrong;
    } rows[] = {{300 * MIB, 512 * MIB, FAULT_NONE},
                {900 * MIB, 900 * MIB, FAULT_NONE},
                {300 * MIB, 2 * GIB, FAULT_GRANT_UNHELD}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        RestartWorld *rw = starts(1600 * MIB, rows[i].boot_kib);

        rules_break(rows[i].wrong);
        rw->qemu[0].lost = true;
        restart_world_run(rw, 5);
        assert_true(rw->world->plan.guests[0].committed_kib < 2 * GIB);
        restart_world_run(rw, 10);
        assert_int_equal(rw->world->plan.guests[0].committed_kib, 2 * GIB);
        rw->qemu[0].lost = false;
        restart_world_run(rw, 2);
        assert_true(rw->qemu[0].set);
        assert_int_equal(rw->world->plan.guests[0].granted_kib, rows[i].granted_kib);
        assert_int_equal(rw->world->plan.guests[0].committed_kib, rows[i].granted_kib);
        assert_string_equal(rw->broken, "");
        restart_world_free(rw);
    }
    rules_break(FAULT_NONE);
    (void)state;
}

/* It touches more than its balloon, by what is known of it, leaves it: that is no cost of its QEMU. */
static void
a_reset_that_nobody_hears_of_raises_no_limit(void **state)
{
    RestartWorld *rw = restart_world_new(2, 4 * GIB);
    FakeQemu *qemu = &rw->qemu[0];
    uint64_t high, overhead;

    restart_world_run(rw, 60);
    rw->world->snapshot.host.link = WORLD_LINK_DOWN;
    restart_world_run(rw, 10);
    high = qemu->high;
    overhead = rw->world->plan.guests[0].overhead_kib;
    qemu->booting = qemu->slow = true;
    qemu->most = 2 * GIB;
    restart_world_run(rw, 600);
    assert_true(qemu->held_back > 500);
    assert_int_equal(qemu->high, high);
    assert_int_equal(rw->world->plan.guests[0].overhead_kib, overhead);
    assert_string_equal(rw->broken, "");
    restart_world_free(rw);
    (void)state;
}

/* ---- memory devices ---- */

/* 2 GiB are booked for its start, of which 1 is a memory device, as its XML says from the first moment. */
static void
a_guest_that_starts_is_granted_no_more_than_was_booked_beside_its_devices(void **state)
{
    FakeWorld *world = world_new(16 * GIB, GIB);
    StartRequest start = {.name = (char *)"g0", .need_kib = 2 * GIB, .booked_kib = 2 * GIB, .begun = true};
    const StartRequest *starts[] = {&start};
    GuestSnapshot *guest = &world->guests[0];

    world_add(world, GIB, 6 * GIB, 6 * GIB, 0);
    world->lazy = true;
    world->fake[0].mute = true;
    world->fake[0].settings.startup_kib = GIB;
    world->fake[0].settings.fixed_kib = GIB;
    g_strlcpy(start.uuid, world->fake[0].uuid, sizeof start.uuid);
    start.settings = world->fake[0].settings;
    guest->life = GUEST_LIFE_OFF;
    guest->has_usable = guest->driver_up = guest->fresh = guest->target_known = false;
    world->snapshot.starts = starts;
    world->snapshot.start_count = 1;
    world_tick(world);
    world->snapshot.start_count = 0;
    guest->life = GUEST_LIFE_RUNNING;
    guest->boots++;
    guest->boot_usec = world->snapshot.now_usec;
    guest->limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
    for (unsigned t = 0; t < 10; t++) {
        world_tick(world);
        assert_int_equal(world->plan.guests[0].committed_kib, 2 * GIB);
        if (world->plan.guests[0].limit_tell) {
            guest->limits.set = true;
            guest->limits.high_kib = world->plan.guests[0].limit_kib;
        }
        assert_true(guest->limits.high_kib < 2 * GIB + 400 * MIB);
    }
    world_free(world);
    (void)state;
}

/* It was let in with 3 GiB by a daemon that is gone since, and its QEMU is there as the next one comes. */
static void
a_guest_that_an_earlier_daemon_let_in_begins_with_what_was_booked_for_it(void **state)
{
    static const RestartKind kinds[] = {RESTART_NONE, RESTART_SOON};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        FakeWorld *world = world_new(16 * GIB, GIB);
        StartRequest start = {.name = (char *)"g0", .need_kib = 3 * GIB, .booked_kib = 3 * GIB, .restart = kinds[i]};
        const StartRequest *starts[] = {&start};
        GuestSnapshot *guest = &world->guests[0];

        start.begun = true;
        world_add(world, GIB, 6 * GIB, 6 * GIB, 0);
        world->lazy = true;
        world->fake[0].mute = true;
        world->fake[0].settings.startup_kib = GIB;
        g_strlcpy(start.uuid, world->fake[0].uuid, sizeof start.uuid);
        start.settings = world->fake[0].settings;
        guest->has_usable = guest->driver_up = guest->fresh = guest->target_known = false;
        guest->boot_usec = world->snapshot.now_usec;
        guest->limits = (GuestLimits){.usable = true, .high_kib = LIMIT_NONE};
        world->snapshot.starts = starts;
        world->snapshot.start_count = 1;
        world_tick(world);
        assert_int_equal(world->plan.guests[0].committed_kib, 3 * GIB);
        assert_true(world->plan.guests[0].limit_tell);
        assert_in_range(world->plan.guests[0].limit_kib, 3 * GIB, 3 * GIB + 400 * MIB);
        assert_int_equal(world->plan.guests[0].restart, kinds[i]);
        world_free(world);
    }
    (void)state;
}

/* It can touch nothing before it is resumed, and needs no limit for that. */
static void
a_guest_that_is_started_paused_gets_no_limit_where_none_are_kept(void **state)
{
    RestartWorld *rw = restart_world_new(2, 4 * GIB);

    rw->world->settings->memory_high = false;
    restart_world_run(rw, 60);
    restart_world_stop(rw, 0);
    restart_world_run(rw, 5);
    restart_world_start(rw, 0);
    rw->world->guests[0].life = GUEST_LIFE_PAUSED;
    for (unsigned t = 0; t < 10; t++) {
        restart_world_tick(rw);
        assert_false(rw->qemu[0].set);
    }
    assert_int_equal(rw->world->plan.guests[0].committed_kib, 512 * MIB);
    assert_string_equal(rw->broken, "");
    restart_world_free(rw);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_is_held_back_in_its_boot_by_what_it_held_before_gets_room_for_that),
        cmocka_unit_test(a_guest_whose_driver_is_back_claims_nothing_for_what_it_held_before),
        cmocka_unit_test(a_new_qemu_whose_balloon_has_taken_something_is_believed),
        cmocka_unit_test(a_balloon_that_stands_elsewhere_after_a_reset_is_told_again),
        cmocka_unit_test(what_its_limit_lets_in_is_its_own_as_far_as_it_is_there),
        cmocka_unit_test(who_has_booted_before_it_is_seen_had_no_limit),
        cmocka_unit_test(a_limit_that_is_on_its_way_at_a_reset_is_booked_at_what_it_will_let_in),
        cmocka_unit_test(a_limit_that_is_told_at_a_reset_is_relied_on_whatever_was_told_before),
        cmocka_unit_test(a_guest_that_leaves_its_file_is_told_what_it_needs_of_what_it_was_granted),
        cmocka_unit_test(who_starts_as_libvirt_goes_is_limited_all_the_same),
        cmocka_unit_test(a_limit_that_comes_late_is_one_of_what_was_granted),
        cmocka_unit_test(a_reset_that_nobody_hears_of_raises_no_limit),
        cmocka_unit_test(a_guest_that_starts_is_granted_no_more_than_was_booked_beside_its_devices),
        cmocka_unit_test(a_guest_that_an_earlier_daemon_let_in_begins_with_what_was_booked_for_it),
        cmocka_unit_test(a_guest_that_is_started_paused_gets_no_limit_where_none_are_kept),
    };

    return cmocka_run_group_tests_name("decide_boot", tests, NULL, NULL);
}
