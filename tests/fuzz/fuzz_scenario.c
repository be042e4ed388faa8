/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever stands in a simulation file, it is refused with the line, or what is read of it says the same when it is read again. */

#include "fuzz.h"

#include "sim/scenario.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SimScenario) scenario = sim_scenario_parse("fuzz", (const char *)data, (gssize)size, &error);
    g_autoptr(SimScenario) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *text_again = NULL;

    g_assert_true((scenario == NULL) == (error != NULL));
    if (scenario == NULL) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_assert_true(g_str_has_prefix(error->message, "fuzz"));
        return 0;
    }
    text = sim_scenario_format(scenario);
    again = sim_scenario_parse("again", text, -1, &error);
    g_assert_no_error(error);
    text_again = sim_scenario_format(again);
    g_assert_cmpstr(text, ==, text_again);
    return 0;
}
