/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "nearest.h"

#include <glib.h>
#include <string.h>
#include <time.h>

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

/* The oracle is the textbook's, on all of both. */
static unsigned
plain_distance(const char *a, const char *b)
{
    unsigned table[16][16];

    for (size_t i = 0; i <= strlen(a); i++)
        for (size_t j = 0; j <= strlen(b); j++) {
            table[i][j] = i == 0 ? (unsigned)j : j == 0 ? (unsigned)i : table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (i == 0 || j == 0)
                continue;
            table[i][j] = MIN(table[i][j], MIN(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = MIN(table[i][j], table[i - 2][j - 2] + 1);
        }
    return table[strlen(a)][strlen(b)];
}

static void
letters_are_counted_rightly(void **state)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (unsigned round = 0; round < 20000; round++) {
        char words[2][13] = {{0}};
        const char *const other = words[1];
        unsigned letters;

        for (size_t w = 0; w < 2; w++)
            for (int i = g_rand_int_range(rand, 6, 13); i > 0; i--)
                words[w][i - 1] = (char)g_rand_int_range(rand, 'a', 'c');
        letters = plain_distance(words[0], words[1]);
        assert_int_equal(nearest_name(words[0], &other, 1) != NULL, letters <= 2);
    }
}

static void
a_search_takes_no_time_that_others_need(void **state)
{
    g_autofree char *letters = g_strnfill(1 << 20, 'w');
    g_autoptr(GPtrArray) guests = g_ptr_array_new_with_free_func(g_free);
    clock_t begun;

    for (unsigned i = 0; i < 1000; i++)
        g_ptr_array_add(guests, g_strdup_printf("customer-web-server-%04u", i));
    begun = clock();
    for (unsigned i = 0; i < 200; i++) {
        g_autofree const char **near = nearest_names(i == 0 ? letters : "customer-web-server-12345",
                                                     (const char *const *)guests->pdata, guests->len, 5);

        assert_int_equal(near[0] != NULL, i != 0);
    }
    assert_in_range(clock() - begun, 0, 2 * CLOCKS_PER_SEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_is_found_by_case_and_by_letters),
        cmocka_unit_test(several_names_come_nearest_first_and_no_more_than_asked_for),
        cmocka_unit_test(what_is_typed_wrong_finds_what_was_meant),
        cmocka_unit_test(names_of_any_length_are_taken),
        cmocka_unit_test(letters_are_counted_rightly),
        cmocka_unit_test(a_search_takes_no_time_that_others_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
