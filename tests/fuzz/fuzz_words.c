/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever somebody asks to be set, a line a setting: it is refused with a reason, or what comes of it is settings that a guest can have.
 * A line that begins with a digit is sent as a number.
 */

#include "fuzz.h"

#include "config/settings_edit.h"
#include "units.h"

static const char xml[] = "<domain><name>web</name><memory>4194304</memory><metadata><d:memory "
                          "xmlns:d='urn:dynmem:domain:1' minimum='1GiB' startup='2GiB'/></metadata></domain>";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 12);
    g_autoptr(SettingsAsk) ask = settings_ask_new();
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(SettingsEdit) edit = NULL;
    g_autoptr(SettingsChange) change = NULL;
    g_autoptr(GError) error = NULL;

    if (!g_utf8_validate(text, -1, NULL)) /* the bus lets no other text through */
        return 0;
    for (size_t i = 0; lines[i] != NULL; i++) {
        char *equals = strchr(lines[i], '=');

        if (equals == NULL)
            continue;
        *equals = '\0';
        settings_ask_add(ask, lines[i], equals + 1, g_ascii_isdigit(equals[1]));
    }
    edit = settings_edit_new(ask, settings, (StartupDefault){0}, &error);
    g_assert_true((edit == NULL) == (error != NULL));
    if (edit == NULL)
        return 0;
    change = settings_edit_plan(edit, xml, xml, &error);
    g_assert_true((change == NULL) == (error != NULL));
    if (change == NULL) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    g_assert_cmpuint(change->after[ELEMENT_MINIMUM].number, <=, change->after[ELEMENT_STARTUP].number);
    g_assert_cmpuint(change->after[ELEMENT_STARTUP].number, <=, 4 * bytes_from_kib(KIB_PER_GIB));
    g_assert_cmpuint(change->after[ELEMENT_PRIORITY].number, <=, 100);
    g_assert_cmpuint(change->after[ELEMENT_BUFFER].number, <=, 2000);
    return 0;
}
