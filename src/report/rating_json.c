/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rating_json.h"

#include "json_parts.h"

static void
add_squeeze(JsonBuilder *builder, const StartSqueeze *squeeze)
{
    json_builder_begin_object(builder);
    json_add_text(builder, "name", squeeze->name != NULL ? squeeze->name : "");
    json_add_text(builder, "uuid", squeeze->uuid);
    json_add_size(builder, "assigned", squeeze->assigned_kib);
    json_add_size(builder, "target", squeeze->target_kib);
    json_builder_set_member_name(builder, "belowDemand");
    json_builder_add_boolean_value(builder, squeeze->below_demand);
    json_builder_end_object(builder);
}

static void
add_blocker(JsonBuilder *builder, const StartBlocker *blocker)
{
    g_autofree char *text = start_blocker_text(blocker);

    json_builder_begin_object(builder);
    json_add_text(builder, "name", blocker->name);
    json_add_size(builder, "kept", blocker->kept_kib);
    json_add_text(builder, "text", text);
    json_builder_end_object(builder);
}

char *
rating_json(const StartRating *rating)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    json_add_number(builder, "stars", rating->stars);
    json_add_size(builder, "startup", rating->startup_kib);
    json_add_number(builder, "priority", rating->priority);
    json_add_size(builder, "needed", rating->needed_kib);
    json_add_size(builder, "free", rating->free_kib);
    json_add_size(builder, "buffers", rating->buffers_kib);
    json_add_size(builder, "demand", rating->demand_kib);
    json_add_size(builder, "missing", rating->missing_kib);
    json_builder_set_member_name(builder, "squeezes");
    json_builder_begin_array(builder);
    for (guint i = 0; rating->squeezes != NULL && i < rating->squeezes->len; i++)
        add_squeeze(builder, &g_array_index(rating->squeezes, StartSqueeze, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "blockers");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < MIN(rating->blocker_count, START_BLOCKERS_MAX); i++)
        add_blocker(builder, &rating->blockers[i]);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}
