/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_tick.h"

#include <string.h>

static void
action_clear(void *data)
{
    g_free(((TargetAction *)data)->error);
}

static void
limit_clear(void *data)
{
    g_free(((LimitAction *)data)->error);
}

static void
issue_free(void *data)
{
    GuestIssue *issue = data;

    g_free(issue->name);
    g_free(issue->message);
    g_free(issue);
}

FakeTick *
fake_tick_new(void)
{
    FakeTick *tick = g_new0(FakeTick, 1);

    tick->settings = settings_new();
    tick->outcome.targets = g_array_new(FALSE, TRUE, sizeof(TargetAction));
    g_array_set_clear_func(tick->outcome.targets, action_clear);
    tick->outcome.limits = g_array_new(FALSE, TRUE, sizeof(LimitAction));
    g_array_set_clear_func(tick->outcome.limits, limit_clear);
    tick->issues = g_ptr_array_new_with_free_func(issue_free);
    tick->snapshot = (Snapshot){
        .now_usec = 100 * USEC_PER_SEC,
        .host = {.figures = {.total_kib = 16 * KIB_PER_GIB, .available_kib = 9 * KIB_PER_GIB},
                 .figures_valid = true,
                 .link = WORLD_LINK_READ_WRITE},
        .guests = tick->snapshots,
        .starts = tick->request_list,
        .files = tick->file_list,
    };
    tick->plan = (Plan){
        .guests = tick->plans,
        .starts = tick->starts,
        .budget_kib = 12 * KIB_PER_GIB,
        .budget_limit = BUDGET_BY_TOTAL,
        .budget_total_kib = 12 * KIB_PER_GIB,
        .budget_available_kib = 13 * KIB_PER_GIB,
        .free_kib = 12 * KIB_PER_GIB,
        .reserve_kib = 2 * KIB_PER_GIB,
        .other_kib = KIB_PER_GIB,
        .sharing_kib = 12 * KIB_PER_GIB,
        .minimums_fit = true,
    };
    tick->report = (TickReport){
        .tick = 1,
        .now_usec = tick->snapshot.now_usec,
        .duration_usec = 300,
        .settings = tick->settings,
        .snapshot = &tick->snapshot,
        .plan = &tick->plan,
        .outcome = &tick->outcome,
        .issues = tick->issues,
    };
    return tick;
}

void
fake_tick_free(FakeTick *tick)
{
    if (tick == NULL)
        return;
    for (size_t i = 0; i < FAKE_GUESTS; i++)
        g_free(tick->names[i]);
    fake_tick_drop_starts(tick);
    fake_tick_drop_files(tick);
    settings_free(tick->settings);
    g_array_unref(tick->outcome.targets);
    g_array_unref(tick->outcome.limits);
    g_ptr_array_unref(tick->issues);
    g_free(tick);
}

