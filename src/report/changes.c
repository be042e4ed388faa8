/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"

#include "guest_changes.h"
#include "held_tick.h"
#include "ledger_changes.h"
#include "limit_changes.h"
#include "paging_changes.h"
#include "settings_changes.h"
#include "start_changes.h"
#include "units.h"

#include <string.h>

struct Changes {
    GPtrArray *list; /* of Change */
    GuestChanges *guests;
    StartChanges *starts;
    PagingChanges *paging;
    LimitChanges *limits;
    LedgerChanges *ledger;
    SettingsChanges *settings;
    GHashTable *issues; /* uuid -> GuestIssue: as it was told */
    bool retiring;      /* it was told */
    bool settled;       /* no guest that ran before the daemon is unknown any more */
    Lasting over_budget;
    Lasting minimums;
    WorldLink link;
    char *link_text; /* NULL: nothing is known yet */
    bool link_told;
    uint64_t link_waiting_usec; /* first tick without a connection that was not told; 0: none */
};

static void
issue_free(void *data)
{
    GuestIssue *issue = data;

    g_free(issue->message);
    g_free(issue);
}

Changes *
changes_new(void)
{
    Changes *changes = g_new0(Changes, 1);

    changes->list = change_list_new();
    changes->guests = guest_changes_new();
    changes->starts = start_changes_new();
    changes->paging = paging_changes_new();
    changes->limits = limit_changes_new();
    changes->ledger = ledger_changes_new();
    changes->settings = settings_changes_new();
    changes->issues = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, issue_free);
    return changes;
}

void
changes_free(Changes *changes)
{
    if (changes == NULL)
        return;
    g_ptr_array_unref(changes->list);
    guest_changes_free(changes->guests);
    start_changes_free(changes->starts);
    paging_changes_free(changes->paging);
    limit_changes_free(changes->limits);
    ledger_changes_free(changes->ledger);
    settings_changes_free(changes->settings);
    g_hash_table_unref(changes->issues);
    g_free(changes->link_text);
    g_free(changes);
}

/* Returns false where just that was told before. */
static bool
note_issue(Changes *changes, const GuestIssue *issue)
{
    const GuestIssue *told = g_hash_table_lookup(changes->issues, issue->uuid);
    GuestIssue *copy;

    if (told != NULL && told->rejected == issue->rejected && g_strcmp0(told->message, issue->message) == 0)
        return false;
    copy = g_new0(GuestIssue, 1);
    g_strlcpy(copy->uuid, issue->uuid, sizeof copy->uuid);
    copy->rejected = issue->rejected;
    copy->message = g_strdup(issue->message);
    g_hash_table_replace(changes->issues, copy->uuid, copy);
    return true;
}

static void
compare_issues(Changes *changes, const TickReport *now)
{
    GHashTableIter iter;
    void *value;

    for (unsigned i = 0; now->issues != NULL && i < now->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(now->issues, i);

        if (!note_issue(changes, issue))
            continue;
        change_list_add(
            changes->list, issue->rejected ? CHANGE_SETTINGS_REJECTED : CHANGE_SETTINGS_ADVICE, issue->uuid,
            issue->name, issue->message,
            g_strdup_printf("Settings of guest %s %s: %s.", issue->name,
                            issue->rejected ? "can't be used as they are" : "are in force, and may not work out",
                            issue->message));
    }
    if (g_hash_table_size(changes->issues) <= (now->issues != NULL ? now->issues->len : 0))
        return;
    g_hash_table_iter_init(&iter, changes->issues);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const GuestIssue *told = value;
        const GuestPlan *guest;

        if (tick_report_issue(now, told->uuid) != NULL)
            continue;
        guest = plan_find(now->plan, told->uuid);
        if (guest != NULL && told->rejected)
            change_list_add(changes->list, CHANGE_SETTINGS_ACCEPTED, told->uuid, guest->guest->name, "",
                            g_strdup_printf("Settings of guest %s are right again and in force.", guest->guest->name));
        g_hash_table_iter_remove(&iter);
    }
}

/*
 * Until they have reported, guests that ran before the daemon are booked at all that they might have, which may well be
 * more than there is: that is no news.
 */
static bool
is_over_budget(Changes *changes, const TickReport *now)
{
    const Plan *plan = now->plan;

    for (size_t i = 0; !changes->settled && i < plan->guest_count; i++)
        if (plan->guests[i].rule == PLAN_RULE_ADOPTING)
            return false;
    if (plan->guest_count > 0 && now->snapshot->host.link != WORLD_LINK_DOWN)
        changes->settled = true;
    return plan->over_budget;
}

