/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_text.h"

#include "error.h"
#include "text.h"

JsonNode *
explain_parse(const char *json, const char *guest, GError **error)
{
    g_autoptr(GError) raw = NULL;
    g_autoptr(JsonNode) root = json_from_string(json, &raw);
    g_autofree char *shown = text_clean(guest);

    if (root != NULL && JSON_NODE_HOLDS_OBJECT(root))
        return g_steal_pointer(&root);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                "guest '%s': the explanation of dynmemd can't be read: %s; are dm-ctl and dynmemd of the same version?",
                shown, raw != NULL ? raw->message : "it is no JSON object");
    return NULL;
}

static void
append_sentences(GString *text, JsonObject *explanation, const char *member, const char *title, unsigned columns)
{
    JsonNode *node = json_object_get_member(explanation, member);
    JsonArray *sentences = node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (sentences == NULL || json_array_get_length(sentences) == 0)
        return;
    g_string_append_printf(text, "\n%s\n", title);
    for (guint i = 0; i < json_array_get_length(sentences); i++) {
        JsonNode *element = json_array_get_element(sentences, i);
        const char *sentence = JSON_NODE_HOLDS_VALUE(element) ? json_node_get_string(element) : NULL;
        g_autofree char *clean = text_clean(sentence != NULL ? sentence : "");
        g_autofree char *wrapped = text_wrap(clean, columns, 2);

        g_string_append(text, wrapped);
    }
}

static const char *
get_string(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    const char *text = node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

    return text != NULL ? text : "";
}

static uint64_t
get_size(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? (uint64_t)MAX(json_node_get_int(node), 0) : 0;
}

char *
explain_text(JsonObject *explanation, unsigned columns)
{
    GString *text = g_string_new(NULL);
    g_autofree char *name = text_clean(get_string(explanation, "name"));
    g_autofree char *state = text_clean(get_string(explanation, "state"));
    uint64_t assigned = get_size(explanation, "assigned");
    g_autofree char *size = text_size(assigned);

    g_string_append_printf(text, "%s: %s%s%s\n", name, state, assigned > 0 ? ", has " : "", assigned > 0 ? size : "");
    append_sentences(text, explanation, "why", "Why it has this much", columns);
    append_sentences(text, explanation, "toGetMore", "What would have to change for it to get more", columns);
    return g_string_free(text, FALSE);
}
