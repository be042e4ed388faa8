/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "error.h"
#include "sim/scenario.h"
#include "units.h"

#include <string.h>

static const char full[] = "# what the manual shows\n"
                           "[host]\n"
                           "memory=32GiB\n"
                           "reserve=2GiB\n"
                           "seconds=1800\n"
                           "seed=1\n"
                           "cgroup=v1\n"
                           "disk=20GiB\n"
                           "paging=make:3,make-fails:1,swapoff-fails:2,refused\n"
                           "daemon-restart=100 200\n"
                           "reboot=300\n"
                           "\n"
                           "[guest web]\n"
                           "minimum=1GiB\n"
                           "startup=1GiB\n"
                           "maximum=8GiB\n"
                           "buffer=25\n"
                           "priority=60\n"
                           "demand=0:1200MiB 60:6100MiB\n"
                           "# demand=square 2500MiB 4500MiB 30 1\n"
                           "noise=150MiB\n"
                           "inflate=300MiB/s\n"
                           "swapping=90MiB/s\n"
                           "deflate=700MiB/s\n"
                           "behaviour=slow, floor:2GiB,intermittent:19/1,reboot@50,start@10,stop@20,wedge@60\n"
                           "smart-paging=no\n"
                           "\n"
                           "[policy]\n"
                           "GiveAway=yes\n"
                           "Buffer=30\n";

static void
every_key_arrives(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SimScenario) scenario = sim_scenario_parse("full", full, -1, &error);
    const SimGuestSpec *guest;

    assert_null(error);
    assert_int_equal(scenario->memory_kib, 32 * KIB_PER_GIB);
    assert_int_equal(scenario->settings->reserve_kib, 2 * KIB_PER_GIB);
    assert_int_equal(scenario->seconds, 1800);
    assert_int_equal(scenario->seed, 1);
    assert_true(scenario->settings->give_away);
    assert_int_equal(scenario->settings->buffer_percent, 30);
    assert_int_equal(scenario->guests->len, 1);
    guest = g_ptr_array_index(scenario->guests, 0);
    assert_string_equal(guest->name, "web");
    assert_int_equal(guest->minimum_kib, KIB_PER_GIB);
    assert_int_equal(guest->startup_kib, KIB_PER_GIB);
    assert_int_equal(guest->maximum_kib, 8 * KIB_PER_GIB);
    assert_int_equal(guest->buffer_percent, 25);
    assert_int_equal(guest->priority, 60);
    assert_int_equal(guest->noise_kib, 150 * KIB_PER_MIB);
    assert_int_equal(guest->inflate_kib, 300 * KIB_PER_MIB);
    assert_int_equal(guest->swapping_kib, 90 * KIB_PER_MIB);
    assert_int_equal(guest->deflate_kib, 700 * KIB_PER_MIB);
    assert_int_equal(guest->behaviours, SIM_SLOW | SIM_FLOOR | SIM_INTERMITTENT);
    assert_int_equal(guest->floor_kib, 2 * KIB_PER_GIB);
    assert_int_equal(guest->stuck_seconds, 19);
    assert_int_equal(guest->moving_seconds, 1);
    assert_int_equal(scenario->cgroup, SIM_CGROUP_V1);
    assert_int_equal(scenario->disk_kib, 20 * KIB_PER_GIB);
    assert_true(scenario->paging.refused);
    assert_int_equal(scenario->paging.make_seconds, 3);
    assert_int_equal(scenario->paging.make_fails, 1);
    assert_int_equal(scenario->paging.off_fails, 2);
    assert_int_equal(scenario->daemon_restarts->len, 2);
    assert_int_equal(g_array_index(scenario->daemon_restarts, uint64_t, 1), 200);
    assert_int_equal(g_array_index(scenario->host_reboots, uint64_t, 0), 300);
    assert_true(guest->no_paging);
    assert_int_equal(guest->events->len, 4);
    assert_int_equal(g_array_index(guest->events, SimEvent, 0).second, 10);
    assert_int_equal(g_array_index(guest->events, SimEvent, 0).kind, SIM_EVENT_START);
    assert_int_equal(g_array_index(guest->events, SimEvent, 2).kind, SIM_EVENT_REBOOT);
}

