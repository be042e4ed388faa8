/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_words.h"

#include "settings.h"
#include "text.h"

#include <string.h>

/* Adds a setting. The name is checked here, since a wrong one is wrong usage; the value is for the daemon to judge. */
static bool
add(GVariantDict *settings, const char *name, const char *value, GError **error)
{
    ElementAttribute attribute;
    g_autoptr(GError) raw = NULL;
    g_autofree char *shown = text_clean(name);

    if (!element_attribute_find(shown, &attribute, &raw)) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, raw->message);
        return false;
    }
    if (g_variant_dict_contains(settings, name)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s is given twice", name);
        return false;
    }
    if (!g_utf8_validate(value, -1, NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: its value is no UTF-8", name);
        return false;
    }
    g_variant_dict_insert(settings, name, "s", value);
    return true;
}

GVariant *
settings_words_set(char *const *words, GError **error)
{
    g_auto(GVariantDict) settings = G_VARIANT_DICT_INIT(NULL);

    for (; *words != NULL; words++) {
        const char *equals = strchr(*words, '=');
        g_autofree char *name = NULL;

        if (equals == NULL) {
            g_autofree char *shown = text_clean(*words);

            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "'%s': expected SETTING=VALUE, as in minimum=512MiB", shown);
            return NULL;
        }
        name = g_strndup(*words, (size_t)(equals - *words));
        if (!add(&settings, name, equals + 1, error))
            return NULL;
    }
    return g_variant_dict_end(&settings);
}

GVariant *
settings_words_unset(char *const *words, GError **error)
{
    g_auto(GVariantDict) settings = G_VARIANT_DICT_INIT(NULL);

    for (; *words != NULL; words++)
        if (!add(&settings, *words, "", error))
            return NULL;
    return g_variant_dict_end(&settings);
}

GVariant *
settings_words_mode(const char *word, GError **error)
{
    static const GuestMode modes[] = {GUEST_MODE_DYNAMIC, GUEST_MODE_OBSERVE, GUEST_MODE_STATIC};
    g_auto(GVariantDict) settings = G_VARIANT_DICT_INIT(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(word, guest_mode_name(modes[i])) != 0)
            continue;
        g_variant_dict_insert(&settings, element_attribute_names[ELEMENT_MODE], "s", word);
        return g_variant_dict_end(&settings);
    }
    {
        g_autofree char *shown = text_clean(word);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is no mode; expected dynamic, observe or static", shown);
    }
    return NULL;
}
