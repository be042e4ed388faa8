/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "nearest.h"

#include <glib.h>

static const char *const names[] = {"web", "web2", "database", "mail", "backup"};

static void
one_name_is_found_by_case_and_by_letters(void **state)
{
    assert_string_equal(nearest_name("DataBase", names, G_N_ELEMENTS(names)), "database");
    assert_string_equal(nearest_name("bakcup", names, G_N_ELEMENTS(names)), "backup");
    assert_string_equal(nearest_name("mial", names, G_N_ELEMENTS(names)), "mail");
    assert_null(nearest_name("proxy", names, G_N_ELEMENTS(names)));
    assert_null(nearest_name("", names, G_N_ELEMENTS(names)));
}

static void
several_names_come_nearest_first_and_no_more_than_asked_for(void **state)
{
    g_autofree const char **near = nearest_names("WEB", names, G_N_ELEMENTS(names), 5);
    g_autofree const char **one = nearest_names("web", names, G_N_ELEMENTS(names), 1);
    g_autofree const char **none = nearest_names("proxy", names, G_N_ELEMENTS(names), 5);

    assert_string_equal(near[0], "web");
    assert_string_equal(near[1], "web2");
    assert_null(near[2]);
    assert_string_equal(one[0], "web");
    assert_null(one[1]);
    assert_null(none[0]);
}

static void
what_is_typed_wrong_finds_what_was_meant(void **state)
{
    static const char *const guests[] = {"db", "web", "web-server"};
    static const struct {
        const char *wanted;
        const char *near;
    } cases[] = {
        {"WEB", "web,web-server"}, {"wbe", "web"}, {"server", "web-server"}, {"xyzzy", ""}, {"", ""}, {"web1", "web"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree const char **near = nearest_names(cases[i].wanted, guests, G_N_ELEMENTS(guests), 3);
        g_autofree char *joined = g_strjoinv(",", (char **)near);

        assert_string_equal(joined, cases[i].near);
    }
}

static void
names_of_any_length_are_taken(void **state)
{
    g_autofree char *letters = g_strnfill(100000, 'w');
    const char *const long_names[] = {letters, "web"};
    g_autofree const char **near = nearest_names(letters, long_names, 2, 2);

    assert_null(nearest_name(letters, names, G_N_ELEMENTS(names)));
    assert_ptr_equal(near[0], letters);
    assert_null(near[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_is_found_by_case_and_by_letters),
        cmocka_unit_test(several_names_come_nearest_first_and_no_more_than_asked_for),
        cmocka_unit_test(what_is_typed_wrong_finds_what_was_meant),
        cmocka_unit_test(names_of_any_length_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
