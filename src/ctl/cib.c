/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cib.h"

#include <string.h>

struct Cib {
    XmlNode *root;
    GPtrArray *hosts;
    GPtrArray *guests;
    GPtrArray *others;
};

/* A part of the configuration, as "resources". */
static const XmlNode *
section(const Cib *cib, const char *name)
{
    return xml_child(xml_child(cib->root, "configuration", NULL, NULL), name, NULL, NULL);
}

/* ---- sets of values ---- */

/* Whether that set counts always. */
static bool
set_is_plain(const XmlNode *set, const char *name)
{
    return g_str_equal(xml_name(set), name) && xml_child(set, "rule", NULL, NULL) == NULL;
}

/* The element that is meant where one only refers to it. */
static const XmlNode *
referred(const Cib *cib, const XmlNode *node)
{
    const char *id = xml_attribute(node, "id-ref");
    const XmlNode *resource;

    if (id == NULL)
        return node;
    for (unsigned i = 0; (resource = xml_child_at(section(cib, "resources"), i)) != NULL; i++) {
        const XmlNode *found = xml_child(resource, xml_name(node), "id", id);
        const XmlNode *inner;

        for (unsigned k = 0; found == NULL && (inner = xml_child_at(resource, k)) != NULL; k++)
            found = xml_child(inner, xml_name(node), "id", id);
        if (found != NULL)
            return found;
    }
    return node;
}

const XmlNode *
cib_set(const Cib *cib, const XmlNode *owner, const char *set)
{
    const XmlNode *found;

    for (unsigned i = 0; (found = xml_child_at(owner, i)) != NULL; i++)
        if (set_is_plain(found, set) && xml_attribute(found, "id-ref") == NULL)
            return found;
    return NULL;
}

static const XmlNode *
find_pair(const Cib *cib, const XmlNode *owner, const char *set, const char *name)
{
    const XmlNode *found;

    for (unsigned i = 0; (found = xml_child_at(owner, i)) != NULL; i++) {
        const XmlNode *pair = set_is_plain(found, set) ? xml_child(referred(cib, found), "nvpair", "name", name) : NULL;

        if (pair != NULL)
            return pair;
    }
    return NULL;
}

static const char *
value_of(const Cib *cib, const XmlNode *owner, const char *set, const char *name)
{
    return xml_attribute(find_pair(cib, owner, set, name), "value");
}

static const XmlNode *
template_of(const Cib *cib, const XmlNode *primitive)
{
    const char *id = xml_attribute(primitive, "template");

    return id != NULL ? xml_child(section(cib, "resources"), "template", "id", id) : NULL;
}

/* ---- resources ---- */

static bool
is_agent(const Cib *cib, const XmlNode *primitive, const char *agent)
{
    const XmlNode *told = template_of(cib, primitive);
    const char *class, *provider, *type;
    g_autofree char *name = NULL;

    if (told == NULL)
        told = primitive;
    class = xml_attribute(told, "class");
    provider = xml_attribute(told, "provider");
    type = xml_attribute(told, "type");
    if (class == NULL || type == NULL)
        return false;
    name =
        provider != NULL ? g_strdup_printf("%s:%s:%s", class, provider, type) : g_strdup_printf("%s:%s", class, type);
    return g_str_equal(name, agent);
}

static void
add_resources(Cib *cib, const XmlNode *parent, const XmlNode *group, bool cloned, const char *agent)
{
    const XmlNode *node;

    for (unsigned i = 0; (node = xml_child_at(parent, i)) != NULL; i++) {
        const char *name = xml_attribute(node, "id");

        if (name == NULL)
            continue;
        if (g_str_equal(xml_name(node), "group") || g_str_equal(xml_name(node), "clone") ||
            g_str_equal(xml_name(node), "master") || g_str_equal(xml_name(node), "bundle")) {
            g_ptr_array_add(cib->others, (void *)name);
            add_resources(cib, node, g_str_equal(xml_name(node), "group") ? node : NULL,
                          cloned || !g_str_equal(xml_name(node), "group"), agent);
        } else if (g_str_equal(xml_name(node), "primitive") && is_agent(cib, node, agent)) {
            CibGuest *guest = g_new0(CibGuest, 1);

            *guest = (CibGuest){.name = name, .primitive = node, .parent = group, .cloned = cloned};
            g_ptr_array_add(cib->guests, guest);
        } else if (g_str_equal(xml_name(node), "primitive")) {
            g_ptr_array_add(cib->others, (void *)name);
        }
    }
}

