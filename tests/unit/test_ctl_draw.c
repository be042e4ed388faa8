/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How dm-ctl draws: text that others made, tables, bars and the screen of top, at every size of a terminal. */

#include "cmocka_all.h"

#include "ctl/bar.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/top_view.h"

#include <locale.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static void
expect_clean(const char *text, const char *clean)
{
    g_autofree char *got = text_clean(text);

    assert_string_equal(got, clean);
}

static void
controls_are_shown_and_not_sent(void **state)
{
    expect_clean("plain \xc3\xa4\xe2\x82\xac", "plain \xc3\xa4\xe2\x82\xac");
    expect_clean("\033[2J\r\n\t\x7f", "\\x1b[2J\\x0d\\x0a\\x09\\x7f");
    expect_clean("\xc2\x9b", "\\x9b");       /* the one-byte CSI */
    expect_clean("\xe2\x80\xae", "\\u202e"); /* right to left: NOLINT(misc-misleading-bidirectional) */
    expect_clean("\xe2\x80\xa8", "\\u2028"); /* a line separator */
    expect_clean("a\xff\xfe", "a??");        /* no UTF-8 */
    expect_clean("", "");
}

static void
width_counts_columns(void **state)
{
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two wide ones */
    assert_int_equal(text_width("e\xcc\x81"), 1);                /* an accent of its own */
}

static void
shortened_text_fits(void **state)
{
    static const char *const texts[] = {"", "a", "abcdefghij", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
                                        "a\xe6\x97\xa5z"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        for (size_t width = 0; width < 12; width++) {
            g_autofree char *shown = text_shorten(texts[i], width);

            assert_true(text_width(shown) <= width);
            if (text_width(texts[i]) <= width)
                assert_string_equal(shown, texts[i]);
            else if (width > 0)
                assert_true(g_str_has_suffix(shown, "\u2026"));
        }
    }
}

static void
wrapped_text_keeps_every_word(void **state)
{
    static const char text[] = "one two three four five six seven-eight nine";

    for (size_t width = 1; width < 60; width++) {
        g_autofree char *wrapped = text_wrap(text, width, 2);
        g_auto(GStrv) lines = g_strsplit(wrapped, "\n", -1);
        g_autoptr(GString) joined = g_string_new(NULL);

        for (char **line = lines; **line != '\0'; line++) {
            assert_true(g_str_has_prefix(*line, "  "));
            /* only a single word may be too wide */
            assert_true(text_width(*line) <= width || strchr(*line + 2, ' ') == NULL);
            g_string_append_printf(joined, "%s%s", line == lines ? "" : " ", *line + 2);
        }
        assert_string_equal(joined->str, text);
    }
}

static void
sizes_are_short(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {512 << 20, "512Mi"}, {GIB * 3 / 2, "1.5Gi"}, {1023 << 20, "1023Mi"}, {96 << 10, "96Ki"}, {GIB << 10, "1Ti"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_short_size(cases[i].bytes);

        assert_string_equal(text, cases[i].text);
        assert_true(strlen(text) <= 6);
    }
}

static const TableColumn table_columns[] = {{"NAME", false, 0}, {"A", true, 1}, {"B", true, 2}};

static void
table_leaves_out_the_highest_spare_column_first(void **state)
{
    g_autoptr(Table) table = table_new(table_columns, G_N_ELEMENTS(table_columns));
    g_autofree char *all = NULL;
    g_autofree char *two = NULL;
    g_autofree char *one = NULL;

    table_add(table, g_strdup("a-name-of-twenty-let"), CELL_PLAIN);
    table_add(table, g_strdup("aaaaaaaaaa"), CELL_BAD);
    table_add(table, g_strdup("bbbbbbbbbb"), CELL_PLAIN);
    all = table_draw(table, 0, true, false);
    assert_string_equal(all, "NAME                           A           B\n"
                             "a-name-of-twenty-let  aaaaaaaaaa  bbbbbbbbbb\n");
    two = table_draw(table, 31, false, true);
    assert_string_equal(two, "a-name-of-twenty-let \033[1;31maaaaaaaaaa\033[0m\n");
    one = table_draw(table, 15, false, false);
    assert_string_equal(one, "a-name-of-twen\u2026\n");
}

static void
expect_bar(const BarFigures *figures, unsigned width, const char *bar)
{
    g_autoptr(GString) line = g_string_new(NULL);

    bar_append(line, figures, width, 0);
    assert_string_equal(line->str, bar);
}

