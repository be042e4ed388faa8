/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit_changes.h"

#include "held_tick.h"
#include "memories.h"
#include "paging_view.h"
#include "units.h"

/* One guest that was held back at its limit lately, or whose limit can't be set. */
typedef struct GuestMemory {
    char uuid[37];
    Lasting held_back;
    char *failure; /* why its limit can't be set, as it was told; NULL: it can */
} GuestMemory;

struct LimitChanges {
    GHashTable *memories; /* uuid, in the value -> GuestMemory */
    Lasting unavailable;  /* no limit can be set on any managed guest */
};

static void
guest_memory_free(void *data)
{
    GuestMemory *memory = data;

    g_free(memory->failure);
    g_free(memory);
}

LimitChanges *
limit_changes_new(void)
{
    LimitChanges *changes = g_new0(LimitChanges, 1);

    changes->memories = memories_new(guest_memory_free);
    return changes;
}

void
limit_changes_free(LimitChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    g_free(changes);
}

static char *
limit_text(uint64_t kib)
{
    return kib == LIMIT_NONE ? g_strdup("none") : units_format_size(kib);
}

/* It is tried again every few seconds: the same failure is told once, until it was set in between. */
static void
compare_action(LimitChanges *changes, const LimitAction *action, const Plan *plan, GPtrArray *list)
{
    const GuestPlan *guest = plan_find(plan, action->uuid);
    const char *why = action->error != NULL ? action->error : "for an unknown reason";
    g_autofree char *from = limit_text(action->old_kib);
    g_autofree char *to = limit_text(action->new_kib);
    GuestMemory *memory;

    if (guest == NULL || action->result == ACTION_STARTED)
        return;
    if (action->result == ACTION_DONE) {
        memory = g_hash_table_lookup(changes->memories, action->uuid);
        if (memory != NULL)
            g_clear_pointer(&memory->failure, g_free);
        return;
    }
    memory = memories_make(changes->memories, action->uuid, sizeof(GuestMemory));
    if (g_strcmp0(memory->failure, why) == 0)
        return;
    g_free(memory->failure);
    memory->failure = g_strdup(why);
    change_list_add_guest(list, CHANGE_LIMIT_FAILED, guest, action->old_kib == LIMIT_NONE ? 0 : action->old_kib,
                          action->new_kib == LIMIT_NONE ? 0 : action->new_kib, why,
                          g_strdup_printf("The limit (memory.high) of guest %s could not be changed from %s to %s: %s.",
                                          guest->guest->name, from, to, why));
}

/* ---- held back ---- */

/* While a guest boots, empties its balloon or has a paging file this is what the limit is for, and no news of its own. */
static bool
is_held_back(const GuestPlan *before, const GuestPlan *now)
{
    const GuestLimits *limits = &now->guest->limits;

    return before != NULL && limits->usable && limits->set && now->paging_phase == PAGING_PHASE_NONE &&
           now->state != GUEST_STATE_RESTARTING && now->ground != GROUND_LIMIT &&
           now->guest->boots == before->guest->boots && limits->held_back > before->guest->limits.held_back;
}

static void
compare_guest(LimitChanges *changes, const GuestPlan *before, const GuestPlan *now, uint64_t now_usec, GPtrArray *list)
{
    bool is = is_held_back(before, now);
    GuestMemory *memory = g_hash_table_lookup(changes->memories, now->guest->uuid);
    g_autofree char *high = NULL;
    g_autofree char *charged = NULL;

    if (memory == NULL && !is)
        return;
    if (memory == NULL)
        memory = memories_make(changes->memories, now->guest->uuid, sizeof(GuestMemory));
    if (lasting_update(&memory->held_back, is, now_usec) && memory->held_back.told) {
        high = limit_text(now->guest->limits.high_kib);
        charged = units_format_size(now->guest->limits.charged_kib);
        change_list_add_guest(
            list, CHANGE_GUEST_HELD_BACK, now, now->guest->limits.high_kib, now->guest->limits.charged_kib,
            "its control group holds as much as it may",
            g_strdup_printf(
                "Guest %s is held back at its limit (memory.high %s): its control group holds %s, page cache "
                "of its disks included, and pages are reclaimed before it gets more.",
                now->guest->name, high, charged));
    }
}

/* ---- not to be had ---- */

/* Told once it lasted: of a QEMU that is just starting nobody knows its control group yet. */
static void
compare_bar(LimitChanges *changes, const TickReport *now, GPtrArray *list)
{
    const char *bar = now->settings->memory_high && !now->dry_run ? limit_view_bar(now) : "";

    if (!lasting_update(&changes->unavailable, *bar != '\0', now->now_usec) || !changes->unavailable.told)
        return;
    change_list_add(list, CHANGE_LIMITS_UNAVAILABLE, "", "", bar,
                    g_strdup_printf("No limit (memory.high) can be set on guests: %s. Nothing holds a guest that is "
                                    "reset to less than its maximum until its driver is back, so as much is booked for "
                                    "it.",
                                    bar));
}

void
limit_changes_compare(LimitChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list)
{
    const GArray *limits = now->outcome != NULL ? now->outcome->limits : NULL;

    for (unsigned i = 0; limits != NULL && i < limits->len; i++)
        compare_action(changes, &g_array_index(limits, LimitAction, i), now->plan, list);
    for (size_t i = 0; i < now->plan->guest_count; i++) {
        const GuestPlan *guest = &now->plan->guests[i];

        if (guest->guest->limits.set)
            compare_guest(changes, before != NULL ? plan_find(before->plan, guest->guest->uuid) : NULL, guest,
                          now->now_usec, list);
    }
    memories_forget_off(changes->memories, now->plan);
    compare_bar(changes, now, list);
}
