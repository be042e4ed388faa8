/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XML as a tree of elements and attributes; texts and comments are passed over. */

#include <glib.h>
#include <stdbool.h>

typedef struct XmlNode XmlNode;

/*
 * Reads XML whose outermost element is called name. Returns NULL and sets error (DYNMEM_ERROR_INVALID) where it is not. Nothing
 * of a tree outlives its root. Free with xml_node_free.
 */
XmlNode *xml_tree_new(const char *xml, const char *name, GError **error);
void xml_node_free(XmlNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlNode, xml_node_free)

const char *xml_name(const XmlNode *node);
/* An attribute; NULL: it has none of that name, or node is NULL. */
const char *xml_attribute(const XmlNode *node, const char *name);
bool xml_attribute_is(const XmlNode *node, const char *name, const char *value);

/* A child; NULL past the last, and where node is NULL. */
const XmlNode *xml_child_at(const XmlNode *node, unsigned index);
/* The first child of that name and, unless attribute is NULL, with that value of it; NULL: there is none, or node is NULL. */
const XmlNode *xml_child(const XmlNode *node, const char *name, const char *attribute, const char *value);