static const char over_budget_causes[] =
    "other processes took memory, a guest outgrew its booking, or one was let in that did not fit";

static void
compare_host(Changes *changes, const TickReport *now)
{
    const Plan *plan = now->plan;
    uint64_t now_usec = now->now_usec;

    if (lasting_update(&changes->over_budget, is_over_budget(changes, now), now_usec)) {
        g_autofree char *committed = units_format_size(plan->committed_kib);
        g_autofree char *budget = units_format_size(plan->budget_kib);
        g_autofree char *beyond = units_format_size(saturating_sub(plan->committed_kib, plan->budget_kib));
        Change *change;

        change =
            changes->over_budget.told
                ? change_list_add(changes->list, CHANGE_OVER_BUDGET, "", "", over_budget_causes,
                                  g_strdup_printf("The host is over its budget by %s: guests are committed %s of %s; "
                                                  "%s. No target is raised until it fits.",
                                                  beyond, committed, budget, over_budget_causes))
                : change_list_add(changes->list, CHANGE_WITHIN_BUDGET, "", "", "",
                                  g_strdup_printf("The host is within its budget again: guests are committed %s of %s.",
                                                  committed, budget));
        change->old_kib = plan->budget_kib;
        change->new_kib = plan->committed_kib;
    }
    if (lasting_update(&changes->minimums, !plan->minimums_fit, now_usec)) {
        g_autofree char *minimums = units_format_size(plan->minimums_kib);
        g_autofree char *sharing = units_format_size(plan->sharing_kib);
        Change *change;

        change = changes->minimums.told
                     ? change_list_add(
                           changes->list, CHANGE_MINIMUMS_DO_NOT_FIT, "", "", "the minimums do not fit in the budget",
                           g_strdup_printf(
                               "The minimums of the guests do not fit: they add up to %s, and the guests "
                               "may have %s together. Nobody is squeezed below its minimum; lower minimums, move "
                               "guests away or free memory of the host.",
                               minimums, sharing))
                     : change_list_add(changes->list, CHANGE_MINIMUMS_FIT, "", "", "",
                                       g_strdup_printf("The minimums of the guests fit again: they add up to %s of %s.",
                                                       minimums, sharing));
        change->old_kib = plan->sharing_kib;
        change->new_kib = plan->minimums_kib;
    }
}

/* ---- the end for good ---- */

/* Those that have less than their startup memory, and how much they lack. */
static unsigned
count_owed(const Plan *plan, uint64_t *lack_kib)
{
    unsigned count = 0;

    *lack_kib = 0;
    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];
        const GuestSettings *settings = guest->guest->settings;
        uint64_t lack = saturating_sub(settings->startup_kib, guest->assigned_kib);

        if (guest->state == GUEST_STATE_OFF || guest->state == GUEST_STATE_RESERVED ||
            !guest_settings_are_ours(settings) || lack == 0)
            continue;
        *lack_kib += lack;
        count++;
    }
    return count;
}

/* "2 guests have 1 GiB less than that now". Caller frees. */
static char *
owed_text(const TickReport *before)
{
    uint64_t lack_kib = 0;
    unsigned count = before != NULL ? count_owed(before->plan, &lack_kib) : 0;
    g_autofree char *lack = units_format_size(lack_kib);

    if (count == 0)
        return g_strdup("no guest has less than that now");
    return g_strdup_printf("%u guest%s %s less than that now", count, count == 1 ? " has" : "s have", lack);
}

const GPtrArray *
changes_retire(Changes *changes, const TickReport *before, const char *who)
{
    g_autofree char *owed = owed_text(before);
    g_autofree char *reason = g_strdup_printf("it was asked for by %s (dm-ctl retire)", who);

    g_ptr_array_set_size(changes->list, 0);
    if (!changes->retiring)
        change_list_add(
            changes->list, CHANGE_RETIRING, "", "", reason,
            g_strdup_printf("dynmemd is to end for good, which %s has asked for (dm-ctl retire): all guests "
                            "get their startup memory back, as room allows, and %s. 'systemctl reload "
                            "dynmemd' takes it back.",
                            who, owed));
    changes->retiring = true;
    return changes->list;
}

