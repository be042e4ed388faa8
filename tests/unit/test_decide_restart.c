/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restarts on a full host, from the reset to the end of the paging file, in virtual time: what a restart comes to, what a
 * rule that is broken does to it, whatever may happen in whatever phase, and random walks.
 */

#include "test_restart_world.h"

#include "decide/limit.h"

static void
expect_ended_well(RestartWorld *rw, const char *what)
{
    if (rw->broken[0] != '\0')
        fail_msg("%s: %s", what, rw->broken);
    for (size_t i = 0; i < rw->world->count; i++) {
        const GuestPlan *plan = &rw->world->plan.guests[i];

        if (rw->qemu[i].has_file)
            fail_msg("%s: %s still has a file", what, plan->guest->name);
        if (plan->guest->life == GUEST_LIFE_RUNNING && plan->guest->answering &&
            (plan->state != GUEST_STATE_ACTIVE || plan->restart != RESTART_NONE))
            fail_msg("%s: %s is %s, rule %s", what, plan->guest->name, guest_state_name(plan->state),
                     plan_rule_name(plan->rule));
    }
}

/* ---- what a restart comes to ---- */

static void
four_restart_on_a_full_host_and_all_come_back(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    unsigned files = 0;

    restart_world_run(rw, 60);
    for (size_t i = 0; i < 4; i++)
        restart_world_reset(rw, i);
    restart_world_run(rw, 300);
    expect_ended_well(rw, "four");
    for (size_t i = 0; i < 4; i++)
        files += rw->qemu[i].files;
    assert_true(files >= 3);
    restart_world_free(rw);
    (void)state;
}

static void
with_room_no_file_is_made(void **state)
{
    RestartWorld *rw = restart_world_new(4, GIB);

    restart_world_run(rw, 120);
    restart_world_reset(rw, 1);
    restart_world_run(rw, 120);
    expect_ended_well(rw, "room");
    assert_int_equal(rw->qemu[1].files, 0);
    restart_world_free(rw);
    (void)state;
}

static void
a_reset_is_booked_at_what_its_limit_enforces_and_told_startup(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    uint64_t before;

    restart_world_run(rw, 60);
    before = rw->world->plan.guests[0].committed_kib;
    assert_true(rw->qemu[0].high != LIMIT_NONE);
    restart_world_reset(rw, 0);
    restart_world_tick(rw);
    assert_int_equal(rw->world->plan.guests[0].state, GUEST_STATE_RESTARTING);
    assert_int_equal(rw->world->plan.guests[0].restart, RESTART_RESET);
    assert_in_range(rw->world->plan.guests[0].committed_kib, before, before + 2 * WORLD_MARGIN_KIB);
    assert_int_equal(rw->world->plan.guests[0].target_kib, 512 * MIB);
    assert_true(rw->world->plan.guests[0].tell);
    assert_false(rw->world->plan.over_budget);
    restart_world_free(rw);
    (void)state;
}

static bool
unlimited_guest_is_booked_at_its_maximum(Fault fault)
{
    RestartWorld *rw = restart_world_new(2, 4 * GIB);
    bool holds;

    rules_break(fault);
    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    for (unsigned t = 0; t < 20; t++) {
        restart_world_tick(rw);
        rw->qemu[0].high = LIMIT_NONE; /* the limit can be set, and does not come into force */
        rw->qemu[0].set = false;
        rw->qemu[0].slow = true;
    }
    holds = rw->world->plan.guests[0].committed_kib == 2 * GIB;
    restart_world_free(rw);
    return holds;
}

static bool
reset_guest_is_told_its_startup(Fault fault)
{
    RestartWorld *rw = restart_world_new(2, 0);
    bool holds;

    rules_break(fault);
    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    restart_world_tick(rw);
    holds = rw->world->plan.guests[0].tell && rw->world->plan.guests[0].target_kib == 512 * MIB;
    restart_world_free(rw);
    return holds;
}

