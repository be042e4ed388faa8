/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"

#include "held_tick.h"
#include "names.h"
#include "reason.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

/* How long a condition must have lasted to be told, and to be told as over. A guest that grows is short for a moment
   each time, and a process that starts takes the host over its budget until the guests have made room. */
#define LASTING_USEC (10 * USEC_PER_SEC)

static const struct {
    const char *name;
    const char *message_id;
    int priority;
} kinds[CHANGE_KIND_COUNT] = {
    [CHANGE_TARGET_CHANGED] = {"target-changed", DYNMEM_MESSAGE_TARGET_CHANGED, LOG_INFO},
    [CHANGE_TARGET_FAILED] = {"target-failed", DYNMEM_MESSAGE_TARGET_FAILED, LOG_WARNING},
    [CHANGE_STATE_CHANGED] = {"state-changed", DYNMEM_MESSAGE_STATE_CHANGED, LOG_INFO},
    [CHANGE_GUEST_STUCK] = {"guest-stuck", DYNMEM_MESSAGE_GUEST_STUCK, LOG_WARNING},
    [CHANGE_GUEST_RECOVERED] = {"guest-recovered", DYNMEM_MESSAGE_GUEST_RECOVERED, LOG_NOTICE},
    [CHANGE_GUEST_UNRESPONSIVE] = {"guest-unresponsive", DYNMEM_MESSAGE_GUEST_UNRESPONSIVE, LOG_WARNING},
    [CHANGE_GUEST_BACK] = {"guest-back", DYNMEM_MESSAGE_GUEST_BACK, LOG_NOTICE},
    [CHANGE_GUEST_STATIC] = {"guest-static", DYNMEM_MESSAGE_GUEST_STATIC, LOG_NOTICE},
    [CHANGE_GUEST_RESET] = {"guest-reset", DYNMEM_MESSAGE_GUEST_RESET, LOG_NOTICE},
    [CHANGE_STATUS_WARNING] = {"status-warning", DYNMEM_MESSAGE_STATUS_WARNING, LOG_WARNING},
    [CHANGE_STATUS_OK] = {"status-ok", DYNMEM_MESSAGE_STATUS_OK, LOG_NOTICE},
    [CHANGE_STATISTICS_DOUBTED] = {"statistics-doubted", DYNMEM_MESSAGE_STATISTICS_DOUBTED, LOG_WARNING},
    [CHANGE_SETTINGS_REJECTED] = {"settings-rejected", DYNMEM_MESSAGE_SETTINGS_REJECTED, LOG_WARNING},
    [CHANGE_SETTINGS_ACCEPTED] = {"settings-accepted", DYNMEM_MESSAGE_SETTINGS_ACCEPTED, LOG_NOTICE},
    [CHANGE_CONFIG_REJECTED] = {"config-rejected", DYNMEM_MESSAGE_CONFIG_REJECTED, LOG_WARNING},
    [CHANGE_MINIMUMS_DO_NOT_FIT] = {"minimums-do-not-fit", DYNMEM_MESSAGE_MINIMUMS_DO_NOT_FIT, LOG_ERR},
    [CHANGE_MINIMUMS_FIT] = {"minimums-fit", DYNMEM_MESSAGE_MINIMUMS_FIT, LOG_NOTICE},
    [CHANGE_OVER_BUDGET] = {"over-budget", DYNMEM_MESSAGE_OVER_BUDGET, LOG_WARNING},
    [CHANGE_WITHIN_BUDGET] = {"within-budget", DYNMEM_MESSAGE_WITHIN_BUDGET, LOG_NOTICE},
    [CHANGE_LIBVIRT_LOST] = {"libvirt-lost", DYNMEM_MESSAGE_LIBVIRT_LOST, LOG_WARNING},
    [CHANGE_LIBVIRT_BACK] = {"libvirt-back", DYNMEM_MESSAGE_LIBVIRT_BACK, LOG_NOTICE},
};

