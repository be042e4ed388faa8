/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated guest is what the policy is proved on, so what it is to share with a real one is held here. */

#include "cmocka_all.h"
#include "sim/guest.h"
#include "sim/world.h"
#include "units.h"

#define MIB KIB_PER_MIB

typedef struct Fixture {
    SimScenario *scenario;
    SimGuest guest;
    uint64_t second;
} Fixture;

/* A guest of 8 GiB with the given lines in its group, settled with 4 GiB. */
static void
begin(Fixture *fixture, const char *lines)
{
    g_autofree char *text = g_strdup_printf("[host]\nmemory=32GiB\n[guest g]\nminimum=1GiB\nstartup=4GiB\n"
                                            "maximum=8GiB\n%s",
                                            lines);
    g_autoptr(GError) error = NULL;

    fixture->scenario = sim_scenario_parse("model", text, -1, &error);
    if (fixture->scenario == NULL)
        g_error("%s", error->message);
    sim_guest_init(&fixture->guest, g_ptr_array_index(fixture->scenario->guests, 0), fixture->scenario);
    fixture->second = 0;
    sim_guest_begin(&fixture->guest, 0, 1000);
}

/* Whoever wants it started is let at once. */
static void
begin_second(Fixture *fixture)
{
    sim_guest_begin(&fixture->guest, fixture->second, 1000 + fixture->second);
    if (!fixture->guest.asks)
        return;
    sim_guest_start(&fixture->guest, fixture->second);
    sim_guest_begin(&fixture->guest, fixture->second, 1000 + fixture->second);
}

/* The second passes and the next begins. */
static void
pass(Fixture *fixture)
{
    sim_guest_move(&fixture->guest, fixture->second);
    fixture->second++;
    begin_second(fixture);
}

static void
pass_until(Fixture *fixture, uint64_t second)
{
    while (fixture->second < second)
        pass(fixture);
}

static GuestReport
answer(const Fixture *fixture)
{
    GuestReport report;

    sim_guest_answer(&fixture->guest, &report);
    return report;
}

static void
end(Fixture *fixture)
{
    sim_scenario_free(fixture->scenario);
}

static void
it_shows_only_the_need_it_can_touch(void **state)
{
    Fixture fixture;
    uint64_t swapped_in;

    begin(&fixture, "demand=0:3GiB 5:6GiB\n");
    assert_int_equal(answer(&fixture).usable_kib, KIB_PER_GIB);
    assert_int_equal(answer(&fixture).swap_in_kib, 0);
    pass_until(&fixture, 5);
    assert_int_equal(answer(&fixture).usable_kib, 0);
    assert_int_equal(answer(&fixture).actual_kib, 4 * KIB_PER_GIB);
    swapped_in = answer(&fixture).swap_in_kib;
    assert_true(swapped_in > 0);
    assert_true(answer(&fixture).swap_out_kib > 0);
    pass(&fixture);
    assert_true(answer(&fixture).swap_in_kib > swapped_in);
    assert_true(answer(&fixture).major_faults > 0);
    end(&fixture);
}

static void
its_balloon_is_fast_for_free_memory_and_slow_for_needed(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB\n");
    fixture.guest.target_kib = KIB_PER_GIB;
    pass(&fixture);
    assert_int_equal(fixture.guest.has_kib, 4096 * MIB - 400 * MIB);
    pass_until(&fixture, 3); /* 224 MiB of the third second are free, the rest of it is slow */
    assert_in_range(fixture.guest.has_kib, 3072 * MIB - 44 * MIB - 1, 3072 * MIB - 44 * MIB + 1);
    pass(&fixture);
    assert_in_range(fixture.guest.has_kib, 3072 * MIB - 144 * MIB - 1, 3072 * MIB - 144 * MIB + 1);
    pass_until(&fixture, 60);
    assert_int_equal(fixture.guest.has_kib, 3072 * MIB / 100 * 35);
    fixture.guest.target_kib = 8 * KIB_PER_GIB;
    pass(&fixture);
    assert_int_equal(fixture.guest.has_kib, 3072 * MIB / 100 * 35 + 800 * MIB);
    end(&fixture);
}

static void
what_it_touched_stays_until_the_balloon_takes_it(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB 5:1GiB\n");
    assert_int_equal(sim_guest_resident(&fixture.guest), 3 * KIB_PER_GIB);
    pass_until(&fixture, 10);
    assert_int_equal(sim_guest_resident(&fixture.guest), 3 * KIB_PER_GIB);
    fixture.guest.target_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 20);
    assert_int_equal(sim_guest_resident(&fixture.guest), 2 * KIB_PER_GIB);
    end(&fixture);
}