static bool
file_of_a_guest_that_died_goes(Fault fault)
{
    RestartWorld *rw = restart_world_new(4, 0);
    bool holds;

    rules_break(fault);
    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    restart_world_run(rw, 20);
    assert_true(rw->qemu[0].files > 0);
    restart_world_reset(rw, 1);
    rw->qemu[1].slow = true;
    restart_world_run(rw, 30);
    restart_world_stop(rw, 1);
    restart_world_run(rw, 10);
    holds = rw->broken[0] == '\0' && !rw->qemu[1].has_file;
    restart_world_free(rw);
    return holds;
}

static bool
file_goes_when_it_is_booked(Fault fault)
{
    RestartWorld *rw = restart_world_new(4, 0);
    bool holds;

    rules_break(fault);
    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    /* its services need more than it physically has, so nothing of it can be ballooned away */
    rw->world->fake[0].need = 600 * MIB;
    rw->world->fake[0].lower = 600 * MIB;
    restart_world_run(rw, 200);
    holds = rw->broken[0] == '\0';
    restart_world_free(rw);
    return holds;
}

static const struct {
    const char *name;
    bool (*holds)(Fault fault);
    Fault fault;
} rules[] = {
    {"a guest that nothing limits is booked at its maximum", unlimited_guest_is_booked_at_its_maximum,
     FAULT_TRUST_NO_LIMIT},
    {"a guest that was reset is told its startup", reset_guest_is_told_its_startup, FAULT_RESTART_AT_TARGET},
    {"the file of a guest that died goes", file_of_a_guest_that_died_goes, FAULT_FORGET_FILES},
    {"a file goes when what it holds is booked", file_goes_when_it_is_booked, FAULT_END_UNBOOKED},
};

static void
each_rule_holds_and_is_needed(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (!rules[i].holds(0))
            fail_msg("%s", rules[i].name);
        if (rules[i].holds(rules[i].fault))
            fail_msg("%s, also without its rule", rules[i].name);
        rules_break(FAULT_NONE);
    }
    (void)state;
}

static void
deadlines_press_and_never_kill(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    const GuestPlan *plan;
    uint64_t deadline = rw->world->settings->paging_deadline_usec;
    uint64_t since;

    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    rw->qemu[0].slow = true;
    restart_world_run(rw, 40);
    assert_true(rw->qemu[0].has_file);
    since = rw->qemu[0].file.since_usec;
    while (rw->qemu[0].has_file && rw->world->snapshot.now_usec < since + 2 * deadline && rw->broken[0] == '\0') {
        uint64_t age;

        restart_world_tick(rw);
        plan = &rw->world->plan.guests[0];
        age = rw->world->snapshot.now_usec - since;
        if (paging_file(plan->guest) == NULL)
            break;
        assert_int_equal(plan->paging_urgency, age >= deadline            ? PAGING_URGENCY_OVERDUE
                                               : age >= deadline / 10 * 8 ? PAGING_URGENCY_HARDEST
                                               : age >= deadline / 2      ? PAGING_URGENCY_HARDER
                                                                          : PAGING_URGENCY_NONE);
        assert_int_equal(plan->paging_deadline_usec, since + deadline);
    }
    assert_string_equal(rw->broken, "");
    assert_int_equal(rw->world->guests[0].life, GUEST_LIFE_RUNNING);
    /* it comes to itself in the end */
    rw->qemu[0].slow = false;
    restart_world_run(rw, 600);
    expect_ended_well(rw, "overdue");
    restart_world_free(rw);
    (void)state;
}

static void
nothing_is_paged_where_paging_is_barred(void **state)
{
    for (unsigned bar = 0; bar < 3; bar++) {
        RestartWorld *rw = restart_world_new(4, 0);

        rw->world->settings->paging_enabled = bar != 0;
        rw->world->fake[0].settings.smart_paging = bar != 1;
        rw->world->snapshot.paging_bar = bar == 2 ? "this host has cgroup v1" : NULL;
        restart_world_run(rw, 60);
        restart_world_reset(rw, 0);
        restart_world_run(rw, 20);
        assert_int_equal(rw->world->plan.guests[0].paging_phase, PAGING_PHASE_REFUSED);
        assert_non_null(rw->world->plan.guests[0].paging_bar);
        restart_world_run(rw, 400);
        expect_ended_well(rw, "barred");
        assert_int_equal(rw->qemu[0].files, 0);
        restart_world_free(rw);
    }
    (void)state;
}

