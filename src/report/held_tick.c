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
    /* few, and mostly none: made anew each time */
    GPtrArray *requests;   /* of StartRequest */
    GPtrArray *files;      /* of PagingRecord */
    GStringChunk *clauses; /* why something can't be had; few different ones, of this tick */
};

static void
issue_free(void *data)
{
    GuestIssue *issue = data;

    g_free(issue->name);
    g_free(issue->message);
    g_free(issue);
}

static void
request_free(void *data)
{
    StartRequest *request = data;

    g_free(request->name);
    g_free(request);
}

static void
file_free(void *data)
{
    PagingRecord *file = data;

    g_free(file->directory);
    g_free(file->error);
    g_free(file);
}

HeldTick *
held_tick_new(void)
{
    HeldTick *held = g_new0(HeldTick, 1);

    held->issues = g_ptr_array_new_with_free_func(issue_free);
    held->requests = g_ptr_array_new_with_free_func(request_free);
    held->files = g_ptr_array_new_with_free_func(file_free);
    held->clauses = g_string_chunk_new(256);
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
    g_free(held->plan.starts);
    g_ptr_array_unref(held->issues);
    g_ptr_array_unref(held->requests);
    g_ptr_array_unref(held->files);
    g_string_chunk_free(held->clauses);
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

static const char *
keep_clause(HeldTick *held, const char *clause)
{
    return clause != NULL ? g_string_chunk_insert_const(held->clauses, clause) : NULL;
}

/* The copy of the guest's file, or NULL. */
static const PagingRecord *
find_file(const HeldTick *held, const char *uuid)
{
    for (unsigned i = 0; i < held->files->len; i++) {
        const PagingRecord *file = g_ptr_array_index(held->files, i);

        if (strcmp(file->uuid, uuid) == 0)
            return file;
    }
    return NULL;
}

static void
copy_files(HeldTick *held, const Snapshot *snapshot)
{
    g_ptr_array_set_size(held->files, 0);
    for (size_t i = 0; i < snapshot->file_count; i++) {
        PagingRecord *copy = g_memdup2(snapshot->files[i], sizeof *copy);

        copy->directory = g_strdup(copy->directory);
        copy->error = g_strdup(copy->error);
        g_ptr_array_add(held->files, copy);
    }
    held->snapshot.files = (const PagingRecord *const *)held->files->pdata;
    held->snapshot.file_count = held->files->len;
}

static void
copy_starts(HeldTick *held, const Plan *plan)
{
    g_ptr_array_set_size(held->requests, 0);
    held->plan.starts = g_renew(StartPlan, held->plan.starts, plan->start_count);
    for (size_t i = 0; i < plan->start_count; i++) {
        StartRequest *copy = g_memdup2(plan->starts[i].request, sizeof *copy);

        copy->name = g_strdup(copy->name);
        copy->settings.paging_directory = copy->settings.partition = NULL;
        g_ptr_array_add(held->requests, copy);
        held->plan.starts[i] = plan->starts[i];
        held->plan.starts[i].request = copy;
    }
    held->snapshot.starts = (const StartRequest *const *)held->requests->pdata;
    held->snapshot.start_count = held->requests->len;
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
    guest->settings.paging_directory = guest->settings.partition = NULL;

    held->snapshot.guests[i] = *snapshot;
    held->snapshot.guests[i].uuid = guest->uuid;
    held->snapshot.guests[i].name = guest->name;
    held->snapshot.guests[i].settings = &guest->settings;
    held->snapshot.guests[i].limits.bar = keep_clause(held, snapshot->limits.bar);
    if (snapshot->paging != NULL)
        held->snapshot.guests[i].paging = find_file(held, snapshot->uuid);
    held->plan.guests[i] = *plan;
    held->plan.guests[i].guest = &held->snapshot.guests[i];
    held->plan.guests[i].paging_bar = keep_clause(held, plan->paging_bar);
}

void
held_tick_update(HeldTick *held, const TickReport *report)
{
    size_t count = report->plan->guest_count;
    GuestSnapshot *snapshots;
    GuestPlan *plans;
    StartPlan *starts;

    grow(held, count);
    /* some tell of their guest, and there is no end of guests */
    g_string_chunk_clear(held->clauses);
    held->settings = *report->settings;
    held->settings.paging_directory = NULL;
    held->settings.reserve_file = NULL;

    snapshots = held->snapshot.guests;
    held->snapshot = *report->snapshot;
    held->snapshot.guests = snapshots;
    held->snapshot.guest_count = count;
    held->snapshot.paging_bar = keep_clause(held, report->snapshot->paging_bar);
    plans = held->plan.guests;
    starts = held->plan.starts;
    held->plan = *report->plan;
    held->plan.guests = plans;
    held->plan.starts = starts;
    held->plan.end_files = NULL;
    copy_files(held, report->snapshot);
    copy_starts(held, report->plan);
    for (size_t i = 0; i < count; i++)
        copy_guest(held, i, report->plan->guests[i].guest, &report->plan->guests[i]);

    g_ptr_array_set_size(held->issues, 0);
    for (unsigned i = 0; report->issues != NULL && i < report->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(report->issues, i);
        GuestIssue *copy = g_new0(GuestIssue, 1);

        g_strlcpy(copy->uuid, issue->uuid, sizeof copy->uuid);
        copy->name = g_strdup(issue->name);
        copy->rejected = issue->rejected;
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

const GuestIssue *
tick_report_issue(const TickReport *report, const char *uuid)
{
    for (unsigned i = 0; report->issues != NULL && i < report->issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(report->issues, i);

        if (strcmp(issue->uuid, uuid) == 0)
            return issue;
    }
    return NULL;
}

unsigned
tick_report_rejected(const TickReport *report)
{
    unsigned count = 0;

    for (unsigned i = 0; report->issues != NULL && i < report->issues->len; i++)
        count += ((const GuestIssue *)g_ptr_array_index(report->issues, i))->rejected;
    return count;
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

const StartPlan *
plan_find_start(const Plan *plan, const char *uuid)
{
    for (size_t i = 0; i < plan->start_count; i++)
        if (strcmp(plan->starts[i].request->uuid, uuid) == 0)
            return &plan->starts[i];
    return NULL;
}