static void
an_inhibited_balloon_frees_nothing(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB 5:1GiB\nbehaviour=inhibited\n");
    pass_until(&fixture, 10);
    fixture.guest.target_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 20);
    assert_int_equal(answer(&fixture).actual_kib, 2 * KIB_PER_GIB);
    assert_int_equal(sim_guest_resident(&fixture.guest), 3 * KIB_PER_GIB);
    end(&fixture);
}

/* Target, shown size and statistics are the old ones until the driver is back. */
static void
a_reset_voids_the_balloon_unseen(void **state)
{
    Fixture fixture;
    GuestReport before;

    begin(&fixture, "demand=0:3GiB\nbehaviour=reboot@20\n");
    pass_until(&fixture, 19);
    before = answer(&fixture);
    pass_until(&fixture, 29);
    assert_int_equal(fixture.guest.has_kib, 8 * KIB_PER_GIB);
    assert_true(fixture.guest.touched_kib > 7 * KIB_PER_GIB);
    assert_int_equal(answer(&fixture).actual_kib, before.actual_kib);
    assert_int_equal(answer(&fixture).last_update_sec, before.last_update_sec);
    assert_int_equal(answer(&fixture).usable_kib, before.usable_kib);
    assert_int_equal(fixture.guest.target_kib, 4 * KIB_PER_GIB);
    pass(&fixture);
    assert_int_equal(answer(&fixture).actual_kib, 8 * KIB_PER_GIB);
    assert_int_equal(answer(&fixture).last_update_sec, 1030);
    pass_until(&fixture, 60);
    assert_int_equal(answer(&fixture).actual_kib, 4 * KIB_PER_GIB);
    end(&fixture);
}

static void
a_start_is_a_new_qemu_at_full_size_with_startup_as_target(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB\nbehaviour=start@5\n");
    assert_false(fixture.guest.running);
    assert_int_equal(sim_guest_resident(&fixture.guest), 0);
    pass_until(&fixture, 5);
    assert_true(fixture.guest.running);
    assert_int_equal(fixture.guest.has_kib, 8 * KIB_PER_GIB);
    assert_int_equal(fixture.guest.target_kib, 4 * KIB_PER_GIB);
    assert_int_equal(answer(&fixture).fields & (REPORT_USABLE | REPORT_LAST_UPDATE), 0);
    pass_until(&fixture, 14);
    assert_int_equal(answer(&fixture).fields & (REPORT_USABLE | REPORT_LAST_UPDATE), 0);
    pass(&fixture);
    assert_int_not_equal(answer(&fixture).fields & REPORT_LAST_UPDATE, 0);
    end(&fixture);
}

static void
statistics_come_when_they_are_due_and_once_when_the_driver_comes(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB\nbehaviour=reboot@20\n");
    fixture.guest.period_sec = 3;
    pass_until(&fixture, 10);
    assert_int_equal(answer(&fixture).last_update_sec, 1009);
    fixture.guest.period_sec = 0;
    pass_until(&fixture, 29);
    assert_int_equal(answer(&fixture).last_update_sec, 1009);
    pass_until(&fixture, 40);
    assert_int_equal(answer(&fixture).last_update_sec, 1030);
    end(&fixture);
}

static void
demand_can_be_worked_out_in_both_ways_of_counting(void **state)
{
    static const char *const lines[] = {"demand=0:3GiB\n", "demand=0:3GiB\nbehaviour=autodeflate\n"};
    static const uint64_t totals[] = {4 * KIB_PER_GIB, 8 * KIB_PER_GIB};

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Fixture fixture;
        GuestReport report;

        begin(&fixture, lines[i]);
        report = answer(&fixture);
        assert_int_equal(report.total_kib, totals[i]);
        assert_int_equal(report.actual_kib - report.usable_kib, 3 * KIB_PER_GIB);
        end(&fixture);
    }
}