static void
start_soon_after_a_stop_is_paged_and_a_cold_start_is_not(void **state)
{
    for (unsigned cold = 0; cold < 2; cold++) {
        RestartWorld *rw = restart_world_new(4, 0);

        restart_world_run(rw, 60);
        restart_world_stop(rw, 0);
        rw->world->other = 350 * MIB; /* somebody else has taken its memory */
        restart_world_run(rw, cold != 0 ? 600 : 20);
        restart_world_start(rw, 0);
        restart_world_run(rw, 60);
        assert_int_equal(rw->qemu[0].files > 0, cold == 0);
        rw->world->other = 0;
        restart_world_run(rw, 600);
        expect_ended_well(rw, cold != 0 ? "cold" : "soon");
        restart_world_free(rw);
    }
    (void)state;
}

/* late: it booted so long ago when it is first seen, because libvirt could not be asked. */
static void
start_and_see_late(uint64_t late_usec)
{
    RestartWorld *rw = restart_world_new(4, 0);
    uint64_t booked;

    restart_world_run(rw, 60);
    restart_world_stop(rw, 0);
    restart_world_run(rw, 20);
    restart_world_admit(rw, 280 * MIB);
    booked = rw->world->plan.starts[0].booked_kib;
    assert_in_range(booked, 280 * MIB, 511 * MIB);
    rw->world->snapshot.start_count = 0;
    restart_world_start(rw, 0);
    rw->world->guests[0].boot_usec -= late_usec;
    restart_world_tick(rw);
    assert_int_equal(rw->world->plan.guests[0].restart, RESTART_SOON);
    assert_in_range(rw->world->plan.guests[0].granted_kib, booked, 511 * MIB);
    assert_int_equal(rw->world->plan.guests[0].committed_kib, rw->world->plan.guests[0].granted_kib);
    restart_world_run(rw, 400);
    expect_ended_well(rw, "booked start");
    restart_world_free(rw);
}

static void
what_was_booked_for_a_start_is_what_its_guest_begins_with(void **state)
{
    start_and_see_late(0);
    (void)state;
}

static void
guest_that_is_seen_late_begins_with_that_too(void **state)
{
    start_and_see_late(12 * SEC);
    (void)state;
}

/* The daemon that let it in, with nothing, is gone, and with it that the guest had stopped a moment before. */
static RestartWorld *
host_with_a_start_of_an_earlier_daemon(void)
{
    RestartWorld *rw = restart_world_new(4, 0);

    restart_world_run(rw, 60);
    restart_world_stop(rw, 0);
    rw->world->other = 350 * MIB;
    restart_world_run(rw, 20);
    restart_world_new_daemon(rw);
    rw->world->guests[0].stop_usec = 0;
    restart_world_admit(rw, 0);
    assert_int_equal(rw->world->plan.starts[0].booked_kib, 0);
    rw->world->snapshot.start_count = 0;
    return rw;
}

static void
start_that_an_earlier_daemon_let_in_as_a_restart_is_one(void **state)
{
    RestartWorld *rw = host_with_a_start_of_an_earlier_daemon();

    restart_world_start(rw, 0);
    restart_world_tick(rw);
    assert_int_equal(rw->world->plan.guests[0].restart, RESTART_SOON);
    assert_in_range(rw->world->plan.guests[0].committed_kib, 0, 200 * MIB);
    restart_world_run(rw, 60);
    assert_true(rw->qemu[0].files > 0);
    rw->world->other = 0;
    restart_world_run(rw, 600);
    expect_ended_well(rw, "let in with nothing");
    /* its next run is a start of its own */
    restart_world_start(rw, 0);
    restart_world_tick(rw);
    assert_int_equal(rw->world->plan.guests[0].restart, RESTART_NONE);
    restart_world_free(rw);
    (void)state;
}

