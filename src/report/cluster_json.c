/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_json.h"

#include "json_parts.h"
#include "units.h"

static void
add_host(JsonBuilder *builder, const ClusterHostView *host)
{
    json_builder_begin_object(builder);
    json_add_text(builder, "name", host->name);
    json_add_flag(builder, "here", host->here);
    json_add_flag(builder, "fresh", host->fresh);
    json_add_text(builder, "level", host->level);
    json_add_number(builder, "stars", host->stars);
    json_add_number(builder, "pressure", host->pressure_percent);
    json_add_size(builder, "budget", host->budget_kib);
    json_add_size(builder, "want", host->want_kib);
    json_add_size(builder, "free", host->free_kib);
    json_add_size(builder, "reclaimable", host->reclaimable_kib);
    json_add_text(builder, "phase", host->phase);
    json_add_text(builder, "partner", host->partner);
    json_add_text(builder, "uuid", host->uuid);
    json_add_text(builder, "resource", host->resource);
    json_builder_end_object(builder);
}

static void
add_best(JsonBuilder *builder, const ClusterBest *best)
{
    json_builder_set_member_name(builder, "move");
    json_builder_begin_object(builder);
    json_add_text(builder, "guest", best->guest);
    json_add_text(builder, "uuid", best->uuid);
    json_add_text(builder, "resource", best->resource);
    json_add_text(builder, "target", best->target);
    json_add_number(builder, "sourceBefore", best->source_before);
    json_add_number(builder, "sourceAfter", best->source_after);
    json_add_number(builder, "targetBefore", best->target_before);
    json_add_number(builder, "targetAfter", best->target_after);
    json_add_number(builder, "gain", best->gain);
    json_builder_end_object(builder);
}

static void
add_cluster(JsonBuilder *builder, const ClusterStatus *status)
{
    json_add_text(builder, "node", status->node);
    json_builder_set_member_name(builder, "hosts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < status->hosts->len; i++)
        add_host(builder, &g_array_index(status->hosts, ClusterHostView, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "ignored");
    json_builder_begin_array(builder);
    for (guint i = 0; i < status->ignored->len; i++) {
        const ClusterIgnored *ignored = &g_array_index(status->ignored, ClusterIgnored, i);

        json_builder_begin_object(builder);
        json_add_text(builder, "name", ignored->name);
        json_add_text(builder, "reason", ignored->reason);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_add_text(builder, "why", status->why);
    json_add_text(builder, "whyText", status->why_text);
    json_add_text(builder, "confirmed", status->confirmed);
    if (status->best.found)
        add_best(builder, &status->best);
}

typedef struct Moment {
    uint64_t now_usec;
    uint64_t clock_usec;
} Moment;

/* Since 1970; 0 stays 0. */
static uint64_t
clock_of(uint64_t usec, const Moment *moment)
{
    return usec == 0 ? 0 : saturating_sub(moment->clock_usec, saturating_sub(moment->now_usec, usec));
}

static void
add_motion(JsonBuilder *builder, const ClusterMotion *motion, const Moment *moment)
{
    json_builder_begin_object(builder);
    json_add_number(builder, "began", clock_of(motion->began_usec, moment));
    json_add_number(builder, "ended", clock_of(motion->ended_usec, moment));
    json_add_text(builder, "guest", motion->guest);
    json_add_text(builder, "uuid", motion->uuid);
    json_add_text(builder, "resource", motion->resource);
    json_add_text(builder, "source", motion->source);
    json_add_text(builder, "target", motion->target);
    json_add_text(builder, "phase", motion->phase);
    json_add_flag(builder, "done", motion->done);
    json_add_text(builder, "reason", motion->reason);
    json_builder_end_object(builder);
}

char *
cluster_json(const ClusterStatus *status, uint64_t now_usec, uint64_t clock_usec)
{
    const Moment moment = {.now_usec = now_usec, .clock_usec = clock_usec};
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    json_add_flag(builder, "joined", status->joined);
    json_add_text(builder, "level", status->level);
    json_add_number(builder, "pressureLeast", status->pressure_percent);
    json_add_number(builder, "gainLeast", status->gain_percent);
    json_add_number(builder, "hold", status->hold_usec / USEC_PER_SEC);
    json_add_number(builder, "cooldown", status->cooldown_usec / USEC_PER_SEC);
    if (status->joined)
        add_cluster(builder, status);
    json_builder_set_member_name(builder, "moves");
    json_builder_begin_array(builder);
    for (guint i = 0; i < status->moves->len; i++)
        add_motion(builder, &g_array_index(status->moves, ClusterMotion, i), &moment);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}
