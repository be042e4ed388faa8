/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act.h"

#include "error.h"
#include "units.h"

#include <string.h>

/*
 * A rhythm that is not the one asked for is looked into at once, and then after a pause that doubles each time, up to the
 * longest. When it was as asked for as long again it begins anew. So two managers that fight do not have libvirt write its
 * status file all the time.
 */
#define RHYTHM_PAUSE_USEC (60 * USEC_PER_SEC)
#define RHYTHM_PAUSE_MAX_USEC (3600 * USEC_PER_SEC)
/* Others set no more than 10 s (cockpit-machines): that is a rhythm, and seen as such. */
#define SILENT_USEC (15 * USEC_PER_SEC)

struct Actuator {
    GuestWorld guests;
    LimitWorld limits;
    PagingWorld paging;
    bool dry;
    Outcome ended;         /* what ended since the last execute */
    GHashTable *reporting; /* uuid -> Reporting of the guests whose period was asked for */
    uint64_t executions;
    GPtrArray *calls; /* Call under way; they outlive the actuator if it goes first */
};

/* A guest whose statistics were switched on. */
typedef struct Reporting {
    uint64_t serial; /* of its record: with another one the world has forgotten what was asked for */
    uint32_t period_sec;
    uint64_t seen;       /* the execution that saw it last */
    uint64_t doubt_usec; /* its reports came otherwise then, or not at all, and it was asked for again; 0: never */
    uint64_t pause_usec; /* not to be asked for again before so long after */
} Reporting;

/* One set_target or limit call under way. */
typedef struct Call {
    Actuator *actuator; /* NULL: nobody waits for its end any more */
    uint64_t old_kib;
} Call;

static void
target_action_clear(gpointer data)
{
    TargetAction *action = data;

    g_clear_pointer(&action->error, g_free);
}

static void
limit_action_clear(gpointer data)
{
    LimitAction *action = data;

    g_clear_pointer(&action->error, g_free);
}

static void
outcome_prepare(Outcome *outcome)
{
    if (outcome->targets == NULL) {
        outcome->targets = g_array_new(FALSE, TRUE, sizeof(TargetAction));
        g_array_set_clear_func(outcome->targets, target_action_clear);
    }
    if (outcome->limits == NULL) {
        outcome->limits = g_array_new(FALSE, TRUE, sizeof(LimitAction));
        g_array_set_clear_func(outcome->limits, limit_action_clear);
    }
}

Actuator *
actuator_new(const Ports *ports, bool dry)
{
    Actuator *actuator = g_new0(Actuator, 1);

    actuator->guests = ports->guests;
    actuator->limits = ports->limits;
    actuator->paging = ports->paging;
    actuator->dry = dry;
    outcome_prepare(&actuator->ended);
    actuator->reporting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    actuator->calls = g_ptr_array_new();
    return actuator;
}

void
actuator_free(Actuator *actuator)
{
    if (actuator == NULL)
        return;
    for (guint i = 0; i < actuator->calls->len; i++)
        ((Call *)g_ptr_array_index(actuator->calls, i))->actuator = NULL;
    g_ptr_array_unref(actuator->calls);
    outcome_clear(&actuator->ended);
    g_hash_table_unref(actuator->reporting);
    g_free(actuator);
}

void
outcome_clear(Outcome *outcome)
{
    g_clear_pointer(&outcome->targets, g_array_unref);
    g_clear_pointer(&outcome->limits, g_array_unref);
}

static void
add_target(Outcome *outcome, const char *uuid, uint64_t old_kib, uint64_t new_kib, ActionResult result,
           const char *error)
{
    TargetAction action = {.old_kib = old_kib, .new_kib = new_kib, .result = result, .error = g_strdup(error)};

    g_strlcpy(action.uuid, uuid, sizeof action.uuid);
    g_array_append_val(outcome->targets, action);
}

static void
add_limit(Outcome *outcome, const char *uuid, uint64_t old_kib, uint64_t new_kib, ActionResult result,
          const char *error)
{
    LimitAction action = {.old_kib = old_kib, .new_kib = new_kib, .result = result, .error = g_strdup(error)};

    g_strlcpy(action.uuid, uuid, sizeof action.uuid);
    g_array_append_val(outcome->limits, action);
}

