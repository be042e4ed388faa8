/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include "held_tick.h"
#include "reason.h"
#include "units.h"

#include <json-glib/json-glib.h>

static void
add_text(JsonBuilder *builder, const char *key, const char *value)
{
    json_builder_set_member_name(builder, key);
    json_builder_add_string_value(builder, value);
}

static void
add_number(JsonBuilder *builder, const char *key, uint64_t value)
{
    json_builder_set_member_name(builder, key);
    json_builder_add_int_value(builder, value > G_MAXINT64 ? G_MAXINT64 : (int64_t)value);
}

static void
add_size(JsonBuilder *builder, const char *key, uint64_t kib)
{
    add_number(builder, key, bytes_from_kib(kib));
}

static void
add_bool(JsonBuilder *builder, const char *key, bool value)
{
    json_builder_set_member_name(builder, key);
    json_builder_add_boolean_value(builder, value);
}

static void
add_guest(JsonBuilder *builder, const GuestPlan *plan, const TickReport *report)
{
    const GuestSnapshot *guest = plan->guest;
    const GuestSettings *settings = guest->settings;
    const char *issue = tick_report_issue(report, guest->uuid);
    g_autofree char *reason = reason_text(plan, report->plan);

    add_text(builder, "name", guest->name);
    add_text(builder, "uuid", guest->uuid);
    add_text(builder, "state", guest_state_name(plan->state));
    add_text(builder, "status", guest_status_name(plan->status));
    add_text(builder, "reason", reason);
    add_text(builder, "rule", plan_rule_name(plan->rule));
    add_bool(builder, "managed", settings->managed);
    add_text(builder, "mode", guest_mode_name(settings->mode));
    add_text(builder, "issue", issue != NULL ? issue : "");
    add_size(builder, "minimum", settings->minimum_kib);
    add_size(builder, "startup", settings->startup_kib);
    add_size(builder, "maximum", settings->maximum_kib);
    add_number(builder, "buffer", settings->buffer_percent);
    add_number(builder, "priority", settings->priority);
    add_size(builder, "assigned", plan->assigned_kib);
    add_size(builder, "target", plan->target_kib);
    add_size(builder, "committed", plan->committed_kib);
    add_size(builder, "demand", plan->demand_kib);
    add_size(builder, "want", plan->want_kib);
    add_size(builder, "resident", guest->resident_kib);
    add_number(builder, "pressure", plan->pressure_percent);

    add_text(builder, "stage", plan_stage_name(plan->stage));
    add_number(builder, "weight", plan->weight);
    add_size(builder, "ideal", plan->ideal_kib);
    add_size(builder, "floor", plan->floor_kib);
    add_size(builder, "overhead", plan->overhead_kib);
    add_size(builder, "usable", guest->has_usable ? guest->usable_kib : 0);
    add_bool(builder, "starved", plan->starved);
    add_bool(builder, "fresh", guest->fresh);
    add_bool(builder, "driverUp", guest->driver_up);
}

static void
add_host(JsonBuilder *builder, const TickReport *report)
{
    const Plan *plan = report->plan;
    const HostSnapshot *host = &report->snapshot->host;

    json_builder_set_member_name(builder, "host");
    json_builder_begin_object(builder);
    add_size(builder, "total", host->figures.total_kib);
    add_size(builder, "available", host->figures.available_kib);
    add_size(builder, "budget", plan->budget_kib);
    add_text(builder, "budgetLimit", budget_limit_name(plan->budget_limit));
    add_size(builder, "budgetByTotal", plan->budget_total_kib);
    add_size(builder, "budgetByAvailable", plan->budget_available_kib);
    add_size(builder, "committed", plan->committed_kib);
    add_size(builder, "free", plan->free_kib);
    add_size(builder, "reserve", plan->reserve_kib);
    add_size(builder, "overhead", plan->overhead_kib);
    add_size(builder, "other", plan->other_kib);
    add_size(builder, "sharing", plan->sharing_kib);
    add_size(builder, "minimums", plan->minimums_kib);
    add_size(builder, "demand", plan->demands_kib);
    add_size(builder, "want", plan->wants_kib);
    add_number(builder, "pressure", plan->pressure_percent);
    add_bool(builder, "overBudget", plan->over_budget);
    add_bool(builder, "minimumsFit", plan->minimums_fit);
    add_bool(builder, "hostPressure", plan->host_pressure);
    add_text(builder, "link", world_link_name(host->link));
    add_bool(builder, "dryRun", report->dry_run);
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
    add_host(builder, report);
    add_sentences(builder, "why", why);
    add_sentences(builder, "toGetMore", more);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, NULL);
}
