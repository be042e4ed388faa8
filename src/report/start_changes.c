/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_changes.h"

#include "givers.h"
#include "held_tick.h"
#include "memories.h"
#include "units.h"

#include <string.h>

/* What was told of one start. */
typedef struct StartMemory {
    char uuid[37];
    char *name;
    uint64_t asked_usec; /* tells a start from the next one of the same guest */
    uint64_t seen_tick;
    bool waited;
    bool admitted;
    bool refused;
    uint64_t needed_kib;
} StartMemory;

struct StartChanges {
    GHashTable *memories; /* uuid, in the value -> StartMemory */
};

static void
start_memory_free(void *data)
{
    StartMemory *memory = data;

    g_free(memory->name);
    g_free(memory);
}

StartChanges *
start_changes_new(void)
{
    StartChanges *changes = g_new0(StartChanges, 1);

    changes->memories = memories_new(start_memory_free);
    return changes;
}

void
start_changes_free(StartChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    g_free(changes);
}

/* A start that is over without having been refused. If its guest runs that is as it should be. */
static void
tell_dropped(GPtrArray *list, const StartMemory *memory, const Plan *plan)
{
    const GuestPlan *guest = plan_find(plan, memory->uuid);
    const char *reason = memory->admitted ? "it was admitted, and the guest was not seen to run"
                                          : "who asked for it is gone, or called it off";
    Change *change;

    if (memory->refused || (guest != NULL && guest->guest->life != GUEST_LIFE_OFF))
        return;
    change = change_list_add(
        list, CHANGE_START_DROPPED, memory->uuid, memory->name, reason,
        g_strdup_printf("Start of guest %s is over: %s. Nothing is booked for it any more.", memory->name, reason));
    change->needed_kib = memory->needed_kib;
}

static StartMemory *
remember_start(StartChanges *changes, const StartRequest *request, const Plan *plan, GPtrArray *list)
{
    StartMemory *memory = g_hash_table_lookup(changes->memories, request->uuid);

    if (memory != NULL && memory->asked_usec == request->asked_usec)
        return memory;
    if (memory != NULL) {
        tell_dropped(list, memory, plan);
        g_hash_table_remove(changes->memories, request->uuid);
    }
    memory = memories_make(changes->memories, request->uuid, sizeof *memory);
    memory->name = g_strdup(request->name);
    memory->asked_usec = request->asked_usec;
    return memory;
}

static void
add_start(GPtrArray *list, ChangeKind kind, const StartPlan *start, const char *reason, char *message)
{
    const StartRequest *request = start->request;
    Change *change = change_list_add(list, kind, request->uuid, request->name, reason, message);

    change->old_kib = start->free_kib;
    change->new_kib = start->needed_kib;
    change->needed_kib = start->needed_kib;
    change->free_kib = start->free_kib;
    change->reclaimable_kib = start->reclaimable_kib;
}

static void
tell_waiting(GPtrArray *list, const StartPlan *start, const TickReport *now)
{
    g_autofree char *needed = units_format_size(start->needed_kib);
    g_autofree char *free_text = units_format_size(start->free_kib);
    g_autofree char *reclaimable = units_format_size(start->reclaimable_kib);
    g_autofree char *patience = units_format_span(saturating_sub(start->request->deadline_usec, now->now_usec));
    g_autofree char *from = givers_text(now->plan);
    g_autofree char *reason = from != NULL ? g_strdup_printf("memory is being given up by %s", from)
                                           : g_strdup("others go before it, or must give first");

    add_start(list, CHANGE_START_WAITING, start, reason,
              g_strdup_printf("Start of guest %s waits for memory: it needs %s, %s are free and %s can be taken from "
                              "others; %s. It is answered in %s at the latest.",
                              start->request->name, needed, free_text, reclaimable, reason, patience));
}

static void
tell_admitted(GPtrArray *list, const StartPlan *start, const StartMemory *memory, const TickReport *now)
{
    const StartRequest *request = start->request;
    g_autofree char *booked = units_format_size(start->booked_kib + start->overhead_kib);
    g_autofree char *overhead = units_format_size(start->overhead_kib);
    g_autofree char *waited = units_format_span(saturating_sub(now->now_usec, request->asked_usec));
    g_autofree char *reason = start_plan_text(start);
    g_autoptr(GString) message = g_string_new(NULL);

    g_string_append_printf(message, "Start of guest %s is admitted%s%s: %s are booked for it, %s of them for its QEMU.",
                           request->name, memory->waited ? " after " : "", memory->waited ? waited : "", booked,
                           overhead);
    if (request->restart != RESTART_NONE && start->shortfall_kib > 0) {
        g_autofree char *shortfall = units_format_size(start->shortfall_kib);

        g_string_append_printf(
            message, " It counts as a restart, so it is not refused, although %s could not be found.", shortfall);
    } else if (start->timed_out) {
        g_autofree char *missing = units_format_size(start->missing_kib);

        g_string_append_printf(message, " It is never refused, although %s could not be found in time.", missing);
    }
    add_start(list, CHANGE_START_ADMITTED, start, reason, g_string_free(g_steal_pointer(&message), FALSE));
}

static void
tell_refused(GPtrArray *list, const StartPlan *start)
{
    g_autofree char *reason = start_plan_text(start);

    add_start(list, CHANGE_START_REFUSED, start, reason,
              g_strdup_printf("Start of guest %s is refused: %s%s", start->request->name, reason,
                              g_str_has_suffix(reason, ".") ? "" : "."));
}

static void
compare_start(StartChanges *changes, bool first, const StartPlan *start, const TickReport *now, GPtrArray *list)
{
    StartMemory *memory;

    if (start->request->ahead)
        return; /* the cluster's news tell of it */
    memory = remember_start(changes, start->request, now->plan, list);
    memory->seen_tick = now->tick;
    memory->needed_kib = start->needed_kib;
    if (memory->admitted || memory->refused)
        return;
    switch (start->verdict) {
    case START_WAITS:
        if (!memory->waited)
            tell_waiting(list, start, now);
        memory->waited = true;
        break;
    case START_ADMITTED:
        /* one that was admitted by an earlier daemon, which told it */
        if (!first)
            tell_admitted(list, start, memory, now);
        memory->admitted = true;
        break;
    case START_REFUSED:
        tell_refused(list, start);
        memory->refused = true;
        break;
    }
}

void
start_changes_compare(StartChanges *changes, bool first, const TickReport *now, GPtrArray *list)
{
    GHashTableIter iter;
    void *value;

    for (size_t i = 0; i < now->plan->start_count; i++)
        compare_start(changes, first, &now->plan->starts[i], now, list);
    if (g_hash_table_size(changes->memories) <= now->plan->start_count)
        return;
    g_hash_table_iter_init(&iter, changes->memories);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((StartMemory *)value)->seen_tick == now->tick)
            continue;
        tell_dropped(list, value, now->plan);
        g_hash_table_iter_remove(&iter);
    }
}