static RestartKind
kind_of_what_comes(unsigned after, bool resumed)
{
    RestartWorld *rw = host_with_a_start_of_an_earlier_daemon();
    RestartKind kind;

    restart_world_run(rw, after);
    restart_world_start(rw, 0);
    rw->world->guests[0].boot_resumed = resumed;
    restart_world_tick(rw);
    kind = rw->world->plan.guests[0].restart;
    restart_world_free(rw);
    return kind;
}

static void
start_that_was_let_in_is_none_where_it_is_no_boot_or_ended_in_nothing(void **state)
{
    assert_int_equal(kind_of_what_comes(0, false), RESTART_SOON);
    assert_int_equal(kind_of_what_comes(0, true), RESTART_NONE);
    assert_int_equal(kind_of_what_comes(10, false), RESTART_NONE);
    (void)state;
}

/* For five seconds, and not where it is known that it will have no limit. It is the first that this daemon sees. */
static void
guest_whose_cgroup_is_not_found_yet_is_not_booked_at_its_maximum(void **state)
{
    for (unsigned barred = 0; barred < 2; barred++) {
        RestartWorld *rw = restart_world_new(1, 0);
        uint64_t booked;

        restart_world_stop(rw, 0);
        restart_world_run(rw, 10);
        restart_world_new_daemon(rw);
        restart_world_run(rw, 1);
        restart_world_start(rw, 0);
        rw->world->snapshot.now_usec += SEC;
        restart_world_observe(rw);
        rw->world->guests[0].limits = (GuestLimits){.bar = barred ? "no" : NULL, .high_kib = LIMIT_NONE};
        decide(rw->world->state, &rw->world->snapshot, rw->world->settings, false, &rw->world->plan);
        booked = rw->world->plan.guests[0].committed_kib;
        assert_in_range(booked, barred ? 2 * GIB : 0, barred ? 2 * GIB : 512 * MIB);
        for (unsigned t = 0; t < 6; t++) {
            rw->world->snapshot.now_usec += SEC;
            decide(rw->world->state, &rw->world->snapshot, rw->world->settings, false, &rw->world->plan);
        }
        assert_int_equal(rw->world->plan.guests[0].committed_kib, 2 * GIB);
        restart_world_free(rw);
    }
    (void)state;
}

/* What a QEMU costs is learnt, and a new daemon has an estimate only: more, where the guest is emulated. */
static void
new_daemon_takes_guests_over_with_what_they_were_granted(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    uint64_t booked[4], limit[4];

    for (size_t i = 0; i < 4; i++)
        rw->world->fake[i].settings.emulated = true;
    restart_world_run(rw, 900);
    for (size_t i = 0; i < 4; i++) {
        booked[i] = rw->world->plan.guests[i].committed_kib;
        limit[i] = rw->qemu[i].high;
        assert_true(rw->world->plan.guests[i].overhead_kib + 64 * MIB <
                    overhead_estimate(&rw->world->fake[i].settings));
    }
    restart_world_new_daemon(rw);
    for (unsigned t = 0; t < 30; t++) {
        restart_world_tick(rw);
        for (size_t i = 0; i < 4; i++) {
            assert_in_range(rw->world->plan.guests[i].committed_kib, booked[i] - 16 * MIB, booked[i] + 16 * MIB);
            assert_in_range(rw->qemu[i].high, limit[i] - 16 * MIB, limit[i] + 16 * MIB);
        }
    }
    restart_world_free(rw);
    (void)state;
}