static void
the_need_is_what_the_file_says(void **state)
{
    static const char text[] = "[host]\nmemory=1GiB\n"
                               "[guest steps]\nmaximum=1GiB\ndemand=5:100MiB 60:200MiB\n"
                               "[guest wave]\nmaximum=1GiB\ndemand=square 100MiB 300MiB 30 1\n"
                               "[guest half]\nmaximum=1GiB\ndemand=square 100MiB 300MiB 30 0.5\n"
                               "[guest idle]\nminimum=64MiB\nmaximum=1GiB\n";
    static const struct {
        unsigned guest;
        uint64_t second;
        uint64_t mib;
    } cases[] = {
        {0, 0, 0},    {0, 4, 0},    {0, 5, 100},  {0, 59, 100}, {0, 60, 200},    {0, 100000, 200},
        {1, 0, 300},  {1, 29, 300}, {1, 30, 100}, {1, 60, 300}, {1, 89, 300},    {2, 0, 100},
        {2, 14, 100}, {2, 15, 300}, {2, 44, 300}, {2, 45, 100}, {3, 100000, 64},
    };
    g_autoptr(SimScenario) scenario = sim_scenario_parse("needs", text, -1, NULL);

    assert_non_null(scenario);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_int_equal(sim_guest_spec_need(g_ptr_array_index(scenario->guests, cases[i].guest), 1, cases[i].second),
                         cases[i].mib * KIB_PER_MIB);
}

static void
noise_is_even_within_its_bounds_and_the_seeds(void **state)
{
    static const char text[] = "[host]\nmemory=1GiB\n[guest a]\nmaximum=1GiB\ndemand=0:500MiB\nnoise=100MiB\n"
                               "[guest b]\nmaximum=1GiB\ndemand=0:500MiB\nnoise=100MiB\n";
    g_autoptr(SimScenario) scenario = sim_scenario_parse("noise", text, -1, NULL);
    const SimGuestSpec *a = g_ptr_array_index(scenario->guests, 0);
    const SimGuestSpec *b = g_ptr_array_index(scenario->guests, 1);
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    uint64_t sum = 0;
    unsigned same_seed = 0;
    unsigned same_name = 0;

    for (uint64_t second = 0; second < 10000; second++) {
        uint64_t need = sim_guest_spec_need(a, 1, second);

        low = MIN(low, need);
        high = MAX(high, need);
        sum += need;
        same_seed += need == sim_guest_spec_need(b, 1, second);
        same_name += need == sim_guest_spec_need(a, 2, second);
        assert_int_equal(need, sim_guest_spec_need(a, 1, second));
    }
    assert_in_range(low, 400 * KIB_PER_MIB, 401 * KIB_PER_MIB);
    assert_in_range(high, 599 * KIB_PER_MIB, 600 * KIB_PER_MIB);
    assert_in_range(sum / 10000, 498 * KIB_PER_MIB, 502 * KIB_PER_MIB);
    assert_in_range(same_seed, 0, 20);
    assert_in_range(same_name, 0, 20);
}

static void
who_runs_first_is_told_by_the_first_start_or_stop(void **state)
{
    static const char text[] = "[host]\nmemory=1GiB\n"
                               "[guest plain]\nmaximum=1GiB\n"
                               "[guest comes]\nmaximum=1GiB\nbehaviour=start@9\n"
                               "[guest goes]\nmaximum=1GiB\nbehaviour=start@9,stop@5\n"
                               "[guest reboots]\nmaximum=1GiB\nbehaviour=reboot@1\n";
    g_autoptr(SimScenario) scenario = sim_scenario_parse("first", text, -1, NULL);

    assert_true(sim_guest_spec_runs_first(g_ptr_array_index(scenario->guests, 0)));
    assert_false(sim_guest_spec_runs_first(g_ptr_array_index(scenario->guests, 1)));
    assert_true(sim_guest_spec_runs_first(g_ptr_array_index(scenario->guests, 2)));
    assert_true(sim_guest_spec_runs_first(g_ptr_array_index(scenario->guests, 3)));
}