static void
bars_show_what_is_had_needed_and_missing(void **state)
{
    /* has all it wants */
    expect_bar(&(BarFigures){.scale = 20, .minimum = 2, .demand = 8, .want = 12, .assigned = 14, .maximum = 20}, 20,
               "##[#####d===w=.....]");
    /* lacks some of its demand */
    expect_bar(&(BarFigures){.scale = 20, .minimum = 2, .demand = 8, .want = 12, .assigned = 6, .maximum = 16}, 20,
               "##[###--d---w...]   ");
    /* nothing is known but its size */
    expect_bar(&(BarFigures){.scale = 20, .assigned = 10}, 20, "##########          ");
    /* the host's: no marks */
    expect_bar(&(BarFigures){.unmarked = true, .scale = 10, .demand = 8, .want = 10, .assigned = 8, .maximum = 8}, 10,
               "########--");
    expect_bar(&(BarFigures){.scale = 1}, 3, "   ");
}

static void
bars_are_as_wide_as_asked_for_in_every_style(void **state)
{
    GRand *random = g_rand_new_with_seed(7);

    for (unsigned round = 0; round < 2000; round++) {
        unsigned width = (unsigned)g_rand_int_range(random, 1, 200);
        g_autoptr(GString) line = g_string_new(NULL);
        g_autoptr(GRegex) colours = g_regex_new("\033\\[[0-9;]*m", 0, 0, NULL);
        g_autofree char *plain = NULL;
        BarFigures figures = {
            .scale = 1 + (uint64_t)g_rand_int_range(random, 0, 100),
            .minimum = (uint64_t)g_rand_int_range(random, 0, 150),
            .demand = (uint64_t)g_rand_int_range(random, 0, 150),
            .want = (uint64_t)g_rand_int_range(random, 0, 150),
            .assigned = (uint64_t)g_rand_int_range(random, 0, 150),
            .maximum = (uint64_t)g_rand_int_range(random, 0, 150),
        };

        bar_append(line, &figures, width, round % 4);
        plain = g_regex_replace_literal(colours, line->str, -1, 0, "", 0, NULL);
        assert_int_equal(text_width(plain), width);
        /* the colour does not run on behind the bar */
        if (strstr(line->str, "\033[") != NULL)
            assert_string_equal(g_strrstr(line->str, "\033[0m") != NULL ? "ended" : "open", "ended");
    }
    g_rand_free(random);
}

static GuestView *
guest_of(const char *name, const char *status, uint32_t priority, uint32_t pressure)
{
    GVariantDict properties;
    g_autoptr(GVariant) dictionary = NULL;

    g_variant_dict_init(&properties, NULL);
    g_variant_dict_insert(&properties, "Name", "s", name);
    g_variant_dict_insert(&properties, "Uuid", "s", name);
    g_variant_dict_insert(&properties, "State", "s", g_str_equal(status, "off") ? "off" : "active");
    g_variant_dict_insert(&properties, "Status", "s", status);
    g_variant_dict_insert(&properties, "Reason", "s",
                          "a reason that is longer than most terminals are wide, so that it is cut");
    g_variant_dict_insert(&properties, "Managed", "b", TRUE);
    g_variant_dict_insert(&properties, "Priority", "u", priority);
    g_variant_dict_insert(&properties, "Pressure", "u", pressure);
    g_variant_dict_insert(&properties, "Assigned", "t", GIB);
    g_variant_dict_insert(&properties, "Demand", "t", GIB / 2);
    g_variant_dict_insert(&properties, "Want", "t", GIB * 2);
    g_variant_dict_insert(&properties, "Minimum", "t", GIB / 4);
    g_variant_dict_insert(&properties, "Maximum", "t", GIB * 4);
    dictionary = g_variant_ref_sink(g_variant_dict_end(&properties));
    return guest_view_new("/x", dictionary);
}

static GPtrArray *
some_guests(void)
{
    GPtrArray *guests = g_ptr_array_new_with_free_func((GDestroyNotify)guest_view_free);

    g_ptr_array_add(guests, guest_of("c", "ok", 10, 90));
    g_ptr_array_add(guests, guest_of("a", "off", 99, 0));
    g_ptr_array_add(guests, guest_of("b-with-a-very-long-name-indeed\033", "low", 50, 200));
    g_ptr_array_add(guests, guest_of("\xe6\x97\xa5\xe6\x9c\xac", "warning", 50, 300));
    return guests;
}

