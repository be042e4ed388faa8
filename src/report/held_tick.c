/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held_tick.h"

#include <string.h>

/* What a snapshot's guest borrows. */
typedef struct HeldGuest {
    char uuid[37];
    char *name;
    GuestSettings settings;
} HeldGuest;

struct HeldTick {
    TickReport report;
    bool filled;
    Settings settings;
    Snapshot snapshot;
    Plan plan;
    HeldGuest *guests;
    size_t capacity;
    GPtrArray *issues;
};

static void
issue_free(void *data)
{
    GuestIssue *issue = data;

    g_free(issue->name);
    g_free(issue->message);
    g_free(issue);
}

HeldTick *
held_tick_new(void)
{
    HeldTick *held = g_new0(HeldTick, 1);

    held->issues = g_ptr_array_new_with_free_func(issue_free);
    return held;
}

void
held_tick_free(HeldTick *held)
{
    if (held == NULL)
        return;
    for (size_t i = 0; i < held->capacity; i++)
        g_free(held->guests[i].name);
    g_free(held->guests);
    g_free(held->snapshot.guests);
    g_free(held->plan.guests);
    g_ptr_array_unref(held->issues);
    g_free(held);
}

static void
grow(HeldTick *held, size_t count)
{
    if (count <= held->capacity)
        return;
    held->guests = g_renew(HeldGuest, held->guests, count);
    memset(held->guests + held->capacity, 0, (count - held->capacity) * sizeof *held->guests);
    held->snapshot.guests = g_renew(GuestSnapshot, held->snapshot.guests, count);
    held->plan.guests = g_renew(GuestPlan, held->plan.guests, count);
    held->capacity = count;
}

static void
copy_guest(HeldTick *held, size_t i, const GuestSnapshot *snapshot, const GuestPlan *plan)
{
    HeldGuest *guest = &held->guests[i];

    g_strlcpy(guest->uuid, snapshot->uuid, sizeof guest->uuid);
    if (g_strcmp0(guest->name, snapshot->name) != 0) {
        g_free(guest->name);
        guest->name = g_strdup(snapshot->name);
    }
    guest->settings = *snapshot->settings;
    guest->settings.paging_directory = NULL;

    held->snapshot.guests[i] = *snapshot;
    held->snapshot.guests[i].uuid = guest->uuid;
    held->snapshot.guests[i].name = guest->name;
    held->snapshot.guests[i].settings = &guest->settings;
    held->plan.guests[i] = *plan;
    held->plan.guests[i].guest = &held->snapshot.guests[i];
}

void
held_tick_update(HeldTick *held, const TickReport *report)
{
    size_t count = report->plan->guest_count;
    GuestSnapshot *snapshots;
    GuestPlan *plans;

    grow(held, count);
    held->settings = *report->settings;
    held->settings.paging_directory = NULL;

    snapshots = held->snapshot.guests;
    held->snapshot = *report->snapshot;
    held->snapshot.guests = snapshots;
    held->snapshot.guest_count = count;
    plans = held->plan.guests;
    held->plan = *report->plan;
    held->plan.guests = plans;
    for (size_t i = 0; i < count; i++)
        copy_guest(held, i, report->plan->guests[i].guest, &report->plan->guests[i]);

    g_ptr_array_set_size(held->issues, 0);
    for (unsigned i = 0; report->issues != NULL && i < report->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(report->issues, i);
        GuestIssue *copy = g_new0(GuestIssue, 1);

        g_strlcpy(copy->uuid, issue->uuid, sizeof copy->uuid);
        copy->name = g_strdup(issue->name);
        copy->message = g_strdup(issue->message);
        g_ptr_array_add(held->issues, copy);
    }

    held->report = *report;
    held->report.settings = &held->settings;
    held->report.snapshot = &held->snapshot;
    held->report.plan = &held->plan;
    held->report.outcome = NULL;
    held->report.issues = held->issues;
    held->filled = true;
}

const TickReport *
held_tick_report(const HeldTick *held)
{
    return held->filled ? &held->report : NULL;
}

const char *
tick_report_issue(const TickReport *report, const char *uuid)
{
    for (unsigned i = 0; report->issues != NULL && i < report->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(report->issues, i);

        if (strcmp(issue->uuid, uuid) == 0)
            return issue->message;
    }
    return NULL;
}

const GuestPlan *
plan_find(const Plan *plan, const char *uuid)
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
