/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_change.h"

#include "cluster/constraints.h"
#include "cluster_guests.h"

#include <inttypes.h>

/* How often the agent runs an exchange is src/cluster's period; one that takes longer than this has failed. */
#define MONITOR_INTERVAL "10s"
#define MONITOR_TIMEOUT "60s"

const char *
setup_step_name(SetupStep step)
{
    static const char *const names[] = {"hosts", "guests", "constraints", "agent", "strategy"};

    return names[step];
}

static void
change_free(void *data)
{
    ClusterChange *change = data;

    for (unsigned i = 0; i < CLUSTER_SHELLS; i++)
        g_free(change->commands[i]);
    g_free(change->xml);
    g_free(change);
}

GPtrArray *
cluster_changes_new(void)
{
    return g_ptr_array_new_with_free_func(change_free);
}

/* Appends text to *whole. */
static void
append(char **whole, const char *between, const char *text)
{
    char *longer = g_strconcat(*whole, between, text, NULL);

    g_free(*whole);
    *whole = longer;
}

/* The change that begins with this command of pcs, for more of its kind to be added; NULL: there is none yet. */
static ClusterChange *
find(const GPtrArray *changes, const char *begin)
{
    for (guint i = 0; i < changes->len; i++) {
        ClusterChange *change = g_ptr_array_index(changes, i);

        if (g_str_has_prefix(change->commands[CLUSTER_SHELL_PCS], begin))
            return change;
    }
    return NULL;
}

/* Takes all three texts over. */
static void
add(GPtrArray *changes, SetupStep step, char *pcs, char *crmsh, char *xml)
{
    ClusterChange *change = g_new0(ClusterChange, 1);

    change->step = step;
    change->commands[CLUSTER_SHELL_PCS] = pcs;
    change->commands[CLUSTER_SHELL_CRMSH] = crmsh;
    change->xml = xml;
    g_ptr_array_add(changes, change);
}

/*
 * Likewise of a guest; all with the same beginning of pcs's command are one. Each command of pcs or crmsh takes about a second.
 */
static void
add_to_guest(GPtrArray *changes, char *begin, char *words, char *crmsh, char *xml)
{
    g_autofree char *prefix = g_strconcat(begin, " ", NULL);
    ClusterChange *change = find(changes, prefix);

    if (change == NULL) {
        add(changes, SETUP_STEP_GUESTS, g_strconcat(begin, words, NULL), crmsh, xml);
    } else {
        append(&change->commands[CLUSTER_SHELL_PCS], "", words);
        append(&change->commands[CLUSTER_SHELL_CRMSH], "\n", crmsh);
        append(&change->xml, "", xml);
        g_free(crmsh);
        g_free(xml);
    }
    g_free(begin);
    g_free(words);
}

/*
 * One value as XML: in the set and with the id that it has, or with those that pcs would give it. inner: whose set it is. Caller
 * frees.
 */
static char *
pair_xml(const Cib *cib, const XmlNode *inner, const char *set, const char *id, const char *name, const char *value)
{
    const XmlNode *found_set = cib_set(cib, inner, set);
    const char *set_id = found_set != NULL ? xml_attribute(found_set, "id") : id;
    const XmlNode *pair = xml_child(found_set, "nvpair", "name", name);
    g_autofree char *new_id = g_strdup_printf("%s-%s", set_id, name);

    return g_markup_printf_escaped("<%s id=\"%s\"><nvpair id=\"%s\" name=\"%s\" value=\"%s\"/></%s>", set, set_id,
                                   pair != NULL ? xml_attribute(pair, "id") : new_id, name, value, set);
}

/* inner, inside the primitive of that guest. Caller frees. */
static char *
primitive_xml(const CibGuest *guest, const char *inner)
{
    return g_strdup_printf("<resources><primitive id=\"%s\">%s</primitive></resources>", guest->name, inner);
}

void
cluster_change_meta(GPtrArray *changes, const Cib *cib, const CibGuest *guest, const char *name, const char *value)
{
    g_autofree char *id = g_strdup_printf("%s-meta_attributes", guest->name);
    g_autofree char *pair = pair_xml(cib, guest->primitive, "meta_attributes", id, name, value);

    add_to_guest(changes, g_strdup_printf("pcs resource meta %s", guest->name), g_strdup_printf(" %s=%s", name, value),
                 g_strdup_printf("crm resource meta %s set %s %s", guest->name, name, value),
                 primitive_xml(guest, pair));
}

