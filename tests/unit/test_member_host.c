/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a cluster is told of this host and its guests. */

#include "cmocka_all.h"
#include "fake_tick.h"
#include "member/host.h"

#include <string.h>

#define RESOURCE "vm-web"

static bool
candidate_of(const FakeTick *tick, size_t index, ClusterCandidate *candidate)
{
    return host_candidate(&tick->plan.guests[index], &tick->snapshot, RESOURCE, candidate);
}

static bool
is_movable(const FakeTick *tick)
{
    ClusterCandidate candidate = {.movable = false};

    return candidate_of(tick, 0, &candidate) && candidate.movable;
}

static void
guest_comes_with_what_it_has_and_what_it_wants(void **state)
{
    g_autoptr(FakeTick) tick = fake_tick_new();
    GuestPlan *plan = fake_tick_add(tick, "web");
    ClusterCandidate candidate;

    plan->overhead_kib = 100 * KIB_PER_MIB;
    assert_true(candidate_of(tick, 0, &candidate));
    assert_true(candidate.movable);
    assert_false(candidate.leaving);
    assert_string_equal(candidate.guest.resource, RESOURCE);
    assert_string_equal(candidate.guest.uuid, plan->guest->uuid);
    assert_int_equal(candidate.guest.brings_kib, MAX(plan->committed_kib, plan->guest->actual_kib));
    assert_int_equal(candidate.guest.want_kib, plan->want_kib);
    assert_int_equal(candidate.guest.overhead_kib, 100 * KIB_PER_MIB);
    /* it may have that by the time when it is sent */
    plan->want_kib = 3 * KIB_PER_GIB;
    assert_true(candidate_of(tick, 0, &candidate));
    assert_int_equal(candidate.guest.brings_kib, 3 * KIB_PER_GIB);
    /* its devices come with it, and nobody takes any of what is not ballooned */
    fake_tick_settings(tick, 0)->fixed_kib = KIB_PER_GIB;
    fake_tick_settings(tick, 0)->mode = GUEST_MODE_STATIC;
    assert_true(candidate_of(tick, 0, &candidate));
    assert_int_equal(candidate.guest.brings_kib, fake_tick_settings(tick, 0)->maximum_kib + KIB_PER_GIB);
    assert_int_equal(candidate.guest.maximum_kib, candidate.guest.brings_kib);
    assert_int_equal(candidate.guest.want_kib, plan->committed_kib);
}

static void
who_is_not_here_is_none(void **state)
{
    g_autoptr(FakeTick) tick = fake_tick_new();
    g_autoptr(GHashTable) guests = NULL;
    ClusterCandidate candidate;

    fake_tick_add(tick, "web");
    guests = host_guests(&tick->plan);
    fake_tick_snapshot(tick, 0)->life = GUEST_LIFE_OFF;
    assert_false(candidate_of(tick, 0, &candidate));
    fake_tick_snapshot(tick, 0)->life = GUEST_LIFE_RUNNING;
    assert_false(host_candidate(&tick->plan.guests[0], &tick->snapshot, "no name", &candidate));
    assert_ptr_equal(host_guest_called(guests, "web"), &tick->plan.guests[0]);
    assert_ptr_equal(host_guest_called(guests, tick->uuids[0]), &tick->plan.guests[0]);
    assert_null(host_guest_called(guests, "db"));
}

