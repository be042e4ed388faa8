/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include "givers.h"
#include "held_tick.h"
#include "json_parts.h"
#include "paging_view.h"
#include "rules.h"

static void
add_guest(JsonBuilder *builder, const GuestPlan *plan, const TickReport *report)
{
    const GuestSnapshot *guest = plan->guest;
    const GuestSettings *settings = guest->settings;
    const GuestIssue *issue = tick_report_issue(report, guest->uuid);
    g_autofree char *reason = reason_text(plan, report->plan);

    json_add_text(builder, "name", guest->name);
    json_add_text(builder, "uuid", guest->uuid);
    json_add_text(builder, "state", guest_state_name(plan->state));
    json_add_text(builder, "status", guest_status_name(plan->status));
    json_add_text(builder, "reason", reason);
    json_add_text(builder, "rule", plan_rule_name(plan->rule));
    json_add_flag(builder, "managed", settings->managed);
    json_add_text(builder, "mode", guest_mode_name(settings->mode));
    json_add_text(builder, "issue", issue != NULL ? issue->message : "");
    json_add_size(builder, "minimum", settings->minimum_kib);
    json_add_size(builder, "startup", settings->startup_kib);
    json_add_size(builder, "maximum", settings->maximum_kib);
    json_add_number(builder, "buffer", settings->buffer_percent);
    json_add_number(builder, "priority", settings->priority);
    json_add_size(builder, "assigned", plan->assigned_kib);
    json_add_size(builder, "target", plan->target_kib);
    json_add_size(builder, "committed", plan->committed_kib);
    json_add_text(builder, "ground", ledger_ground_name(plan->ground));
    json_add_size(builder, "balloon", plan->ground == GROUND_LIMIT ? plan->balloon_kib : 0);
    json_add_size(builder, "lent", plan->lent_kib);
    json_add_size(builder, "demand", plan->demand_kib);
    json_add_size(builder, "want", plan->want_kib);
    json_add_size(builder, "resident", guest->resident_kib);
    json_add_number(builder, "pressure", plan->pressure_percent);
    json_add_text(builder, "restart", restart_kind_name(plan->restart));
    json_add_size(builder, "shortfall", plan->shortfall_kib);

    json_add_text(builder, "stage", plan_stage_name(plan->stage));
    json_add_number(builder, "weight", plan->weight);
    json_add_size(builder, "ideal", plan->ideal_kib);
    json_add_size(builder, "floor", plan->floor_kib);
    json_add_size(builder, "overhead", plan->overhead_kib);
    json_add_size(builder, "usable", guest->has_usable ? guest->usable_kib : 0);
    json_add_flag(builder, "starved", plan->starved);
    json_add_flag(builder, "fresh", guest->fresh);
    json_add_flag(builder, "driverUp", guest->driver_up);
}

static void
begin(JsonBuilder *builder, const char *key)
{
    json_builder_set_member_name(builder, key);
    json_builder_begin_object(builder);
}

