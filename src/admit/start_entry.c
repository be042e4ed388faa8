/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_entry.h"

#include "units.h"

#include <string.h>

StartEntry *
start_entry_new(const char *uuid)
{
    StartEntry *entry = g_new0(StartEntry, 1);

    g_strlcpy(entry->request.uuid, uuid, sizeof entry->request.uuid);
    entry->askers = g_array_new(FALSE, TRUE, sizeof(StartAsker));
    return entry;
}

void
start_entry_free(void *data)
{
    StartEntry *entry = data;

    g_array_unref(entry->askers);
    guest_settings_clear(&entry->request.settings);
    g_free(entry->request.name);
    g_free(entry->owner);
    g_free(entry);
}

enum {
    KEPT_KIND,
    KEPT_RESTART,
    KEPT_FORCED,
    KEPT_NEED,
    KEPT_BOOKED,
    KEPT_MAXIMUM,
    KEPT_VCPUS,
    KEPT_PRIORITY,
    KEPT_BEGUN,  /* 2 was kept of one that was started */
    KEPT_BRINGS, /* 0: not; 1: it does; more: one more than its run */
    KEPT_POOL,
    KEPT_POOL_PAGE,
    KEPT_STARTED, /* ms */
    KEPT_NODES,   /* bits: may be any number */
    KEPT_NUMBERS,
    KEPT_PARTITION = KEPT_NUMBERS, /* escaped; 0: libvirt's default */
    KEPT_NAME,
    KEPT_PARTS,
};

char *
start_entry_text(const StartEntry *entry)
{
    const StartRequest *request = &entry->request;
    const uint64_t numbers[KEPT_NUMBERS] = {
        [KEPT_KIND] = request->kind,
        [KEPT_RESTART] = request->restart,
        [KEPT_FORCED] = request->forced,
        [KEPT_NEED] = request->need_kib,
        [KEPT_BOOKED] = request->booked_kib,
        [KEPT_MAXIMUM] = request->settings.maximum_kib,
        [KEPT_VCPUS] = request->settings.vcpus,
        [KEPT_PRIORITY] = request->settings.priority,
        [KEPT_BEGUN] = request->begun,
        [KEPT_BRINGS] = entry->brings ? 1 + entry->run : 0,
        [KEPT_POOL] = request->pool_kib,
        [KEPT_POOL_PAGE] = request->pool_page_kib,
        [KEPT_STARTED] = entry->started_usec / USEC_PER_MSEC,
        [KEPT_NODES] = request->settings.strict_nodes,
    };
    g_autofree char *partition =
        g_uri_escape_string(request->settings.partition != NULL ? request->settings.partition : "0", NULL, false);
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < KEPT_NUMBERS; i++)
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " ", numbers[i]);
    g_string_append_printf(text, "%s %s", partition, request->name);
    return g_string_free(text, FALSE);
}

StartEntry *
start_entry_read(const char *uuid, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, " ", KEPT_PARTS);
    uint64_t numbers[KEPT_NUMBERS];
    g_autofree char *partition = NULL;
    StartEntry *entry;

    if (g_strv_length(parts) != KEPT_PARTS || strlen(uuid) != sizeof entry->request.uuid - 1)
        return NULL;
    for (size_t i = 0; i < KEPT_NUMBERS; i++)
        if (!g_ascii_string_to_unsigned(parts[i], 10, 0, i == KEPT_NODES ? UINT64_MAX : KIB_LIMIT, &numbers[i], NULL))
            return NULL;
    if (numbers[KEPT_KIND] > START_MIGRATION || numbers[KEPT_RESTART] > RESTART_HOST || numbers[KEPT_BEGUN] > 2)
        return NULL;
    partition = g_uri_unescape_string(parts[KEPT_PARTITION], NULL);
    entry = start_entry_new(uuid);
    entry->request.begun = numbers[KEPT_BEGUN] != 0;
    entry->brings = numbers[KEPT_BRINGS] != 0;
    entry->run = saturating_sub(numbers[KEPT_BRINGS], 1);
    entry->started_usec = numbers[KEPT_STARTED] * USEC_PER_MSEC;
    entry->request.name = g_strdup(parts[KEPT_NAME]);
    entry->request.kind = (StartKind)numbers[KEPT_KIND];
    entry->request.restart = (RestartKind)numbers[KEPT_RESTART];
    entry->request.forced = numbers[KEPT_FORCED] != 0;
    entry->request.need_kib = numbers[KEPT_NEED];
    entry->request.booked_kib = numbers[KEPT_BOOKED];
    entry->request.pool_kib = numbers[KEPT_POOL];
    entry->request.pool_page_kib = numbers[KEPT_POOL_PAGE];
    entry->request.settings = (GuestSettings){
        .managed = true,
        .minimum_kib = MIN(numbers[KEPT_NEED], numbers[KEPT_MAXIMUM]),
        .startup_kib = MIN(numbers[KEPT_NEED], numbers[KEPT_MAXIMUM]),
        .maximum_kib = numbers[KEPT_MAXIMUM],
        .priority = (uint32_t)MIN(numbers[KEPT_PRIORITY], 100),
        .vcpus = (uint32_t)CLAMP(numbers[KEPT_VCPUS], 1, 4096),
        .strict_nodes = numbers[KEPT_NODES],
        /* an earlier version kept a number, which tells nothing */
        .partition = partition != NULL && partition[0] == '/' ? g_steal_pointer(&partition) : NULL,
    };
    return entry;
}
