/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/metrics.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct Fixture {
    char *directory;
    char *path;
    Metrics *metrics;
    FakeTick *tick;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->directory = g_dir_make_tmp("dynmem-metrics-XXXXXX", NULL);
    assert_non_null(fixture->directory);
    fixture->path = g_build_filename(fixture->directory, "metrics.prom", NULL);
    fixture->metrics = metrics_new(fixture->path);
    fixture->tick = fake_tick_new();
    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "a \"quoted\\\" name\nof two lines");
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    metrics_free(fixture->metrics);
    assert_int_equal(g_rmdir(fixture->directory), 0);
    fake_tick_free(fixture->tick);
    g_free(fixture->path);
    g_free(fixture->directory);
    g_free(fixture);
    return 0;
}

static void
figures_are_bytes_with_domain_and_uuid(void **state)
{
    Fixture *fixture = *state;
    const char *text = metrics_format(fixture->metrics, &fixture->tick->report);

    assert_non_null(strstr(text, "\ndynmem_guest_assigned_bytes{domain=\"web\",uuid=\"6a2c0a3e-0000-4000-8000-"
                                 "000000000000\"} 2147483648\n"));
    assert_non_null(strstr(text, "{domain=\"a \\\"quoted\\\\\\\" name\\nof two lines\",uuid="));
    assert_non_null(strstr(text, "\ndynmem_host_budget_bytes 12884901888\n"));
    assert_non_null(strstr(text, "uuid=\"6a2c0a3e-0000-4000-8000-000000000000\",state=\"active\"} 1\n"));
}

static void
counters_count_ticks_and_targets(void **state)
{
    Fixture *fixture = *state;
    const char *text;

    fake_tick_act(fixture->tick, 0, 1, 2, ACTION_STARTED, NULL);
    metrics_update(fixture->metrics, &fixture->tick->report);
    fake_tick_next(fixture->tick);
    fake_tick_act(fixture->tick, 0, 1, 2, ACTION_DONE, NULL);
    fake_tick_act(fixture->tick, 1, 1, 2, ACTION_FAILED, "no");
    metrics_update(fixture->metrics, &fixture->tick->report);
    text = metrics_format(fixture->metrics, &fixture->tick->report);
    assert_non_null(strstr(text, "\ndynmem_ticks_total 2\n"));
    assert_non_null(strstr(text, "\ndynmem_targets_total 1\n"));
    assert_non_null(strstr(text, "\ndynmem_target_failures_total 1\n"));
    assert_non_null(strstr(text, "\ndynmem_tick_busy_seconds_total 0.000600\n"));
}

static void
paging_files_and_limits_have_figures_and_what_was_told_is_counted(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) list = change_list_new();
    const char *text;

    fake_tick_limit(fixture->tick, 0)->swapped_kib = 301 * KIB_PER_MIB;
    fake_tick_file(fixture->tick, 0, PAGING_STAGE_ON);
    fixture->tick->plan.reserved_kib = KIB_PER_GIB;
    change_list_add(list, CHANGE_START_REFUSED, "", "web", "", g_strdup("no"));
    change_list_add(list, CHANGE_GUEST_RESET, "", "web", "", g_strdup("reset"));
    change_list_add(list, CHANGE_GUEST_RESTARTED, "", "web", "", g_strdup("restarted"));
    for (unsigned i = 0; i < list->len; i++)
        metrics_count(fixture->metrics, g_ptr_array_index(list, i));
    text = metrics_format(fixture->metrics, &fixture->tick->report);
    assert_non_null(strstr(text, "\ndynmem_guest_paging_bytes{domain=\"web\",uuid=\"6a2c0a3e-0000-4000-8000-"
                                 "000000000000\"} 536870912\n"));
    assert_non_null(strstr(text, "\ndynmem_guest_paging_used_bytes{domain=\"web\",uuid=\"6a2c0a3e-0000-4000-8000-"
                                 "000000000000\"} 314572800\n"));
    assert_non_null(strstr(text, "\ndynmem_guest_limit_bytes{domain=\"web\",uuid=\"6a2c0a3e-0000-4000-8000-"
                                 "000000000000\"} 2147483648\n"));
    assert_non_null(strstr(text, "\ndynmem_host_reserved_bytes 1073741824\n"));
    assert_non_null(strstr(text, "\ndynmem_host_paging_files 1\n"));
    assert_non_null(strstr(text, "\ndynmem_starts_refused_total 1\n"));
    assert_non_null(strstr(text, "\ndynmem_restarts_total 2\n"));
    assert_non_null(strstr(text, "\ndynmem_starts_admitted_total 0\n"));
}

static void
the_file_is_readable_and_replaced_every_few_seconds(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *text = NULL;
    GStatBuf first;
    GStatBuf now;
    unsigned replaced = 0;

    metrics_update(fixture->metrics, &fixture->tick->report);
    assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    assert_true(g_str_has_suffix(text, "\n# EOF\n"));
    assert_int_equal(g_stat(fixture->path, &first), 0);
    assert_int_equal(first.st_mode & 0777, 0644);
    for (unsigned i = 0; i < 10; i++) {
        fake_tick_next(fixture->tick);
        metrics_update(fixture->metrics, &fixture->tick->report);
        assert_int_equal(g_stat(fixture->path, &now), 0);
        replaced += now.st_ino != first.st_ino;
        first = now;
    }
    assert_int_equal(replaced, 2);
}

static void
a_directory_that_is_not_there_harms_nobody(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Metrics) metrics = metrics_new("/nonexistent/metrics.prom");

    metrics_update(metrics, &fixture->tick->report);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(figures_are_bytes_with_domain_and_uuid),
        TEST(counters_count_ticks_and_targets),
        TEST(paging_files_and_limits_have_figures_and_what_was_told_is_counted),
        TEST(the_file_is_readable_and_replaced_every_few_seconds),
        TEST(a_directory_that_is_not_there_harms_nobody),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
