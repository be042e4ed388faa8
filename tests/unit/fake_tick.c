/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_tick.h"

#include <string.h>

static void
action_clear(void *data)
{
    g_free(((TargetAction *)data)->error);
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
    tick->issues = g_ptr_array_new_with_free_func(issue_free);
    tick->snapshot = (Snapshot){
        .now_usec = 100 * USEC_PER_SEC,
        .host = {.figures = {.total_kib = 16 * KIB_PER_GIB, .available_kib = 9 * KIB_PER_GIB},
                 .figures_valid = true,
                 .link = WORLD_LINK_READ_WRITE},
        .guests = tick->snapshots,
    };
    tick->plan = (Plan){
        .guests = tick->plans,
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
    settings_free(tick->settings);
    g_array_unref(tick->outcome.targets);
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
    issue->message = g_strdup(message);
    g_ptr_array_add(tick->issues, issue);
}

void
fake_tick_next(FakeTick *tick)
{
    tick->report.tick++;
    tick->report.now_usec += USEC_PER_SEC;
    tick->snapshot.now_usec += USEC_PER_SEC;
    g_array_set_size(tick->outcome.targets, 0);
}
