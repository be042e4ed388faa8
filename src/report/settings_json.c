/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_json.h"

#include "json_parts.h"

/* A number, a text, or null where it is not known. */
static void
add_value(JsonBuilder *builder, const char *key, const SettingValue *value)
{
    json_builder_set_member_name(builder, key);
    if (value->is_number)
        json_builder_add_int_value(builder, value->number > G_MAXINT64 ? G_MAXINT64 : (int64_t)value->number);
    else if (value->text[0] == '\0')
        json_builder_add_null_value(builder);
    else {
        g_autofree char *valid = g_utf8_make_valid(value->text, -1);

        json_builder_add_string_value(builder, valid);
    }
}

static void
add_row(JsonBuilder *builder, const SettingChange *row, bool running)
{
    static const char *const places[] = {
        [SETTING_PLACE_BOTH] = "both", [SETTING_PLACE_LIVE] = "live", [SETTING_PLACE_NEXT] = "next"};

    json_builder_begin_object(builder);
    json_add_text(builder, "setting", element_attribute_names[row->attribute]);
    json_add_text(builder, "place", places[row->place]);
    add_value(builder, "before", &row->before);
    json_add_flag(builder, "beforeGiven", row->before.given);
    add_value(builder, "after", &row->after);
    json_add_flag(builder, "afterGiven", row->after.given);
    json_add_text(builder, "takesEffect", setting_effect_text(row->attribute, row->place, running));
    json_builder_end_object(builder);
}

/* "smart-paging" is "smartPaging", as properties are named. */
static char *
camel_name(const char *name)
{
    GString *camel = g_string_new(NULL);

    for (; *name != '\0'; name++)
        g_string_append_c(camel, *name == '-' && name[1] != '\0' ? g_ascii_toupper(*++name) : *name);
    return g_string_free(camel, FALSE);
}

char *
settings_json(const char *name, const char *uuid, const SettingsChange *change)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    json_add_text(builder, "name", name);
    json_add_text(builder, "uuid", uuid);
    json_add_flag(builder, "running", change->running);
    json_add_flag(builder, "persistent", change->persistent);
    json_add_flag(builder, "managedBefore", change->managed_before);
    json_add_flag(builder, "managedAfter", change->managed_after);
    json_add_flag(builder, "elementBefore", change->element_before);
    json_add_flag(builder, "elementAfter", change->element_after);
    json_add_flag(builder, "writes", change->writes);
    json_builder_set_member_name(builder, "changes");
    json_builder_begin_array(builder);
    for (guint i = 0; i < change->rows->len; i++)
        add_row(builder, g_ptr_array_index(change->rows, i), change->running);
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "settings");
    json_builder_begin_object(builder);
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        g_autofree char *key = camel_name(element_attribute_names[i]);

        add_value(builder, key, &change->after[i]);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "notes");
    json_builder_begin_array(builder);
    for (guint i = 0; i < change->notes->len; i++) {
        g_autofree char *valid = g_utf8_make_valid(g_ptr_array_index(change->notes, i), -1);

        json_builder_add_string_value(builder, valid);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}
