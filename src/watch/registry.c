/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry_private.h"

#include "error.h"
#include "units.h"

#include <string.h>

static uint64_t
now_usec(void)
{
    return (uint64_t)g_get_monotonic_time();
}

static void
guest_free(void *data)
{
    Guest *guest = data;
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "dynmemd ends");

    /* at the daemon's end: of a call that is under way nobody will hear any more */
    target_book_give_up(&guest->target, guest->record.uuid, error);
    process_watch_free(guest->process);
    if (guest->read_retry != 0)
        g_source_remove(guest->read_retry);
    g_free(guest->record.name);
    g_free(guest->record.live_xml);
    g_free(guest->record.inactive_xml);
    g_free(guest->record.saved_xml);
    g_free(guest);
}

Registry *
registry_new(Runs *runs, void (*process_ended)(void *user_data, Guest *guest), void *user_data)
{
    Registry *registry = g_new0(Registry, 1);

    registry->runs = runs;
    registry->made_usec = (uint64_t)g_get_monotonic_time();
    registry->guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, guest_free);
    registry->strays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    registry->processes = process_set_new();
    registry->records = g_ptr_array_new();
    registry->process_ended = process_ended;
    registry->user_data = user_data;
    return registry;
}

void
registry_free(Registry *registry)
{
    if (registry == NULL)
        return;
    g_ptr_array_unref(registry->records);
    g_hash_table_unref(registry->guests);
    g_hash_table_unref(registry->strays);
    process_set_free(registry->processes);
    g_free(registry);
}

Guest *
registry_find(Registry *registry, const char *uuid)
{
    return g_hash_table_lookup(registry->guests, uuid);
}

Guest *
registry_add(Registry *registry, const char *uuid)
{
    Guest *guest = registry_find(registry, uuid);
    const uint64_t *stray_kib;

    if (guest != NULL)
        return guest;
    guest = g_new0(Guest, 1);
    g_strlcpy(guest->record.uuid, uuid, sizeof guest->record.uuid);
    guest->record.serial = ++registry->serials;
    guest->record.life = GUEST_LIFE_OFF;
    guest->record.answering = true;
    guest->record.stop_usec = runs_stop_usec(registry->runs, uuid, now_usec());
    guest->record.ran_at_host_down = runs_ran_at_host_down(registry->runs, uuid);
    guest->registry = registry;
    guest->id = -1;
    guest->dead_id = -1;
    stray_kib = g_hash_table_lookup(registry->strays, uuid);
    if (stray_kib != NULL) {
        target_book_inherit(&guest->target, *stray_kib);
        guest_show_target(guest);
        g_hash_table_remove(registry->strays, uuid);
    }
    g_hash_table_insert(registry->guests, guest->record.uuid, guest);
    return guest;
}

void
registry_remove(Registry *registry, Guest *guest, const GError *error)
{
    registry->records_valid = false;
    /* A transient guest goes with its end, and may be back soon. */
    if (runs_is_running(registry->runs, guest->record.uuid))
        runs_note_off(registry->runs, guest->record.uuid, guest->record.name, now_usec());
    g_hash_table_steal(registry->guests, guest->record.uuid);
    target_book_restart(&guest->target, guest->record.uuid, error);
    if (guest->target.sent.set) {
        uint64_t sent_kib = saturating_add(guest->target.sent.kib, guest->target.sent_growth_kib);

        g_hash_table_replace(registry->strays, g_strdup(guest->record.uuid), g_memdup2(&sent_kib, sizeof sent_kib));
    }
    guest_free(guest);
}

void
registry_end_stray_call(Registry *registry, const char *uuid)
{
    g_hash_table_remove(registry->strays, uuid);
}

void
registry_foreach(Registry *registry, void (*each)(Guest *guest, void *user_data), void *user_data)
{
    g_autoptr(GList) guests = g_hash_table_get_values(registry->guests);

    for (GList *link = guests; link != NULL; link = link->next)
        each(link->data, user_data);
}

static int
compare_records(const void *a, const void *b)
{
    const GuestRecord *const *first = a, *const *second = b;

    return strcmp((*first)->uuid, (*second)->uuid);
}

const GuestRecord *const *
registry_records(Registry *registry, size_t *count)
{
    if (!registry->records_valid) {
        GHashTableIter iter;
        void *value;

        g_ptr_array_set_size(registry->records, 0);
        g_hash_table_iter_init(&iter, registry->guests);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            Guest *guest = value;

            if (guest->shown)
                g_ptr_array_add(registry->records, &guest->record);
        }
        g_ptr_array_sort(registry->records, compare_records);
        registry->records_valid = true;
    }
    *count = registry->records->len;
    return (const GuestRecord *const *)registry->records->pdata;
}