static void
new_daemon_leaves_the_file_to_a_guest_that_still_boots(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);

    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    rw->qemu[0].wedged = true; /* it has touched nothing yet when the daemon goes, and for a while after */
    restart_world_run(rw, 5);
    assert_true(rw->qemu[0].has_file);
    restart_world_new_daemon(rw);
    restart_world_run(rw, 60);
    assert_true(rw->qemu[0].has_file);
    assert_int_equal(rw->world->plan.guests[0].state, GUEST_STATE_PAGING);
    assert_int_equal(rw->world->plan.guests[0].rule, PLAN_RULE_PAGING);
    /* what its driver says first is the size from before the reset, and not believed yet */
    restart_world_driver_up(rw, 0);
    restart_world_run(rw, 2);
    assert_int_equal(rw->qemu[0].file.stage, PAGING_STAGE_ON);
    rw->qemu[0].wedged = false;
    restart_world_run(rw, 300);
    expect_ended_well(rw, "new daemon");
    restart_world_free(rw);
    (void)state;
}

static void
guest_with_a_file_is_booked_at_what_its_limit_lets_in(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    uint64_t booked;

    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    rw->qemu[0].wedged = true;
    restart_world_run(rw, 8);
    assert_int_equal(rw->qemu[0].file.stage, PAGING_STAGE_ON);
    booked = rw->world->plan.guests[0].committed_kib;
    rw->qemu[0].high += 300 * MIB;
    restart_world_tick(rw);
    assert_true(rw->world->plan.guests[0].committed_kib >= booked + 250 * MIB);
    restart_world_free(rw);
    (void)state;
}

/* After a reset SeaBIOS resets once more. What QEMU costs is learnt anew meanwhile, and the limit does not say more by that. */
static void
second_reset_is_booked_as_the_first(void **state)
{
    RestartWorld *rw = restart_world_new(4, 200 * MIB);

    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    restart_world_run(rw, 3);
    rw->qemu[0].high += 120 * MIB;
    restart_world_reset(rw, 0);
    restart_world_run(rw, 3); /* the limit comes down to what was granted, and with it what is booked */
    assert_false(rw->world->plan.over_budget);
    restart_world_run(rw, 300);
    expect_ended_well(rw, "two resets");
    restart_world_free(rw);
    (void)state;
}

static void
guest_that_is_seen_late_is_booked_at_what_it_holds(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);

    restart_world_run(rw, 60);
    restart_world_stop(rw, 0);
    restart_world_run(rw, 20);
    restart_world_admit(rw, 280 * MIB);
    assert_in_range(rw->world->plan.starts[0].booked_kib, 280 * MIB, 400 * MIB);
    rw->world->snapshot.start_count = 0;
    restart_world_start(rw, 0);
    rw->world->guests[0].boot_usec -= 12 * SEC;
    rw->qemu[0].touched = 450 * MIB;
    restart_world_tick(rw);
    /* but for what it may have of the slack of its limit */
    assert_in_range(rw->world->plan.guests[0].committed_kib, 450 * MIB - LIMIT_LEAST_SLACK_KIB * 3 / 2, 512 * MIB);
    restart_world_free(rw);
    (void)state;
}

static void
restored_guest_is_no_restart_and_is_not_told_startup(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);

    restart_world_run(rw, 60);
    restart_world_stop(rw, 0);
    restart_world_run(rw, 10);
    restart_world_start(rw, 0);
    rw->world->guests[0].boot_resumed = true;
    restart_world_tick(rw);
    assert_int_equal(rw->world->plan.guests[0].restart, RESTART_NONE);
    assert_false(rw->world->plan.guests[0].tell);
    assert_int_equal(rw->world->plan.guests[0].paging_phase, PAGING_PHASE_NONE);
    restart_world_free(rw);
    (void)state;
}

/* ---- what must not keep a file from being ended ---- */

static void
make_paused(RestartWorld *rw)
{
    rw->world->guests[0].life = GUEST_LIFE_PAUSED;
}

static void
make_migrating(RestartWorld *rw)
{
    rw->world->guests[0].migrating = true;
}

static void
make_link_down(RestartWorld *rw)
{
    rw->world->snapshot.host.link = WORLD_LINK_DOWN;
}

static void
make_off_and_link_down(RestartWorld *rw)
{
    restart_world_stop(rw, 0);
    make_link_down(rw);
}

