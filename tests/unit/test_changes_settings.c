/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is told of settings of guests that are others than before: once, and of what dynmemd.conf says of all of them nothing. */

#include "changes_fixture.h"

#include <string.h>

static void
assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

static void
changed_settings_are_told_once_with_what_they_were(void **state)
{
    Fixture *fixture = *state;
    GuestSettings *settings = fake_tick_settings(fixture->tick, 0);
    const Told *told;

    settings->minimum_kib = 512 * KIB_PER_MIB;
    settings->buffer_percent = 0;
    hand_in_times(fixture, 20);
    told = only(fixture, CHANGE_SETTINGS_CHANGED);
    assert_string_equal(told->name, "web");
    assert_string_equal(told->reason, "minimum 512 MiB (was 1 GiB), buffer 0 % (was 20 %)");
    assert_says(told->message, "Settings of guest web have changed: minimum 512 MiB");
    settings->smart_paging = !settings->smart_paging;
    settings->mode = GUEST_MODE_OBSERVE;
    settings->priority = 51;
    hand_in_times(fixture, 20);
    told = only(fixture, CHANGE_SETTINGS_CHANGED);
    assert_says(told->reason, "priority 51 (was 50)");
    assert_says(told->reason, "smart-paging");
    assert_says(told->reason, "mode observe (was dynamic)");
}

static void
another_place_of_paging_files_is_told(void **state)
{
    static char srv[] = "/srv/paging";
    Fixture *fixture = *state;
    GuestSettings *settings = fake_tick_settings(fixture->tick, 0);
    char *before = settings->paging_directory;

    settings->paging_directory = srv;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_SETTINGS_CHANGED)->reason, "paging-directory /srv/paging (was the default)");
    settings->paging_directory = before;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_SETTINGS_CHANGED)->reason, "paging-directory the default (was /srv/paging)");
}

static void
a_guest_that_is_managed_from_now_on_is_told_with_all_its_settings(void **state)
{
    Fixture *fixture = *state;
    GuestSettings *settings = fake_tick_settings(fixture->tick, 0);

    /* how that ends is told elsewhere */
    settings->managed = false;
    hand_in_times(fixture, 20);
    none(fixture);
    settings->minimum_kib = 512 * KIB_PER_MIB;
    hand_in_times(fixture, 20);
    none(fixture);
    settings->managed = true;
    hand_in_times(fixture, 20);
    assert_says(only(fixture, CHANGE_SETTINGS_CHANGED)->message,
                "Guest web is managed from now on: minimum 512 MiB, startup");
}

static void
what_is_only_presumed_of_a_guest_is_no_change(void **state)
{
    Fixture *fixture = *state;
    GuestSettings *settings = fake_tick_settings(fixture->tick, 0);

    settings->presumed = true;
    settings->minimum_kib = 512 * KIB_PER_MIB;
    hand_in_times(fixture, 20);
    none(fixture);
    settings->presumed = false;
    hand_in_times(fixture, 20);
    only(fixture, CHANGE_SETTINGS_CHANGED);
}

static void
another_default_is_not_told_of_each_guest(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->settings->buffer_percent = 30;
    fake_tick_settings(fixture->tick, 0)->buffer_percent = 30;
    fake_tick_settings(fixture->tick, 1)->buffer_percent = 30;
    hand_in_times(fixture, 20);
    none(fixture);
    fake_tick_settings(fixture->tick, 1)->buffer_percent = 20;
    hand_in_times(fixture, 20);
    assert_string_equal(only(fixture, CHANGE_SETTINGS_CHANGED)->name, "db");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(changed_settings_are_told_once_with_what_they_were),
        TEST(another_place_of_paging_files_is_told),
        TEST(a_guest_that_is_managed_from_now_on_is_told_with_all_its_settings),
        TEST(what_is_only_presumed_of_a_guest_is_no_change),
        TEST(another_default_is_not_told_of_each_guest),
    };
#undef TEST

    return cmocka_run_group_tests_name("changes of settings", tests, NULL, NULL);
}
