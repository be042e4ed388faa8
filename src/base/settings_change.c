/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_change.h"

#include "error.h"
#include "nearest.h"

#include <string.h>

/* From when on a value counts that was changed while the guest runs. */
#define EFFECT_NOW "at once"
#define EFFECT_RESTART "at its next start or restart"
#define EFFECT_START "at its next start"

const char *const element_attribute_names[ELEMENT_ATTRIBUTE_COUNT] = {
    [ELEMENT_MINIMUM] = "minimum",
    [ELEMENT_STARTUP] = "startup",
    [ELEMENT_BUFFER] = "buffer",
    [ELEMENT_PRIORITY] = "priority",
    [ELEMENT_SMART_PAGING] = "smart-paging",
    [ELEMENT_PAGING_DIRECTORY] = "paging-directory",
    [ELEMENT_MODE] = "mode",
};

/* tests/unit/test_names.py holds dynmem(7) against this table. */
static const char *const effects[ELEMENT_ATTRIBUTE_COUNT] = {
    [ELEMENT_MINIMUM] = EFFECT_NOW,
    [ELEMENT_STARTUP] = EFFECT_RESTART,
    [ELEMENT_BUFFER] = EFFECT_NOW,
    [ELEMENT_PRIORITY] = EFFECT_NOW,
    [ELEMENT_SMART_PAGING] = EFFECT_RESTART,
    [ELEMENT_PAGING_DIRECTORY] = EFFECT_RESTART,
    [ELEMENT_MODE] = EFFECT_NOW,
};

const char *
setting_effect_text(ElementAttribute attribute, SettingPlace place, bool running)
{
    return running && place != SETTING_PLACE_NEXT ? effects[attribute] : EFFECT_START;
}

bool
element_attribute_is_size(ElementAttribute attribute)
{
    return attribute == ELEMENT_MINIMUM || attribute == ELEMENT_STARTUP;
}

bool
element_attribute_find(const char *name, ElementAttribute *attribute, GError **error)
{
    const char *meant;

    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        if (strcmp(name, element_attribute_names[i]) != 0)
            continue;
        *attribute = (ElementAttribute)i;
        return true;
    }
    meant = nearest_name(name, element_attribute_names, ELEMENT_ATTRIBUTE_COUNT);
    if (meant != NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s': there is no such setting; %s was probably meant",
                    name, meant);
    } else {
        const char *all[ELEMENT_ATTRIBUTE_COUNT + 1] = {NULL};
        g_autofree char *list = NULL;

        memcpy(all, element_attribute_names, sizeof element_attribute_names);
        list = g_strjoinv(", ", (char **)all);
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s': there is no such setting; there are %s", name,
                    list);
    }
    return false;
}

/* ---- what is asked for ---- */

static void
setting_ask_free(void *data)
{
    SettingAsk *ask = data;

    g_free(ask->name);
    g_free(ask->value);
    g_free(ask);
}

SettingsAsk *
settings_ask_new(void)
{
    SettingsAsk *ask = g_new0(SettingsAsk, 1);

    ask->values = g_ptr_array_new_with_free_func(setting_ask_free);
    return ask;
}

void
settings_ask_add(SettingsAsk *ask, const char *name, const char *value, bool number)
{
    SettingAsk *one = g_new0(SettingAsk, 1);

    one->name = g_strdup(name);
    one->value = g_strdup(value);
    one->number = number;
    g_ptr_array_add(ask->values, one);
}

void
settings_ask_free(SettingsAsk *ask)
{
    if (ask == NULL)
        return;
    g_ptr_array_unref(ask->values);
    g_free(ask);
}

/* ---- what it comes to ---- */

static void
setting_change_free(void *data)
{
    SettingChange *change = data;

    g_free(change->before.text);
    g_free(change->after.text);
    g_free(change);
}

SettingsChange *
settings_change_new(void)
{
    SettingsChange *change = g_new0(SettingsChange, 1);

    change->rows = g_ptr_array_new_with_free_func(setting_change_free);
    change->notes = g_ptr_array_new_with_free_func(g_free);
    return change;
}

void
settings_change_free(SettingsChange *change)
{
    if (change == NULL)
        return;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        g_free(change->after[i].text);
    g_ptr_array_unref(change->rows);
    g_ptr_array_unref(change->notes);
    g_free(change);
}
