/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The decision as a whole, in a small closed loop: what must hold, one situation each. Where a single rule
 * makes it hold, the situation is run once more with that rule broken and must then fail.
 */

#include "test_decide_world.h"

/* ---- situations: each says whether what its name claims holds ---- */

/* Targets and balloons together, as an outsider sees them. */
static uint64_t
promised(const FakeWorld *world)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < world->count; i++)
        sum += MAX(world->fake[i].actual, world->guests[i].target_kib);
    return sum;
}

static FakeWorld *
broken_world(size_t count, uint64_t actual, uint64_t need, Fault fault)
{
    FakeWorld *world = world_of(count, actual, need);

    rules_break(fault);
    return world;
}

static bool
memory_is_never_promised_twice(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 2500 * MIB, fault);
    bool holds = true;

    world->snapshot.host.figures.total_kib = 64 * GIB;
    world->settings->budget_kib = 30 * GIB;
    for (size_t i = 0; i < world->count; i++)
        world->fake[i].inflate = 100 * MIB;
    for (unsigned t = 0; t < 300; t++) {
        for (size_t i = 0; i < world->count; i++)
            world->fake[i].need = ((t / 30 + i) % 2 != 0 ? 4500 : 2500) * MIB;
        world_tick(world);
        holds = holds && promised(world) <= 30 * GIB;
    }
    world_free(world);
    return holds;
}

static bool
what_did_not_come_free_is_not_given_away(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 4 * GIB, fault);
    bool holds = true;

    world->fake[0].actual = world->guests[0].target_kib = 8 * GIB;
    world->fake[0].need = 512 * MIB;
    world->fake[0].inhibited = true;
    for (unsigned t = 0; t < 120; t++) {
        uint64_t resident = 0;

        world_tick(world);
        for (size_t i = 0; i < world->count; i++)
            resident += world->fake[i].resident;
        holds = holds && resident <= 30 * GIB;
    }
    world_free(world);
    return holds;
}

static bool
short_dip_of_the_load_moves_no_target(Fault fault)
{
    FakeWorld *world = broken_world(4, 3 * GIB, 2500 * MIB, fault);
    unsigned before;
    bool holds;

    world_run(world, 120);
    before = world->fake[0].changes;
    for (unsigned dip = 0; dip < 5; dip++) {
        world->fake[0].need = GIB;
        world_run(world, 20);
        world->fake[0].need = 2500 * MIB;
        world_run(world, 20);
    }
    holds = world->fake[0].changes == before;
    world_free(world);
    return holds;
}

static bool
reset_guest_is_booked_at_its_maximum(Fault fault)
{
    FakeWorld *world = broken_world(3, 2 * GIB, GIB, fault);
    bool holds = true;

    world_run(world, 70);
    world_reset(world, 0);
    for (unsigned t = 0; t < 10; t++) {
        world_tick(world);
        holds = holds && world->plan.guests[0].committed_kib == 8 * GIB &&
                world->plan.guests[0].state == GUEST_STATE_RESTARTING;
    }
    world_driver_up(world, 0);
    world_run(world, 60);
    holds = holds && world->plan.guests[0].state == GUEST_STATE_ACTIVE &&
            world->plan.guests[0].committed_kib == world->fake[0].actual;
    world_free(world);
    return holds;
}

static bool
shortage_is_shared_by_weight_to_one_percent(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 7 * GIB, fault);
    uint64_t level;
    bool holds = true;

    for (size_t i = 0; i < 8; i++)
        world->fake[i].settings.priority = (uint32_t)i / 2;
    world_run(world, 300);
    level = (world->plan.sharing_kib - 8 * GIB) / 20;
    for (size_t i = 0; i < 8; i++) {
        uint64_t exact = GIB + level * (i / 2 + 1);

        holds = holds && world->fake[i].actual + exact / 100 >= exact && world->fake[i].actual <= exact + exact / 100;
    }
    world_free(world);
    return holds;
}