/* Its driver is back, or it still boots. */
static void
file_goes_while_its_guest_can_not_be_told_anything(void **state)
{
    static void (*const hindrances[])(RestartWorld * rw) = {make_paused, make_migrating, make_link_down,
                                                            make_off_and_link_down};

    for (size_t h = 0; h < 2 * G_N_ELEMENTS(hindrances); h++) {
        RestartWorld *rw = restart_world_new(4, 0);

        restart_world_run(rw, 60);
        restart_world_reset(rw, 0);
        rw->qemu[0].slow = true;
        /* its services need more than it physically has, so nothing of it can be ballooned away */
        rw->world->fake[0].need = rw->world->fake[0].lower = 600 * MIB;
        restart_world_run(rw, 40);
        assert_true(rw->qemu[0].swapped > 0);
        if (h % 2 != 0)
            restart_world_driver_up(rw, 0);
        restart_world_run(rw, 20);
        assert_true(rw->qemu[0].has_file);
        hindrances[h / 2](rw);
        restart_world_run(rw, 60);
        rw->world->snapshot.host.figures.total_kib += 900 * MIB;
        restart_world_run(rw, 100);
        assert_string_equal(rw->broken, "");
        if (rw->qemu[0].has_file)
            fail_msg("case %zu: its file is still there", h);
        restart_world_free(rw);
    }
    (void)state;
}

/* ---- a new daemon ---- */

/* It reads guests one after another: what the others hold is not free, though nobody is booked at it yet. */
static void
guest_that_boots_is_given_nothing_before_the_others_are_known(void **state)
{
    RestartWorld *rw = restart_world_new(4, 0);
    FakeWorld *world = rw->world;
    uint64_t granted;

    restart_world_run(rw, 60);
    restart_world_reset(rw, 0);
    rw->qemu[0].slow = true;
    restart_world_run(rw, 20);
    granted = world->plan.guests[0].granted_kib;
    restart_world_new_daemon(rw);
    world->snapshot.host.link = WORLD_LINK_DOWN;
    world->snapshot.host.unread = true;
    world->count = world->snapshot.guest_count = 1;
    restart_world_run(rw, 3);
    /* as its limit says, which has a little slack in it */
    assert_in_range(world->plan.guests[0].granted_kib, 0, granted + 16 * MIB);
    world->snapshot.host.link = WORLD_LINK_READ_WRITE;
    world->snapshot.host.unread = false;
    world->count = world->snapshot.guest_count = 4;
    restart_world_run(rw, 10);
    assert_string_equal(rw->broken, "");
    assert_in_range(world->plan.committed_kib, 0, world->plan.budget_kib + 4 * 16 * MIB);
    restart_world_free(rw);
    (void)state;
}

/* ---- everything that may happen, in every phase ---- */

typedef enum Event {
    EVENT_RESET,
    EVENT_DIES,
    EVENT_STOPS_AND_STARTS,
    EVENT_PAUSED,
    EVENT_MIGRATES,
    EVENT_HANGS,
    EVENT_WEDGED,
    EVENT_NEW_DAEMON,
    EVENT_LINK_DOWN,
    EVENT_READ_ONLY,
    EVENT_DRY,
    EVENT_PAGING_OFF,
    EVENT_LIMITS_OFF,
    EVENT_UNMANAGED,
    EVENT_MAKE_FAILS,
    EVENT_HOST_TAKES,
    EVENT_NO_FIGURES,
    EVENT_COUNT,
} Event;

static const char *const event_names[] = {"reset",      "dies",       "stops and starts", "paused",    "migrates",
                                          "hangs",      "wedged",     "new daemon",       "link down", "read-only",
                                          "dry",        "paging off", "limits off",       "unmanaged", "make fails",
                                          "host takes", "no figures"};