const char *
change_kind_name(ChangeKind kind)
{
    return kinds[kind].name;
}

const char *
change_kind_message_id(ChangeKind kind)
{
    return kinds[kind].message_id;
}

int
change_kind_priority(ChangeKind kind)
{
    return kinds[kind].priority;
}

/* A condition that is told only once it lasted, and its end likewise. */
typedef struct Lasting {
    bool told;           /* what the administrator believes */
    uint64_t since_usec; /* since when it is otherwise; 0: it is not */
} Lasting;

/* Returns true when the administrator must be told that it is now otherwise. */
static bool
lasting_update(Lasting *lasting, bool is, uint64_t now_usec)
{
    if (is == lasting->told) {
        lasting->since_usec = 0;
        return false;
    }
    if (lasting->since_usec == 0)
        lasting->since_usec = MAX(now_usec, 1);
    if (now_usec - lasting->since_usec < LASTING_USEC)
        return false;
    lasting->told = is;
    lasting->since_usec = 0;
    return true;
}

/* What was told about one guest. */
typedef struct GuestMemory {
    char uuid[37];
    uint64_t seen_tick;
    uint64_t sent_kib; /* the last target that was sent, and why */
    char *sent_reason;
    uint32_t doubts; /* bits that were told and did not go away since */
    Lasting warning;
} GuestMemory;

static void
guest_memory_free(void *data)
{
    GuestMemory *memory = data;

    g_free(memory->sent_reason);
    g_free(memory);
}

struct Changes {
    GPtrArray *list;    /* of Change */
    GHashTable *guests; /* uuid, in the value -> GuestMemory */
    GHashTable *issues; /* uuid -> message: settings that were told as rejected */
    Lasting over_budget;
    Lasting minimums;
    WorldLink link;
    char *link_text; /* NULL: nothing is known yet */
    bool link_told;
    uint64_t link_waiting_usec; /* first tick without a connection that was not told; 0: none */
};

static void
change_free(void *data)
{
    Change *change = data;

    g_free(change->name);
    g_free(change->reason);
    g_free(change->message);
    g_free(change);
}

Changes *
changes_new(void)
{
    Changes *changes = g_new0(Changes, 1);

    changes->list = g_ptr_array_new_with_free_func(change_free);
    changes->guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, guest_memory_free);
    changes->issues = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return changes;
}

void
changes_free(Changes *changes)
{
    if (changes == NULL)
        return;
    g_ptr_array_unref(changes->list);
    g_hash_table_unref(changes->guests);
    g_hash_table_unref(changes->issues);
    g_free(changes->link_text);
    g_free(changes);
}

/* message is taken over; reason is copied. */
static Change *
add(Changes *changes, ChangeKind kind, const char *uuid, const char *name, const char *reason, char *message)
{
    Change *change = g_new0(Change, 1);

    change->kind = kind;
    g_strlcpy(change->uuid, uuid, sizeof change->uuid);
    change->name = g_strdup(name);
    change->reason = g_strdup(reason);
    change->message = message;
    g_ptr_array_add(changes->list, change);
    return change;
}

static void
add_sizes(Changes *changes, ChangeKind kind, const GuestPlan *guest, uint64_t old_kib, uint64_t new_kib,
          const char *reason, char *message)
{
    Change *change = add(changes, kind, guest->guest->uuid, guest->guest->name, reason, message);

    change->old_kib = old_kib;
    change->new_kib = new_kib;
}

/* ---- one guest ---- */

