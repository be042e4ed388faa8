/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States, bookings and reasons, guest by guest; and when nothing is told. */

#include "test_decide_world.h"

static void
make_off(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->life = GUEST_LIFE_OFF;
}

static void
make_unmanaged(FakeGuest *fake, GuestSnapshot *guest)
{
    fake->settings.managed = false;
}

static void
make_static(FakeGuest *fake, GuestSnapshot *guest)
{
    fake->settings.mode = GUEST_MODE_STATIC;
}

static void
make_static_with_device(FakeGuest *fake, GuestSnapshot *guest)
{
    fake->settings.mode = GUEST_MODE_STATIC;
    fake->settings.fixed_kib = 2 * GIB;
}

static void
make_vfio(FakeGuest *fake, GuestSnapshot *guest)
{
    fake->settings.bar = BALLOON_VFIO;
}

static void
make_hugepages(FakeGuest *fake, GuestSnapshot *guest)
{
    fake->settings.bar = BALLOON_HUGEPAGES;
    fake->settings.hugepages_kib = fake->settings.maximum_kib;
    fake->actual = 60 * MIB; /* what its QEMU holds besides */
}

static void
make_paused(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->life = GUEST_LIFE_PAUSED;
}

static void
make_migrating(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->migrating = true;
}

static void
make_hanging(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->answering = false;
}

static void
make_starting(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->driver_up = false;
    guest->boot_usec = 990 * SEC;
    fake->mute = true;
}

static void
make_no_driver(FakeGuest *fake, GuestSnapshot *guest)
{
    make_starting(fake, guest);
    guest->boot_usec = 100 * SEC;
}

static void
make_adopted(FakeGuest *fake, GuestSnapshot *guest)
{
    guest->adopted = true;
    guest->boots = 0;
    guest->boot_usec = 1000 * SEC;
    guest->driver_up = false;
    guest->fresh = false;
    guest->target_known = false;
    fake->mute = true;
}

static void
guests_out_of_the_sharing_are_booked_and_left_alone(void **state)
{
    static const struct {
        const char *what;
        void (*make)(FakeGuest *fake, GuestSnapshot *guest);
        GuestState state;
        PlanRule rule;
        uint64_t committed;
    } cases[] = {
        {"off", make_off, GUEST_STATE_OFF, PLAN_RULE_OFF, 0},
        {"unmanaged", make_unmanaged, GUEST_STATE_STATIC, PLAN_RULE_UNMANAGED, 8 * GIB},
        {"static", make_static, GUEST_STATE_STATIC, PLAN_RULE_STATIC, 8 * GIB},
        {"vfio", make_vfio, GUEST_STATE_STATIC, PLAN_RULE_BAR, 8 * GIB},
        {"huge pages", make_hugepages, GUEST_STATE_STATIC, PLAN_RULE_BAR, 0},
        {"paused", make_paused, GUEST_STATE_SUSPENDED, PLAN_RULE_FROZEN, 3 * GIB},
        {"migrating", make_migrating, GUEST_STATE_MIGRATING, PLAN_RULE_FROZEN, 3 * GIB},
        {"hanging", make_hanging, GUEST_STATE_UNRESPONSIVE, PLAN_RULE_UNRESPONSIVE, 3 * GIB},
        {"starting", make_starting, GUEST_STATE_STARTING, PLAN_RULE_STARTING, 8 * GIB},
        {"no driver", make_no_driver, GUEST_STATE_STATIC, PLAN_RULE_NO_DRIVER, 8 * GIB},
        {"adopted", make_adopted, GUEST_STATE_ACTIVE, PLAN_RULE_ADOPTING, 8 * GIB},
        {"with a memory device", make_static_with_device, GUEST_STATE_STATIC, PLAN_RULE_STATIC, 10 * GIB},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        FakeWorld *world = world_of(2, 3 * GIB, 2 * GIB);
        const GuestPlan *plan;

        cases[i].make(&world->fake[0], &world->guests[0]);
        world_tick(world);
        plan = &world->plan.guests[0];
        if (plan->state != cases[i].state || plan->rule != cases[i].rule || plan->committed_kib != cases[i].committed ||
            plan->tell) {
            world_print(world);
            fail_msg("%s", cases[i].what);
        }
        world_free(world);
    }
}

static void
guests_without_statistics_keep_what_they_have(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 2 * GIB);

    world->fake[0].mute = true;
    world->fake[1].need = 7 * GIB;
    world_run(world, 60);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_STATIC);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_STATISTICS);
    assert_int_equal(world->fake[0].actual, 3 * GIB);
    assert_int_equal(world->fake[0].changes, 0);
    world_free(world);
}

