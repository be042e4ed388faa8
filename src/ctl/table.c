/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include "text.h"

#include <libsmartcols/libsmartcols.h>

/* Below this the first column is not shortened. */
#define FIRST_COLUMN_MINIMUM 12

struct Table {
    const TableColumn *columns;
    unsigned count;
    struct libscols_table *drawn;
    struct libscols_line *row;
    unsigned filled; /* cells of row */
};

Table *
table_new(const TableColumn *columns, unsigned count)
{
    Table *table = g_new0(Table, 1);

    table->columns = columns;
    table->count = count;
    table->filled = count;
    table->drawn = scols_new_table();
    g_assert(table->drawn != NULL);
    /* the library would escape ASCII's control characters alone, and the backslashes of text_clean */
    scols_table_enable_noencoding(table->drawn, 1);
    /* it can cut cells, without a sign of it, and can't leave out columns: see squeeze */
    scols_table_set_termforce(table->drawn, SCOLS_TERMFORCE_NEVER);
    for (unsigned i = 0; i < count; i++)
        scols_table_new_column(table->drawn, columns[i].title, 0, columns[i].right ? SCOLS_FL_RIGHT : 0);
    return table;
}

void
table_free(Table *table)
{
    if (table == NULL)
        return;
    scols_unref_table(table->drawn);
    g_free(table);
}

const char *
cell_colour_begin(CellColour colour)
{
    static const char *const begins[] = {
        [CELL_PLAIN] = "",        [CELL_GOOD] = "\033[32m",  [CELL_LOW] = "\033[33m",   [CELL_BAD] = "\033[1;31m",
        [CELL_FAINT] = "\033[2m", [CELL_STRONG] = "\033[1m", [CELL_SPARE] = "\033[36m", [CELL_MISSING] = "\033[31m",
    };

    return begins[colour];
}

void
table_add(Table *table, char *text, CellColour colour)
{
    g_autofree char *owned = text;
    g_autofree char *clean = text_clean(owned);

    if (table->filled == table->count) {
        table->row = scols_table_new_line(table->drawn, NULL);
        table->filled = 0;
    }
    scols_line_set_data(table->row, table->filled, clean);
    if (colour != CELL_PLAIN)
        scols_cell_set_color(scols_line_get_cell(table->row, table->filled), cell_colour_begin(colour));
    table->filled++;
}

static size_t
width_of(const Table *table, unsigned column)
{
    struct libscols_column *drawn = scols_table_get_column(table->drawn, column);

    return scols_column_is_hidden(drawn) ? 0 : scols_column_get_width(drawn);
}

/* Draws it with gap blanks between columns; the library measures as it draws. Puts its width in *width. Caller frees. */
static char *
draw(Table *table, unsigned gap, size_t *width)
{
    char *text = NULL;

    scols_table_set_column_separator(table->drawn, gap == 2 ? "  " : " ");
    if (scols_print_table_to_string(table->drawn, &text) != 0)
        g_error("table: out of memory");
    *width = 0;
    for (unsigned i = 0; i < table->count; i++)
        if (width_of(table, i) > 0)
            *width += width_of(table, i) + (*width > 0 ? gap : 0);
    return text;
}

static void
shorten_first_column(Table *table, size_t width)
{
    for (size_t i = 0; i < scols_table_get_nlines(table->drawn); i++) {
        struct libscols_line *row = scols_table_get_line(table->drawn, i);
        g_autofree char *shown = text_shorten(scols_cell_get_data(scols_line_get_cell(row, 0)), width);

        scols_line_set_data(row, 0, shown);
    }
}

/* The column to be left out first, 0: none may be. */
static unsigned
find_spare(const Table *table)
{
    unsigned found = 0;

    for (unsigned i = 1; i < table->count; i++)
        if (width_of(table, i) > 0 && table->columns[i].spare > table->columns[found].spare)
            found = i;
    return found;
}

/* Makes the table, which took so much when it was drawn, narrower by one step. Returns false where that was the last. */
static bool
squeeze(Table *table, unsigned *gap, size_t over)
{
    size_t first = width_of(table, 0);
    unsigned spare = find_spare(table);

    if (*gap == 2) {
        *gap = 1;
        return true;
    }
    if (first >= FIRST_COLUMN_MINIMUM + over || spare == 0) {
        shorten_first_column(table, MAX(FIRST_COLUMN_MINIMUM, first - MIN(over, first)));
        return false;
    }
    scols_column_set_flags(scols_table_get_column(table->drawn, spare), SCOLS_FL_HIDDEN);
    return true;
}

char *
table_draw(Table *table, unsigned width, bool legend, bool colour)
{
    unsigned gap = 2;
    bool more = width > 0;
    size_t drawn;
    g_autofree char *text = NULL;

    scols_table_enable_noheadings(table->drawn, legend ? 0 : 1);
    scols_table_enable_colors(table->drawn, colour ? 1 : 0);
    text = draw(table, gap, &drawn);
    while (more && drawn > width) {
        more = squeeze(table, &gap, drawn - width);
        g_free(text);
        text = draw(table, gap, &drawn);
    }
    return g_strconcat(text, text[0] != '\0' ? "\n" : "", NULL);
}