static void
compare_retiring(Changes *changes, const Settings *settings)
{
    if (!changes->retiring || settings->retiring)
        return;
    changes->retiring = false;
    change_list_add(changes->list, CHANGE_RETIRING_ENDED, "", "", "the configuration was read again",
                    g_strdup("dynmemd is not to end for good any more, as the configuration was read again: guests may "
                             "be squeezed to their minimums again."));
}

/* ---- libvirt ---- */

static void
add_link_lost(Changes *changes)
{
    change_list_add(changes->list, CHANGE_LIBVIRT_LOST, "", "", changes->link_text,
                    g_strdup_printf("No connection to libvirt (%s): guests keep their targets until it is back.",
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

const GPtrArray *
changes_compare(Changes *changes, const TickReport *before, const TickReport *now)
{
    g_ptr_array_set_size(changes->list, 0);
    compare_issues(changes, now);
    settings_changes_compare(changes->settings, now, changes->list);
    start_changes_compare(changes->starts, before == NULL, now, changes->list);
    guest_changes_compare(changes->guests, before, now, changes->list);
    limit_changes_compare(changes->limits, before, now, changes->list);
    ledger_changes_compare(changes->ledger, before, now, changes->list);
    paging_changes_compare(changes->paging, now, changes->list);
    compare_host(changes, now);
    compare_link(changes, now->now_usec);
    compare_retiring(changes, now->settings);
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
        change_list_add(changes->list, CHANGE_LIBVIRT_BACK, "", "", text,
                        g_strdup_printf("%c%s%s", g_ascii_toupper(text[0]), text[0] != '\0' ? text + 1 : "",
                                        link == WORLD_LINK_READ_ONLY
                                            ? ": dynmemd may not write, so guests are observed and nothing is changed."
                                            : "."));
    else if (!first)
        add_link_lost(changes);
    changes->link_told = link != WORLD_LINK_DOWN || !first;
    changes->link_waiting_usec = 0;
    return changes->list;
}

static char *
move_text(ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    const char *guest = motion->guest;

    switch (news) {
    case CLUSTER_NEWS_OFFERED:
        return g_strdup_printf("Guest %s is offered to host %s: %s.", guest, motion->target, detail);
    case CLUSTER_NEWS_BOOKED:
        return g_strdup_printf("Memory is looked for here for %s, which host %s offers: %s.", guest, motion->source,
                               detail);
    case CLUSTER_NEWS_WISHED:
        return g_strdup_printf("Memory for %s of host %s is booked and free here, and the cluster is asked to send it: "
                               "%s.",
                               guest, motion->source, detail);
    case CLUSTER_NEWS_LEFT:
        return g_strdup_printf("Guest %s has moved to host %s.", guest, motion->target);
    case CLUSTER_NEWS_ARRIVED:
        return g_strdup_printf("Guest %s has moved here from host %s.", guest, motion->source);
    case CLUSTER_NEWS_WITHDRAWN:
    default:
        return g_strdup_printf("Guest %s does not move from host %s to host %s: %s.", guest, motion->source,
                               motion->target, detail);
    }
}

const GPtrArray *
changes_move(Changes *changes, ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    static const ChangeKind kinds[] = {
        [CLUSTER_NEWS_OFFERED] = CHANGE_MOVE_OFFERED, [CLUSTER_NEWS_BOOKED] = CHANGE_MOVE_BOOKED,
        [CLUSTER_NEWS_WISHED] = CHANGE_MOVE_WISHED,   [CLUSTER_NEWS_LEFT] = CHANGE_MOVE_LEFT,
        [CLUSTER_NEWS_ARRIVED] = CHANGE_MOVE_ARRIVED, [CLUSTER_NEWS_WITHDRAWN] = CHANGE_MOVE_WITHDRAWN,
    };

    g_ptr_array_set_size(changes->list, 0);
    change_list_add(changes->list, kinds[news], motion->uuid, motion->guest, detail, move_text(news, motion, detail));
    return changes->list;
}

const GPtrArray *
changes_config(Changes *changes, const GPtrArray *problems)
{
    g_ptr_array_set_size(changes->list, 0);
    for (unsigned i = 0; problems != NULL && i < problems->len; i++) {
        const ConfigProblem *problem = g_ptr_array_index(problems, i);

        change_list_add(changes->list, CHANGE_CONFIG_REJECTED, "", "", problem->message, config_problem_text(problem));
    }
    return changes->list;
}
