/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include "output.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define LABEL_COLUMNS 12
#define WIDTH_UNKNOWN 100
#define WIDTH_MINIMUM 30

void
fact_print(const char *label, const char *value, CellColour colour)
{
    g_autofree char *clean = text_clean(value);
    g_autofree char *wrapped = NULL;
    bool coloured = colour != CELL_PLAIN && output_has_colour();
    unsigned columns = output_columns();

    if (clean[0] == '\0')
        return;
    wrapped = text_wrap(clean, columns > 0 ? MAX(columns, WIDTH_MINIMUM) : WIDTH_UNKNOWN, LABEL_COLUMNS);
    g_strchomp(wrapped);
    /* the label takes the place of the first line's indent */
    printf("%-*s%s%s%s\n", LABEL_COLUMNS, label, coloured ? cell_colour_begin(colour) : "",
           strlen(wrapped) > LABEL_COLUMNS ? wrapped + LABEL_COLUMNS : "", coloured ? CELL_COLOUR_END : "");
}

static void
print_size(const char *label, const char *size, const char *remark)
{
    g_autofree char *value = remark[0] != '\0' ? g_strdup_printf("%s, %s", size, remark) : g_strdup(size);

    fact_print(label, value, CELL_PLAIN);
}

void
fact_print_size(const char *label, uint64_t bytes, const char *remark)
{
    g_autofree char *size = bytes > 0 ? text_size(bytes) : g_strdup("-");

    print_size(label, size, remark);
}

void
fact_print_amount(const char *label, uint64_t bytes, const char *remark)
{
    g_autofree char *size = bytes > 0 ? text_size(bytes) : g_strdup("0");

    print_size(label, size, remark);
}