static Call *
begin_call(Actuator *actuator, uint64_t old_kib)
{
    Call *call = g_new0(Call, 1);

    call->actuator = actuator;
    call->old_kib = old_kib;
    g_ptr_array_add(actuator->calls, call);
    return call;
}

/* Frees call. Returns where its end is to be told, or NULL. */
static Outcome *
end_call(Call *call)
{
    Actuator *actuator = call->actuator;

    if (actuator != NULL)
        g_ptr_array_remove_fast(actuator->calls, call);
    g_free(call);
    return actuator != NULL ? &actuator->ended : NULL;
}

static void
target_done(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    Call *call = user_data;
    uint64_t old_kib = call->old_kib;
    Outcome *ended = end_call(call);

    if (ended != NULL)
        add_target(ended, uuid, old_kib, target_kib, error == NULL ? ACTION_DONE : ACTION_FAILED,
                   error == NULL ? NULL : error->message);
}

static void
limit_done(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    Call *call = user_data;
    uint64_t old_kib = call->old_kib;
    Outcome *ended = end_call(call);

    /* refused: a newer one took its place, or the guest is gone; nothing was tried, and nothing failed */
    if (ended != NULL && !g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED))
        add_limit(ended, uuid, old_kib, high_kib, error == NULL ? ACTION_DONE : ACTION_FAILED,
                  error == NULL ? NULL : error->message);
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
    Call *call = begin_call(actuator, old_target(guest));

    add_target(outcome, guest->uuid, call->old_kib, plan->target_kib, ACTION_STARTED, NULL);
    actuator->guests.set_target(actuator->guests.self, guest->uuid, plan->target_kib, target_done, call);
}

/*
 * Returns true when the period is to be asked for again now: its reports come in another rhythm, or not at all any more, as
 * where somebody has set it to 0.
 */
static bool
note_rhythm(Reporting *asked, const GuestSnapshot *guest, uint64_t now_usec)
{
    uint64_t since_usec = now_usec - asked->doubt_usec;
    bool silent = guest->driver_up && !guest->fresh && guest->life == GUEST_LIFE_RUNNING && guest->answering &&
                  !guest->migrating && now_usec - MIN(guest->report_usec, now_usec) >= SILENT_USEC;

    if ((guest->rhythm_sec == 0 && !silent) || (asked->doubt_usec != 0 && since_usec < asked->pause_usec))
        return false;
    asked->pause_usec = asked->doubt_usec == 0 || since_usec >= 2 * asked->pause_usec
                            ? RHYTHM_PAUSE_USEC
                            : MIN(2 * asked->pause_usec, RHYTHM_PAUSE_MAX_USEC);
    asked->doubt_usec = now_usec;
    return true;
}

static void
keep_reporting(Actuator *actuator, const GuestSnapshot *guest, uint32_t period_sec, uint64_t now_usec)
{
    bool wanted = guest_settings_need_reports(guest->settings);
    Reporting *asked = g_hash_table_lookup(actuator->reporting, guest->uuid);

    if (!wanted && asked != NULL) {
        g_hash_table_remove(actuator->reporting, guest->uuid);
        actuator->guests.set_period(actuator->guests.self, guest->uuid, PERIOD_RELEASE);
    }
    if (!wanted)
        return;
    if (asked == NULL) {
        asked = g_new0(Reporting, 1);
        g_hash_table_insert(actuator->reporting, g_strdup(guest->uuid), asked);
    }
    asked->seen = actuator->executions;
    if (asked->period_sec == period_sec && asked->serial == guest->serial && !note_rhythm(asked, guest, now_usec))
        return;
    asked->serial = guest->serial;
    asked->period_sec = period_sec;
    actuator->guests.set_period(actuator->guests.self, guest->uuid, period_sec);
}

/* A guest that is gone must be asked anew when it is back, also where nobody saw that its record was another. */
static void
keep_all_reporting(Actuator *actuator, const Plan *plan, uint32_t period_sec, uint64_t now_usec)
{
    GHashTableIter iter;
    gpointer value;

    actuator->executions++;
    for (size_t i = 0; i < plan->guest_count; i++)
        keep_reporting(actuator, plan->guests[i].guest, period_sec, now_usec);
    g_hash_table_iter_init(&iter, actuator->reporting);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((const Reporting *)value)->seen != actuator->executions)
            g_hash_table_iter_remove(&iter);
}

