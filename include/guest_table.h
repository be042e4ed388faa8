/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a stage remembers of each guest, in the order of the records, so that entry i belongs to record i.
 * Where no guest came or went since the last tick matching is one comparison a guest and allocates nothing.
 */

#include "ports.h"

typedef struct GuestTable GuestTable;

/* Entries are of entry_size bytes; clear (may be NULL) frees what an entry holds, not the entry. */
GuestTable *guest_table_new(size_t entry_size, void (*clear)(void *entry));
void guest_table_free(GuestTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestTable, guest_table_free)

/*
 * Makes the table belong to records, which are sorted by uuid: entries of guests that are gone are cleared and
 * dropped, those of new guests are zeroed. A record with another serial is another guest, whatever its uuid. Returns
 * whether anybody came or went. Entries keep their address.
 */
bool guest_table_match(GuestTable *table, const GuestRecord *const *records, size_t count);

/* The entry of record i of the last match. Valid until its guest is gone. */
void *guest_table_get(const GuestTable *table, size_t i);

/* The entry of this record, NULL where it was not there at the last match. */
void *guest_table_find(const GuestTable *table, const GuestRecord *record);