const GPtrArray *
cib_guests(Cib *cib, const char *agent)
{
    g_ptr_array_set_size(cib->guests, 0);
    g_ptr_array_set_size(cib->others, 0);
    add_resources(cib, section(cib, "resources"), NULL, false, agent);
    return cib->guests;
}

const GPtrArray *
cib_others(const Cib *cib)
{
    return cib->others;
}

bool
cib_is_agent(const Cib *cib, const CibGuest *guest, const char *agent)
{
    return is_agent(cib, guest->primitive, agent);
}

static bool
below_has_agent(const Cib *cib, const XmlNode *parent, const char *agent)
{
    const XmlNode *node;

    for (unsigned i = 0; (node = xml_child_at(parent, i)) != NULL; i++)
        if ((g_str_equal(xml_name(node), "primitive") && is_agent(cib, node, agent)) ||
            below_has_agent(cib, node, agent))
            return true;
    return false;
}

bool
cib_has_agent(const Cib *cib, const char *agent)
{
    return below_has_agent(cib, section(cib, "resources"), agent);
}

/* What a resource itself says, or its template. */
static const char *
own_value(const Cib *cib, const CibGuest *guest, const char *set, const char *name)
{
    const char *value = value_of(cib, guest->primitive, set, name);

    return value != NULL ? value : value_of(cib, template_of(cib, guest->primitive), set, name);
}

const char *
cib_meta(const Cib *cib, const CibGuest *guest, const char *name)
{
    const char *value = own_value(cib, guest, "meta_attributes", name);

    if (value == NULL)
        value = value_of(cib, guest->parent, "meta_attributes", name);
    return value != NULL ? value : value_of(cib, section(cib, "rsc_defaults"), "meta_attributes", name);
}

const char *
cib_parameter(const Cib *cib, const CibGuest *guest, const char *name)
{
    return own_value(cib, guest, "instance_attributes", name);
}

const char *
cib_utilization(const Cib *cib, const CibGuest *guest, const char *name)
{
    return own_value(cib, guest, "utilization", name);
}

