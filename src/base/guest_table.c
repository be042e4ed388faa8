/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_table.h"

#include <stdlib.h>
#include <string.h>

typedef struct Row {
    char uuid[37];
    uint64_t serial;
    void *entry; /* owned */
} Row;

struct GuestTable {
    size_t entry_size;
    void (*clear)(void *entry);
    Row *rows; /* sorted by uuid */
    size_t count;
};

GuestTable *
guest_table_new(size_t entry_size, void (*clear)(void *entry))
{
    GuestTable *table = g_new0(GuestTable, 1);

    table->entry_size = entry_size;
    table->clear = clear;
    return table;
}

static void
drop(const GuestTable *table, void *entry)
{
    if (table->clear != NULL)
        table->clear(entry);
    g_free(entry);
}

void
guest_table_free(GuestTable *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        drop(table, table->rows[i].entry);
    g_free(table->rows);
    g_free(table);
}

static bool
is_of(const Row *row, const GuestRecord *record)
{
    return strcmp(row->uuid, record->uuid) == 0 && row->serial == record->serial;
}

bool
guest_table_match(GuestTable *table, const GuestRecord *const *records, size_t count)
{
    Row *rows;
    size_t same = 0, next = 0;

    while (same < count && same < table->count && is_of(&table->rows[same], records[same]))
        same++;
    if (same == count && same == table->count)
        return false;

    rows = g_new0(Row, count);
    for (size_t i = 0; i < count; i++) {
        memcpy(rows[i].uuid, records[i]->uuid, sizeof rows[i].uuid);
        rows[i].serial = records[i]->serial;
        while (next < table->count && strcmp(table->rows[next].uuid, rows[i].uuid) < 0)
            drop(table, table->rows[next++].entry);
        if (next < table->count && is_of(&table->rows[next], records[i]))
            rows[i].entry = table->rows[next++].entry;
        else
            rows[i].entry = g_malloc0(table->entry_size);
    }
    while (next < table->count)
        drop(table, table->rows[next++].entry);
    g_free(table->rows);
    table->rows = rows;
    table->count = count;
    return true;
}

void *
guest_table_get(const GuestTable *table, size_t i)
{
    g_assert(i < table->count);
    return table->rows[i].entry;
}

static int
compare_row(const void *key, const void *row)
{
    return strcmp(((const GuestRecord *)key)->uuid, ((const Row *)row)->uuid);
}

void *
guest_table_find(const GuestTable *table, const GuestRecord *record)
{
    const Row *row =
        table->count == 0 ? NULL : bsearch(record, table->rows, table->count, sizeof *table->rows, compare_row);

    return row != NULL && row->serial == record->serial ? row->entry : NULL;
}
