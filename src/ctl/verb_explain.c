/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl explain GUEST: why it has this much, and what would have to change; the words are the daemon's. */

#include "client.h"
#include "ctl.h"
#include "error.h"
#include "output.h"
#include "text.h"

#include <stdio.h>

#define WIDTH_UNKNOWN 80
#define WIDTH_MOST 100

static void
print_sentences(JsonObject *explanation, const char *member, const char *title)
{
    JsonNode *node = json_object_get_member(explanation, member);
    JsonArray *sentences = node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    unsigned columns = output_columns();

    if (sentences == NULL || json_array_get_length(sentences) == 0)
        return;
    printf("\n%s\n", title);
    for (guint i = 0; i < json_array_get_length(sentences); i++) {
        JsonNode *element = json_array_get_element(sentences, i);
        const char *sentence = JSON_NODE_HOLDS_VALUE(element) ? json_node_get_string(element) : NULL;
        g_autofree char *clean = text_clean(sentence != NULL ? sentence : "");
        g_autofree char *wrapped = text_wrap(clean, columns > 0 ? MIN(columns, WIDTH_MOST) : WIDTH_UNKNOWN, 2);

        fputs(wrapped, stdout);
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

static void
print_explanation(JsonObject *explanation)
{
    g_autofree char *name = text_clean(get_string(explanation, "name"));
    g_autofree char *state = text_clean(get_string(explanation, "state"));
    uint64_t assigned = get_size(explanation, "assigned");
    g_autofree char *size = text_size(assigned);

    if (assigned > 0)
        printf("%s: %s, has %s\n", name, state, size);
    else
        printf("%s: %s\n", name, state);
    print_sentences(explanation, "why", "Why it has this much");
    print_sentences(explanation, "toGetMore", "What would have to change for it to get more");
}

bool
verb_explain(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) raw = NULL;
    g_autofree char *json = NULL;
    const GuestView *guest;
    JsonNode *root;

    if (bus == NULL)
        return false;
    guests = client_read_guests(bus, error);
    if (guests == NULL)
        return false;
    guest = client_find_guest(guests, arguments[0], error);
    if (guest == NULL)
        return false;
    json = client_explain(bus, guest->uuid, error);
    if (json == NULL)
        return false;
    root = json_parser_load_from_data(parser, json, -1, &raw) ? json_parser_get_root(parser) : NULL;
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_autofree char *shown = text_clean(guest->name);

        g_set_error(
            error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
            "guest '%s': the explanation of dynmemd can't be read: %s; are dm-ctl and dynmemd of the same version?",
            shown, raw != NULL ? raw->message : "it is no JSON object");
        return false;
    }
    if (options->json)
        output_print_json(json_parser_steal_root(parser), true);
    else
        print_explanation(json_node_get_object(root));
    return true;
}
