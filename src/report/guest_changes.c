/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_changes.h"

#include "held_tick.h"
#include "memories.h"
#include "rules.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

/* After a reset SeaBIOS may reset the machine once more, before anything has booted (src/resume.c, tryReboot). */
#define REBOUND_USEC (10 * USEC_PER_SEC)

/* A doubt that comes and goes is told again after this time at the soonest: a guest may lie in another way in each second. */
#define DOUBTED_AGAIN_USEC (3600 * USEC_PER_SEC)

/* What was told about one guest. */
typedef struct GuestMemory {
    char uuid[37];
    uint64_t seen_tick;
    uint64_t sent_kib; /* the last target that was sent, and why */
    char *sent_reason;
    uint32_t doubts; /* of the last tick */
    uint32_t doubts_told;
    uint64_t doubts_told_usec; /* since when these were gathered */
    Lasting too_much; /* DOUBT_USABLE_ABOVE_TOTAL: after a reset the size of before may still be shown for a moment */
    Lasting warning;
    bool period_told; /* once and for all: such a tool does it again each time it is opened */
} GuestMemory;

struct GuestChanges {
    GHashTable *memories; /* uuid, in the value -> GuestMemory */
};

static void
guest_memory_free(void *data)
{
    GuestMemory *memory = data;

    g_free(memory->sent_reason);
    g_free(memory);
}

GuestChanges *
guest_changes_new(void)
{
    GuestChanges *changes = g_new0(GuestChanges, 1);

    changes->memories = memories_new(guest_memory_free);
    return changes;
}

void
guest_changes_free(GuestChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    g_free(changes);
}

static bool
is_stuck(const GuestPlan *guest)
{
    return guest != NULL && (guest->flagged_usec != 0 || guest->state == GUEST_STATE_STUCK);
}

static bool
is_unresponsive(const GuestPlan *guest)
{
    return guest != NULL && guest->state == GUEST_STATE_UNRESPONSIVE;
}

/* A guest that was to be managed and can't be, for a reason that its administrator may not know. */
static bool
is_barred(const GuestPlan *guest)
{
    if (guest == NULL || !guest->guest->settings->managed)
        return false;
    return guest->rule == PLAN_RULE_BAR || guest->rule == PLAN_RULE_INHIBITED || guest->rule == PLAN_RULE_NO_DRIVER ||
           guest->rule == PLAN_RULE_NO_STATISTICS;
}

static void
compare_stuck(GPtrArray *list, const GuestPlan *before, const GuestPlan *now, uint64_t now_usec)
{
    const char *name = now->guest->name;
    g_autofree char *assigned = NULL;

    if (is_stuck(now) == is_stuck(before))
        return;
    assigned = units_format_size(now->assigned_kib);
    if (is_stuck(now)) {
        /* the target that was not followed is the one before: the new one is drawn back to what the guest has */
        uint64_t missed_kib = before != NULL && before->target_kib != 0 ? before->target_kib : now->target_kib;
        g_autofree char *missed = units_format_size(missed_kib);
        g_autofree char *reason = NULL;

        reason = now->retry_usec > now_usec
                     ? g_strdup_printf("its balloon does not move; it is tried again in %" PRIu64 " s",
                                       (now->retry_usec - now_usec) / USEC_PER_SEC)
                     : g_strdup("its balloon does not move");
        change_list_add_guest(
            list, CHANGE_GUEST_STUCK, now, missed_kib, now->assigned_kib, reason,
            g_strdup_printf("Guest %s is stuck: it was told to become %s and has %s; %s. It is left out of the "
                            "sharing until it follows.",
                            name, missed, assigned, reason));
    } else if (now->state != GUEST_STATE_OFF && !is_unresponsive(now)) {
        change_list_add_guest(list, CHANGE_GUEST_RECOVERED, now, 0, now->assigned_kib, "",
                              g_strdup_printf("Guest %s follows its target again: it has %s.", name, assigned));
    }
}

/* Of a guest that booted since before. */
static bool
is_reset(const GuestPlan *before, const GuestSnapshot *guest)
{
    if (!guest->boot_in_place || guest->life == GUEST_LIFE_OFF)
        return false;
    return !before->guest->boot_in_place || before->guest->driver_up ||
           guest->boot_usec - MIN(before->guest->boot_usec, guest->boot_usec) >= REBOUND_USEC;
}

/* A start that counts as a restart; a reset is told as such. */
static bool
is_restart(const GuestPlan *before, const GuestPlan *now, bool first_tick)
{
    if (first_tick || now->guest->life == GUEST_LIFE_OFF ||
        (before != NULL && before->guest->boots == now->guest->boots))
        return false;
    return now->guest->settings->managed && (now->restart == RESTART_SOON || now->restart == RESTART_HOST);
}

