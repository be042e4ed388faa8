/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer.h"

#include "error.h"
#include "text.h"

JsonNode *
answer_parse(const char *json, GError **error)
{
    JsonNode *root = json_from_string(json, NULL);

    if (root != NULL && JSON_NODE_HOLDS_OBJECT(root))
        return root;
    g_clear_pointer(&root, json_node_unref);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                "dynmemd: its answer is not to be understood; are dynmemd and dm-ctl of the same version?");
    return NULL;
}

/* NULL where it is no value. */
static JsonNode *
value(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

uint64_t
answer_number(JsonObject *object, const char *member)
{
    JsonNode *node = value(object, member);

    return node != NULL ? (uint64_t)MAX(json_node_get_int(node), 0) : 0;
}

bool
answer_flag(JsonObject *object, const char *member)
{
    JsonNode *node = value(object, member);

    return node != NULL && json_node_get_boolean(node);
}

const char *
answer_word(JsonObject *object, const char *member)
{
    JsonNode *node = value(object, member);
    const char *text = node != NULL ? json_node_get_string(node) : NULL;

    return text != NULL ? text : "";
}

char *
answer_text(JsonObject *object, const char *member)
{
    return text_clean(answer_word(object, member));
}

JsonObject *
answer_object(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonObject *
answer_row(JsonObject *object, const char *member, unsigned index)
{
    JsonNode *node = json_object_get_member(object, member);
    JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *row = json_array_get_element(array, i);

        if (JSON_NODE_HOLDS_OBJECT(row) && index-- == 0)
            return json_node_get_object(row);
    }
    return NULL;
}
