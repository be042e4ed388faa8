/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_tool.h"

#include "cluster/constraints.h"
#include "error.h"
#include "text.h"
#include "xml_tree.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/*
 * Pacemaker's programs may wait for its daemons without an end, and an agent whose stop does not end in time has its host
 * fenced: two of these, and an answer of dynmemd's that does not come, are within the minute that it has.
 */
#define TOOL_SEC 15

void
cluster_tool_init(void)
{
    const char *path = g_getenv("PATH");
    g_autofree char *more = g_strconcat(path != NULL ? path : "/usr/bin:/bin", ":/usr/sbin:/sbin", NULL);

    g_setenv("PATH", more, TRUE);
}

/* The last line that is not empty, cleaned; where what is said is XML without its tags. Caller frees. */
static char *
last_line(const char *text)
{
    g_autoptr(GRegex) tag = g_regex_new("<[^>]*>", 0, 0, NULL);
    g_autofree char *plain = g_regex_replace_literal(tag, text != NULL ? text : "", -1, 0, "", 0, NULL);
    g_auto(GStrv) lines = g_strsplit(plain != NULL ? plain : "", "\n", -1);

    for (guint i = g_strv_length(lines); i > 0; i--)
        if (*g_strstrip(lines[i - 1]) != '\0')
            return text_clean(lines[i - 1]);
    return g_strdup("it does not say why");
}

/* In the child: what it becomes is ended by the alarm. */
static void
prepare_tool(gpointer data)
{
    alarm(TOOL_SEC);
}

char *
cluster_tool_run(const char *const *words, const char *input, const char *cib, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE |
                                  (input != NULL ? G_SUBPROCESS_FLAGS_STDIN_PIPE : G_SUBPROCESS_FLAGS_NONE));
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) raw = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    /* in the environment of an agent attrd_updater tells of that agent's host alone (pcmk__node_attr_target) */
    if (g_strv_contains(words, "--all"))
        g_subprocess_launcher_unsetenv(launcher, "OCF_RESKEY_CRM_meta_on_node");
    /* what changes a cluster for good, or tries that on a copy, takes its time, and somebody sits before it */
    if (cib == NULL && input == NULL)
        g_subprocess_launcher_set_child_setup(launcher, prepare_tool, NULL, NULL);
    if (cib != NULL) {
        g_autofree char *directory = g_path_get_dirname(cib);

        g_subprocess_launcher_setenv(launcher, "CIB_file", cib, true);
        g_subprocess_launcher_setenv(launcher, "CIB_shadow_dir", directory, true);
    }
    process = g_subprocess_launcher_spawnv(launcher, words, &raw);
    if (process == NULL) {
        g_set_error(error, DYNMEM_ERROR,
                    g_error_matches(raw, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? DYNMEM_ERROR_UNSUPPORTED
                                                                             : DYNMEM_ERROR_FAILED,
                    "cluster: %s can't be run (%s); install pacemaker-cli-utils (Red Hat: pacemaker-cli)", words[0],
                    raw->message);
        return NULL;
    }
    if (!g_subprocess_communicate_utf8(process, input, NULL, &out, &err, &raw)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "cluster: %s: %s", words[0], raw->message);
        return NULL;
    }
    if (g_subprocess_get_if_signaled(process) && g_subprocess_get_term_sig(process) == SIGALRM) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT, "cluster: %s has not answered for %d seconds", words[0],
                    TOOL_SEC);
        return NULL;
    }
    if (!g_subprocess_get_successful(process)) {
        g_autofree char *said = last_line(err != NULL && *err != '\0' ? err : out);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "cluster: %s failed: %s", words[0], said);
        return NULL;
    }
    return g_steal_pointer(&out);
}

char *
cluster_tool_read_cib(GError **error)
{
    static const char *const words[] = {"cibadmin", "--query", NULL};
    g_autoptr(GError) raw = NULL;
    char *xml = cluster_tool_run(words, NULL, NULL, &raw);

    if (raw == NULL)
        return xml;
    if (g_error_matches(raw, DYNMEM_ERROR, DYNMEM_ERROR_UNSUPPORTED))
        g_propagate_error(error, g_steal_pointer(&raw));
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                    "%s; is this host a member of a cluster? 'systemctl status pacemaker' tells; root may ask",
                    raw->message);
    return NULL;
}

char *
cluster_tool_read_node(GError **error)
{
    static const char *const words[] = {"crm_node", "--name", NULL};
    char *name = cluster_tool_run(words, NULL, NULL, error);

    return name != NULL ? g_strstrip(name) : NULL;
}

static void
line_free(void *data)
{
    ClusterLine *line = data;

    g_free(line->host);
    g_free(line->line);
    g_free(line);
}

GPtrArray *
cluster_tool_read_lines(GError **error)
{
    static const char *const words[] = {"attrd_updater",        "--query",         "--all", "--name",
                                        CLUSTER_LINE_ATTRIBUTE, "--output-as=xml", NULL};
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(line_free);
    g_autoptr(GError) raw = NULL;
    g_autofree char *xml = cluster_tool_run(words, NULL, NULL, &raw);
    g_autoptr(XmlNode) root = NULL;
    const XmlNode *node;

    if (raw != NULL) {
        /* nobody has published anything yet */
        if (strstr(raw->message, "does not exist") != NULL)
            return g_steal_pointer(&lines);
        g_propagate_error(error, g_steal_pointer(&raw));
        return NULL;
    }
    root = xml_tree_new(xml, "pacemaker-result", error);
    if (root == NULL)
        return NULL;
    for (unsigned i = 0; (node = xml_child_at(root, i)) != NULL; i++) {
        const char *host = xml_attribute(node, "host");
        const char *value = xml_attribute(node, "value");
        ClusterLine *line;

        if (host == NULL || value == NULL || *value == '\0')
            continue;
        line = g_new0(ClusterLine, 1);
        line->host = g_strdup(host);
        line->line = g_strdup(value);
        g_ptr_array_add(lines, line);
    }
    return g_steal_pointer(&lines);
}
