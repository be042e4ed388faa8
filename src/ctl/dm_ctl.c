/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl: parses the options, runs the verb, turns its result into a message and an exit status. */

#include "client.h"
#include "ctl.h"
#include "error.h"
#include "hook.h"
#include "output.h"
#include "text.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static gboolean want_json;
static gboolean want_no_legend;
static char *want_host;
static gboolean want_help;
static gboolean want_version;

/* Taken before and after the verb. */
static const GOptionEntry common_options[] = {
    {"json", 0, 0, G_OPTION_ARG_NONE, &want_json, "machine output: JSON, sizes in bytes", NULL},
    {"no-legend", 0, 0, G_OPTION_ARG_NONE, &want_no_legend, "no header lines", NULL},
    {"host", 'H', 0, G_OPTION_ARG_STRING, &want_host, "ask dynmemd of another host, through ssh", "[USER@]HOST"},
    {"help", 'h', 0, G_OPTION_ARG_NONE, &want_help, "this help", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &want_version, "the version of dm-ctl", NULL},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

/* Takes the options off *arguments. verb: NULL before it is known, when the first word that is no option ends them. */
static bool
parse(char ***arguments, const CtlVerb *verb, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) raw = NULL;
    g_autofree char *shown = NULL;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, verb == NULL);
    g_option_context_add_main_entries(context, common_options, NULL);
    if (verb != NULL && verb->options != NULL)
        g_option_context_add_main_entries(context, verb->options, NULL);
    if (g_option_context_parse_strv(context, arguments, &raw))
        return true;
    shown = text_clean(raw->message);
    g_set_error(error, G_OPTION_ERROR, raw->code, "%s; 'dm-ctl %s%s--help' tells what is possible", shown,
                verb != NULL ? verb->name : "", verb != NULL ? " " : "");
    return false;
}

/* Drops the first word. */
static void
drop_first(char **arguments)
{
    g_free(arguments[0]);
    for (; arguments[0] != NULL; arguments++)
        arguments[0] = arguments[1];
}

static bool
check_arguments(const CtlVerb *verb, char **arguments, GError **error)
{
    unsigned count = g_strv_length(arguments);

    if (count < verb->argument_count) {
        const char *missing = verb->arguments;

        for (unsigned given = 0; given < count; given++)
            missing += strcspn(missing, " ") + 1;
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s: %s is missing; usage: dm-ctl %s %s", verb->name,
                    missing, verb->name, verb->arguments);
        return false;
    }
    if (count > verb->argument_count && !verb->more) {
        g_autofree char *shown = text_clean(arguments[verb->argument_count]);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "%s: '%s' is one argument too many; usage: dm-ctl %s%s%s", verb->name, shown, verb->name,
                    verb->arguments[0] != '\0' ? " " : "", verb->arguments);
        return false;
    }
    return true;
}

static bool
check_host(const CtlVerb *verb, GError **error)
{
    if (want_host != NULL && verb->local != NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s: --host makes no sense here: %s", verb->name,
                    verb->local);
        return false;
    }
    client_set_host(want_host);
    return true;
}

static void
set_no_such_verb(const char *word, GError **error)
{
    g_autofree char *shown = text_clean(word);
    const char *meant = ctl_verb_near(word);

    if (meant != NULL)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "'%s': there is no such verb; %s was probably meant, 'dm-ctl --help' lists all", shown, meant);
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "'%s': there is no such verb; 'dm-ctl --help' lists them", shown);
}

/* The words of the command line without the program's name; changed. */
static bool
run(char ***arguments, GError **error)
{
    const CtlVerb *verb = NULL;
    CtlOptions options;

    if (!parse(arguments, NULL, error))
        return false;
    if (g_strv_length(*arguments) > 1 && !want_version) {
        drop_first(*arguments);
        if (g_str_equal((*arguments)[0], "--") && (*arguments)[1] != NULL)
            drop_first(*arguments);
        verb = ctl_verb_find((*arguments)[0]);
        if (verb == NULL) {
            set_no_such_verb((*arguments)[0], error);
            return false;
        }
        if (!parse(arguments, verb, error))
            return false;
    }

    if (want_version) {
        puts("dm-ctl " DYNMEM_VERSION);
        return true;
    }
    if (want_help) {
        if (verb == NULL)
            ctl_print_help(common_options);
        else
            ctl_print_verb_help(verb, common_options);
        return true;
    }
    if (verb == NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "a verb is missing; 'dm-ctl --help' lists them");
        return false;
    }

    drop_first(*arguments);
    if ((*arguments)[0] != NULL && g_str_equal((*arguments)[0], "--"))
        drop_first(*arguments);
    if (!check_arguments(verb, *arguments, error) || !check_host(verb, error))
        return false;
    options = (CtlOptions){.json = want_json, .legend = !want_no_legend};
    return verb->run(&options, *arguments, error);
}

static CtlExit
exit_status_of(const GError *error)
{
    if (error->domain == G_OPTION_ERROR)
        return CTL_EXIT_USAGE;
    if (g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED))
        return CTL_EXIT_NO_DAEMON;
    return CTL_EXIT_FAILED;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) arguments = NULL;

    /* libvirt's: no usage is wrong there, whatever a newer libvirt may call with */
    if (argc > 2 && strcmp(argv[1], "hook") == 0 && strcmp(argv[2], "--help") != 0 && strcmp(argv[2], "-h") != 0)
        return hook_run(argv + 2);

    /* a reader that has gone is an error of writing: what else there is to do is done */
    signal(SIGPIPE, SIG_IGN);
    arguments = g_strdupv(argv);
    setlocale(LC_ALL, "");
    if (run(&arguments, &error) && output_flush(&error))
        return CTL_EXIT_DONE;

    /* what it is about stands before it, also where both go into one file */
    fflush(stdout);
    /* A reader that has gone, as in "dm-ctl monitor | head", has seen enough: nothing to complain about. */
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE))
        fprintf(stderr, "dm-ctl: %s\n", error->message);
    return exit_status_of(error);
}
