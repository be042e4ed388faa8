/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever stands in dynmemd.conf, the settings that come out of it are ones that could be written in it. */

#include "fuzz.h"

#include "config/config_file.h"
#include "config/config_keys.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func((GDestroyNotify)config_problem_free);
    size_t count;
    const ConfigKey *keys = config_keys(&count);

    config_file_apply("fuzz", (const char *)data, size, settings, problems);
    for (size_t i = 0; i < count; i++) {
        g_autofree char *text = config_key_format(&keys[i], settings);
        g_autoptr(Settings) copy = settings_new();
        g_autofree char *again = NULL;

        g_assert_true(config_key_set(&keys[i], copy, text, NULL));
        again = config_key_format(&keys[i], copy);
        g_assert_cmpstr(text, ==, again);
    }
    for (guint i = 0; i < problems->len; i++) {
        const ConfigProblem *problem = g_ptr_array_index(problems, i);

        g_assert_cmpuint(problem->line, >, 0);
        g_assert_true(g_utf8_validate(problem->message, -1, NULL));
        g_assert_cmpuint(strlen(problem->message), <, 1000);
    }
    return 0;
}
