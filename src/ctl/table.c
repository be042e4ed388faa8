/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include "text.h"

/* Below this the first column is not shortened. */
#define FIRST_COLUMN_MINIMUM 12

typedef struct Cell {
    char *text;
    CellColour colour;
} Cell;

struct Table {
    const TableColumn *columns;
    unsigned count;
    GArray *cells;  /* of Cell, row by row */
    size_t *widths; /* of the columns as they are drawn; 0: left out */
};

static void
cell_clear(Cell *cell)
{
    g_free(cell->text);
}

Table *
table_new(const TableColumn *columns, unsigned count)
{
    Table *table = g_new0(Table, 1);

    table->columns = columns;
    table->count = count;
    table->widths = g_new0(size_t, count);
    table->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(table->cells, (GDestroyNotify)cell_clear);
    return table;
}

void
table_free(Table *table)
{
    if (table == NULL)
        return;
    g_array_unref(table->cells);
    g_free(table->widths);
    g_free(table);
}

void
table_add(Table *table, char *text, CellColour colour)
{
    Cell cell = {text_clean(text), colour};

    g_array_append_val(table->cells, cell);
    g_free(text);
}

const char *
cell_colour_begin(CellColour colour)
{
    static const char *const begins[] = {
        [CELL_PLAIN] = "",         [CELL_GOOD] = "\033[32m", [CELL_LOW] = "\033[33m",
        [CELL_BAD] = "\033[1;31m", [CELL_FAINT] = "\033[2m",
    };

    return begins[colour];
}

/* What the columns take together. */
static size_t
total_width(const Table *table, size_t gap)
{
    size_t total = 0;

    for (unsigned i = 0; i < table->count; i++)
        if (table->widths[i] > 0)
            total += table->widths[i] + (total > 0 ? gap : 0);
    return total;
}

/* Makes the table fit into width: closer columns, then fewer, then a shorter first one. */
static void
squeeze(Table *table, size_t *gap, size_t width)
{
    size_t *widths = table->widths;
    size_t total;

    if (total_width(table, *gap) > width)
        *gap = 1;
    while ((total = total_width(table, *gap)) > width) {
        size_t over = total - width;
        unsigned victim = 0;

        if (widths[0] >= FIRST_COLUMN_MINIMUM + over) {
            widths[0] -= over;
            return;
        }
        for (unsigned i = 1; i < table->count; i++)
            if (widths[i] > 0 && table->columns[i].spare > 0 &&
                (victim == 0 || table->columns[i].spare > table->columns[victim].spare))
                victim = i;
        if (victim == 0) {
            widths[0] = MIN(widths[0], FIRST_COLUMN_MINIMUM);
            return;
        }
        widths[victim] = 0;
    }
}

static void
append_cell(GString *line, const char *text, size_t width, bool right, const char *colour)
{
    g_autofree char *shown = text_shorten(text, width);
    int padding = (int)(width - text_width(shown));

    if (right)
        g_string_append_printf(line, "%*s", padding, "");
    if (colour[0] != '\0' && shown[0] != '\0')
        g_string_append_printf(line, "%s%s" CELL_COLOUR_END, colour, shown);
    else
        g_string_append(line, shown);
    if (!right)
        g_string_append_printf(line, "%*s", padding, "");
}

static char *
draw_row(const Table *table, size_t gap, int row, bool colour)
{
    GString *line = g_string_new(NULL);

    for (unsigned column = 0; column < table->count; column++) {
        const TableColumn *c = &table->columns[column];
        const Cell *cell;

        if (table->widths[column] == 0)
            continue;
        if (line->len > 0)
            g_string_append(line, gap == 2 ? "  " : " ");
        if (row < 0) {
            append_cell(line, c->title, table->widths[column], c->right, "");
            continue;
        }
        cell = &g_array_index(table->cells, Cell, (unsigned)row * table->count + column);
        append_cell(line, cell->text, table->widths[column], c->right, colour ? cell_colour_begin(cell->colour) : "");
    }
    return g_string_free(line, FALSE);
}

/* As wide as the widest cell. */
static void
measure(Table *table, unsigned rows, bool legend)
{
    for (unsigned column = 0; column < table->count; column++) {
        table->widths[column] = legend ? text_width(table->columns[column].title) : 0;
        for (unsigned row = 0; row < rows; row++) {
            const Cell *cell = &g_array_index(table->cells, Cell, row * table->count + column);

            table->widths[column] = MAX(table->widths[column], text_width(cell->text));
        }
    }
}

char **
table_draw_lines(Table *table, unsigned width, bool legend, bool colour, unsigned *drawn_width)
{
    unsigned rows = table->cells->len / table->count;
    GPtrArray *lines = g_ptr_array_new();
    size_t gap = 2;

    measure(table, rows, legend);
    if (width > 0)
        squeeze(table, &gap, width);
    *drawn_width = (unsigned)total_width(table, gap);

    /* row -1 is the header */
    for (int row = legend ? -1 : 0; row < (int)rows; row++)
        g_ptr_array_add(lines, draw_row(table, gap, row, colour));
    g_ptr_array_add(lines, NULL);
    return (char **)g_ptr_array_free(lines, FALSE);
}

char *
table_draw(Table *table, unsigned width, bool legend, bool colour)
{
    unsigned drawn_width;
    g_auto(GStrv) lines = table_draw_lines(table, width, legend, colour, &drawn_width);
    GString *text = g_string_new(NULL);

    for (char **line = lines; *line != NULL; line++)
        g_string_append_printf(text, "%s\n", g_strchomp(*line)); /* blanks at the end help nobody */
    return g_string_free(text, FALSE);
}
