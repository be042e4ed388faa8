/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "error.h"
#include "units.h"

static void
sizes_are_read_in_every_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t kib;
    } cases[] = {
        {"0", 0},
        {"0B", 0},
        {"1023B", 0},
        {"1024B", 1},
        {"7KiB", 7},
        {"512MiB", 524288},
        {"1 GiB", 1048576},
        {" 2TiB ", UINT64_C(2) << 30},
        {"4096TiB", KIB_LIMIT},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t kib = 99;

        assert_true(units_parse_size(cases[i].text, &kib, NULL));
        assert_int_equal(kib, cases[i].kib);
    }
}

static void
bad_sizes_are_refused_and_leave_the_result_alone(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "MiB",
        "-1MiB",
        "512",
        "1.5GiB",
        "1,5GiB",
        "512MB",
        "512mib",
        "512MiB x",
        "0x10B",
        "4097TiB",
        "5 Mi B",
        "99999999999999999999B",
        "18446744073709551616B",
        "1e3MiB",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t kib = 99;
        g_autoptr(GError) error = NULL;

        assert_false(units_parse_size(cases[i], &kib, &error));
        assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID));
        assert_int_equal(kib, 99);
    }
}

static void
sizes_are_shown_as_people_read_them(void **state)
{
    static const struct {
        uint64_t kib;
        const char *text;
    } cases[] = {
        {0, "0 KiB"},
        {96, "96 KiB"},
        {1024, "1 MiB"},
        {1536, "1.5 MiB"},
        {524288, "512 MiB"},
        {1572864, "1.5 GiB"},
        {102400 + 512, "101 MiB"},
        {102400 + 511, "100 MiB"},
        {1048575, "1024 MiB"},
        {UINT64_C(3) << 30, "3 TiB"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = units_format_size(cases[i].kib);

        assert_string_equal(text, cases[i].text);
    }
}

static void
exact_sizes_read_back_to_themselves(void **state)
{
    for (uint64_t kib = 0, step = 1; kib < KIB_LIMIT; kib += step, step = step * 3 / 2 + 1) {
        g_autofree char *text = units_format_size_exact(kib);
        uint64_t back = 1;

        assert_true(units_parse_size(text, &back, NULL));
        assert_int_equal(back, kib);
    }
}

static void
spans_are_shown_as_people_read_them(void **state)
{
    static const struct {
        uint64_t usec;
        const char *text;
    } cases[] = {
        {850000, "850 ms"},
        {12 * USEC_PER_SEC, "12 s"},
        {200 * USEC_PER_SEC, "3 min 20 s"},
        {180 * USEC_PER_SEC, "3 min"},
        {7500 * USEC_PER_SEC, "2 h 5 min"},
        {7200 * USEC_PER_SEC, "2 h"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = units_format_span(cases[i].usec);

        assert_string_equal(text, cases[i].text);
    }
}

static void
percentages_of_large_amounts_do_not_overflow(void **state)
{
    assert_int_equal(percent_of(KIB_LIMIT, 2000), KIB_LIMIT * 20);
    assert_int_equal(percent_of(99, 50), 49);
    assert_int_equal(percent_of(0, 2000), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_in_every_unit),
        cmocka_unit_test(bad_sizes_are_refused_and_leave_the_result_alone),
        cmocka_unit_test(sizes_are_shown_as_people_read_them),
        cmocka_unit_test(exact_sizes_read_back_to_themselves),
        cmocka_unit_test(spans_are_shown_as_people_read_them),
        cmocka_unit_test(percentages_of_large_amounts_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