static void
uncooperative_guests_do_what_their_words_say(void **state)
{
    static const struct {
        const char *lines;
        uint64_t mib; /* after ten seconds with a target of 2 GiB */
        bool statistics;
    } cases[] = {
        {"demand=0:1GiB\n", 2048, true},
        {"demand=0:1GiB\nbehaviour=slow\n", 4096 - 400, true},
        {"demand=0:1GiB\nbehaviour=stuck\n", 4096, true},
        {"demand=0:1GiB\nbehaviour=floor:3GiB\n", 3072, true},
        {"demand=0:1GiB\nbehaviour=intermittent:4/1\n", 4096 - 800, true},
        {"demand=0:1GiB\nbehaviour=no-driver\n", 8192, false},
        {"demand=0:1GiB\nbehaviour=no-stats\n", 2048, false},
        {"demand=0:1GiB\nbehaviour=hang@0\n", 4096, false},
        {"demand=0:1GiB\nbehaviour=pause@3\n", 4096 - 1200, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fixture fixture;

        begin(&fixture, cases[i].lines);
        fixture.guest.target_kib = 2 * KIB_PER_GIB;
        pass_until(&fixture, 10);
        assert_int_equal(answer(&fixture).actual_kib, cases[i].mib * MIB);
        assert_int_equal((answer(&fixture).fields & REPORT_USABLE) != 0, cases[i].statistics);
        end(&fixture);
    }
}

/* ---- limits and paging files ---- */

static void
memory_high_holds_a_booting_guest_back(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB\nbehaviour=reboot@20\n");
    pass_until(&fixture, 15);
    fixture.guest.high_kib = 6 * KIB_PER_GIB;
    pass_until(&fixture, 28);
    assert_int_equal(sim_guest_resident(&fixture.guest), 6 * KIB_PER_GIB);
    assert_int_equal(sim_guest_assigned(&fixture.guest), 6 * KIB_PER_GIB);
    assert_true(fixture.guest.held);
    assert_true(fixture.guest.held_back > 0);
    pass_until(&fixture, 31); /* it has its startup memory, so its boot goes on */
    assert_false(fixture.guest.booting);
    end(&fixture);
}

static void
without_its_startup_memory_a_boot_crawls(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:1GiB\nbehaviour=reboot@20\n");
    fixture.guest.high_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 40);
    assert_true(fixture.guest.booting);
    pass_until(&fixture, 100);
    assert_false(fixture.guest.booting);
    assert_int_equal(sim_guest_resident(&fixture.guest), 2 * KIB_PER_GIB);
    end(&fixture);
}

static void
what_is_above_goes_to_the_paging_file_slowly(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:1GiB\nbehaviour=reboot@20\n");
    fixture.guest.high_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 19);
    fixture.guest.swap_max_kib = 300 * MIB;
    pass_until(&fixture, 21);
    assert_int_equal(fixture.guest.paged_kib, 100 * MIB);
    assert_int_equal(sim_guest_resident(&fixture.guest), 2 * KIB_PER_GIB);
    pass_until(&fixture, 29);
    assert_int_equal(fixture.guest.paged_kib, 300 * MIB);
    assert_int_equal(fixture.guest.touched_kib, 2 * KIB_PER_GIB + 300 * MIB);
    assert_true(fixture.guest.held);
    end(&fixture);
}

static void
a_balloon_discards_what_is_in_the_paging_file(void **state)
{
    Fixture fixture;
    uint64_t paged;

    begin(&fixture, "demand=0:1GiB\nbehaviour=reboot@20\n");
    fixture.guest.high_kib = 3 * KIB_PER_GIB;
    fixture.guest.swap_max_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 40);
    assert_false(fixture.guest.booting);
    paged = fixture.guest.paged_kib;
    fixture.guest.target_kib = 2 * KIB_PER_GIB;
    pass_until(&fixture, 60);
    assert_true(fixture.guest.paged_kib < paged);
    assert_int_equal(fixture.guest.touched_kib, 2 * KIB_PER_GIB);
    end(&fixture);
}

static void
what_is_read_back_takes_memory_whatever_the_limit(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:1GiB\nbehaviour=reboot@20\n");
    fixture.guest.high_kib = 2 * KIB_PER_GIB;
    fixture.guest.swap_max_kib = 300 * MIB;
    pass_until(&fixture, 29);
    fixture.guest.swap_max_kib = 0;
    sim_guest_read_back(&fixture.guest, 200 * MIB);
    assert_int_equal(fixture.guest.paged_kib, 100 * MIB);
    assert_int_equal(sim_guest_resident(&fixture.guest), 2 * KIB_PER_GIB + 200 * MIB);
    end(&fixture);
}

static void
a_wedged_guest_comes_back_with_the_next_reset(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:1GiB\nbehaviour=wedge@20,reboot@200\n");
    pass_until(&fixture, 199);
    assert_true(fixture.guest.booting);
    pass_until(&fixture, 211);
    assert_false(fixture.guest.booting);
    end(&fixture);
}

static void
a_saved_guest_goes_on_with_its_memory(void **state)
{
    Fixture fixture;

    begin(&fixture, "demand=0:3GiB\nbehaviour=save@20,start@30\n");
    pass_until(&fixture, 25);
    assert_false(fixture.guest.running);
    assert_false(fixture.guest.has_stopped);
    pass_until(&fixture, 31);
    assert_true(fixture.guest.boot_resumed);
    assert_false(fixture.guest.booting);
    assert_int_equal(fixture.guest.has_kib, 4 * KIB_PER_GIB);
    end(&fixture);
}