static GuestMemory *
remember_guest(Changes *changes, const char *uuid)
{
    GuestMemory *memory = g_hash_table_lookup(changes->guests, uuid);

    if (memory == NULL) {
        memory = g_new0(GuestMemory, 1);
        g_strlcpy(memory->uuid, uuid, sizeof memory->uuid);
        g_hash_table_insert(changes->guests, memory->uuid, memory);
    }
    return memory;
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
compare_stuck(Changes *changes, const GuestPlan *before, const GuestPlan *now, uint64_t now_usec)
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
        add_sizes(changes, CHANGE_GUEST_STUCK, now, missed_kib, now->assigned_kib, reason,
                  g_strdup_printf("Guest %s is stuck: it was told to become %s and has %s; %s. It is left out of the "
                                  "sharing until it follows.",
                                  name, missed, assigned, reason));
    } else if (now->state != GUEST_STATE_OFF && !is_unresponsive(now)) {
        add_sizes(changes, CHANGE_GUEST_RECOVERED, now, 0, now->assigned_kib, "",
                  g_strdup_printf("Guest %s follows its target again: it has %s.", name, assigned));
    }
}

/* Returns true when the new state was told. */
static bool
compare_special_states(Changes *changes, const GuestPlan *before, const GuestPlan *now, const Plan *plan,
                       uint64_t now_usec)
{
    unsigned told = changes->list->len;
    const GuestSnapshot *guest = now->guest;
    bool rebooted = before != NULL && guest->boots != before->guest->boots;

    if (is_unresponsive(now) && !is_unresponsive(before)) {
        g_autofree char *committed = units_format_size(now->committed_kib);

        add_sizes(changes, CHANGE_GUEST_UNRESPONSIVE, now, 0, now->committed_kib, "its QEMU does not answer",
                  g_strdup_printf("Guest %s is unresponsive: its QEMU does not answer. It is set aside with %s booked, "
                                  "the other guests go on.",
                                  guest->name, committed));
    } else if (is_unresponsive(before) && !is_unresponsive(now) && now->state != GUEST_STATE_OFF) {
        add_sizes(changes, CHANGE_GUEST_BACK, now, 0, now->assigned_kib, "",
                  g_strdup_printf("Guest %s answers again and is now %s.", guest->name, guest_state_name(now->state)));
    }
    if (!rebooted)
        compare_stuck(changes, before, now, now_usec);
    if (rebooted && guest->boot_in_place && guest->life != GUEST_LIFE_OFF) {
        g_autofree char *committed = units_format_size(now->committed_kib);

        add_sizes(
            changes, CHANGE_GUEST_RESET, now, before->committed_kib, now->committed_kib,
            "its balloon is void until its driver is back",
            g_strdup_printf("Guest %s was reset: its balloon is void until its driver is back, %s are booked for it.",
                            guest->name, committed));
    }
    if (is_barred(now) && !(is_barred(before) && before->rule == now->rule)) {
        g_autofree char *committed = units_format_size(now->committed_kib);
        g_autofree char *reason = reason_text(now, plan);

        add_sizes(
            changes, CHANGE_GUEST_STATIC, now, 0, now->committed_kib, reason,
            g_strdup_printf("Guest %s can't be managed: %s. It is counted with %s.", guest->name, reason, committed));
    }
    return changes->list->len != told;
}

static void
compare_state(Changes *changes, const GuestPlan *before, const GuestPlan *now, const Plan *plan)
{
    const GuestSnapshot *guest = now->guest;
    g_autofree char *reason = NULL;

    if (before != NULL ? before->state == now->state : now->state == GUEST_STATE_OFF)
        return;
    reason = reason_text(now, plan);
    add_sizes(changes, CHANGE_STATE_CHANGED, now, before != NULL ? before->assigned_kib : 0, now->assigned_kib, reason,
              before != NULL
                  ? g_strdup_printf("Guest %s is now %s (it was %s): %s.", guest->name, guest_state_name(now->state),
                                    guest_state_name(before->state), reason)
                  : g_strdup_printf("Guest %s is new and %s: %s.", guest->name, guest_state_name(now->state), reason));
}