static void
begin_event(RestartWorld *rw, size_t i, Event event)
{
    FakeWorld *world = rw->world;
    GuestSnapshot *guest = &world->guests[i];

    switch (event) {
    case EVENT_RESET:
        if (guest->life == GUEST_LIFE_RUNNING)
            restart_world_reset(rw, i);
        break;
    case EVENT_DIES:
    case EVENT_STOPS_AND_STARTS:
        if (guest->life != GUEST_LIFE_OFF)
            restart_world_stop(rw, i);
        break;
    case EVENT_PAUSED:
        if (guest->life == GUEST_LIFE_RUNNING)
            guest->life = GUEST_LIFE_PAUSED;
        break;
    case EVENT_MIGRATES:
        guest->migrating = true;
        break;
    case EVENT_HANGS:
        guest->answering = false;
        break;
    case EVENT_WEDGED:
        rw->qemu[i].wedged = rw->qemu[i].booting;
        break;
    case EVENT_NEW_DAEMON:
        restart_world_new_daemon(rw);
        break;
    case EVENT_LINK_DOWN:
        world->snapshot.host.link = WORLD_LINK_DOWN;
        break;
    case EVENT_READ_ONLY:
        world->snapshot.host.link = WORLD_LINK_READ_ONLY;
        break;
    case EVENT_DRY:
        world->dry = true;
        break;
    case EVENT_PAGING_OFF:
        world->settings->paging_enabled = false;
        break;
    case EVENT_LIMITS_OFF:
        world->settings->memory_high = false;
        break;
    case EVENT_UNMANAGED:
        world->fake[i].settings.managed = false;
        break;
    case EVENT_MAKE_FAILS:
        rw->qemu[i].make_fails = true;
        break;
    case EVENT_HOST_TAKES:
        world->other = 100 * MIB;
        break;
    case EVENT_NO_FIGURES:
        world->snapshot.host.figures_valid = false;
        break;
    case EVENT_COUNT:
    default:
        break;
    }
}

static void
end_event(RestartWorld *rw, size_t i, Event event)
{
    FakeWorld *world = rw->world;
    GuestSnapshot *guest = &world->guests[i];

    if (event == EVENT_STOPS_AND_STARTS && guest->life == GUEST_LIFE_OFF)
        restart_world_start(rw, i);
    if (guest->life == GUEST_LIFE_PAUSED)
        guest->life = GUEST_LIFE_RUNNING;
    guest->migrating = false;
    guest->answering = true;
    rw->qemu[i].wedged = false;
    rw->qemu[i].make_fails = false;
    world->snapshot.host.link = WORLD_LINK_READ_WRITE;
    world->snapshot.host.figures_valid = true;
    world->dry = false;
    world->settings->paging_enabled = true;
    world->settings->memory_high = true;
    world->fake[i].settings.managed = true;
    world->other = 0;
}

/* Brings guest 0 to phase; returns whether it got there. */
static bool
reach(RestartWorld *rw, PagingPhase phase)
{
    if (phase == PAGING_PHASE_WAIT) /* others have something to give */
        for (size_t i = 1; i < 4; i++)
            rw->world->fake[i].need = 300 * MIB;
    restart_world_run(rw, 60);
    rw->qemu[0].make_fails = phase == PAGING_PHASE_REFUSED;
    restart_world_reset(rw, 0);
    if (phase != PAGING_PHASE_WAIT)
        restart_world_reset(rw, 1);
    for (unsigned t = 0; t < 300; t++) {
        restart_world_tick(rw);
        if (rw->world->plan.guests[0].paging_phase == phase)
            return true;
    }
    return false;
}

static void
whatever_happens_in_whatever_phase_it_ends_well(void **state)
{
    static const PagingPhase phases[] = {PAGING_PHASE_WAIT,  PAGING_PHASE_MAKE,  PAGING_PHASE_BOOT,
                                         PAGING_PHASE_LEAVE, PAGING_PHASE_EMPTY, PAGING_PHASE_REFUSED};

    for (size_t p = 0; p < G_N_ELEMENTS(phases); p++) {
        for (int event = 0; event < EVENT_COUNT; event++) {
            for (unsigned lasts = 1; lasts <= 100; lasts += 33) {
                RestartWorld *rw = restart_world_new(4, 0);
                g_autofree char *what =
                    g_strdup_printf("%s for %u s while %s", event_names[event], lasts, paging_phase_name(phases[p]));

                if (!reach(rw, phases[p]))
                    fail_msg("%s is not reached: %s", paging_phase_name(phases[p]), rw->broken);
                begin_event(rw, 0, (Event)event);
                restart_world_run(rw, lasts);
                end_event(rw, 0, (Event)event);
                restart_world_run(rw, 1200);
                expect_ended_well(rw, what);
                restart_world_free(rw);
            }
        }
    }
    (void)state;
}