/* One thing after the other stands against it. */
static void
who_is_not_settled_stays(void **state)
{
    g_autoptr(FakeTick) tick = fake_tick_new();
    GuestPlan *plan = fake_tick_add(tick, "web");
    GuestSnapshot *guest = fake_tick_snapshot(tick, 0);
    GuestSettings *settings = fake_tick_settings(tick, 0);
    static const GuestState states[] = {GUEST_STATE_STARTING,     GUEST_STATE_RESTARTING, GUEST_STATE_PAGING,
                                        GUEST_STATE_STUCK,        GUEST_STATE_SUSPENDED,  GUEST_STATE_MIGRATING,
                                        GUEST_STATE_UNRESPONSIVE, GUEST_STATE_STATIC};
    static const BalloonBar bars[] = {BALLOON_VFIO, BALLOON_VDPA, BALLOON_NVME, BALLOON_SEV};
    static const PlanRule rules[] = {PLAN_RULE_ADOPTING, PLAN_RULE_BROUGHT};
    ClusterCandidate candidate;

    assert_true(is_movable(tick));
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        plan->state = states[i];
        assert_false(is_movable(tick));
    }
    plan->state = GUEST_STATE_ACTIVE;
    for (size_t i = 0; i < G_N_ELEMENTS(bars); i++) {
        settings->bar = bars[i];
        assert_false(is_movable(tick));
    }
    settings->bar = BALLOON_USABLE;
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        plan->rule = rules[i];
        assert_false(is_movable(tick));
    }
    plan->rule = PLAN_RULE_SATISFIED;
    guest->fresh = false;
    assert_false(is_movable(tick));
    guest->fresh = true;
    fake_tick_file(tick, 0, PAGING_STAGE_ON);
    assert_false(is_movable(tick));
    fake_tick_drop_files(tick);
    guest->answering = false;
    assert_false(is_movable(tick));
    guest->answering = true;
    settings->hugepages_kib = KIB_PER_GIB;
    assert_false(is_movable(tick));
    settings->hugepages_kib = 0;
    tick->snapshot.host.link = WORLD_LINK_DOWN;
    assert_false(is_movable(tick));
    tick->snapshot.host.link = WORLD_LINK_READ_WRITE;
    assert_true(is_movable(tick));
    guest->migrating = true;
    assert_true(candidate_of(tick, 0, &candidate));
    assert_true(candidate.leaving && !candidate.movable);
    guest->migrating = false;
    plan->state = GUEST_STATE_STATIC;
    plan->rule = PLAN_RULE_UNMANAGED;
    assert_true(is_movable(tick));
}

static void
sums_are_of_all_that_run_with_their_overheads_and_what_is_booked(void **state)
{
    g_autoptr(FakeTick) tick = fake_tick_new();
    const StartRating rating = {.buffers_kib = 5 * KIB_PER_GIB};
    GuestPlan *web = fake_tick_add(tick, "web"), *db = fake_tick_add(tick, "db");
    ClusterHost host = {.level = CLUSTER_LEVEL_OFF};

    fake_tick_add(tick, "off");
    fake_tick_snapshot(tick, 2)->life = GUEST_LIFE_OFF;
    fake_tick_settings(tick, 1)->mode = GUEST_MODE_STATIC;
    db->committed_kib = 4 * KIB_PER_GIB;
    tick->plan.overhead_kib = KIB_PER_GIB;
    tick->plan.reserved_kib = 2 * KIB_PER_GIB;
    tick->snapshot.host.figures_valid = true;
    tick->snapshot.host.figures.available_kib = 3 * KIB_PER_GIB;
    host_sums(&tick->plan, &tick->snapshot, &rating, &host);
    assert_int_equal(host.budget_kib, tick->plan.budget_kib + KIB_PER_GIB);
    assert_int_equal(host.want_kib, web->want_kib + 4 * KIB_PER_GIB + KIB_PER_GIB + 2 * KIB_PER_GIB);
    assert_int_equal(host.free_kib, tick->plan.free_kib);
    assert_int_equal(host.reclaimable_kib, 5 * KIB_PER_GIB);
    assert_int_equal(host.available_kib, 3 * KIB_PER_GIB);
    tick->snapshot.host.link = WORLD_LINK_DOWN;
    host_sums(&tick->plan, &tick->snapshot, &rating, &host);
    assert_int_equal(host.free_kib + host.reclaimable_kib, 0);
}

static void
typical_guest_is_the_same_on_all_hosts_but_small_ones(void **state)
{
    const Plan large = {.budget_kib = 500 * KIB_PER_GIB}, small = {.budget_kib = 8 * KIB_PER_GIB}, none = {0};

    assert_int_equal(host_typical_kib(&large), 2 * KIB_PER_GIB);
    assert_int_equal(host_typical_kib(&small), KIB_PER_GIB);
    assert_true(host_typical_kib(&none) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_comes_with_what_it_has_and_what_it_wants),
        cmocka_unit_test(who_is_not_here_is_none),
        cmocka_unit_test(who_is_not_settled_stays),
        cmocka_unit_test(sums_are_of_all_that_run_with_their_overheads_and_what_is_booked),
        cmocka_unit_test(typical_guest_is_the_same_on_all_hosts_but_small_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