/* What is wrong is told with the line, what stands there and what is expected. */
static void
bad_files_are_refused_with_their_line(void **state)
{
    static const struct {
        const char *text;
        const char *begins;
        const char *names;
    } cases[] = {
        {"", "f:1: ", "memory="},
        {"[guest a]\nmaximum=1GiB\n", "f:2: ", "[host]"},
        {"[host]\nmemory=1GiB\ncolour=red\n", "f:3: ", "\"colour\""},
        {"memory=1GiB\n", "f:1: ", "[host]"},
        {"[host]\nmemory=1GiB # much\n", "f:2: ", "lines of their own"},
        {"[host]\nmemory=lots\n", "f:2: ", "lots"},
        {"[host]\nmemory=0\n", "f:2: ", "without memory"},
        {"[host]\nmemory=1GiB\nmemory=2GiB\n", "f:3: ", "line 2"},
        {"[host]\nmemory=1GiB\nseconds=0\n", "f:3: ", "from 1 to"},
        {"[host]\nmemory=1GiB\nseed=-1\n", "f:3: ", "\"-1\""},
        {"[host\nmemory=1GiB\n", "f:1: ", "]"},
        {"[host] # this\nmemory=1GiB\n", "f:1: ", "lines of their own"},
        {"[hosts]\n", "f:1: ", "[hosts]"},
        {"[host]\nmemory\n", "f:2: ", "key=value"},
        {"[host]\n=1GiB\n", "f:2: ", "no key"},
        {"[host]\nmemory=1GiB\n[guest]\n", "f:3: ", "[guest NAME]"},
        {"[host]\nmemory=1GiB\n[guest a]\nmaximum=1GiB\n[guest a]\n", "f:5: ", "guest a already"},
        {"[host]\nmemory=1GiB\n\n[guest a]\nminimum=1GiB\n\n[guest b]\n", "f:4: ", "no maximum"},
        {"[host]\nmemory=1GiB\n[guest a]\nmaximum=1GiB\nstartup=2GiB\n", "f:5: ", "startup is above its maximum"},
        {"[host]\nmemory=1GiB\n[guest a]\nstartup=1GiB\nminimum=2GiB\nmaximum=3GiB\n", "f:5: ", "above its startup"},
        {"[host]\nmemory=1GiB\n[guest a]\nsize=1GiB\n", "f:4: ", "\"size\""},
        {"[host]\nmemory=1GiB\n[guest a]\npriority=101\n", "f:4: ", "0 to 100"},
        {"[host]\nmemory=1GiB\n[guest a]\nbuffer=2001\n", "f:4: ", "0 to 2000"},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=\n", "f:4: ", "0:1200MiB"},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=1200MiB\n", "f:4: ", "SECOND:SIZE"},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=5:1GiB 5:2GiB\n", "f:4: ", "second 5"},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=square 1GiB 2GiB\n", "f:4: ", "square LOW HIGH"},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=square 1GiB 2GiB 0\n", "f:4: ", "\"0\""},
        {"[host]\nmemory=1GiB\n[guest a]\ndemand=square 1GiB 2GiB 3 nan\n", "f:4: ", "\"nan\""},
        {"[host]\nmemory=1GiB\n[guest a]\ninflate=400MiB\n", "f:4: ", "400MiB/s"},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=lazy\n", "f:4: ", "\"lazy\""},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=floor\n", "f:4: ", "floor"},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=stuck:3\n", "f:4: ", "\"stuck:3\""},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=reboot@soon\n", "f:4: ", "\"soon\""},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=sleep@3\n", "f:4: ", "\"sleep@3\""},
        {"[host]\nmemory=1GiB\n[guest a]\nbehaviour=intermittent:19\n", "f:4: ", "19/1"},
        {"[host]\nmemory=1GiB\n[guest a]\nmode=sleepy\n", "f:4: ", "\"sleepy\""},
        {"[host]\nmemory=1GiB\ncgroup=v3\n", "f:3: ", "v2, v1, none or broken"},
        {"[host]\nmemory=1GiB\npaging=never\n", "f:3: ", "\"never\""},
        {"[host]\nmemory=1GiB\npaging=make:0\n", "f:3: ", "\"0\""},
        {"[host]\nmemory=1GiB\nreboot=9 5\n", "f:3: ", "second 5"},
        {"[host]\nmemory=1GiB\ndaemon-restart=\n", "f:3: ", "300"},
        {"[host]\nmemory=1GiB\n[guest a]\nsmart-paging=maybe\n", "f:4: ", "\"maybe\""},
        {"[host]\nmemory=1GiB\npressure=0:101\n", "f:3: ", "0 to 100"},
        {"[host]\nmemory=1GiB\n[policy]\nGiveaways=yes\n", "f:4: ", "Giveaways"},
        {"[host]\nmemory=1GiB\n[policy]\nBuffer=much\n", "f:4: ", "much"},
        {"[host]\nmemory=1GiB\n\n\xff\n", "f:4: ", "UTF-8"},
        {"[host]\nmemory=1GiB\n[guest a\x01]\n", "f:3: ", "control character"},
        {"[host]\nmemory=1GiB\n[guest a\u202eb]\n", "f:3: ", "control character"},
        {"[host]\nmemory=1GiB\nfoo\u2066bar\n", "f:3: ", "control character"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(sim_scenario_parse("f", cases[i].text, -1, &error));
        assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID));
        if (!g_str_has_prefix(error->message, cases[i].begins) || strstr(error->message, cases[i].names) == NULL)
            fail_msg("\"%s\" is refused with \"%s\"", cases[i].text, error->message);
    }
}

