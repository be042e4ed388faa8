/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_setup.h"

#include "check_output.h"
#include "cluster_checks.h"
#include "cluster_guests.h"
#include "cluster_simulate.h"
#include "cluster_tool.h"
#include "error.h"
#include "output.h"
#include "text.h"

#include <glib/gstdio.h>
#include <stdio.h>

/* What a step comes to on a copy, after those before it. */
typedef struct Trial {
    bool made;          /* it has changes, and was tried */
    GPtrArray *actions; /* that it would cause, of char *; NULL unless made */
} Trial;

typedef struct Setup {
    const ClusterSetup *wanted;
    GPtrArray *lines;
    GPtrArray *checks;
    GPtrArray *changes;
    Trial trials[SETUP_STEPS];
    bool safe;       /* no step of those that were tried would cause anything */
    bool busy;       /* the cluster has something to do anyway */
    GPtrArray *left; /* of Check: problems that there still are after all steps */
} Setup;

static void
setup_clear(Setup *setup)
{
    for (unsigned i = 0; i < SETUP_STEPS; i++)
        g_clear_pointer(&setup->trials[i].actions, g_ptr_array_unref);
    g_clear_pointer(&setup->lines, g_ptr_array_unref);
    g_clear_pointer(&setup->checks, g_ptr_array_unref);
    g_clear_pointer(&setup->changes, g_ptr_array_unref);
    g_clear_pointer(&setup->left, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setup, setup_clear)

static char *
read_cib(const ClusterSetup *wanted, GError **error)
{
    g_autoptr(GError) raw = NULL;
    char *xml = NULL;

    if (wanted->cib == NULL)
        return cluster_tool_read_cib(error);
    if (!g_file_get_contents(wanted->cib, &xml, NULL, &raw))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "cluster: %s", raw->message);
    return xml;
}

/* Looks at a CIB. Returns false and sets error where it is none. */
static bool
look(const Setup *setup, const char *xml, GPtrArray *checks, GPtrArray *changes, GError **error)
{
    const ClusterWanted wanted = {.agent = setup->wanted->agent,
                                  .guests = setup->wanted->guests,
                                  .capacities = setup->wanted->capacities,
                                  .lines = setup->lines};
    g_autoptr(Cib) cib = cib_new(xml, error);

    if (cib == NULL) {
        g_prefix_error(error, "cluster: ");
        return false;
    }
    cluster_checks_run(cib, &wanted, checks, changes);
    return true;
}

/* ---- on a copy ---- */

static bool
merge(const char *xml, const char *cib, GError **error)
{
    static const char *const words[] = {"cibadmin", "--modify", "--allow-create", "--xml-pipe", NULL};
    g_autofree char *out = cluster_tool_run(words, xml, cib, error);

    return out != NULL;
}

/* Tries one step after the other until one would cause something. */
static bool
try_steps(Setup *setup, const char *path, GError **error)
{
    g_autoptr(GPtrArray) before = cluster_simulate(path, error);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    g_autoptr(GPtrArray) under_way = NULL;

    if (before == NULL)
        return false;
    under_way = cluster_simulate_new(nothing, before);
    setup->busy = under_way->len > 0;
    for (SetupStep step = 0; step < SETUP_STEPS && setup->safe; step++) {
        g_autofree char *xml = cluster_changes_xml(setup->changes, step);
        g_autoptr(GPtrArray) after = NULL;
        g_autoptr(GPtrArray) found = NULL;

        if (xml == NULL)
            continue;
        after = merge(xml, path, error) ? cluster_simulate(path, error) : NULL;
        if (after == NULL)
            return false;
        found = cluster_simulate_new(before, after);
        setup->trials[step].made = true;
        setup->trials[step].actions = g_ptr_array_copy(found, (GCopyFunc)(void (*)(void))g_strdup, NULL);
        g_ptr_array_set_free_func(setup->trials[step].actions, g_free);
        setup->safe = found->len == 0;
    }
    return true;
}

/* What problems there still are in the copy. */
static bool
look_again(Setup *setup, const char *path, GError **error)
{
    g_autoptr(GPtrArray) changes = cluster_changes_new();
    g_autofree char *xml = NULL;

    if (!g_file_get_contents(path, &xml, NULL, error))
        return false;
    return look(setup, xml, setup->left, changes, error);
}

static bool
try_on_copy(Setup *setup, const char *xml, GError **error)
{
    g_autofree char *directory = g_dir_make_tmp("dynmem-cluster-XXXXXX", error);
    g_autofree char *path = directory != NULL ? g_build_filename(directory, "cib.xml", NULL) : NULL;
    g_autofree char *signature = path != NULL ? g_strconcat(path, ".sig", NULL) : NULL;
    bool good;

    if (directory == NULL)
        return false;
    good = g_file_set_contents(path, xml, -1, error) && try_steps(setup, path, error) && look_again(setup, path, error);
    g_unlink(path);
    g_unlink(signature);
    g_rmdir(directory);
    return good;
}

/* ---- showing it ---- */

