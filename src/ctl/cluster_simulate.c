/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_simulate.h"

#include "cluster_tool.h"
#include "xml_tree.h"

/* Of the clone that cluster_change_agent makes, and its instances. */
#define OWN_START "^start dynmem(:[0-9]+)? "

static char *
action_text(const XmlNode *action)
{
    const char *what = xml_attribute(action, "action"), *resource = xml_attribute(action, "resource");
    const char *from = xml_attribute(action, "source"), *to = xml_attribute(action, "dest");
    const char *node = xml_attribute(action, "node");

    if (from != NULL && to != NULL)
        return g_strdup_printf("%s %s from %s to %s", what, resource, from, to);
    return g_strdup_printf("%s %s on %s", what, resource, node != NULL ? node : to != NULL ? to : from);
}

GPtrArray *
cluster_simulate(const char *cib_path, GError **error)
{
    const char *const words[] = {"crm_simulate", "--xml-file", cib_path, "--run", "--output-as=xml", NULL};
    g_autofree char *xml = cluster_tool_run(words, NULL, cib_path, error);
    g_autoptr(XmlNode) root = xml != NULL ? xml_tree_new(xml, "pacemaker-result", error) : NULL;
    const XmlNode *actions = xml_child(root, "actions", NULL, NULL);
    GPtrArray *found;
    const XmlNode *action;

    if (root == NULL)
        return NULL;
    found = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; (action = xml_child_at(actions, i)) != NULL; i++)
        if (g_str_equal(xml_name(action), "rsc_action"))
            g_ptr_array_add(found, action_text(action));
    return found;
}

GPtrArray *
cluster_simulate_new(const GPtrArray *before, const GPtrArray *after)
{
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; i < after->len; i++) {
        const char *action = g_ptr_array_index(after, i);

        if (!g_ptr_array_find_with_equal_func((GPtrArray *)before, action, g_str_equal, NULL) &&
            !g_regex_match_simple(OWN_START, action, 0, 0))
            g_ptr_array_add(found, (void *)action);
    }
    return found;
}