/* ---- random walks ---- */

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
random_walks_end_well(void **state)
{
    for (uint64_t run = 1; run <= 150; run++) {
        RestartWorld *rw = restart_world_new(5, run % 3 * 150 * MIB);
        g_autofree char *what = g_strdup_printf("walk %" PRIu64, run);
        uint64_t seed = run * 0x9e3779b97f4a7c15;

        restart_world_run(rw, 60);
        for (unsigned step = 0; step < 30 && rw->broken[0] == '\0'; step++) {
            size_t i = next_random(&seed) % 5;
            Event event = (Event)(next_random(&seed) % EVENT_COUNT);

            if (next_random(&seed) % 3 != 0)
                event = EVENT_RESET;
            rw->world->fake[i].need = (200 + next_random(&seed) % 200) * MIB;
            rw->qemu[i].most = (400 + next_random(&seed) % 800) * MIB;
            begin_event(rw, i, event);
            restart_world_run(rw, (unsigned)(next_random(&seed) % 40));
            end_event(rw, i, event);
            if (event == EVENT_DIES && rw->world->guests[i].life == GUEST_LIFE_OFF)
                restart_world_start(rw, i);
        }
        for (size_t i = 0; i < 5; i++)
            rw->world->fake[i].need = 240 * MIB;
        restart_world_run(rw, 1500);
        expect_ended_well(rw, what);
        restart_world_free(rw);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_restart_on_a_full_host_and_all_come_back),
        cmocka_unit_test(with_room_no_file_is_made),
        cmocka_unit_test(a_reset_is_booked_at_what_its_limit_enforces_and_told_startup),
        cmocka_unit_test(each_rule_holds_and_is_needed),
        cmocka_unit_test(deadlines_press_and_never_kill),
        cmocka_unit_test(nothing_is_paged_where_paging_is_barred),
        cmocka_unit_test(start_soon_after_a_stop_is_paged_and_a_cold_start_is_not),
        cmocka_unit_test(what_was_booked_for_a_start_is_what_its_guest_begins_with),
        cmocka_unit_test(guest_that_is_seen_late_begins_with_that_too),
        cmocka_unit_test(start_that_an_earlier_daemon_let_in_as_a_restart_is_one),
        cmocka_unit_test(start_that_was_let_in_is_none_where_it_is_no_boot_or_ended_in_nothing),
        cmocka_unit_test(guest_that_is_seen_late_is_booked_at_what_it_holds),
        cmocka_unit_test(guest_whose_cgroup_is_not_found_yet_is_not_booked_at_its_maximum),
        cmocka_unit_test(new_daemon_takes_guests_over_with_what_they_were_granted),
        cmocka_unit_test(new_daemon_leaves_the_file_to_a_guest_that_still_boots),
        cmocka_unit_test(guest_with_a_file_is_booked_at_what_its_limit_lets_in),
        cmocka_unit_test(second_reset_is_booked_as_the_first),
        cmocka_unit_test(restored_guest_is_no_restart_and_is_not_told_startup),
        cmocka_unit_test(file_goes_while_its_guest_can_not_be_told_anything),
        cmocka_unit_test(guest_that_boots_is_given_nothing_before_the_others_are_known),
        cmocka_unit_test(whatever_happens_in_whatever_phase_it_ends_well),
        cmocka_unit_test(random_walks_end_well),
    };

    return cmocka_run_group_tests_name("decide_restart", tests, NULL, NULL);
}