static void
print_json(const Setup *setup, bool applied)
{
    JsonObject *object = json_object_new();
    JsonArray *steps = json_array_new();

    for (SetupStep step = 0; step < SETUP_STEPS; step++) {
        const Trial *trial = &setup->trials[step];
        JsonObject *row;
        JsonArray *commands, *actions;

        if (!trial->made)
            continue;
        row = json_object_new();
        commands = json_array_new();
        actions = json_array_new();
        for (guint i = 0; i < setup->changes->len; i++) {
            const ClusterChange *change = g_ptr_array_index(setup->changes, i);

            if (change->step == step)
                json_array_add_string_element(commands, change->commands[setup->wanted->shell]);
        }
        for (guint i = 0; i < trial->actions->len; i++)
            json_array_add_string_element(actions, g_ptr_array_index(trial->actions, i));
        json_object_set_string_member(row, "name", setup_step_name(step));
        json_object_set_array_member(row, "commands", commands);
        json_object_set_array_member(row, "actions", actions);
        json_array_add_object_element(steps, row);
    }
    json_object_set_boolean_member(object, "good", setup->safe && check_count(setup->left, CHECK_PROBLEM) == 0);
    json_object_set_boolean_member(object, "applied", applied);
    json_object_set_boolean_member(object, "busy", setup->busy);
    json_object_set_array_member(object, "checks", check_json(setup->checks));
    json_object_set_array_member(object, "steps", steps);
    json_object_set_array_member(object, "left", check_json(setup->left));
    output_print_json_object(object, true);
}

/* One that can be pasted into a shell. */
static void
print_step(const Setup *setup, SetupStep step)
{
    const Trial *trial = &setup->trials[step];

    printf("\n# %s\n", setup_step_name(step));
    for (guint i = 0; i < trial->actions->len; i++) {
        g_autofree char *action = text_clean(g_ptr_array_index(trial->actions, i));

        printf("# would %s: this step is not safe, and those after it were not tried\n", action);
    }
    for (guint i = 0; i < setup->changes->len && trial->actions->len == 0; i++) {
        const ClusterChange *change = g_ptr_array_index(setup->changes, i);
        g_auto(GStrv) lines = g_strsplit(change->commands[setup->wanted->shell], "\n", -1);

        for (char **line = lines; *line != NULL && change->step == step; line++) {
            g_autofree char *clean = text_clean(*line);

            puts(clean);
        }
    }
}

static void
print_text(const Setup *setup, bool applied)
{
    bool any = false;

    for (guint i = 0; i < setup->checks->len; i++)
        check_print(g_ptr_array_index(setup->checks, i));
    for (SetupStep step = 0; step < SETUP_STEPS; step++)
        if (setup->trials[step].made) {
            print_step(setup, step);
            any = true;
        }
    if (setup->busy)
        puts("\nThe cluster has something to do at this moment anyway; wait until it is quiet.");
    if (!any)
        puts("\nNothing is to be changed.");
    else if (applied)
        puts("\nThat was done.");
    else if (setup->safe)
        puts("\nNothing was changed. On a copy, Pacemaker's scheduler would stop, move or start no guest after any of "
             "these "
             "steps.");
}

/* ---- all of it ---- */

static bool
apply(const Setup *setup, GError **error)
{
    for (SetupStep step = 0; step < SETUP_STEPS; step++) {
        g_autofree char *xml = setup->trials[step].made ? cluster_changes_xml(setup->changes, step) : NULL;

        if (xml != NULL && !merge(xml, NULL, error))
            return false;
    }
    return true;
}

/* What is wrong in the end, for the exit status. */
static bool
judge(const Setup *setup, GError **error)
{
    unsigned left = check_count(setup->left, CHECK_PROBLEM);

    if (!setup->safe) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "cluster setup: a step would move, stop or start guests, as is shown above; nothing was changed");
        return false;
    }
    if (left > 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                    "cluster setup: %u %s left that no command above mends; what helps stands with each", left,
                    left == 1 ? "problem is" : "problems are");
        return false;
    }
    return true;
}

bool
cluster_setup(const CtlOptions *options, const ClusterSetup *wanted, GError **error)
{
    g_auto(Setup) setup = {
        .wanted = wanted, .checks = checks_new(), .changes = cluster_changes_new(), .safe = true, .left = checks_new()};
    g_autofree char *xml = read_cib(wanted, error);
    bool applied;

    if (xml == NULL)
        return false;
    /* those of a cluster that a file stands for are not known */
    setup.lines = wanted->cib == NULL ? cluster_tool_read_lines(NULL) : NULL;
    if (setup.lines == NULL)
        setup.lines = g_ptr_array_new();
    if (!look(&setup, xml, setup.checks, setup.changes, error) || !try_on_copy(&setup, xml, error))
        return false;
    applied = wanted->apply && setup.safe && !setup.busy && setup.changes->len > 0;
    if (applied && !apply(&setup, error))
        return false;
    if (options->json)
        print_json(&setup, applied);
    else
        print_text(&setup, applied);
    if (wanted->apply && setup.busy) {
        g_set_error(
            error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
            "cluster setup: the cluster is busy, so what would come of a change can't be told; nothing was changed; "
            "try again when 'crm_mon -1' shows nothing under way");
        return false;
    }
    return judge(&setup, error);
}