bool
cib_is_true(const char *value)
{
    static const char *const words[] = {"true", "on", "yes", "y", "1"};

    for (size_t i = 0; value != NULL && i < G_N_ELEMENTS(words); i++)
        if (g_ascii_strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

bool
cib_guest_may_move(const Cib *cib, const CibGuest *guest)
{
    const char *managed = cib_meta(cib, guest, "is-managed");

    return guest->parent == NULL && !guest->cloned && cib_is_true(cib_meta(cib, guest, "allow-migrate")) &&
           (managed == NULL || cib_is_true(managed));
}

static const XmlNode *
operation_in(const XmlNode *owner, const char *name)
{
    const XmlNode *operations = xml_child(owner, "operations", NULL, NULL);
    const XmlNode *found;

    for (unsigned i = 0; (found = xml_child_at(operations, i)) != NULL; i++) {
        const char *interval = xml_attribute(found, "interval");

        if (xml_attribute_is(found, "name", name) &&
            (interval == NULL || g_ascii_strtoull(interval[0] == 'P' ? interval + 2 : interval, NULL, 10) == 0))
            return found;
    }
    return NULL;
}

const XmlNode *
cib_operation(const Cib *cib, const CibGuest *guest, const char *name)
{
    const XmlNode *found = operation_in(guest->primitive, name);

    return found != NULL ? found : operation_in(template_of(cib, guest->primitive), name);
}

const XmlNode *
cib_own_operation(const CibGuest *guest, const char *name)
{
    return operation_in(guest->primitive, name);
}

const char *
cib_operation_value(const Cib *cib, const XmlNode *operation, const char *name)
{
    const char *value = xml_attribute(operation, name);

    if (value == NULL)
        value = value_of(cib, operation, "meta_attributes", name);
    return value != NULL ? value : value_of(cib, section(cib, "op_defaults"), "meta_attributes", name);
}

/* ---- hosts and the cluster ---- */

static void
add_hosts(Cib *cib)
{
    const XmlNode *node;

    for (unsigned i = 0; (node = xml_child_at(section(cib, "nodes"), i)) != NULL; i++) {
        const char *type = xml_attribute(node, "type");
        const char *name = xml_attribute(node, "uname");

        if (name != NULL && (type == NULL || g_str_equal(type, "member") || g_str_equal(type, "normal")))
            g_ptr_array_add(cib->hosts, (void *)name);
    }
}

const GPtrArray *
cib_hosts(const Cib *cib)
{
    return cib->hosts;
}

const XmlNode *
cib_host_node(const Cib *cib, const char *host)
{
    return xml_child(section(cib, "nodes"), "node", "uname", host);
}

const char *
cib_capacity(const Cib *cib, const char *host, const char *name)
{
    return value_of(cib, cib_host_node(cib, host), "utilization", name);
}

static const XmlNode *
transient(const Cib *cib, const char *host)
{
    const XmlNode *state = xml_child(xml_child(cib->root, "status", NULL, NULL), "node_state", "uname", host);

    return xml_child(state, "transient_attributes", NULL, NULL);
}

const char *
cib_transient(const Cib *cib, const char *host, const char *name)
{
    return value_of(cib, transient(cib, host), "instance_attributes", name);
}

GPtrArray *
cib_transient_names(const Cib *cib, const char *host, const char *prefix)
{
    GPtrArray *names = g_ptr_array_new();
    const XmlNode *set, *pair;

    for (unsigned i = 0; (set = xml_child_at(transient(cib, host), i)) != NULL; i++)
        for (unsigned k = 0; (pair = xml_child_at(set, k)) != NULL; k++) {
            const char *name = xml_attribute(pair, "name");

            if (name != NULL && g_str_has_prefix(name, prefix))
                g_ptr_array_add(names, (void *)name);
        }
    return names;
}

const XmlNode *
cib_properties_node(const Cib *cib)
{
    return section(cib, "crm_config");
}

const char *
cib_property(const Cib *cib, const char *name)
{
    return value_of(cib, cib_properties_node(cib), "cluster_property_set", name);
}

static void
add_utilizations(const XmlNode *parent, GPtrArray *names)
{
    const XmlNode *node, *pair;

    for (unsigned i = 0; (node = xml_child_at(parent, i)) != NULL; i++) {
        if (!g_str_equal(xml_name(node), "utilization")) {
            add_utilizations(node, names);
            continue;
        }
        for (unsigned k = 0; (pair = xml_child_at(node, k)) != NULL; k++) {
            const char *name = xml_attribute(pair, "name");

            if (name != NULL && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
                g_ptr_array_add(names, (void *)name);
        }
    }
}

GPtrArray *
cib_utilization_names(const Cib *cib)
{
    GPtrArray *names = g_ptr_array_new();

    add_utilizations(section(cib, "resources"), names);
    return names;
}

const XmlNode *
cib_constraints(const Cib *cib)
{
    return section(cib, "constraints");
}

const XmlNode *
cib_constraint(const Cib *cib, const char *id)
{
    return xml_child(cib_constraints(cib), "rsc_location", "id", id);
}

/* ---- how it is ---- */

/* What a host remembers of a resource; NULL: nothing. */
static const XmlNode *
history(const XmlNode *state, const char *resource)
{
    const XmlNode *lrm = xml_child(xml_child(state, "lrm", NULL, NULL), "lrm_resources", NULL, NULL);

    return xml_child(lrm, "lrm_resource", "id", resource);
}

/* The number of the last operation of that name there, of those that have failed, or of all others; 0: none. */
static guint64
last_of(const XmlNode *found, const char *operation, const char *target, bool failed)
{
    const XmlNode *done;
    guint64 last = 0;

    for (unsigned i = 0; (done = xml_child_at(found, i)) != NULL; i++) {
        const char *call = xml_attribute(done, "call-id");
        const char *status = xml_attribute(done, "op-status");
        bool pending = g_strcmp0(status, "-1") == 0;
        bool good = pending || (g_strcmp0(status, "0") == 0 && xml_attribute_is(done, "rc-code", "0"));

        if (!xml_attribute_is(done, "operation", operation) ||
            (target != NULL && !xml_attribute_is(done, "migrate_target", target)) || good == failed)
            continue;
        /* what is under way has no number yet, and comes after all that has */
        last = MAX(last, pending || call == NULL ? G_MAXUINT64 - 1 : g_ascii_strtoull(call, NULL, 10));
    }
    return last;
}

/* ... of those that succeeded or are under way. */
static guint64
last_call(const XmlNode *found, const char *operation, const char *target)
{
    return last_of(found, operation, target, false);
}

const char *
cib_runs_on(const Cib *cib, const char *resource)
{
    const XmlNode *status = xml_child(cib->root, "status", NULL, NULL);
    const XmlNode *state;

    for (unsigned i = 0; (state = xml_child_at(status, i)) != NULL; i++) {
        const XmlNode *found = history(state, resource);
        guint64 began = MAX(MAX(last_call(found, "start", NULL), last_call(found, "migrate_from", NULL)),
                            last_call(found, "monitor", NULL));

        if (began > 0 && began > last_call(found, "stop", NULL))
            return xml_attribute(state, "uname");
    }
    return NULL;
}

bool
cib_is_coming(const Cib *cib, const char *resource, const char *host)
{
    const XmlNode *status = xml_child(cib->root, "status", NULL, NULL);
    const XmlNode *state;

    for (unsigned i = 0; (state = xml_child_at(status, i)) != NULL; i++) {
        const XmlNode *found = history(state, resource);
        guint64 sent = last_call(found, "migrate_to", host);

        if (sent > 0 && sent > last_call(found, "stop", NULL) && sent > last_call(found, "migrate_from", NULL))
            return true;
    }
    return false;
}

/* ---- the whole ---- */

Cib *
cib_new(const char *xml, GError **error)
{
    XmlNode *root = xml_tree_new(xml, "cib", error);
    Cib *cib;

    if (root == NULL)
        return NULL;
    cib = g_new0(Cib, 1);
    cib->root = root;
    cib->hosts = g_ptr_array_new();
    cib->guests = g_ptr_array_new_with_free_func(g_free);
    cib->others = g_ptr_array_new();
    add_hosts(cib);
    return cib;
}

void
cib_free(Cib *cib)
{
    if (cib == NULL)
        return;
    xml_node_free(cib->root);
    g_ptr_array_unref(cib->hosts);
    g_ptr_array_unref(cib->guests);
    g_ptr_array_unref(cib->others);
    g_free(cib);
}

bool
cib_is_blocked(const Cib *cib, const char *resource)
{
    static const char *const since[] = {"start", "stop", "migrate_to", "migrate_from"};
    const XmlNode *status = xml_child(cib->root, "status", NULL, NULL);
    const XmlNode *state;

    for (unsigned i = 0; (state = xml_child_at(status, i)) != NULL; i++) {
        const XmlNode *found = history(state, resource);
        guint64 failed = last_of(found, "migrate_to", NULL, true);
        bool last = failed > 0;

        for (size_t k = 0; k < G_N_ELEMENTS(since); k++)
            last = last && failed > last_call(found, since[k], NULL);
        if (last)
            return true;
    }
    return false;
}

bool
cib_knows_half_a_move(const Cib *cib, const char *resource)
{
    const XmlNode *status = xml_child(cib->root, "status", NULL, NULL);
    const char *host = cib_runs_on(cib, resource);
    const XmlNode *here = history(xml_child(status, "node_state", "uname", host), resource);
    const XmlNode *state;

    if (host == NULL || last_call(here, "start", NULL) > 0 || last_call(here, "migrate_from", NULL) > 0)
        return false;
    for (unsigned i = 0; (state = xml_child_at(status, i)) != NULL; i++)
        if (last_call(history(state, resource), "migrate_to", host) > 0)
            return true;
    return false;
}