void
cluster_change_operation(GPtrArray *changes, const Cib *cib, const CibGuest *guest, const char *operation,
                         const char *timeout, const char *on_fail)
{
    const XmlNode *own = cib_own_operation(guest, operation);
    g_autoptr(GString) words = g_string_new(NULL);
    g_autoptr(GString) values = g_string_new(NULL);
    g_autofree char *id =
        own != NULL ? g_strdup(xml_attribute(own, "id")) : g_strdup_printf("%s-%s-interval-0s", guest->name, operation);
    g_autofree char *inner = NULL;
    char *xml;

    if (timeout != NULL) {
        g_string_append_printf(words, " timeout=%s", timeout);
        g_string_append_printf(values, " timeout=\"%s\"", timeout);
    }
    if (on_fail != NULL) {
        g_string_append_printf(words, " on-fail=%s", on_fail);
        g_string_append_printf(values, " on-fail=\"%s\"", on_fail);
    }
    if (own == NULL)
        g_string_append_printf(values, " name=\"%s\" interval=\"0s\"", operation);
    inner = g_strdup_printf("<operations><op id=\"%s\"%s/></operations>", id, values->str);
    xml = primitive_xml(guest, inner);
    /* crmsh has no command that changes one operation of a resource */
    add_to_guest(
        changes, g_strdup_printf("pcs resource update %s", guest->name),
        g_strdup_printf(" op %s interval=%s%s", operation,
                        own != NULL && xml_attribute(own, "interval") != NULL ? xml_attribute(own, "interval") : "0s",
                        words->str),
        g_strdup_printf("cibadmin --modify --allow-create --xml-text '%s'", xml), xml);
}

void
cluster_change_need(GPtrArray *changes, const Cib *cib, const CibGuest *guest, uint64_t need)
{
    g_autofree char *id = g_strdup_printf("%s-utilization", guest->name);
    g_autofree char *value = g_strdup_printf("%" PRIu64, need);
    g_autofree char *pair = pair_xml(cib, guest->primitive, "utilization", id, CLUSTER_UTILIZATION, value);

    add(changes, SETUP_STEP_GUESTS,
        g_strdup_printf("pcs resource utilization %s " CLUSTER_UTILIZATION "=%s", guest->name, value),
        g_strdup_printf("crm resource utilization %s set " CLUSTER_UTILIZATION " %s", guest->name, value),
        primitive_xml(guest, pair));
}

void
cluster_change_capacity(GPtrArray *changes, const Cib *cib, const char *host, uint64_t capacity)
{
    const XmlNode *node = cib_host_node(cib, host);
    g_autofree char *id = g_strdup_printf("nodes-%s-utilization", xml_attribute(node, "id"));
    g_autofree char *value = g_strdup_printf("%" PRIu64, capacity);
    g_autofree char *pair = pair_xml(cib, node, "utilization", id, CLUSTER_UTILIZATION, value);

    add(changes, SETUP_STEP_HOSTS, g_strdup_printf("pcs node utilization %s " CLUSTER_UTILIZATION "=%s", host, value),
        g_strdup_printf("crm node utilization %s set " CLUSTER_UTILIZATION " %s", host, value),
        g_strdup_printf("<nodes><node id=\"%s\">%s</node></nodes>", xml_attribute(node, "id"), pair));
}

void
cluster_change_property(GPtrArray *changes, const Cib *cib, SetupStep step, const char *name, const char *value)
{
    g_autofree char *pair =
        pair_xml(cib, cib_properties_node(cib), "cluster_property_set", "cib-bootstrap-options", name, value);

    add(changes, step, g_strdup_printf("pcs property set %s=%s", name, value),
        g_strdup_printf("crm configure property %s=%s", name, value),
        g_strdup_printf("<crm_config>%s</crm_config>", pair));
}