static bool
raises_limit(const GuestPlan *plan)
{
    return plan->limit_kib >= plan->guest->limits.high_kib;
}

/*
 * Limits are raised before targets are, so that a guest may have what its balloon gives back, and lowered after, when
 * others' pages are no longer needed. Plan and records are both sorted by uuid.
 */
static void
set_limits(Actuator *actuator, const Plan *plan, bool raises, Outcome *outcome)
{
    const LimitWorld *world = &actuator->limits;
    size_t count = 0, next = 0;
    const GuestRecord *const *records = actuator->guests.records(actuator->guests.self, &count);

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];
        const char *uuid = guest->guest->uuid;
        Call *call;

        if (!guest->limit_tell || raises_limit(guest) != raises)
            continue;
        while (next < count && strcmp(records[next]->uuid, uuid) < 0)
            next++;
        if (next == count || strcmp(records[next]->uuid, uuid) != 0)
            continue; /* gone meanwhile */
        call = begin_call(actuator, guest->guest->limits.high_kib);
        add_limit(outcome, uuid, call->old_kib, guest->limit_kib, ACTION_STARTED, NULL);
        world->set(world->self, records[next], guest->limit_kib, limit_done, call);
    }
}

static void
make_file(const Actuator *actuator, const GuestPlan *plan, const GuestRecord *record, const Settings *settings)
{
    const char *own = plan->guest->settings->paging_directory;

    actuator->paging.make(actuator->paging.self, &(PagingRequest){
                                                     .uuid = plan->guest->uuid,
                                                     .name = plan->guest->name,
                                                     .pid = record->pid,
                                                     .directory = own != NULL ? own : settings->paging_directory,
                                                     .size_kib = plan->paging_size_kib,
                                                     .minimum_free_kib = settings->minimum_free_disk_kib,
                                                 });
}

/* Files that end give their place and their limits back before others are made. */
static void
order_files(Actuator *actuator, const Plan *plan, const Settings *settings)
{
    size_t count = 0, next = 0;
    const GuestRecord *const *records = actuator->guests.records(actuator->guests.self, &count);
    size_t file_count = 0;
    const PagingRecord *const *files = actuator->paging.records(actuator->paging.self, &file_count);

    for (size_t i = 0; i < MIN(plan->file_count, file_count); i++)
        if (plan->end_files[i])
            actuator->paging.end(actuator->paging.self, files[i]->uuid);
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].paging_order == PAGING_ORDER_END)
            actuator->paging.end(actuator->paging.self, plan->guests[i].guest->uuid);
    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];

        if (guest->paging_order != PAGING_ORDER_MAKE)
            continue;
        while (next < count && strcmp(records[next]->uuid, guest->guest->uuid) < 0)
            next++;
        if (next < count && strcmp(records[next]->uuid, guest->guest->uuid) == 0)
            make_file(actuator, guest, records[next], settings);
    }
}

void
actuator_execute(Actuator *actuator, const Plan *plan, const Settings *settings, uint32_t period_sec, uint64_t now_usec,
                 Outcome *outcome)
{
    Outcome ended = actuator->ended;

    /* What ended since the last time comes first; the emptied arrays collect the next ends. */
    outcome_prepare(outcome);
    actuator->ended = *outcome;
    *outcome = ended;
    g_array_set_size(actuator->ended.targets, 0);
    g_array_set_size(actuator->ended.limits, 0);
    if (actuator->dry)
        return;

    keep_all_reporting(actuator, plan, period_sec, now_usec);
    if (actuator->limits.set != NULL)
        set_limits(actuator, plan, true, outcome);
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].tell && plan->guests[i].target_kib < old_target(plan->guests[i].guest))
            tell(actuator, &plan->guests[i], outcome);
    for (size_t i = 0; i < plan->guest_count; i++)
        if (plan->guests[i].tell && plan->guests[i].target_kib >= old_target(plan->guests[i].guest))
            tell(actuator, &plan->guests[i], outcome);
    if (actuator->limits.set != NULL)
        set_limits(actuator, plan, false, outcome);
    if (actuator->paging.make != NULL)
        order_files(actuator, plan, settings);
}
