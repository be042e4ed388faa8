/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_changes.h"

#include "held_tick.h"
#include "memories.h"
#include "settings_change.h"
#include "units.h"

#include <inttypes.h>

/* As they were in force last. */
typedef struct SettingsMemory {
    char uuid[37];
    GuestSettings settings;
} SettingsMemory;

struct SettingsChanges {
    GHashTable *memories; /* uuid, in the value -> SettingsMemory */
    Settings *settings;   /* dynmemd.conf, at the last tick */
};

static void
settings_memory_free(void *data)
{
    SettingsMemory *memory = data;

    guest_settings_clear(&memory->settings);
    g_free(memory);
}

SettingsChanges *
settings_changes_new(void)
{
    SettingsChanges *changes = g_new0(SettingsChanges, 1);

    changes->memories = memories_new(settings_memory_free);
    changes->settings = settings_new();
    return changes;
}

void
settings_changes_free(SettingsChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    settings_free(changes->settings);
    g_free(changes);
}

/* What dynmemd.conf says of all guests is told to whoever wrote it there, and not once a guest. */
static bool
has_other_defaults(const Settings *before, const Settings *now)
{
    return before->manage_all != now->manage_all || before->retiring != now->retiring ||
           before->buffer_percent != now->buffer_percent || before->priority != now->priority ||
           before->priority_most != now->priority_most || before->minimum_most.kib != now->minimum_most.kib ||
           before->minimum_most.percent != now->minimum_most.percent;
}

static bool
is_same(const GuestSettings *one, const GuestSettings *other)
{
    return one->managed == other->managed && one->minimum_kib == other->minimum_kib &&
           one->startup_kib == other->startup_kib && one->buffer_percent == other->buffer_percent &&
           one->priority == other->priority && one->smart_paging == other->smart_paging && one->mode == other->mode &&
           g_strcmp0(one->paging_directory, other->paging_directory) == 0;
}

/* As it would be written. Caller frees. */
static char *
value_text(const GuestSettings *settings, ElementAttribute attribute)
{
    switch (attribute) {
    case ELEMENT_MINIMUM:
        return units_format_size(settings->minimum_kib);
    case ELEMENT_STARTUP:
        return units_format_size(settings->startup_kib);
    case ELEMENT_BUFFER:
        return g_strdup_printf("%" PRIu32 " %%", settings->buffer_percent);
    case ELEMENT_PRIORITY:
        return g_strdup_printf("%" PRIu32, settings->priority);
    case ELEMENT_SMART_PAGING:
        return g_strdup(settings->smart_paging ? "yes" : "no");
    case ELEMENT_PAGING_DIRECTORY:
        return g_strdup(settings->paging_directory != NULL ? settings->paging_directory : "the default");
    case ELEMENT_MODE:
    case ELEMENT_ATTRIBUTE_COUNT:
    default:
        return g_strdup(guest_mode_name(settings->mode));
    }
}

/* "minimum 512 MiB (was 1 GiB), buffer 0 % (was 20 %)", or all values where before is NULL. Caller frees. */
static char *
settings_text(const GuestSettings *before, const GuestSettings *now)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        g_autofree char *value = value_text(now, (ElementAttribute)i);
        g_autofree char *old = before != NULL ? value_text(before, (ElementAttribute)i) : NULL;

        if (g_strcmp0(old, value) == 0)
            continue;
        g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "", element_attribute_names[i], value);
        if (old != NULL)
            g_string_append_printf(text, " (was %s)", old);
    }
    return g_string_free(text, FALSE);
}

/* That a guest has lost its element, or is being let go, is told by ledger_changes.c. */
static void
tell(GPtrArray *list, const GuestSettings *before, const GuestPlan *guest)
{
    const GuestSettings *now = guest->guest->settings;
    g_autofree char *text = NULL;

    if (!now->managed)
        return;
    text = settings_text(before->managed ? before : NULL, now);
    change_list_add_guest(list, CHANGE_SETTINGS_CHANGED, guest, 0, 0, text,
                          g_strdup_printf(before->managed ? "Settings of guest %s have changed: %s."
                                                          : "Guest %s is managed from now on: %s.",
                                          guest->guest->name, text));
}

static void
forget_gone(GHashTable *memories, const Plan *plan)
{
    GHashTableIter iter;
    void *uuid;

    g_hash_table_iter_init(&iter, memories);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        if (plan_find(plan, uuid) == NULL)
            g_hash_table_iter_remove(&iter);
}

void
settings_changes_compare(SettingsChanges *changes, const TickReport *now, GPtrArray *list)
{
    bool others = has_other_defaults(changes->settings, now->settings);

    for (size_t i = 0; i < now->plan->guest_count; i++) {
        const GuestPlan *guest = &now->plan->guests[i];
        const GuestSettings *settings = guest->guest->settings;
        bool known = g_hash_table_contains(changes->memories, guest->guest->uuid);
        SettingsMemory *memory = memories_make(changes->memories, guest->guest->uuid, sizeof *memory);

        /* what it runs with may not be read yet */
        if (known && (settings->presumed || is_same(&memory->settings, settings)))
            continue;
        if (known && !others)
            tell(list, &memory->settings, guest);
        guest_settings_clear(&memory->settings);
        guest_settings_copy(settings, &memory->settings);
    }
    forget_gone(changes->memories, now->plan);
    if (others) {
        settings_free(changes->settings);
        changes->settings = settings_copy(now->settings);
    }
}