static void
adoption_squeezes_nobody(void **state)
{
    FakeWorld *world = world_of(8, 3 * GIB, 2 * GIB);

    for (size_t i = 0; i < 8; i++)
        make_adopted(&world->fake[i], &world->guests[i]);
    world->fake[0].actual = world->guests[0].target_kib = 8 * GIB;
    for (size_t i = 1; i < 8; i++) {
        world->guests[i].driver_up = true;
        world->fake[i].mute = false;
        world->guests[i].fresh = true;
    }
    world->fake[7].need = 4 * GIB;
    world_run(world, 5);
    for (size_t i = 1; i < 7; i++)
        assert_int_equal(world->fake[i].actual, 3 * GIB);
    world_run(world, 30);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_DRIVER);
    assert_true(world->fake[7].actual > 4 * GIB);
    world_free(world);
}

static void
guest_that_was_not_managed_has_time_for_its_first_report(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 2 * GIB);

    make_adopted(&world->fake[0], &world->guests[0]);
    world->fake[0].settings.managed = false;
    world_run(world, 60);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_UNMANAGED);
    world->fake[0].settings.managed = true;
    world_run(world, 5);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_ACTIVE);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_ADOPTING);
    world->guests[0].driver_up = world->guests[0].fresh = true;
    world->fake[0].mute = false;
    world_run(world, 1);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_ACTIVE);
    assert_int_equal(world->plan.guests[0].committed_kib, 3 * GIB);
    world_free(world);
}

static void
observed_guest_shows_its_target_and_is_not_told(void **state)
{
    FakeWorld *world = world_of(3, 3 * GIB, 4 * GIB);

    world->fake[0].settings.mode = GUEST_MODE_OBSERVE;
    world_run(world, 60);
    assert_int_equal(world->fake[0].changes, 0);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_OBSERVED);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_OBSERVE);
    assert_true(world->plan.guests[0].target_kib > 4 * GIB);
    assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    assert_true(world->fake[1].actual > 4 * GIB);
    /* who may move it may do so while it does not answer, too */
    world->guests[0].answering = false;
    world_run(world, 1);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_UNRESPONSIVE);
    assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
    world_free(world);
}

static void
dry_run_shows_what_every_guest_would_get_and_tells_nobody(void **state)
{
    FakeWorld *world = world_of(8, 3 * GIB, 7 * GIB);

    world->dry = true;
    for (size_t i = 0; i < 8; i++)
        world->fake[i].settings.priority = (uint32_t)i * 10;
    world_run(world, 120);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(world->fake[i].changes, 0);
        assert_int_equal(world->plan.guests[i].state, GUEST_STATE_OBSERVED);
        if (i > 0)
            assert_true(world->plan.guests[i].target_kib >= world->plan.guests[i - 1].target_kib);
    }
    assert_true(world->plan.guests[7].target_kib > world->plan.guests[0].target_kib);
    world_free(world);
}

/* A call that hangs is of before: what it was told then is under way, and not what was shown since. */
static void
what_was_only_shown_is_not_taken_for_told(void **state)
{
    FakeWorld *world = world_of(1, 3 * GIB, 2560 * MIB);

    world->guests[0].target_known = false;
    world_run(world, 20);
    assert_int_equal(world->fake[0].changes, 1);
    assert_int_equal(world->guests[0].target_kib, 3 * GIB);
    world->guests[0].target_pending = true;
    world->dry = true;
    world->fake[0].need = 6 * GIB;
    world_run(world, 20);
    assert_true(world->plan.guests[0].target_kib > 4 * GIB);
    world->dry = false;
    world_run(world, 1);
    assert_int_equal(world->plan.guests[0].target_kib, 3 * GIB);
    world_free(world);
}

static void
nothing_is_told_while_libvirt_is_away(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 7 * GIB);
    unsigned told;

    world_tick(world);
    told = world->fake[0].changes + world->fake[1].changes;
    world->snapshot.host.link = WORLD_LINK_DOWN;
    world_run(world, 10);
    assert_int_equal(world->fake[0].changes + world->fake[1].changes, told);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_LINK_DOWN);
    world_free(world);
}

static void
nothing_is_raised_without_figures_of_the_host(void **state)
{
    FakeWorld *world = world_of(2, 3 * GIB, 7 * GIB);

    world->snapshot.host.figures_valid = false;
    world_run(world, 10);
    assert_int_equal(world->fake[0].changes, 0);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_WAIT_FREE);
    world->snapshot.host.figures_valid = true;
    world_run(world, 10);
    assert_true(world->fake[0].actual > 7 * GIB);
    world_free(world);
}