/* ---- the connection ---- */

typedef struct Cut {
    WorldLink link; /* from second 10 to second 20 */
    uint64_t before[2];
    bool told;
} Cut;

static bool
cut(void *user_data, const SimStep *step)
{
    Cut *test = user_data;

    for (size_t i = 0; i < step->count; i++) {
        uint64_t changes = sim_world_target_changes(step->world, i);

        if (step->second > 10 && step->second <= 20)
            test->told |= changes != test->before[i];
        test->before[i] = changes;
    }
    if (step->second == 10)
        sim_world_set_link(step->world, test->link);
    if (step->second == 20)
        sim_world_set_link(step->world, WORLD_LINK_READ_WRITE);
    return true;
}

static void
nobody_is_told_anything_without_a_connection_that_may_write(void **state)
{
    static const char text[] = "[host]\nmemory=16GiB\nseconds=60\n"
                               "[guest a]\nminimum=1GiB\nstartup=1GiB\nmaximum=8GiB\ndemand=0:1GiB 12:6GiB\n"
                               "[guest b]\nminimum=1GiB\nstartup=1GiB\nmaximum=8GiB\ndemand=square 1GiB 4GiB 4\n";
    static const WorldLink links[] = {WORLD_LINK_DOWN, WORLD_LINK_READ_ONLY};
    g_autoptr(SimScenario) scenario = sim_scenario_parse("links", text, -1, NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        Cut test = {.link = links[i]};
        SimSummary summary;

        sim_run(scenario, cut, &test, &summary);
        assert_false(test.told);
        assert_true(summary.guests[0].unmet_seconds < 20); /* after it all is well again */
        sim_summary_clear(&summary);
    }
}

/* As at the boot of a host, when libvirtd starts guests before anybody can connect to it. */
static bool
away(void *user_data, const SimStep *step)
{
    if (step->second == 5)
        sim_world_set_link(step->world, WORLD_LINK_DOWN);
    if (step->second == 120)
        sim_world_set_link(step->world, WORLD_LINK_READ_WRITE);
    return true;
}

static void
starts_are_answered_while_libvirt_is_away(void **state)
{
    static const char text[] = "[host]\nmemory=16GiB\nseconds=240\n"
                               "[guest a]\nminimum=1GiB\nstartup=6GiB\nmaximum=8GiB\ndemand=0:2GiB\n"
                               "[guest fits]\nmaximum=4GiB\nstartup=2GiB\nbehaviour=start@20\n"
                               "[guest large]\nmaximum=15GiB\nbehaviour=start@21\n";
    g_autoptr(SimScenario) scenario = sim_scenario_parse("away", text, -1, NULL);
    SimSummary summary;

    sim_run(scenario, away, NULL, &summary);
    assert_int_equal(summary.guests[1].delayed_seconds, 0);
    assert_int_equal(summary.refused->len, 1);
    assert_string_equal(((SimRefusal *)g_ptr_array_index(summary.refused, 0))->name, "large");
    assert_true(((SimRefusal *)g_ptr_array_index(summary.refused, 0))->second < 120);
    assert_int_equal(summary.exhausted_seconds, 0);
    sim_summary_clear(&summary);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_shows_only_the_need_it_can_touch),
        cmocka_unit_test(its_balloon_is_fast_for_free_memory_and_slow_for_needed),
        cmocka_unit_test(what_it_touched_stays_until_the_balloon_takes_it),
        cmocka_unit_test(an_inhibited_balloon_frees_nothing),
        cmocka_unit_test(a_reset_voids_the_balloon_unseen),
        cmocka_unit_test(a_start_is_a_new_qemu_at_full_size_with_startup_as_target),
        cmocka_unit_test(statistics_come_when_they_are_due_and_once_when_the_driver_comes),
        cmocka_unit_test(demand_can_be_worked_out_in_both_ways_of_counting),
        cmocka_unit_test(uncooperative_guests_do_what_their_words_say),
        cmocka_unit_test(memory_high_holds_a_booting_guest_back),
        cmocka_unit_test(without_its_startup_memory_a_boot_crawls),
        cmocka_unit_test(what_is_above_goes_to_the_paging_file_slowly),
        cmocka_unit_test(a_balloon_discards_what_is_in_the_paging_file),
        cmocka_unit_test(what_is_read_back_takes_memory_whatever_the_limit),
        cmocka_unit_test(a_wedged_guest_comes_back_with_the_next_reset),
        cmocka_unit_test(a_saved_guest_goes_on_with_its_memory),
        cmocka_unit_test(starts_are_answered_while_libvirt_is_away),
        cmocka_unit_test(nobody_is_told_anything_without_a_connection_that_may_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