void
cluster_change_constraints(GPtrArray *changes, const Cib *cib, const char *guests)
{
    static const struct {
        const char *id;
        const char *attribute;
    } constraints[] = {{CLUSTER_WISH_CONSTRAINT, CLUSTER_WISH_PREFIX "%1"},
                       {CLUSTER_ROOM_CONSTRAINT, CLUSTER_ROOM_ATTRIBUTE}};
    g_autoptr(GString) pcs = g_string_new(NULL);
    g_autoptr(GString) crmsh = g_string_new(NULL);
    g_autoptr(GString) xml = g_string_new("<constraints>");

    for (size_t i = 0; i < G_N_ELEMENTS(constraints); i++) {
        const char *id = constraints[i].id, *attribute = constraints[i].attribute;
        const char *newline = i > 0 ? "\n" : "";

        if (cib_constraint(cib, id) != NULL) {
            g_string_append_printf(pcs, "%spcs constraint delete %s", newline, id);
            g_string_append_printf(crmsh, "%scrm configure delete %s", newline, id);
            newline = "\n";
            g_string_append_printf(xml, "<rsc_location id=\"%s\" rsc-pattern=\"^(%s)$\"/>", id, guests);
        }
        g_string_append_printf(pcs,
                               "%spcs constraint location 'regexp%%^(%s)$' rule id=%s-rule constraint-id=%s "
                               "score-attribute=%s defined %s",
                               newline, guests, id, id, attribute, attribute);
        g_string_append_printf(crmsh, "%scrm configure location %s '/^(%s)$/' rule '$id=%s-rule' %s: defined %s",
                               newline, id, guests, id, attribute, attribute);
    }
    if (cib_constraint(cib, CLUSTER_WISH_CONSTRAINT) == NULL && cib_constraint(cib, CLUSTER_ROOM_CONSTRAINT) == NULL) {
        g_autofree char *both = cluster_constraints_xml(guests);

        g_string_append(xml, both);
    }
    g_string_append(xml, "</constraints>");
    add(changes, SETUP_STEP_CONSTRAINTS, g_string_free(g_steal_pointer(&pcs), FALSE),
        g_string_free(g_steal_pointer(&crmsh), FALSE), g_string_free(g_steal_pointer(&xml), FALSE));
}

void
cluster_change_agent(GPtrArray *changes, const char *guest_agent)
{
    bool usual = g_str_equal(guest_agent, CLUSTER_GUEST_AGENT);
    g_autofree char *word = usual ? g_strdup("") : g_strdup_printf(" agent=%s", guest_agent);
    g_autofree char *pair = usual ? g_strdup("")
                                  : g_markup_printf_escaped("<instance_attributes id=\"dynmem-instance_attributes\">"
                                                            "<nvpair id=\"dynmem-instance_attributes-agent\" "
                                                            "name=\"agent\" value=\"%s\"/></instance_attributes>",
                                                            guest_agent);

    add(changes, SETUP_STEP_AGENT,
        g_strdup_printf("pcs resource create dynmem " CLUSTER_HOST_AGENT "%s op monitor interval=" MONITOR_INTERVAL
                        " timeout=" MONITOR_TIMEOUT " clone",
                        word),
        g_strdup_printf("crm configure <<'END'\nprimitive dynmem " CLUSTER_HOST_AGENT
                        "%s%s op monitor interval=" MONITOR_INTERVAL " timeout=" MONITOR_TIMEOUT
                        "\nclone dynmem-clone dynmem\ncommit\nEND",
                        usual ? "" : " params", word),
        g_strdup_printf("<resources><clone id=\"dynmem-clone\"><primitive id=\"dynmem\" class=\"ocf\" "
                        "provider=\"dynmem\" type=\"host\">%s<operations><op id=\"dynmem-monitor-interval-10s\" "
                        "name=\"monitor\" interval=\"" MONITOR_INTERVAL "\" timeout=\"" MONITOR_TIMEOUT
                        "\"/></operations></primitive></clone></resources>",
                        pair));
}

char *
cluster_changes_xml(const GPtrArray *changes, SetupStep step)
{
    g_autoptr(GString) xml = g_string_new("<configuration>");
    size_t empty = xml->len;

    for (guint i = 0; i < changes->len; i++) {
        const ClusterChange *change = g_ptr_array_index(changes, i);

        if (change->step == step)
            g_string_append(xml, change->xml);
    }
    if (xml->len == empty)
        return NULL;
    g_string_append(xml, "</configuration>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}
