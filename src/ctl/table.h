/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A table of text: columns as wide as their widest cell, numbers to the right. Where the terminal is too
 * narrow, columns that may go are left out, then the first column is shortened.
 */

#include <glib.h>
#include <stdbool.h>

typedef enum CellColour {
    CELL_PLAIN,
    CELL_GOOD,
    CELL_LOW,
    CELL_BAD,
    CELL_FAINT,
    CELL_STRONG,
    CELL_SPARE,
    CELL_MISSING,
} CellColour;

typedef struct TableColumn {
    const char *title;
    bool right;     /* aligned to the right */
    unsigned spare; /* 0: never left out; the highest goes first */
} TableColumn;

typedef struct Table Table;

/* columns must outlive the table. Free with table_free. */
Table *table_new(const TableColumn *columns, unsigned count);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* Adds a cell, row by row. Takes text over, which is cleaned (text_clean). */
void table_add(Table *table, char *text, CellColour colour);

/*
 * The whole table as text, once: what it has no room for is gone then. width 0: as wide as it needs. All lines are as wide
 * as the table where the last column is aligned to the right. Caller frees.
 */
char *table_draw(Table *table, unsigned width, bool legend, bool colour);

/* The escape sequence that begins a colour, "" for CELL_PLAIN; CELL_COLOUR_END ends it. */
const char *cell_colour_begin(CellColour colour);
#define CELL_COLOUR_END "\033[0m"