/* What one lacks is given up by another a little each second. */
static void
raise_that_waits_is_told_in_parts_and_the_last_bit_too(void **state)
{
    FakeWorld *world = world_new(14 * GIB + 160 * MIB, 2 * GIB);

    world_add(world, GIB, 8 * GIB, 4 * GIB, 7 * GIB);
    world_add(world, GIB, 8 * GIB, 8 * GIB, 2 * GIB);
    world->fake[1].inflate = 20 * MIB;
    world->fake[1].lower = 7 * GIB + 60 * MIB;
    world_run(world, 45);
    assert_in_range(world->fake[0].changes, 5, 45 / 5 + 1);
    world_run(world, 30);
    assert_in_range(world->plan.free_kib, 0, MIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
}

static void
unknown_target_is_told_even_if_it_changes_nothing(void **state)
{
    FakeWorld *world = world_of(1, 3 * GIB, 2560 * MIB);

    world->guests[0].target_known = false;
    world_tick(world);
    assert_int_equal(world->fake[0].changes, 1);
    world_run(world, 20);
    assert_int_equal(world->fake[0].changes, 1);
    world_free(world);
}

static void
nothing_is_told_while_a_call_is_under_way(void **state)
{
    FakeWorld *world = world_of(1, 3 * GIB, 7 * GIB);

    world->guests[0].target_pending = true;
    world_run(world, 10);
    assert_int_equal(world->fake[0].changes, 0);
    world->guests[0].target_pending = false;
    world_run(world, 10);
    assert_true(world->fake[0].changes > 0);
    world_free(world);
}

static void
minimums_that_do_not_fit_are_told(void **state)
{
    FakeWorld *world = world_of(8, 4 * GIB, 6 * GIB);

    for (size_t i = 0; i < 8; i++)
        world->fake[i].settings.minimum_kib = 4 * GIB;
    world_run(world, 10);
    assert_false(world->plan.minimums_fit);
    assert_true(world->plan.over_budget);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_MINIMUMS);
    assert_int_equal(world->fake[0].actual, 4 * GIB);
    world_free(world);
}

static void
reasons_follow_from_what_limits(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, 1500 * MIB);

    world->fake[0].need = 300 * MIB;
    world->fake[1].need = 7900 * MIB;
    world_run(world, 500);
    assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_AT_MINIMUM);
    assert_int_equal(world->plan.guests[0].target_kib, GIB);
    assert_int_equal(world->plan.guests[1].rule, PLAN_RULE_AT_MAXIMUM);
    assert_int_equal(world->plan.guests[1].target_kib, 8 * GIB);
    assert_int_equal(world->plan.guests[2].rule, PLAN_RULE_SATISFIED);
    assert_int_equal(world->plan.guests[0].status, GUEST_STATUS_OK);
    world_free(world);
}

static void
who_is_starved_at_its_maximum_lacks_memory(void **state)
{
    FakeWorld *world = world_of(3, 2 * GIB, 1500 * MIB);

    world->fake[0].need = 7900 * MIB; /* nearly all of it, and enough */
    world->fake[1].need = 10 * GIB;
    world_run(world, 60);
    assert_int_equal(world->fake[0].actual, 8 * GIB);
    assert_int_equal(world->plan.guests[0].status, GUEST_STATUS_OK);
    assert_int_equal(world->fake[1].actual, 8 * GIB);
    assert_int_equal(world->plan.guests[1].rule, PLAN_RULE_AT_MAXIMUM);
    assert_int_equal(world->plan.guests[1].status, GUEST_STATUS_WARNING);
    assert_int_equal(world->plan.guests[2].status, GUEST_STATUS_OK);
    /* it swaps in bursts, and in between a little is usable */
    for (unsigned i = 0; i < 40; i++) {
        world->fake[1].need = i % 4 == 0 ? 10 * GIB : 8 * GIB - 200 * MIB;
        world_run(world, 1);
        assert_int_equal(world->plan.guests[1].status, GUEST_STATUS_WARNING);
    }
    /* it makes do, with less than a tenth usable */
    world_run(world, 40);
    assert_int_equal(world->plan.guests[1].status, GUEST_STATUS_OK);
    world_free(world);
}