/* Whose memory a start or restart gets. */
static void
add_givers(JsonBuilder *builder, const Plan *plan)
{
    json_builder_set_member_name(builder, "from");
    json_builder_begin_array(builder);
    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *guest = &plan->guests[i];

        if (giver_kib(guest) == 0)
            continue;
        json_builder_begin_object(builder);
        json_add_text(builder, "name", guest->guest->name);
        json_add_text(builder, "uuid", guest->guest->uuid);
        json_add_size(builder, "assigned", guest->assigned_kib);
        json_add_size(builder, "target", giver_goal_kib(guest));
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

/* The start that was asked for, if there is one. */
static void
add_start(JsonBuilder *builder, const GuestPlan *plan, const TickReport *report)
{
    const StartPlan *start = plan_find_start(report->plan, plan->guest->uuid);
    g_autofree char *answer = NULL;

    if (start == NULL)
        return;
    answer = start_plan_text(start);
    begin(builder, "starting");
    json_add_text(builder, "verdict", start_verdict_name(start->verdict));
    json_add_text(builder, "kind", start_kind_name(start->request->kind));
    json_add_text(builder, "restart", restart_kind_name(start->request->restart));
    json_add_text(builder, "answer", answer);
    json_add_size(builder, "needed", start->needed_kib);
    json_add_size(builder, "overhead", start->overhead_kib);
    json_add_size(builder, "free", start->free_kib);
    json_add_size(builder, "reclaimable", start->reclaimable_kib);
    json_add_size(builder, "missing", start->missing_kib);
    json_add_size(builder, "booked", start->booked_kib);
    json_add_size(builder, "shortfall", start->shortfall_kib);
    json_add_number(builder, "deadline", wall_clock_usec(report, start->request->deadline_usec));
    add_givers(builder, report->plan);
    json_builder_set_member_name(builder, "blockers");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < start->blocker_count; i++) {
        g_autofree char *text = start_blocker_text(&start->blockers[i]);

        json_builder_begin_object(builder);
        json_add_text(builder, "name", start->blockers[i].name);
        json_add_size(builder, "kept", start->blockers[i].kept_kib);
        json_add_text(builder, "text", text);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

/* Its restart and its paging file, while there is one of the two. */
static void
add_paging(JsonBuilder *builder, const GuestPlan *plan, const TickReport *report)
{
    PagingView view;

    if (plan->paging_phase == PAGING_PHASE_NONE && plan->rule != PLAN_RULE_RESTART && plan->guest->paging == NULL)
        return;
    paging_view_fill(plan, report, &view);
    begin(builder, "paging");
    json_add_text(builder, "state", view.state);
    json_add_text(builder, "reason", view.reason);
    json_add_size(builder, "granted", plan->granted_kib);
    json_add_size(builder, "shortfall", view.shortfall_kib);
    json_add_size(builder, "size", view.size_kib);
    json_add_size(builder, "used", view.used_kib);
    json_add_size(builder, "peak", view.peak_kib);
    json_add_number(builder, "since", wall_clock_usec(report, view.since_usec));
    json_add_number(builder, "deadline", wall_clock_usec(report, view.deadline_usec));
    json_add_text(builder, "directory", view.directory);
    add_givers(builder, report->plan);
    json_builder_end_object(builder);
}

static void
add_limit(JsonBuilder *builder, const GuestPlan *plan)
{
    const GuestLimits *limits = &plan->guest->limits;

    if (!limits->usable && limits->bar == NULL)
        return;
    begin(builder, "limit");
    json_add_flag(builder, "usable", limits->usable);
    json_add_text(builder, "bar", limits->bar != NULL ? limits->bar : "");
    json_add_size(builder, "high", limits->set && limits->high_kib != LIMIT_NONE ? limits->high_kib : 0);
    json_add_size(builder, "charged", limits->charged_kib);
    json_add_size(builder, "swapped", limits->swapped_kib);
    json_add_number(builder, "heldBack", limits->held_back);
    json_builder_end_object(builder);
}

static void
add_host(JsonBuilder *builder, const TickReport *report)
{
    const Plan *plan = report->plan;
    const HostSnapshot *host = &report->snapshot->host;

    begin(builder, "host");
    json_add_size(builder, "total", host->figures.total_kib);
    json_add_size(builder, "available", host->figures.available_kib);
    json_add_size(builder, "arc", host->figures.arc_kib);
    json_add_size(builder, "budget", plan->budget_kib);
    json_add_text(builder, "budgetLimit", budget_limit_name(plan->budget_limit));
    json_add_size(builder, "budgetByTotal", plan->budget_total_kib);
    json_add_size(builder, "budgetByAvailable", plan->budget_available_kib);
    json_add_size(builder, "committed", plan->committed_kib);
    json_add_size(builder, "free", plan->free_kib);
    json_add_size(builder, "lent", plan->lent_kib);
    json_add_size(builder, "reserve", plan->reserve_kib);
    json_add_size(builder, "overhead", plan->overhead_kib);
    json_add_size(builder, "other", plan->other_kib);
    json_add_size(builder, "reserved", plan->reserved_kib);
    json_add_size(builder, "sharing", plan->sharing_kib);
    json_add_size(builder, "minimums", plan->minimums_kib);
    json_add_size(builder, "demand", plan->demands_kib);
    json_add_size(builder, "want", plan->wants_kib);
    json_add_number(builder, "pressure", plan->pressure_percent);
    json_add_flag(builder, "overBudget", plan->over_budget);
    json_add_flag(builder, "minimumsFit", plan->minimums_fit);
    json_add_flag(builder, "hostPressure", plan->host_pressure);
    json_add_text(builder, "link", world_link_name(host->link));
    json_add_text(builder, "pagingBar", paging_view_bar(report));
    json_add_flag(builder, "dryRun", report->dry_run);
    json_builder_end_object(builder);
}

static void
add_sentences(JsonBuilder *builder, const char *key, GPtrArray *sentences)
{
    json_builder_set_member_name(builder, key);
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < sentences->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(sentences, i));
    json_builder_end_array(builder);
}

char *
explain_guest(const GuestPlan *guest, const TickReport *report)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autoptr(GPtrArray) why = explain_why(guest, report);
    g_autoptr(GPtrArray) more = explain_more(guest, report);

    json_builder_begin_object(builder);
    add_guest(builder, guest, report);
    add_start(builder, guest, report);
    add_paging(builder, guest, report);
    add_limit(builder, guest);
    add_host(builder, report);
    add_sentences(builder, "why", why);
    add_sentences(builder, "toGetMore", more);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, NULL);
}