static void
compare_status(Changes *changes, GuestMemory *memory, const GuestPlan *now, const Plan *plan, uint64_t now_usec)
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
        add_sizes(changes, CHANGE_STATUS_WARNING, now, now->demand_kib, now->assigned_kib, reason,
                  g_strdup_printf("Guest %s lacks memory: it needs %s and has %s; %s.", now->guest->name, demand,
                                  assigned, reason));
    else if (now->state != GUEST_STATE_OFF)
        add_sizes(changes, CHANGE_STATUS_OK, now, now->demand_kib, now->assigned_kib, "",
                  g_strdup_printf("Guest %s has the memory that it needs again: %s.", now->guest->name, assigned));
}

static void
compare_doubts(Changes *changes, GuestMemory *memory, const GuestPlan *now)
{
    static const char *const texts[] = {
        "it says that more is usable than it has",
        "its balloon is larger than its maximum",
        "a counter went back without a boot",
        "it says that it has more memory than its QEMU gives it",
        "a figure is impossibly large",
    };
    uint32_t fresh = now->guest->doubts & ~memory->doubts;
    g_autoptr(GString) reason = NULL;

    memory->doubts = now->guest->doubts;
    if (fresh == 0 || !now->guest->settings->managed)
        return;
    reason = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        if ((fresh & (1u << i)) != 0)
            g_string_append_printf(reason, "%s%s", reason->len > 0 ? ", " : "", texts[i]);
    add_sizes(changes, CHANGE_STATISTICS_DOUBTED, now, 0, 0, reason->str,
              g_strdup_printf("Statistics of guest %s can't be right: %s. They are used within bounds only.",
                              now->guest->name, reason->str));
}

static void
compare_guest(Changes *changes, const TickReport *report, bool first_tick, const GuestPlan *before,
              const GuestPlan *now)
{
    GuestMemory *memory = remember_guest(changes, now->guest->uuid);
    bool told;

    memory->seen_tick = report->tick;
    told = compare_special_states(changes, before, now, report->plan, report->now_usec);
    /* Of guests that are not managed only what concerns dynmem itself is told, not their coming and going. */
    if (!told && !first_tick && now->guest->settings->managed)
        compare_state(changes, before, now, report->plan);
    compare_status(changes, memory, now, report->plan, report->now_usec);
    compare_doubts(changes, memory, now);
}

/* ---- targets ---- */