static void
budget_setting_caps_what_all_have(void **state)
{
    FakeWorld *world = world_of(4, GIB, 6 * GIB);

    world->settings->budget_kib = 8 * GIB;
    world_run(world, 60);
    assert_int_equal(world->plan.budget_limit, BUDGET_BY_SETTING);
    assert_int_equal(world->plan.budget_kib, 8 * GIB);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(world->fake[i].actual, 2 * GIB);
    assert_int_equal(world->plan.guests[0].status, GUEST_STATUS_WARNING);
    world_free(world);
}

static void
memory_goes_to_who_stays_when_a_guest_leaves(void **state)
{
    FakeWorld *world = world_of(5, 5 * GIB, 7 * GIB);

    world_run(world, 60);
    world_remove(world, 2);
    world_run(world, 60);
    for (size_t i = 0; i < 4; i++)
        assert_true(world->fake[i].actual > 7 * GIB);
    world_free(world);
}

/* libvirt was away, and its QEMU hung over that: nobody knows whether it was reset, and it was not. */
static void
guest_that_hangs_over_a_gap_is_no_guest_without_a_driver(void **state)
{
    for (unsigned gaps = 1; gaps <= 2; gaps++) {
        FakeWorld *world = world_new(4 * GIB, GIB);
        GuestSnapshot *guest;
        uint64_t told;

        world_add(world, GIB, 4 * GIB, 2 * GIB, 900 * MIB)->settings.startup_kib = 4 * GIB;
        world_add(world, GIB, 4 * GIB, GIB, 3 * GIB);
        world_run(world, 60);
        guest = &world->guests[0];
        told = guest->target_kib;
        assert_true(told < 2 * GIB);
        for (unsigned gap = 0; gap < gaps; gap++) {
            world->snapshot.host.link = WORLD_LINK_DOWN;
            world_run(world, 20);
            world->snapshot.host.link = WORLD_LINK_READ_WRITE;
            guest->gap_usec = guest->boot_usec = world->snapshot.now_usec;
            guest->adopted = true;
            guest->driver_up = guest->fresh = false;
            guest->answering = gap + 1 < gaps;
            world->fake[0].mute = true;
            world_run(world, guest->answering ? 2 : 60);
        }
        guest->answering = true;
        for (unsigned t = 0; t < 3; t++) {
            world_tick(world);
            assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_ADOPTING);
        }
        guest->driver_up = guest->fresh = true;
        world->fake[0].mute = false;
        for (unsigned t = 0; t < 10; t++) {
            world_tick(world);
            assert_int_equal(world->plan.guests[0].state, GUEST_STATE_ACTIVE);
            assert_true(guest->target_kib <= told);
        }
        world_free(world);
    }
    (void)state;
}

/* The host is full, and what it lacks is what another one does not need: that is not left there until the trial has ended well. */
static void
a_starved_guest_that_is_tried_again_gets_what_others_do_not_need(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);
    FakeGuest *fake = world_add(world, GIB, 8 * GIB, GIB, 900 * MIB);
    unsigned t;

    world_add(world, GIB, 8 * GIB, 7 * GIB, 6 * GIB);
    world_run(world, 10);
    fake->inflate = fake->deflate = 0;
    fake->need = 3 * GIB;
    for (t = 0; t < 60 && world->plan.guests[0].state != GUEST_STATE_STUCK; t++)
        world_tick(world);
    world->fake[1].need = 8 * GIB;
    world_run(world, 10);
    assert_int_equal(world->plan.guests[0].state, GUEST_STATE_STUCK);
    assert_true(world->fake[1].actual > 7 * GIB + GIB / 2);
    world->fake[1].need = 3 * GIB;
    fake->deflate = 800 * MIB;
    for (t = 0; t < 120 && !world->plan.guests[0].retry; t++)
        world_tick(world);
    world_run(world, 15);
    assert_true(world->plan.guests[0].retry);
    assert_true(fake->actual >= 3 * GIB);
    assert_int_equal(world->violations, 0);
    world_free(world);
    (void)state;
}

/* Whatever is known of how it came to run, and also when it counts as one without a driver already. */
static void
a_balloon_that_moves_has_a_driver_though_it_tells_nothing(void **state)
{
    enum {
        BOOTED,
        BROUGHT,
        ADOPTED,
        ABSENT,
        WAYS
    };

    for (unsigned way = BOOTED; way < WAYS; way++) {
        FakeWorld *world = world_of(2, 4 * GIB, 2 * GIB);
        GuestSnapshot *guest = &world->guests[0];

        world_run(world, 10);
        guest->boots++;
        guest->boot_usec = world->snapshot.now_usec;
        guest->boot_resumed = way == BROUGHT;
        guest->adopted = way == ADOPTED;
        guest->driver_up = guest->fresh = guest->has_usable = false;
        world->fake[0].mute = true;
        world->fake[0].inflate = world->fake[0].deflate = 0;
        world_run(world, 5);
        if (way == ABSENT) {
            world_run(world, 310);
            assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_DRIVER);
        }
        world->fake[0].actual -= 300 * MIB;
        world_run(world, way == BROUGHT ? 310 : 70);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_STATISTICS);
        assert_int_equal(world->plan.guests[0].committed_kib, 8 * GIB);
        world_free(world);
    }
    (void)state;
}

