/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml_tree.h"

#include "error.h"

#include <string.h>

/* What is read has about ten levels. */
#define DEPTH_LIMIT 64

struct XmlNode {
    char *name;
    GHashTable *attributes; /* char * -> char * */
    GPtrArray *children;    /* of XmlNode */
    XmlNode *parent;
};

void
xml_node_free(XmlNode *node)
{
    if (node == NULL)
        return;
    g_free(node->name);
    g_hash_table_unref(node->attributes);
    g_ptr_array_unref(node->children);
    g_free(node);
}

typedef struct Parser {
    XmlNode *root;
    XmlNode *open;
    unsigned depth;
} Parser;

static void
on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values, void *data,
         GError **error)
{
    Parser *parser = data;
    XmlNode *node;

    if (++parser->depth > DEPTH_LIMIT) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "more than %d levels of elements", DEPTH_LIMIT);
        return;
    }
    node = g_new0(XmlNode, 1);
    node->name = g_strdup(name);
    node->attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify)xml_node_free);
    node->parent = parser->open;
    for (unsigned i = 0; names[i] != NULL; i++)
        g_hash_table_insert(node->attributes, g_strdup(names[i]), g_strdup(values[i]));
    if (parser->open != NULL)
        g_ptr_array_add(parser->open->children, node);
    else
        parser->root = node;
    parser->open = node;
}

static void
on_end(GMarkupParseContext *context, const char *name, void *data, GError **error)
{
    Parser *parser = data;

    parser->depth--;
    parser->open = parser->open->parent;
}

XmlNode *
xml_tree_new(const char *xml, const char *name, GError **error)
{
    static const GMarkupParser functions = {.start_element = on_start, .end_element = on_end};
    Parser parser = {0};
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&functions, 0, &parser, NULL);
    g_autoptr(GError) raw = NULL;

    if (g_markup_parse_context_parse(context, xml, (gssize)strlen(xml), &raw) &&
        g_markup_parse_context_end_parse(context, &raw) && g_str_equal(parser.root->name, name))
        return parser.root;
    xml_node_free(parser.root);
    if (raw != NULL)
        g_set_error_literal(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, raw->message);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no <%s> in it", name);
    return NULL;
}

const char *
xml_name(const XmlNode *node)
{
    return node->name;
}

const char *
xml_attribute(const XmlNode *node, const char *name)
{
    return node != NULL ? g_hash_table_lookup(node->attributes, name) : NULL;
}

bool
xml_attribute_is(const XmlNode *node, const char *name, const char *value)
{
    return g_strcmp0(xml_attribute(node, name), value) == 0;
}

const XmlNode *
xml_child_at(const XmlNode *node, unsigned index)
{
    return node != NULL && index < node->children->len ? g_ptr_array_index(node->children, index) : NULL;
}

const XmlNode *
xml_child(const XmlNode *node, const char *name, const char *attribute, const char *value)
{
    const XmlNode *found;

    for (unsigned i = 0; (found = xml_child_at(node, i)) != NULL; i++)
        if (g_str_equal(found->name, name) && (attribute == NULL || xml_attribute_is(found, attribute, value)))
            return found;
    return NULL;
}