static const GuestPlan *
plan_of(const Plan *plan, const char *uuid)
{
    for (size_t low = 0, high = plan->guest_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(uuid, plan->guests[middle].guest->uuid);

        if (order == 0)
            return &plan->guests[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void
add_target(Changes *changes, const TargetAction *action, const GuestPlan *guest, const char *reason)
{
    g_autofree char *from = units_format_size(action->old_kib);
    g_autofree char *to = units_format_size(action->new_kib);
    const char *verb = action->new_kib > action->old_kib ? "raised" : "lowered";

    add_sizes(changes, CHANGE_TARGET_CHANGED, guest, action->old_kib, action->new_kib, reason,
              g_strdup_printf("Target of guest %s %s from %s to %s: %s.", guest->guest->name, verb, from, to, reason));
}

static void
add_target_failure(Changes *changes, const TargetAction *action, const GuestPlan *guest)
{
    g_autofree char *from = units_format_size(action->old_kib);
    g_autofree char *to = units_format_size(action->new_kib);
    const char *why = action->error != NULL ? action->error : "for an unknown reason";

    add_sizes(changes, CHANGE_TARGET_FAILED, guest, action->old_kib, action->new_kib, why,
              g_strdup_printf("Target of guest %s could not be changed from %s to %s: %s.", guest->guest->name, from,
                              to, why));
}

/* A target is told of once it was taken, with the reason that held when it was sent. */
static void
tell_target(Changes *changes, const TargetAction *action, const Plan *plan)
{
    const GuestPlan *guest = plan_of(plan, action->uuid);
    GuestMemory *memory;

    if (guest == NULL)
        return;
    memory = remember_guest(changes, action->uuid);
    if (action->result == ACTION_STARTED) {
        g_free(memory->sent_reason);
        memory->sent_reason = reason_text(guest, plan);
        memory->sent_kib = action->new_kib;
        return;
    }
    /* a target that is told again, after a reset say, is no change */
    if (action->result == ACTION_FAILED) {
        add_target_failure(changes, action, guest);
    } else if (action->old_kib != action->new_kib) {
        g_autofree char *reason = NULL;

        if (memory->sent_reason == NULL || memory->sent_kib != action->new_kib)
            reason = reason_text(guest, plan);
        add_target(changes, action, guest, reason != NULL ? reason : memory->sent_reason);
    }
}

/* ---- settings, host ---- */

static void
compare_issues(Changes *changes, const TickReport *now)
{
    GHashTableIter iter;
    void *uuid;

    for (unsigned i = 0; now->issues != NULL && i < now->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(now->issues, i);

        if (g_strcmp0(g_hash_table_lookup(changes->issues, issue->uuid), issue->message) == 0)
            continue;
        g_hash_table_replace(changes->issues, g_strdup(issue->uuid), g_strdup(issue->message));
        add(changes, CHANGE_SETTINGS_REJECTED, issue->uuid, issue->name, issue->message,
            g_strdup_printf("Settings of guest %s are not used: %s. The last good ones stay in force.", issue->name,
                            issue->message));
    }
    if (g_hash_table_size(changes->issues) <= (now->issues != NULL ? now->issues->len : 0))
        return;
    g_hash_table_iter_init(&iter, changes->issues);
    while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
        const GuestPlan *guest;

        if (tick_report_issue(now, uuid) != NULL)
            continue;
        guest = plan_of(now->plan, uuid);
        if (guest != NULL)
            add(changes, CHANGE_SETTINGS_ACCEPTED, uuid, guest->guest->name, "",
                g_strdup_printf("Settings of guest %s are right again and in force.", guest->guest->name));
        g_hash_table_iter_remove(&iter);
    }
}

static void
compare_host(Changes *changes, const Plan *plan, uint64_t now_usec)
{
    if (lasting_update(&changes->over_budget, plan->over_budget, now_usec)) {
        g_autofree char *committed = units_format_size(plan->committed_kib);
        g_autofree char *budget = units_format_size(plan->budget_kib);
        Change *change;

        change =
            changes->over_budget.told
                ? add(changes, CHANGE_OVER_BUDGET, "", "",
                      "other processes took memory, or a guest outgrew its booking",
                      g_strdup_printf("The host is over its budget: guests are committed %s of %s; other processes "
                                      "took memory, or a guest outgrew its booking. No target is raised until it fits.",
                                      committed, budget))
                : add(changes, CHANGE_WITHIN_BUDGET, "", "", "",
                      g_strdup_printf("The host is within its budget again: guests are committed %s of %s.", committed,
                                      budget));
        change->old_kib = plan->budget_kib;
        change->new_kib = plan->committed_kib;
    }
    if (lasting_update(&changes->minimums, !plan->minimums_fit, now_usec)) {
        g_autofree char *minimums = units_format_size(plan->minimums_kib);
        g_autofree char *sharing = units_format_size(plan->sharing_kib);
        Change *change;

        change =
            changes->minimums.told
                ? add(changes, CHANGE_MINIMUMS_DO_NOT_FIT, "", "", "the minimums do not fit in the budget",
                      g_strdup_printf("The minimums of the guests do not fit: they add up to %s, and the guests "
                                      "may have %s together. It is shared by priority; lower minimums, move guests "
                                      "away or free memory of the host.",
                                      minimums, sharing))
                : add(changes, CHANGE_MINIMUMS_FIT, "", "", "",
                      g_strdup_printf("The minimums of the guests fit again: they add up to %s of %s.", minimums,
                                      sharing));
        change->old_kib = plan->sharing_kib;
        change->new_kib = plan->minimums_kib;
    }
}

static void
add_link_lost(Changes *changes)
{
    add(changes, CHANGE_LIBVIRT_LOST, "", "", changes->link_text,
        g_strdup_printf("No connection to libvirt: %s. Guests keep their targets until it is back.",
                        changes->link_text));
}

/* A connection that did not come up since the start. */
static void
compare_link(Changes *changes, uint64_t now_usec)
{
    if (changes->link_told || changes->link_text == NULL)
        return;
    if (changes->link_waiting_usec == 0)
        changes->link_waiting_usec = MAX(now_usec, 1);
    if (now_usec - changes->link_waiting_usec < LASTING_USEC)
        return;
    add_link_lost(changes);
    changes->link_told = true;
}

static void
forget_guests(Changes *changes, const TickReport *now)
{
    GHashTableIter iter;
    void *value;

    if (g_hash_table_size(changes->guests) <= now->plan->guest_count)
        return;
    g_hash_table_iter_init(&iter, changes->guests);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((GuestMemory *)value)->seen_tick != now->tick)
            g_hash_table_iter_remove(&iter);
}

const GPtrArray *
changes_compare(Changes *changes, const TickReport *before, const TickReport *now)
{
    size_t old = 0;
    size_t old_count = before != NULL ? before->plan->guest_count : 0;

    g_ptr_array_set_size(changes->list, 0);
    compare_issues(changes, now);
    /* both are sorted by uuid */
    for (size_t i = 0; i < now->plan->guest_count; i++) {
        const GuestPlan *guest = &now->plan->guests[i];
        const GuestPlan *match = NULL;

        while (old < old_count && strcmp(before->plan->guests[old].guest->uuid, guest->guest->uuid) < 0)
            old++;
        if (old < old_count && strcmp(before->plan->guests[old].guest->uuid, guest->guest->uuid) == 0)
            match = &before->plan->guests[old];
        compare_guest(changes, now, before == NULL, match, guest);
    }
    for (unsigned i = 0; now->outcome != NULL && now->outcome->targets != NULL && i < now->outcome->targets->len; i++)
        tell_target(changes, &g_array_index(now->outcome->targets, TargetAction, i), now->plan);
    compare_host(changes, now->plan, now->now_usec);
    compare_link(changes, now->now_usec);
    forget_guests(changes, now);
    return changes->list;
}

const GPtrArray *
changes_link(Changes *changes, WorldLink link, const char *text)
{
    bool first = changes->link_text == NULL;
    bool other = first || link != changes->link;

    g_ptr_array_set_size(changes->list, 0);
    g_free(changes->link_text);
    changes->link_text = g_strdup(text);
    changes->link = link;
    if (!other)
        return changes->list;
    if (link != WORLD_LINK_DOWN)
        add(changes, CHANGE_LIBVIRT_BACK, "", "", text,
            link == WORLD_LINK_READ_ONLY
                ? g_strdup_printf(
                      "Connected to libvirt, but may not write (%s): guests are observed, nothing is changed.", text)
                : g_strdup_printf("Connected to libvirt: %s.", text));
    else if (!first)
        add_link_lost(changes);
    changes->link_told = link != WORLD_LINK_DOWN || !first;
    changes->link_waiting_usec = 0;
    return changes->list;
}

const GPtrArray *
changes_config(Changes *changes, const GPtrArray *problems)
{
    g_ptr_array_set_size(changes->list, 0);
    for (unsigned i = 0; problems != NULL && i < problems->len; i++) {
        const ConfigProblem *problem = g_ptr_array_index(problems, i);

        add(changes, CHANGE_CONFIG_REJECTED, "", "", problem->message,
            problem->line > 0 ? g_strdup_printf("%s:%u: %s", problem->file, problem->line, problem->message)
                              : g_strdup_printf("%s: %s", problem->file, problem->message));
    }
    return changes->list;
}