static void
tell_restart(GPtrArray *list, const GuestPlan *now, uint64_t now_usec)
{
    const GuestSnapshot *guest = now->guest;
    g_autofree char *committed = units_format_size(now->committed_kib);
    g_autofree char *startup = units_format_size(guest->settings->startup_kib);
    g_autofree char *pause = units_format_span(saturating_sub(guest->boot_usec, guest->stop_usec));
    g_autofree char *reason = now->restart == RESTART_SOON
                                  ? g_strdup_printf("it was stopped %s before", pause)
                                  : g_strdup("it ran when the host went down, and had not been started since");

    change_list_add_guest(list, CHANGE_GUEST_RESTARTED, now, 0, now->committed_kib, reason,
                          g_strdup_printf("Guest %s was started, which counts as a restart: %s. It needs %s to boot, "
                                          "and %s are booked for it.",
                                          guest->name, reason, startup, committed));
}

/* Returns true when the new state was told. */
static bool
compare_special_states(GPtrArray *list, const GuestPlan *before, const GuestPlan *now, const Plan *plan,
                       bool first_tick, uint64_t now_usec)
{
    unsigned told = list->len;
    const GuestSnapshot *guest = now->guest;
    bool rebooted = before != NULL && guest->boots != before->guest->boots;

    if (is_unresponsive(now) && !is_unresponsive(before)) {
        g_autofree char *committed = units_format_size(now->committed_kib);

        change_list_add_guest(
            list, CHANGE_GUEST_UNRESPONSIVE, now, 0, now->committed_kib, "its QEMU does not answer",
            g_strdup_printf("Guest %s is unresponsive: its QEMU does not answer. It is set aside with %s booked, "
                            "the other guests go on.",
                            guest->name, committed));
    } else if (is_unresponsive(before) && !is_unresponsive(now) && now->state != GUEST_STATE_OFF) {
        change_list_add_guest(
            list, CHANGE_GUEST_BACK, now, 0, now->assigned_kib, "",
            g_strdup_printf("Guest %s answers again and is now %s.", guest->name, guest_state_name(now->state)));
    }
    if (!rebooted)
        compare_stuck(list, before, now, now_usec);
    if (rebooted && is_reset(before, guest)) {
        g_autofree char *committed = units_format_size(now->committed_kib);

        change_list_add_guest(
            list, CHANGE_GUEST_RESET, now, before->committed_kib, now->committed_kib,
            "its balloon is void until its driver is back",
            g_strdup_printf("Guest %s was reset: its balloon is void until its driver is back, %s are booked for it.",
                            guest->name, committed));
    }
    if (is_restart(before, now, first_tick))
        tell_restart(list, now, now_usec);
    if (is_barred(now) && !(is_barred(before) && before->rule == now->rule)) {
        g_autofree char *committed = units_format_size(now->committed_kib);
        g_autofree char *reason = reason_text(now, plan);

        change_list_add_guest(
            list, CHANGE_GUEST_STATIC, now, 0, now->committed_kib, reason,
            g_strdup_printf("Guest %s can't be managed: %s. It is counted with %s.", guest->name, reason, committed));
    }
    return list->len != told;
}

static void
compare_state(GPtrArray *list, const GuestPlan *before, const GuestPlan *now, const Plan *plan)
{
    const GuestSnapshot *guest = now->guest;
    g_autofree char *reason = NULL;
    char *message;

    if (before != NULL ? before->state == now->state : now->state == GUEST_STATE_OFF)
        return;
    reason = reason_text(now, plan);
    if (before == NULL)
        message = g_strdup_printf("Guest %s is new and %s; %s.", guest->name, guest_state_name(now->state), reason);
    else
        message = g_strdup_printf("Guest %s is now %s (it was %s)%s%s.", guest->name, guest_state_name(now->state),
                                  guest_state_name(before->state), now->rule == PLAN_RULE_OFF ? "" : "; ",
                                  now->rule == PLAN_RULE_OFF ? "" : reason);
    change_list_add_guest(list, CHANGE_STATE_CHANGED, now, before != NULL ? before->assigned_kib : 0, now->assigned_kib,
                          reason, message);
}