static HostView *
some_host(void)
{
    GVariantDict properties;
    g_autoptr(GVariant) dictionary = NULL;

    g_variant_dict_init(&properties, NULL);
    g_variant_dict_insert(&properties, "Budget", "t", 4 * GIB);
    g_variant_dict_insert(&properties, "Committed", "t", 5 * GIB);
    g_variant_dict_insert(&properties, "OverBudget", "b", TRUE);
    dictionary = g_variant_ref_sink(g_variant_dict_end(&properties));
    return host_view_new(dictionary);
}

static void
guests_are_sorted_and_those_that_are_off_are_last(void **state)
{
    static const struct {
        TopSort sort;
        bool reverse;
        const char *first[3]; /* one letter of each is enough */
    } cases[] = {
        {TOP_SORT_NAME, false, {"b", "c", "\xe6"}},     {TOP_SORT_NAME, true, {"\xe6", "c", "b"}},
        {TOP_SORT_TROUBLE, false, {"\xe6", "b", "c"}},  {TOP_SORT_TROUBLE, true, {"c", "b", "\xe6"}},
        {TOP_SORT_PRIORITY, false, {"b", "\xe6", "c"}}, {TOP_SORT_PRESSURE, false, {"\xe6", "b", "c"}},
    };
    g_autoptr(GPtrArray) guests = some_guests();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        top_sort_guests(guests, (TopOrder){cases[i].sort, cases[i].reverse});
        for (guint place = 0; place < 3; place++)
            assert_int_equal(((const GuestView *)g_ptr_array_index(guests, place))->name[0], cases[i].first[place][0]);
        assert_string_equal(((const GuestView *)g_ptr_array_index(guests, 3))->name, "a");
    }
}

static void
each_order_has_a_word_and_a_key_of_its_own(void **state)
{
    for (TopSort sort = 0; sort < TOP_SORTS; sort++) {
        unsigned keys = 0;
        TopSort found = TOP_SORTS;

        assert_true(top_sort_find(top_sort_name(sort), 0, &found));
        assert_int_equal(found, sort);
        for (int key = 'a'; key <= 'z'; key++)
            keys += top_sort_find(NULL, key, &found) && found == sort;
        assert_int_equal(keys, 1);
    }
    /* those do something else */
    for (const char *key = "jkqs"; *key != '\0'; key++) {
        TopSort found = TOP_SORTS;

        assert_false(top_sort_find(NULL, *key, &found));
    }
}

static void
expect_to_fit(const char *screen, unsigned columns, unsigned rows)
{
    g_autoptr(GRegex) colours = g_regex_new("\033\\[[0-9;]*m", 0, 0, NULL);
    g_autofree char *plain = g_regex_replace_literal(colours, screen, -1, 0, "", 0, NULL);
    g_auto(GStrv) lines = g_strsplit(plain, "\n", -1);

    assert_int_equal(g_strv_length(lines), rows);
    for (char **line = lines; *line != NULL; line++)
        assert_true(text_width(*line) <= columns);
    assert_null(strchr(plain, '\033'));
}

/* Whatever the size, the screen has its rows, and no line is wider than it. */
static void
top_fits_every_terminal(void **state)
{
    g_autoptr(GPtrArray) guests = some_guests();
    g_autoptr(HostView) host = some_host();

    for (unsigned columns = 40; columns <= 240; columns++) {
        for (unsigned rows = 8; rows < 50; rows += 3) {
            TopView view = {
                .guests = guests,
                .host = host,
                .clock = "12:00:00",
                .selected = rows % 4,
                .own_scale = columns % 2 == 0,
                .style = columns % 4,
                .columns = columns,
                .rows = rows,
            };
            guint first = 999;
            g_autofree char *screen = top_draw_screen(&view);
            g_autofree char *text = top_draw_text(&view, "one\033\n\ntwo\nthree\nfour\nfive\nsix\nseven", &first);

            expect_to_fit(screen, columns, rows);
            expect_to_fit(text, columns, rows);
            assert_int_equal(first, rows < 10 ? 10 - rows : 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_shown_and_not_sent),
        cmocka_unit_test(width_counts_columns),
        cmocka_unit_test(shortened_text_fits),
        cmocka_unit_test(wrapped_text_keeps_every_word),
        cmocka_unit_test(sizes_are_short),
        cmocka_unit_test(table_leaves_out_the_highest_spare_column_first),
        cmocka_unit_test(bars_show_what_is_had_needed_and_missing),
        cmocka_unit_test(bars_are_as_wide_as_asked_for_in_every_style),
        cmocka_unit_test(guests_are_sorted_and_those_that_are_off_are_last),
        cmocka_unit_test(each_order_has_a_word_and_a_key_of_its_own),
        cmocka_unit_test(top_fits_every_terminal),
    };

    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
