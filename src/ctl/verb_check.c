/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl check: is this host set up right? It also puts libvirt's hook in place. */

#include "check_output.h"
#include "ctl.h"
#include "error.h"
#include "output.h"

#include <stdio.h>

static gboolean install_hook;
static gboolean remove_hook;
static char *root_option;
static char *template_option;

const GOptionEntry verb_check_options[] = {
    {"install-hook", 0, 0, G_OPTION_ARG_NONE, &install_hook, "put libvirt's hook in place, or bring it up to date",
     NULL},
    {"remove-hook", 0, 0, G_OPTION_ARG_NONE, &remove_hook, "take it away", NULL},
    /* for tests */
    {"root", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &root_option, "look below this directory", "DIRECTORY"},
    {"template", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &template_option, "the hook to install", "FILE"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static void
print_hook_change(const CtlOptions *options, bool changed, const char *reload)
{
    if (options->json) {
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "path", HOOK_FILE_PATH);
        json_object_set_boolean_member(object, "changed", changed);
        json_object_set_string_member(object, "reload", reload != NULL ? reload : "");
        output_print_json_object(object, true);
        return;
    }
    if (remove_hook) {
        puts(changed ? HOOK_FILE_PATH " is taken away; guests start without being asked for"
                     : HOOK_FILE_PATH " is not there; nothing was done");
        return;
    }
    puts(changed ? HOOK_FILE_PATH " is installed" : HOOK_FILE_PATH " is there already, and up to date");
    if (reload != NULL)
        printf("%s was started before there was any hook: unless that was done since, it needs\n"
               "    systemctl reload %s\n",
               reload, reload);
    else if (changed)
        puts("libvirt calls it from now on; nothing needs to be reloaded");
}

static bool
change_hook(const CtlOptions *options, const HookPlace *place, GError **error)
{
    bool changed = false;
    const char *reload = NULL;

    if (install_hook && remove_hook) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "check: --install-hook and --remove-hook at once make no sense");
        return false;
    }
    if (remove_hook) {
        if (!hook_file_remove(place, &changed, error))
            return false;
    } else {
        if (!hook_file_install(place, &changed, error))
            return false;
        reload = hook_file_unaware(place);
    }
    print_hook_change(options, changed, reload);
    return true;
}

static void
print_json(const GPtrArray *checks, bool good)
{
    JsonObject *object = json_object_new();

    json_object_set_boolean_member(object, "good", good);
    json_object_set_array_member(object, "checks", check_json(checks));
    output_print_json_object(object, true);
}

bool
verb_check(const CtlOptions *options, char **arguments, GError **error)
{
    const HookPlace place = {.root = root_option != NULL ? root_option : "",
                             .template_path = template_option != NULL ? template_option : DYNMEM_HOOK_TEMPLATE};
    g_autoptr(GPtrArray) checks = NULL;
    unsigned problems;

    if (install_hook || remove_hook)
        return change_hook(options, &place, error);
    checks = checks_run(&place);
    problems = check_count(checks, CHECK_PROBLEM);
    if (options->json)
        print_json(checks, problems == 0);
    else
        for (guint i = 0; i < checks->len; i++)
            check_print(g_ptr_array_index(checks, i));
    if (problems == 0)
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "check: %u %s found; the lines above say what helps",
                problems, problems == 1 ? "problem" : "problems");
    return false;
}