GuestPlan *
fake_tick_add(FakeTick *tick, const char *name)
{
    size_t i = tick->plan.guest_count;

    g_assert(i < FAKE_GUESTS);
    g_snprintf(tick->uuids[i], sizeof tick->uuids[i], "6a2c0a3e-0000-4000-8000-%012zx", i);
    tick->names[i] = g_strdup(name);
    tick->guest_settings[i] = (GuestSettings){
        .managed = true,
        .minimum_kib = KIB_PER_GIB,
        .startup_kib = 2 * KIB_PER_GIB,
        .maximum_kib = 4 * KIB_PER_GIB,
        .buffer_percent = 20,
        .priority = 50,
        .vcpus = 1,
    };
    tick->snapshots[i] = (GuestSnapshot){
        .uuid = tick->uuids[i],
        .name = tick->names[i],
        .settings = &tick->guest_settings[i],
        .life = GUEST_LIFE_RUNNING,
        .answering = true,
        .boots = 1,
        .boot_usec = 10 * USEC_PER_SEC,
        .driver_up = true,
        .driver_usec = 20 * USEC_PER_SEC,
        .report_serial = 5,
        .fresh = true,
        .report_usec = 99 * USEC_PER_SEC,
        .period_usec = USEC_PER_SEC,
        .has_actual = true,
        .actual_kib = 2 * KIB_PER_GIB,
        .has_usable = true,
        .usable_kib = 512 * KIB_PER_MIB,
        .report_actual_kib = 2 * KIB_PER_GIB,
        .resident_kib = 2 * KIB_PER_GIB,
        .target_known = true,
        .target_kib = 2 * KIB_PER_GIB,
    };
    tick->plans[i] = (GuestPlan){
        .guest = &tick->snapshots[i],
        .state = GUEST_STATE_ACTIVE,
        .status = GUEST_STATUS_OK,
        .target_kib = 2 * KIB_PER_GIB,
        .ideal_kib = 1843 * KIB_PER_MIB,
        .demand_kib = 1536 * KIB_PER_MIB,
        .want_kib = 1843 * KIB_PER_MIB,
        .floor_kib = 200 * KIB_PER_MIB,
        .assigned_kib = 2 * KIB_PER_GIB,
        .committed_kib = 2 * KIB_PER_GIB,
        .overhead_kib = 150 * KIB_PER_MIB,
        .pressure_percent = 90,
        .weight = 51,
        .stage = PLAN_STAGE_WANT,
        .rule = PLAN_RULE_SATISFIED,
    };
    tick->plan.guest_count = tick->snapshot.guest_count = i + 1;
    tick->plan.committed_kib += 2 * KIB_PER_GIB;
    tick->plan.free_kib = saturating_sub(tick->plan.budget_kib, tick->plan.committed_kib);
    tick->plan.overhead_kib += 150 * KIB_PER_MIB;
    tick->plan.minimums_kib += KIB_PER_GIB;
    tick->plan.demands_kib += 1536 * KIB_PER_MIB;
    tick->plan.wants_kib += 1843 * KIB_PER_MIB;
    tick->plan.pressure_percent = 90;
    return &tick->plans[i];
}

GuestSnapshot *
fake_tick_snapshot(FakeTick *tick, size_t index)
{
    return &tick->snapshots[index];
}

GuestSettings *
fake_tick_settings(FakeTick *tick, size_t index)
{
    return &tick->guest_settings[index];
}

void
fake_tick_remove(FakeTick *tick, size_t index)
{
    size_t last = tick->plan.guest_count - 1;

    g_clear_pointer(&tick->names[index], g_free);
    for (size_t i = index; i < last; i++) {
        tick->guest_settings[i] = tick->guest_settings[i + 1];
        memcpy(tick->uuids[i], tick->uuids[i + 1], sizeof tick->uuids[i]);
        tick->names[i] = g_steal_pointer(&tick->names[i + 1]);
        tick->snapshots[i] = tick->snapshots[i + 1];
        tick->snapshots[i].uuid = tick->uuids[i];
        tick->snapshots[i].settings = &tick->guest_settings[i];
        tick->plans[i] = tick->plans[i + 1];
        tick->plans[i].guest = &tick->snapshots[i];
    }
    tick->plan.guest_count = tick->snapshot.guest_count = last;
}

void
fake_tick_act(FakeTick *tick, size_t index, uint64_t old_kib, uint64_t new_kib, ActionResult result, const char *error)
{
    TargetAction action = {.old_kib = old_kib, .new_kib = new_kib, .result = result, .error = g_strdup(error)};

    g_strlcpy(action.uuid, tick->uuids[index], sizeof action.uuid);
    g_array_append_val(tick->outcome.targets, action);
}

void
fake_tick_reject(FakeTick *tick, size_t index, const char *message)
{
    GuestIssue *issue = g_new0(GuestIssue, 1);

    g_strlcpy(issue->uuid, tick->uuids[index], sizeof issue->uuid);
    issue->name = g_strdup(tick->names[index]);
    issue->rejected = true;
    issue->message = g_strdup(message);
    g_ptr_array_add(tick->issues, issue);
}

void
fake_tick_advise(FakeTick *tick, size_t index, const char *message)
{
    fake_tick_reject(tick, index, message);
    ((GuestIssue *)g_ptr_array_index(tick->issues, tick->issues->len - 1))->rejected = false;
}