static void
compare_status(GPtrArray *list, GuestMemory *memory, const GuestPlan *now, const Plan *plan, uint64_t now_usec)
{
    g_autofree char *assigned = NULL;
    g_autofree char *demand = NULL;
    g_autofree char *reason = NULL;

    if (!lasting_update(&memory->warning, now->status == GUEST_STATUS_WARNING, now_usec))
        return;
    assigned = units_format_size(now->assigned_kib);
    demand = units_format_size(now->demand_kib);
    reason = reason_text(now, plan);
    if (memory->warning.told)
        change_list_add_guest(list, CHANGE_STATUS_WARNING, now, now->demand_kib, now->assigned_kib, reason,
                              now->demand_kib > now->assigned_kib
                                  ? g_strdup_printf("Guest %s lacks memory: it needs %s and has %s; %s.",
                                                    now->guest->name, demand, assigned, reason)
                                  : g_strdup_printf("Guest %s lacks memory: it is starved with %s; %s.",
                                                    now->guest->name, assigned, reason));
    else if (now->state != GUEST_STATE_OFF)
        change_list_add_guest(
            list, CHANGE_STATUS_OK, now, now->demand_kib, now->assigned_kib, "",
            g_strdup_printf("Guest %s has the memory that it needs again: %s.", now->guest->name, assigned));
}

static void
compare_doubts(GPtrArray *list, GuestMemory *memory, const GuestPlan *now, uint64_t now_usec)
{
    static const char *const texts[] = {
        "it says that more is usable than it has",
        "its balloon is larger than its maximum",
        "a counter went back without a boot",
        "it says that it has more memory than its QEMU gives it",
        "a figure is impossibly large",
    };
    uint32_t doubts = now->guest->doubts & ~(uint32_t)DOUBT_USABLE_ABOVE_TOTAL;
    uint32_t fresh;
    g_autoptr(GString) reason = NULL;

    lasting_update(&memory->too_much, (now->guest->doubts & DOUBT_USABLE_ABOVE_TOTAL) != 0, now_usec);
    if (memory->too_much.told)
        doubts |= DOUBT_USABLE_ABOVE_TOTAL;
    if (now_usec - memory->doubts_told_usec >= DOUBTED_AGAIN_USEC) {
        memory->doubts_told = 0;
        memory->doubts_told_usec = now_usec;
    }
    fresh = doubts & ~memory->doubts & ~memory->doubts_told;
    memory->doubts = doubts;
    if (fresh == 0 || !now->guest->settings->managed)
        return;
    memory->doubts_told |= fresh;
    reason = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        if ((fresh & (1u << i)) != 0)
            g_string_append_printf(reason, "%s%s", reason->len > 0 ? ", " : "", texts[i]);
    change_list_add_guest(
        list, CHANGE_STATISTICS_DOUBTED, now, 0, 0, reason->str,
        g_strdup_printf("Statistics of guest %s can't be right: %s. They are used within bounds only.",
                        now->guest->name, reason->str));
}

static void
compare_period(GPtrArray *list, GuestMemory *memory, const GuestPlan *now, WorldLink link)
{
    const GuestSnapshot *guest = now->guest;
    g_autofree char *reason = NULL;

    if (!guest->period_changed || memory->period_told || !guest_settings_need_reports(guest->settings) ||
        link != WORLD_LINK_READ_WRITE)
        return;
    memory->period_told = true;
    reason = guest->period_changed_sec == 0
                 ? g_strdup("somebody else had its balloon statistics switched off")
                 : g_strdup_printf("somebody else had it report every %" PRIu32 " s", guest->period_changed_sec);
    change_list_add_guest(
        list, CHANGE_PERIOD_CHANGED, now, 0, 0, reason,
        g_strdup_printf("Guest %s is told again to report every %" PRIu64 " s: %s (virt-manager, cockpit and 'virsh "
                        "dommemstat --period' do that). That is put right from now on without a word.",
                        guest->name, guest->period_usec / USEC_PER_SEC, reason));
}

static void
compare_name(GPtrArray *list, const GuestPlan *before, const GuestPlan *now)
{
    const char *name = now->guest->name;
    g_autofree char *reason = NULL;

    if (before == NULL || strcmp(before->guest->name, name) == 0 || !now->guest->settings->managed)
        return;
    reason = g_strdup_printf("it was called %s before", before->guest->name);
    change_list_add_guest(
        list, CHANGE_GUEST_RENAMED, now, 0, 0, reason,
        g_strdup_printf("Guest %s is called %s from now on; it is the same guest.", before->guest->name, name));
}