static bool
nobody_gets_buffer_before_everybody_has_demand(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 3300 * MIB, fault);
    bool holds = true;

    world->fake[0].settings.priority = 0;
    world_run(world, 120);
    for (size_t i = 0; i < 8; i++)
        holds = holds && world->fake[i].actual >= world->fake[i].need;
    world_free(world);
    return holds;
}

static bool
stale_guest_is_not_shrunk(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 2 * GIB, fault);
    bool holds;

    world_run(world, 5);
    world->fake[0].mute = true;
    world->guests[0].fresh = false;
    for (size_t i = 1; i < 8; i++)
        world->fake[i].need = 6 * GIB;
    world_run(world, 60);
    holds = world->fake[0].actual == 3 * GIB && world->plan.guests[0].rule == PLAN_RULE_STALE;
    world_free(world);
    return holds;
}

static unsigned
changes_by_noise(uint64_t need_mib, uint64_t host_noise_mib, Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, need_mib * MIB, fault);
    unsigned before[8];
    unsigned most = 0;
    uint32_t seed = 1;

    for (unsigned t = 0; t < 1200; t++) {
        for (size_t i = 0; i < 8; i++) {
            seed = seed * 1103515245 + 12345;
            if (host_noise_mib == 0)
                world->fake[i].need = (need_mib - 150 + (seed >> 8) % 301) * MIB;
        }
        world->other = host_noise_mib == 0 ? 0 : 2 * GIB + (seed >> 8) % host_noise_mib * MIB;
        if (t == 600) {
            for (size_t i = 0; i < 8; i++)
                before[i] = world->fake[i].changes;
        }
        world_tick(world);
    }
    for (size_t i = 0; i < 8; i++)
        most = MAX(most, world->fake[i].changes - before[i]);
    world_free(world);
    return most;
}

static bool
noise_moves_no_target_where_there_is_room(Fault fault)
{
    return changes_by_noise(2000, 0, fault) <= 2;
}

static bool
noise_moves_no_target_where_there_is_none(Fault fault)
{
    return changes_by_noise(3550, 0, fault) <= 2;
}

static bool
noise_of_the_host_moves_no_target(Fault fault)
{
    return changes_by_noise(7000, 300, fault) <= 2;
}

static bool
shrinking_goes_in_steps(Fault fault)
{
    FakeWorld *world = broken_world(1, 8 * GIB, GIB, fault);
    bool holds = true;

    world->fake[0].inflate = 50 * MIB;
    for (unsigned t = 0; t < 600; t++) {
        uint64_t actual = world->fake[0].actual;

        world_tick(world);
        holds = holds && world->guests[0].target_kib + MAX(actual / 10, 256 * MIB) >= actual;
    }
    holds = holds && world->fake[0].actual < 3 * GIB;
    world_free(world);
    return holds;
}

static bool
guest_that_crawls_is_flagged(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 4 * GIB, fault);
    bool flagged = false;

    world->fake[0].need = 512 * MIB;
    world->fake[0].inflate = 4;
    for (unsigned t = 0; t < 60; t++) {
        world_tick(world);
        flagged = flagged || (world->plan.guests[0].state == GUEST_STATE_STUCK && world->plan.guests[0].flagged_usec);
    }
    world_free(world);
    return flagged;
}

static bool
stuck_guest_is_left_out_and_its_target_drawn_back(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 4 * GIB, fault);
    bool holds;

    world->fake[0].need = 512 * MIB;
    world->fake[0].inflate = world->fake[0].deflate = 0;
    world_run(world, 50);
    holds = world->plan.guests[0].state == GUEST_STATE_STUCK && world->guests[0].target_kib == world->fake[0].actual &&
            world->plan.guests[0].rule == PLAN_RULE_STUCK && world->plan.guests[0].retry_usec != 0;
    /* and is taken back when it moves again */
    world->fake[0].inflate = world->fake[0].deflate = 400 * MIB;
    world_run(world, 200);
    holds = holds && world->plan.guests[0].state == GUEST_STATE_ACTIVE && world->fake[0].actual < 2 * GIB;
    world_free(world);
    return holds;
}

