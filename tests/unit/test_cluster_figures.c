/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What hosts of a cluster publish: lines are read strictly or not at all, and what the scheduler counts with harms nobody. */

#include "cluster/faults.h"
#include "cluster/figures.h"
#include "cluster/score.h"
#include "cmocka_all.h"
#include "units.h"

#include <string.h>

#define UUID "aaaaaaaa-0000-0000-0000-000000000001"
#define IDLE "1 beat=7 level=automatic budget=1000 besides=0 want=900 free=100 reclaimable=50 stars=3 phase=idle"
#define OFFERS                                                                                                         \
    "1 beat=7 level=automatic budget=1000 besides=0 want=900 free=100 reclaimable=50 stars=3 phase=offers partner=b "  \
    "guest=" UUID " resource=vm-web maximum=400 brings=300 wants=350 overhead=20"

static void
a_line_is_read_as_it_was_written(void **state)
{
    static const char *const lines[] = {IDLE, OFFERS};

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        ClusterFigures figures;
        g_autofree char *again = NULL;

        assert_true(cluster_figures_parse(lines[i], &figures, NULL));
        again = cluster_figures_format(&figures);
        assert_string_equal(again, lines[i]);
    }
}

/* IDLE or OFFERS with one thing in it replaced. Caller frees. */
static char *
replaced(const char *line, const char *what, const char *by)
{
    g_auto(GStrv) parts = g_strsplit(line, what, 2);

    assert_non_null(parts[1]);
    return g_strconcat(parts[0], by, parts[1], NULL);
}

static void
a_line_that_can_not_be_is_ignored_with_a_reason(void **state)
{
    static const struct {
        const char *line, *what, *by;
    } wrong[] = {
        {IDLE, "1 beat", "2 beat"},
        {IDLE, "1 beat", "beat"},
        {IDLE, "beat=7", "beat=-7"},
        {IDLE, "beat=7", "beat= 7"},
        {IDLE, "beat=7", "beat="},
        {IDLE, "beat=7 ", "beat=7  "},
        {IDLE, "beat=7 ", ""},
        {IDLE, "level=automatic", "level=always"},
        {IDLE, "budget=1000", "budget=4398046511105"},
        {IDLE, "budget=1000", "budget=0x10"},
        {IDLE, "free=100", "free=1001"},
        {IDLE, "stars=3", "stars=6"},
        {IDLE, "phase=idle", "phase=books"},
        {IDLE, "phase=idle", "phase=idle more"},
        {IDLE, "phase=idle", "phase=idle "},
        {OFFERS, "partner=b", "partner=b;reboot"},
        {OFFERS, "partner=b", "partner="},
        {OFFERS, UUID, "web"},
        {OFFERS, "vm-web", "vm/web"},
        {OFFERS, "vm-web", "vm-web-vm-web-vm-web-vm-web-vm-web-vm-web-vm-web-vm-web-vm-web-vm-web"},
        {OFFERS, "brings=300", "brings=401"},
        {OFFERS, "brings=300", "brings=0"},
        {OFFERS, "overhead=20", "overhead=18446744073709551616"},
        {OFFERS, " overhead=20", ""},
    };
    ClusterFigures figures = {.beat = 42};

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *line = replaced(wrong[i].line, wrong[i].what, wrong[i].by);
        g_autoptr(GError) error = NULL;

        if (cluster_figures_parse(line, &figures, &error))
            fail_msg("this was read: %s", line);
        assert_non_null(error);
        assert_int_equal(figures.beat, 42);
    }
}

static void
no_line_however_long_or_mangled_is_more_than_ignored(void **state)
{
    g_autofree char *endless = g_strnfill(CLUSTER_LINE_MAX + 1, '1');
    ClusterFigures figures;
    uint64_t seed = 1;

    assert_false(cluster_figures_parse(endless, &figures, NULL));
    assert_false(cluster_figures_parse("", &figures, NULL));
    for (unsigned i = 0; i < 20000; i++) {
        g_autofree char *line = g_strdup(OFFERS);

        for (unsigned k = 0; k < 3; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            line[(seed >> 33) % strlen(OFFERS)] = (char)(seed >> 20 | 1);
        }
        if (cluster_figures_parse(line, &figures, NULL)) {
            assert_true(figures.free_kib <= figures.budget_kib && figures.budget_kib <= KIB_LIMIT);
            assert_true(figures.guest.brings_kib <= figures.guest.maximum_kib);
            assert_true(cluster_name_is_good(figures.partner) && cluster_name_is_good(figures.guest.resource));
        }
    }
}

/* ---- what the scheduler counts with ---- */

static bool
no_score_is_below_0_or_as_much_as_stickiness(void)
{
    bool good = CLUSTER_STICKINESS + CLUSTER_STARS_MAX * CLUSTER_STAR_SCORE < CLUSTER_WISH_SCORE;

    for (unsigned stars = 0; stars <= CLUSTER_STARS_MAX; stars++) {
        ClusterRoom room = {.known = false};
        int score = cluster_room_score(&room, stars, 1);

        good = good && score >= 0 && score < CLUSTER_STICKINESS;
    }
    return good;
}

static bool
what_runs_on_a_host_never_exceeds_its_capacity(void)
{
    return cluster_host_capacity(10 * KIB_PER_GIB, 4096) == 10240 &&
           cluster_host_capacity(2 * KIB_PER_GIB, 4096) == 4096 && cluster_host_capacity(0, 1) == 1;
}

/* The scores over time as the rating is one digit of stars after the other, ten seconds each. */
static bool
rates(const char *stars, const char *expected)
{
    ClusterRoom room = {.known = false};
    bool good = true;

    for (size_t i = 0; stars[i] != '\0'; i++)
        good = cluster_room_score(&room, (unsigned)(stars[i] - '0'), (i + 1) * 10 * USEC_PER_SEC) ==
                   (expected[i] - '0') * CLUSTER_STAR_SCORE &&
               good;
    return good;
}

static bool
stars_follow_what_lasts_and_nothing_else(void)
{
    return rates("5454545454545454545454", "5555555555555555555555") && rates("53333333", "55555553") &&
           rates("54233333", "55555554") && rates("1555555532222222", "1111111555555533");
}

static void
each_of_these_holds_and_its_rule_is_needed(void **state)
{
    static const struct {
        bool (*holds)(void);
        uint64_t faults;
    } cases[] = {
        {no_score_is_below_0_or_as_much_as_stickiness, CLUSTER_FAULT_NEGATIVE},
        {no_score_is_below_0_or_as_much_as_stickiness, CLUSTER_FAULT_HIGH_SCORE},
        {what_runs_on_a_host_never_exceeds_its_capacity, CLUSTER_FAULT_SMALL_CAPACITY},
        {stars_follow_what_lasts_and_nothing_else, CLUSTER_FAULT_NERVOUS_STARS},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        cluster_rules_break(0);
        assert_true(cases[i].holds());
        cluster_rules_break(cases[i].faults);
        assert_false(cases[i].holds());
    }
    cluster_rules_break(0);
}

static void
utilization_is_rounded_up(void **state)
{
    assert_int_equal(cluster_guest_utilization(KIB_PER_GIB, 1), 1025);
    assert_int_equal(cluster_guest_utilization(KIB_PER_GIB, 0), 1024);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_as_it_was_written),
        cmocka_unit_test(a_line_that_can_not_be_is_ignored_with_a_reason),
        cmocka_unit_test(no_line_however_long_or_mangled_is_more_than_ignored),
        cmocka_unit_test(each_of_these_holds_and_its_rule_is_needed),
        cmocka_unit_test(utilization_is_rounded_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