static void
compare_guest(GuestChanges *changes, GPtrArray *list, const TickReport *report, bool first_tick,
              const GuestPlan *before, const GuestPlan *now)
{
    GuestMemory *memory = memories_make(changes->memories, now->guest->uuid, sizeof(GuestMemory));
    bool told;

    memory->seen_tick = report->tick;
    compare_name(list, before, now);
    told = compare_special_states(list, before, now, report->plan, first_tick, report->now_usec);
    /* Of guests that are not managed only what concerns dynmem itself is told, not their coming and going. */
    if (!told && !first_tick && now->guest->settings->managed)
        compare_state(list, before, now, report->plan);
    compare_status(list, memory, now, report->plan, report->now_usec);
    compare_doubts(list, memory, now, report->now_usec);
    compare_period(list, memory, now, report->snapshot->host.link);
}

/* ---- targets ---- */

/* "from 1 GiB to 2 GiB", "to 2 GiB" where it had none, as after a start, or "by 300 KiB to 2 GiB" where both look the same. Caller frees. */
static char *
target_steps(const TargetAction *action)
{
    g_autofree char *from = units_format_size(action->old_kib);
    g_autofree char *to = units_format_size(action->new_kib);
    g_autofree char *by = units_format_size(distance_u64(action->old_kib, action->new_kib));

    if (action->old_kib == 0)
        return g_strdup_printf("to %s", to);
    return strcmp(from, to) == 0 ? g_strdup_printf("by %s to %s", by, to) : g_strdup_printf("from %s to %s", from, to);
}

static void
add_target(GPtrArray *list, const TargetAction *action, const GuestPlan *guest, const char *reason)
{
    g_autofree char *steps = target_steps(action);
    const char *verb = action->old_kib == 0 ? "set" : action->new_kib > action->old_kib ? "raised" : "lowered";

    change_list_add_guest(list, CHANGE_TARGET_CHANGED, guest, action->old_kib, action->new_kib, reason,
                          g_strdup_printf("Target of guest %s %s %s; %s.", guest->guest->name, verb, steps, reason));
}

static void
add_target_failure(GPtrArray *list, const TargetAction *action, const GuestPlan *guest)
{
    g_autofree char *steps = target_steps(action);
    const char *why = action->error != NULL ? action->error : "for an unknown reason";

    change_list_add_guest(
        list, CHANGE_TARGET_FAILED, guest, action->old_kib, action->new_kib, why,
        g_strdup_printf("Target of guest %s could not be changed %s: %s.", guest->guest->name, steps, why));
}

/* A target is told of once it was taken, with the reason that held when it was sent. */
static void
tell_target(GuestChanges *changes, GPtrArray *list, const TargetAction *action, const Plan *plan)
{
    const GuestPlan *guest = plan_find(plan, action->uuid);
    GuestMemory *memory;

    if (guest == NULL)
        return;
    memory = memories_make(changes->memories, action->uuid, sizeof(GuestMemory));
    if (action->result == ACTION_STARTED) {
        g_free(memory->sent_reason);
        memory->sent_reason = reason_text(guest, plan);
        memory->sent_kib = action->new_kib;
        return;
    }
    /* a target that is told again, after a reset say, is no change */
    if (action->result == ACTION_FAILED) {
        add_target_failure(list, action, guest);
    } else if (action->old_kib != action->new_kib) {
        g_autofree char *reason = NULL;

        if (memory->sent_reason == NULL || memory->sent_kib != action->new_kib)
            reason = reason_text(guest, plan);
        add_target(list, action, guest, reason != NULL ? reason : memory->sent_reason);
    }
}

static void
forget_guests(GuestChanges *changes, const TickReport *now)
{
    GHashTableIter iter;
    void *value;

    if (g_hash_table_size(changes->memories) <= now->plan->guest_count)
        return;
    g_hash_table_iter_init(&iter, changes->memories);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((GuestMemory *)value)->seen_tick != now->tick)
            g_hash_table_iter_remove(&iter);
}

void
guest_changes_compare(GuestChanges *changes, const TickReport *before, const TickReport *now, GPtrArray *list)
{
    const GArray *targets = now->outcome != NULL ? now->outcome->targets : NULL;
    size_t old = 0;
    size_t old_count = before != NULL ? before->plan->guest_count : 0;

    /* both are sorted by uuid */
    for (size_t i = 0; i < now->plan->guest_count; i++) {
        const GuestPlan *guest = &now->plan->guests[i];
        const GuestPlan *match = NULL;
        int order = -1;

        while (old < old_count && (order = strcmp(before->plan->guests[old].guest->uuid, guest->guest->uuid)) < 0)
            old++;
        if (old < old_count && order == 0)
            match = &before->plan->guests[old];
        compare_guest(changes, list, now, before == NULL, match, guest);
    }
    for (unsigned i = 0; targets != NULL && i < targets->len; i++)
        tell_target(changes, list, &g_array_index(targets, TargetAction, i), now->plan);
    forget_guests(changes, now);
}