static bool
guest_that_works_one_second_in_twenty_is_flagged(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 4 * GIB, fault);
    bool flagged = false;

    world->fake[0].actual = world->guests[0].target_kib = 8 * GIB;
    world->fake[0].need = 512 * MIB;
    for (unsigned t = 0; t < 300; t++) {
        world->fake[0].inflate = t % 20 == 19 ? 400 * MIB : 0;
        world_tick(world);
        flagged = flagged || world->plan.guests[0].state == GUEST_STATE_STUCK;
    }
    world_free(world);
    return flagged;
}

static bool
need_that_a_guest_cannot_show_is_met_at_once(Fault fault)
{
    FakeWorld *world = broken_world(8, 1500 * MIB, 1200 * MIB, fault);
    bool holds;

    world_run(world, 120);
    world->fake[0].need = 6100 * MIB;
    world_run(world, 6);
    holds = world->fake[0].actual >= world->fake[0].need;
    world_free(world);
    return holds;
}

static bool
inhibited_balloon_is_found(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 4 * GIB, fault);
    bool holds;

    world->fake[0].actual = world->guests[0].target_kib = 6 * GIB;
    world->fake[0].inhibited = true;
    world->fake[0].need = GIB;
    world_run(world, 120);
    holds = world->plan.guests[0].state == GUEST_STATE_STATIC && world->plan.guests[0].rule == PLAN_RULE_INHIBITED &&
            world->plan.guests[0].committed_kib == 8 * GIB;
    world_free(world);
    return holds;
}

static bool
guest_is_not_squeezed_before_it_has_settled(Fault fault)
{
    FakeWorld *world = broken_world(8, 3 * GIB, 6 * GIB, fault);
    bool holds;

    world->guests[0].driver_usec = world->snapshot.now_usec;
    world->fake[0].need = 512 * MIB;
    world_run(world, 8);
    holds = world->fake[0].actual == 3 * GIB && world->plan.guests[0].rule == PLAN_RULE_SETTLING;
    world_run(world, 30);
    holds = holds && world->fake[0].actual < 2 * GIB;
    world_free(world);
    return holds;
}

static bool
pressure_of_the_host_takes_buffers_only(Fault fault)
{
    FakeWorld *world = broken_world(4, 3700 * MIB, 3 * GIB, fault);
    bool holds = true;

    world->snapshot.host.figures.has_pressure = true;
    world->snapshot.host.figures.pressure_some_centi = 200;
    world_run(world, 30);
    holds = !world->plan.host_pressure && world->fake[0].actual > 3600 * MIB;
    world->snapshot.host.figures.pressure_some_centi = 4000;
    world_run(world, 120);
    holds = holds && !world->plan.host_pressure; /* 17 GiB are available */
    world->settings->reserve_kib = 100 * MIB;
    world->other = 32 * GIB - 4 * world->fake[0].actual - 300 * MIB;
    world_run(world, 25);
    for (size_t i = 0; i < 4; i++)
        holds = holds && world->fake[i].actual >= 3 * GIB && world->fake[i].actual < 3200 * MIB &&
                world->plan.guests[i].rule == PLAN_RULE_PRESSURE;
    holds = holds && world->plan.host_pressure;
    world_free(world);
    return holds;
}

static bool
untouched_memory_is_not_promised_again(Fault fault)
{
    FakeWorld *world = broken_world(2, 4 * GIB, 2 * GIB, fault);
    bool holds;

    world->other = 20 * GIB;
    world->lazy = true; /* the guests have touched nothing of what they have yet */
    world->settings->reserve_kib = GIB;
    world->fake[0].need = 7 * GIB;
    world_run(world, 60);
    holds = world->fake[0].actual + world->fake[1].actual <= 11 * GIB;
    world_free(world);
    return holds;
}

static bool
guest_that_claims_too_much_usable_is_not_squeezed_on_its_word(Fault fault)
{
    FakeWorld *world = broken_world(2, 3 * GIB, 2 * GIB, fault);
    bool holds;

    world->fake[0].lies = true;
    world_run(world, 600);
    holds = world->fake[0].actual >= 2 * GIB;
    world_free(world);
    return holds;
}

