/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings as words of the command line. */
#include "cmocka_all.h"

#include "ctl/settings_words.h"

#include <string.h>

static void
check(GVariant *settings, const char *name, const char *value)
{
    const char *found = NULL;

    assert_true(g_variant_lookup(settings, name, "&s", &found));
    assert_string_equal(found, value);
}

static void
words_become_settings(void **state)
{
    char *words[] = {(char *)"minimum=512MiB", (char *)"paging-directory=/a=b", (char *)"priority=", NULL};
    g_autoptr(GVariant) settings = g_variant_ref_sink(settings_words_set(words, NULL));

    assert_int_equal(g_variant_n_children(settings), 3);
    check(settings, "minimum", "512MiB");
    check(settings, "paging-directory", "/a=b");
    check(settings, "priority", "");
}

static void
names_alone_are_taken_out(void **state)
{
    char *words[] = {(char *)"mode", (char *)"buffer", NULL};
    g_autoptr(GVariant) settings = g_variant_ref_sink(settings_words_unset(words, NULL));

    assert_int_equal(g_variant_n_children(settings), 2);
    check(settings, "mode", "");
    check(settings, "buffer", "");
}

static void
modes_are_modes(void **state)
{
    g_autoptr(GVariant) settings = g_variant_ref_sink(settings_words_mode("observe", NULL));
    g_autoptr(GError) error = NULL;

    check(settings, "mode", "observe");
    assert_null(settings_words_mode("off", &error));
    assert_int_equal(error->domain, G_OPTION_ERROR);
    assert_non_null(strstr(error->message, "dynamic, observe or static"));
}

static void
wrong_words_are_wrong_usage(void **state)
{
    static const struct {
        const char *words[3];
        const char *said;
    } wrong[] = {
        {{"minimum"}, "SETTING=VALUE"},        {{"=1"}, "minimum, startup"},    {{"Minimum=1GiB"}, "minimum was"},
        {{"size=1GiB"}, "minimum, startup"},   {{"mode=a", "mode=b"}, "twice"}, {{"\x1b[31m=1"}, "no such setting"},
        {{"paging-directory=/\xff"}, "UTF-8"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(settings_words_set((char *const *)wrong[i].words, &error));
        assert_int_equal(error->domain, G_OPTION_ERROR);
        assert_null(strchr(error->message, '\x1b'));
        if (strstr(error->message, wrong[i].said) == NULL)
            fail_msg("'%s' is not in '%s'", wrong[i].said, error->message);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_settings),
        cmocka_unit_test(names_alone_are_taken_out),
        cmocka_unit_test(modes_are_modes),
        cmocka_unit_test(wrong_words_are_wrong_usage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