static void
a_file_that_is_not_there_is_named(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(sim_scenario_load("/nonexistent/plan.ini", &error));
    assert_non_null(strstr(error->message, "/nonexistent/plan.ini"));
}

static void
line_ends_of_other_systems_are_read(void **state)
{
    static const char text[] = "\xef\xbb\xbf[host]\r\nmemory = 2GiB\r\n\r\n[guest  caf\xc3\xa9 1 ]\r\nmaximum=1GiB";
    g_autoptr(SimScenario) scenario = sim_scenario_parse("dos", text, -1, NULL);

    assert_non_null(scenario);
    assert_int_equal(scenario->memory_kib, 2 * KIB_PER_GIB);
    assert_string_equal(((SimGuestSpec *)g_ptr_array_index(scenario->guests, 0))->name, "caf\xc3\xa9 1");
}

/* Whatever is done to a file, it is read or refused with its line; and what is read can be written and read again. */
static void
no_file_breaks_the_reader(void **state)
{
    static const char pieces[] = "=[]#\n: ,@/.0123456789MGiBsquare\xc3\xff\t-";
    g_autoptr(GRand) chance = g_rand_new_with_seed(3);

    for (unsigned round = 0; round < 20000; round++) {
        g_autofree char *text = g_memdup2(full, sizeof full);
        size_t length = sizeof full - 1;
        g_autoptr(GError) error = NULL;
        g_autoptr(SimScenario) scenario = NULL;

        for (int left = g_rand_int_range(chance, 1, 12); left > 0; left--) {
            size_t place = (size_t)g_rand_int_range(chance, 0, (gint32)length);

            if (g_rand_boolean(chance)) {
                text[place] = pieces[g_rand_int_range(chance, 0, sizeof pieces)];
            } else {
                memmove(text + place, text + place + 1, length - place);
                length--;
            }
        }
        scenario = sim_scenario_parse("f", text, (gssize)length, &error);
        if (scenario != NULL) {
            assert_null(error);
            g_autofree char *first = sim_scenario_format(scenario);
            g_autoptr(SimScenario) again = sim_scenario_parse("again", first, -1, &error);
            g_autofree char *second = again != NULL ? sim_scenario_format(again) : NULL;

            assert_string_equal(first, second != NULL ? second : error->message);
        } else if (error == NULL) {
            fail_msg("refused without a word: %s", text);
        } else {
            assert_true(g_str_has_prefix(error->message, "f:"));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_arrives),
        cmocka_unit_test(the_need_is_what_the_file_says),
        cmocka_unit_test(noise_is_even_within_its_bounds_and_the_seeds),
        cmocka_unit_test(who_runs_first_is_told_by_the_first_start_or_stop),
        cmocka_unit_test(bad_files_are_refused_with_their_line),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(line_ends_of_other_systems_are_read),
        cmocka_unit_test(no_file_breaks_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
