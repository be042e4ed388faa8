/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_parts.h"

#include "units.h"

void
json_add_text(JsonBuilder *builder, const char *key, const char *value)
{
    g_autofree char *valid = value != NULL ? g_utf8_make_valid(value, -1) : NULL;

    json_builder_set_member_name(builder, key);
    json_builder_add_string_value(builder, valid);
}

void
json_add_number(JsonBuilder *builder, const char *key, uint64_t value)
{
    json_builder_set_member_name(builder, key);
    json_builder_add_int_value(builder, value > G_MAXINT64 ? G_MAXINT64 : (int64_t)value);
}

void
json_add_size(JsonBuilder *builder, const char *key, uint64_t kib)
{
    json_add_number(builder, key, bytes_from_kib(kib));
}

void
json_add_flag(JsonBuilder *builder, const char *key, bool value)
{
    json_builder_set_member_name(builder, key);
    json_builder_add_boolean_value(builder, value);
}