/* Its balloon has moved, and stands still far from its target now: nobody asks anything of one that tells nothing. */
static void
a_guest_that_tells_nothing_does_not_fail_to_follow(void **state)
{
    FakeWorld *world = world_of(1, 4 * GIB, 2 * GIB);
    GuestSnapshot *guest = &world->guests[0];

    world_run(world, 10);
    guest->boots++;
    guest->boot_usec = world->snapshot.now_usec;
    guest->driver_up = guest->fresh = guest->has_usable = false;
    world->fake[0].mute = true;
    world->fake[0].inflate = world->fake[0].deflate = 0;
    world_run(world, 5);
    world->fake[0].actual -= 300 * MIB;
    world_run(world, 70);
    guest->target_kib = GIB;
    for (unsigned t = 0; t < 60; t++) {
        world_tick(world);
        assert_int_equal(guest->target_kib, GIB);
        assert_int_equal(world->plan.guests[0].rule, PLAN_RULE_NO_STATISTICS);
        assert_int_equal(world->plan.guests[0].flagged_usec, 0);
    }
    world_free(world);
    (void)state;
}

/* It goes on to its target, and nobody sees that. */
static void
no_guest_is_stuck_for_want_of_libvirt(void **state)
{
    FakeWorld *world = world_new(10 * GIB, GIB);

    for (size_t i = 0; i < 2; i++)
        world_add(world, GIB, 8 * GIB, 4 * GIB, 3500 * MIB);
    world_run(world, 120);
    world->fake[0].need = 1200 * MIB;
    world->fake[0].inflate = 50 * MIB;
    world->fake[1].need = 7 * GIB;
    world_run(world, 4);
    assert_true(world->guests[0].target_kib + 200 * MIB < world->fake[0].actual);
    for (unsigned t = 0; t < 120; t++) {
        world->snapshot.host.link = t < 60 ? WORLD_LINK_DOWN : WORLD_LINK_READ_WRITE;
        world_tick(world);
        assert_int_not_equal(world->plan.guests[0].state, GUEST_STATE_STUCK);
    }
    world_free(world);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_balloon_that_moves_has_a_driver_though_it_tells_nothing),
        cmocka_unit_test(a_guest_that_tells_nothing_does_not_fail_to_follow),
        cmocka_unit_test(a_starved_guest_that_is_tried_again_gets_what_others_do_not_need),
        cmocka_unit_test(guest_that_hangs_over_a_gap_is_no_guest_without_a_driver),
        cmocka_unit_test(guests_out_of_the_sharing_are_booked_and_left_alone),
        cmocka_unit_test(guests_without_statistics_keep_what_they_have),
        cmocka_unit_test(adoption_squeezes_nobody),
        cmocka_unit_test(guest_that_was_not_managed_has_time_for_its_first_report),
        cmocka_unit_test(observed_guest_shows_its_target_and_is_not_told),
        cmocka_unit_test(dry_run_shows_what_every_guest_would_get_and_tells_nobody),
        cmocka_unit_test(what_was_only_shown_is_not_taken_for_told),
        cmocka_unit_test(nothing_is_told_while_libvirt_is_away),
        cmocka_unit_test(nothing_is_raised_without_figures_of_the_host),
        cmocka_unit_test(raise_that_waits_is_told_in_parts_and_the_last_bit_too),
        cmocka_unit_test(unknown_target_is_told_even_if_it_changes_nothing),
        cmocka_unit_test(nothing_is_told_while_a_call_is_under_way),
        cmocka_unit_test(minimums_that_do_not_fit_are_told),
        cmocka_unit_test(reasons_follow_from_what_limits),
        cmocka_unit_test(who_is_starved_at_its_maximum_lacks_memory),
        cmocka_unit_test(budget_setting_caps_what_all_have),
        cmocka_unit_test(memory_goes_to_who_stays_when_a_guest_leaves),
        cmocka_unit_test(no_guest_is_stuck_for_want_of_libvirt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