StartPlan *
fake_tick_start(FakeTick *tick, size_t index, StartVerdict verdict)
{
    size_t i = tick->plan.start_count;
    StartRequest *request = &tick->requests[i];

    g_assert(i < FAKE_STARTS);
    *request = (StartRequest){
        .name = g_strdup(tick->names[index]),
        .settings = tick->guest_settings[index],
        .kind = START_BOOT,
        .need_kib = 2 * KIB_PER_GIB,
        .asked_usec = tick->report.now_usec - 5 * USEC_PER_SEC,
        .deadline_usec = tick->report.now_usec + 25 * USEC_PER_SEC,
        .waiting = verdict == START_WAITS,
    };
    g_strlcpy(request->uuid, tick->uuids[index], sizeof request->uuid);
    tick->request_list[i] = request;
    tick->starts[i] = (StartPlan){
        .request = request,
        .verdict = verdict,
        .overhead_kib = 150 * KIB_PER_MIB,
        .needed_kib = 2 * KIB_PER_GIB + 150 * KIB_PER_MIB,
        .free_kib = 512 * KIB_PER_MIB,
        .reclaimable_kib = KIB_PER_GIB,
        .missing_kib = 662 * KIB_PER_MIB,
        .booked_kib = verdict == START_ADMITTED ? 2 * KIB_PER_GIB : 512 * KIB_PER_MIB,
    };
    tick->plan.start_count = tick->snapshot.start_count = i + 1;
    tick->snapshots[index].life = GUEST_LIFE_OFF;
    tick->snapshots[index].driver_up = false;
    tick->plans[index].state = verdict == START_REFUSED ? GUEST_STATE_OFF : GUEST_STATE_RESERVED;
    tick->plans[index].rule = verdict == START_REFUSED ? PLAN_RULE_OFF : PLAN_RULE_RESERVED;
    tick->plans[index].assigned_kib = 0;
    tick->plans[index].target_kib = 0;
    tick->plans[index].committed_kib = tick->starts[i].booked_kib;
    tick->plans[index].weight = 0;
    return &tick->starts[i];
}

void
fake_tick_drop_starts(FakeTick *tick)
{
    for (size_t i = 0; i < tick->plan.start_count; i++)
        g_free(tick->requests[i].name);
    tick->plan.start_count = tick->snapshot.start_count = 0;
}

GuestLimits *
fake_tick_limit(FakeTick *tick, size_t index)
{
    tick->snapshots[index].limits = (GuestLimits){
        .usable = true,
        .set = true,
        .high_kib = 2 * KIB_PER_GIB,
        .charged_kib = KIB_PER_GIB,
        .swap_max_kib = LIMIT_NONE,
    };
    return &tick->snapshots[index].limits;
}

PagingRecord *
fake_tick_file(FakeTick *tick, size_t index, PagingStage stage)
{
    size_t i = tick->snapshot.file_count;
    PagingRecord *file = &tick->files[i];

    g_assert(i < FAKE_FILES);
    *file = (PagingRecord){
        .stage = stage,
        .directory = g_strdup("/var/lib/dynmem/paging"),
        .size_kib = 512 * KIB_PER_MIB,
        .used_kib = 300 * KIB_PER_MIB,
        .peak_kib = 400 * KIB_PER_MIB,
        .since_usec = tick->report.now_usec - 60 * USEC_PER_SEC,
    };
    g_strlcpy(file->uuid, tick->uuids[index], sizeof file->uuid);
    tick->file_list[i] = file;
    tick->snapshot.file_count = i + 1;
    tick->snapshots[index].paging = file;
    return file;
}

void
fake_tick_drop_files(FakeTick *tick)
{
    for (size_t i = 0; i < tick->snapshot.file_count; i++) {
        g_free(tick->files[i].directory);
        g_free(tick->files[i].error);
    }
    for (size_t i = 0; i < tick->snapshot.guest_count; i++)
        tick->snapshots[i].paging = NULL;
    tick->snapshot.file_count = 0;
}

void
fake_tick_next(FakeTick *tick)
{
    tick->report.tick++;
    tick->report.now_usec += USEC_PER_SEC;
    tick->snapshot.now_usec += USEC_PER_SEC;
    g_array_set_size(tick->outcome.targets, 0);
    g_array_set_size(tick->outcome.limits, 0);
}