static bool
what_is_lent_out_can_be_taken_back(Fault fault)
{
    FakeWorld *world = broken_world(2, 2 * GIB, 1200 * MIB, fault);
    bool holds;

    world->settings->give_away = true;
    world_run(world, 60);
    holds = world->fake[0].actual == 8 * GIB && world->plan.guests[0].rule == PLAN_RULE_SURPLUS;
    world->other = 20 * GIB;
    world_run(world, 120);
    holds = holds && world->fake[0].actual + world->fake[1].actual <= 10 * GIB && world->fake[0].actual > 4 * GIB;
    world_free(world);
    return holds;
}

static const struct {
    const char *name;
    bool (*holds)(Fault fault);
    Fault fault; /* with this rule broken it must not hold; 0: no single rule makes it hold */
} situations[] = {
    {"memory is never promised twice: rule G", memory_is_never_promised_twice, FAULT_NO_GATE},
    {"memory is never promised twice: booking", memory_is_never_promised_twice, FAULT_COUNT_TARGET_ONLY},
    {"what did not come free is not given away", what_did_not_come_free_is_not_given_away, FAULT_NO_AVAILABLE},
    {"a reset guest is booked at its maximum", reset_guest_is_booked_at_its_maximum, FAULT_NO_RESET_BOOKING},
    {"a shortage is shared by weight to 1 %", shortage_is_shared_by_weight_to_one_percent, FAULT_NO_WEIGHTS},
    {"no buffer before every demand", nobody_gets_buffer_before_everybody_has_demand, FAULT_BUFFER_FIRST},
    {"a stale guest is not shrunk", stale_guest_is_not_shrunk, FAULT_NO_STALE_FREEZE},
    {"noise moves no target, room", noise_moves_no_target_where_there_is_room, 0},
    {"a short dip of the load moves no target", short_dip_of_the_load_moves_no_target, FAULT_NO_HYSTERESIS},
    {"noise moves no target, no room: envelope", noise_moves_no_target_where_there_is_none, 0},
    {"noise of the host moves no target", noise_of_the_host_moves_no_target, FAULT_NO_BUDGET_SMOOTHING},
    {"shrinking goes in steps", shrinking_goes_in_steps, FAULT_SHRINK_AT_ONCE},
    {"a guest that crawls is flagged", guest_that_crawls_is_flagged, FAULT_ANY_PROGRESS},
    {"a stuck guest is left out", stuck_guest_is_left_out_and_its_target_drawn_back, FAULT_NO_STUCK},
    {"one second in twenty is not following", guest_that_works_one_second_in_twenty_is_flagged, 0},
    {"a hidden need is met at once", need_that_a_guest_cannot_show_is_met_at_once, FAULT_NO_STARVED},
    {"an inhibited balloon is found", inhibited_balloon_is_found, FAULT_NO_INHIBITED},
    {"not squeezed before settled", guest_is_not_squeezed_before_it_has_settled, FAULT_SQUEEZE_STARTING},
    {"pressure takes buffers only", pressure_of_the_host_takes_buffers_only, FAULT_NO_PRESSURE},
    {"untouched memory is not promised again", untouched_memory_is_not_promised_again, 0},
    {"a lie does not squeeze the liar", guest_that_claims_too_much_usable_is_not_squeezed_on_its_word,
     FAULT_TRUST_REPORTS},
    {"what is lent out can be taken back", what_is_lent_out_can_be_taken_back, 0},
};

static void
each_situation_holds(void **state)
{
    bool all = true;

    for (size_t i = 0; i < G_N_ELEMENTS(situations); i++) {
        if (situations[i].holds(0))
            continue;
        print_message("does not hold: %s\n", situations[i].name);
        all = false;
    }
    assert_true(all);
}

static void
each_broken_rule_is_caught(void **state)
{
    bool all = true;

    for (size_t i = 0; i < G_N_ELEMENTS(situations); i++) {
        if (situations[i].fault == 0 || !situations[i].holds(situations[i].fault))
            continue;
        print_message("not caught: %s\n", situations[i].name);
        all = false;
    }
    rules_break(FAULT_NONE);
    assert_true(all);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_situation_holds),
        cmocka_unit_test(each_broken_rule_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
