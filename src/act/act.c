/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act.h"

#include <string.h>

struct Actuator {
    GuestWorld guests;
    bool dry;
    GArray *ended;         /* TargetAction that ended since the last execute */
    GHashTable *reporting; /* uuid -> period in seconds that was asked for */
    GPtrArray *calls;      /* TargetCall under way; they outlive the actuator if it goes first */
};

/* One set_target call under way. */
typedef struct TargetCall {
    Actuator *actuator; /* NULL: nobody waits for its end any more */
    uint64_t old_kib;
} TargetCall;

static void
target_action_clear(gpointer data)
{
    TargetAction *action = data;

    g_clear_pointer(&action->error, g_free);
}

static GArray *
target_actions_new(void)
{
    GArray *actions = g_array_new(FALSE, TRUE, sizeof(TargetAction));

    g_array_set_clear_func(actions, target_action_clear);
    return actions;
}

Actuator *
actuator_new(const GuestWorld *guests, bool dry)
{
    Actuator *actuator = g_new0(Actuator, 1);

    actuator->guests = *guests;
    actuator->dry = dry;
    actuator->ended = target_actions_new();
    actuator->reporting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    actuator->calls = g_ptr_array_new();
    return actuator;
}

void
actuator_free(Actuator *actuator)
{
    if (actuator == NULL)
        return;
    for (guint i = 0; i < actuator->calls->len; i++)
        ((TargetCall *)g_ptr_array_index(actuator->calls, i))->actuator = NULL;
    g_ptr_array_unref(actuator->calls);
    g_array_unref(actuator->ended);
    g_hash_table_unref(actuator->reporting);
    g_free(actuator);
}

void
outcome_clear(Outcome *outcome)
{
    g_clear_pointer(&outcome->targets, g_array_unref);
}

static void
add_action(GArray *actions, const char *uuid, uint64_t old_kib, uint64_t new_kib, ActionResult result,
           const char *error)
{
    TargetAction action = {.old_kib = old_kib, .new_kib = new_kib, .result = result, .error = g_strdup(error)};

    g_strlcpy(action.uuid, uuid, sizeof action.uuid);
    g_array_append_val(actions, action);
}

static void
target_done(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    TargetCall *call = user_data;
    Actuator *actuator = call->actuator;

    if (actuator != NULL) {
        g_ptr_array_remove_fast(actuator->calls, call);
        add_action(actuator->ended, uuid, call->old_kib, target_kib, error == NULL ? ACTION_DONE : ACTION_FAILED,
                   error == NULL ? NULL : error->message);
    }
    g_free(call);
}

static uint64_t
old_target(const GuestSnapshot *guest)
{
    return guest->target_known ? guest->target_kib : guest->actual_kib;
}

static void
tell(Actuator *actuator, const GuestPlan *plan, Outcome *outcome)
{
    const GuestSnapshot *guest = plan->guest;
    TargetCall *call = g_new0(TargetCall, 1);

    call->actuator = actuator;
    call->old_kib = old_target(guest);
    g_ptr_array_add(actuator->calls, call);
    add_action(outcome->targets, guest->uuid, call->old_kib, plan->target_kib, ACTION_STARTED, NULL);
    actuator->guests.set_target(actuator->guests.self, guest->uuid, plan->target_kib, target_done, call);
}

static void
keep_reporting(Actuator *actuator, const GuestSnapshot *guest, uint32_t period_sec)
{
    const GuestSettings *settings = guest->settings;
    bool wanted = guest_settings_need_reports(settings);
    uint32_t asked = GPOINTER_TO_UINT(g_hash_table_lookup(actuator->reporting, guest->uuid));

    if (wanted && asked != period_sec) {
        g_hash_table_insert(actuator->reporting, g_strdup(guest->uuid), GUINT_TO_POINTER(period_sec));
        actuator->guests.set_period(actuator->guests.self, guest->uuid, period_sec);
    } else if (!wanted && asked != 0) {
        g_hash_table_remove(actuator->reporting, guest->uuid);
        actuator->guests.set_period(actuator->guests.self, guest->uuid, settings->configured_period_sec);
    }
}

/* Guests that are gone need no memory here, or the table would grow with every guest there ever was. */
static void
forget_the_gone(Actuator *actuator, const Plan *plan)
{
    g_autoptr(GHashTable) there = NULL;
    GHashTableIter iter;
    gpointer uuid;

    if (g_hash_table_size(actuator->reporting) <= plan->guest_count)
        return;
    there = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < plan->guest_count; i++)
        g_hash_table_add(there, (gpointer)plan->guests[i].guest->uuid);
    g_hash_table_iter_init(&iter, actuator->reporting);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        if (!g_hash_table_contains(there, uuid))
            g_hash_table_iter_remove(&iter);
}

void
actuator_execute(Actuator *actuator, const Plan *plan, uint32_t period_sec, Outcome *outcome)
{
    GArray *ended = actuator->ended;

    /* What ended since the last time comes first; the emptied array collects the next ends. */
    if (outcome->targets == NULL)
        outcome->targets = target_actions_new();
    actuator->ended = outcome->targets;
    outcome->targets = ended;
    g_array_set_size(actuator->ended, 0);
    if (actuator->dry)
        return;

    for (size_t i = 0; i < plan->guest_count; i++)
        keep_reporting(actuator, plan->guests[i].guest, period_sec);
    forget_the_gone(actuator, plan);

    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].tell && plan->guests[i].target_kib < old_target(plan->guests[i].guest))
            tell(actuator, &plan->guests[i], outcome);
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].tell && plan->guests[i].target_kib >= old_target(plan->guests[i].guest))
            tell(actuator, &plan->guests[i], outcome);
}
