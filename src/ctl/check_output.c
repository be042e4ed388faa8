/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_output.h"

#include "output.h"
#include "table.h"
#include "text.h"

#include <stdio.h>

#define WIDTH_UNKNOWN 100
#define INDENT 10

JsonArray *
check_json(const GPtrArray *checks)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < checks->len; i++) {
        const Check *check = g_ptr_array_index(checks, i);
        JsonObject *row = json_object_new();

        json_object_set_string_member(row, "name", check->name);
        json_object_set_string_member(row, "level", check_level_name(check->level));
        json_object_set_string_member(row, "text", check->text);
        json_object_set_string_member(row, "advice", check->advice != NULL ? check->advice : "");
        json_array_add_object_element(array, row);
    }
    return array;
}

unsigned
check_count(const GPtrArray *checks, CheckLevel level)
{
    unsigned count = 0;

    for (guint i = 0; i < checks->len; i++)
        count += ((const Check *)g_ptr_array_index(checks, i))->level == level;
    return count;
}

void
check_print(const Check *check)
{
    static const CellColour colours[] = {CELL_GOOD, CELL_PLAIN, CELL_LOW, CELL_BAD};
    bool coloured = output_has_colour();
    unsigned columns = output_columns();
    g_autofree char *sentence = g_strdup_printf("%s: %s", check->name, check->text);
    g_autofree char *clean = text_clean(sentence);
    g_autofree char *advice = check->advice != NULL ? text_clean(check->advice) : NULL;
    g_autofree char *help = g_strdup_printf("What helps: %s", advice);
    g_autofree char *wrapped = text_wrap(clean, columns > 0 ? columns : WIDTH_UNKNOWN, INDENT);
    g_autofree char *wrapped_help = text_wrap(help, columns > 0 ? columns : WIDTH_UNKNOWN, INDENT);

    /* the level takes the place of the first line's indent */
    printf("%s%-*s%s%s", coloured ? cell_colour_begin(colours[check->level]) : "", INDENT,
           check_level_name(check->level), coloured ? CELL_COLOUR_END : "", wrapped + INDENT);
    if (check->advice != NULL)
        fputs(wrapped_help, stdout);
}
