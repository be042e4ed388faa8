/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of verbs, and the help made from it. */

#include "ctl.h"

#include "nearest.h"

#include <stdio.h>
#include <string.h>

/* Of a line of the help: how wide what is to be written is, unless it is longer. */
#define LEFT_COLUMNS 26

#define SETTING_HELP                                                                                                   \
    "SETTING is minimum, startup, buffer, priority, mode, smart-paging or paging-directory, see dynmem(7)."

const CtlVerb ctl_verbs[] = {
    {"list", "", 0, false, "all guests and what they have", NULL, verb_list},
    {"show", "GUEST", 1, false, "everything known of one guest", NULL, verb_show},
    {"host", "", 0, false, "the host: budget, committed, free", NULL, verb_host},
    {"explain", "GUEST", 1, false, "why a guest has this much, and what would change it", NULL, verb_explain},
    {"history", "GUEST", 1, false, "what became of a guest, and why", verb_history_options, verb_history},
    {"top", "", 0, false, "live view of all guests with bars", verb_top_options, verb_top},
    {"monitor", "", 0, false, "events as they happen", NULL, verb_monitor},
    {"paging", "", 0, false, "restarts on a full host, and their paging files", NULL, verb_paging},
    {"manage", "GUEST...", 0, true, "have guests managed, with the default settings", verb_manage_options, verb_manage},
    {"set", "GUEST SETTING=VALUE...", 2, true, "change settings of a guest", verb_set_options, verb_set},
    {"mode", "GUEST MODE", 2, false, "dynamic, observe or static: is it ballooned?", verb_set_options, verb_mode},
    {"unset", "GUEST [SETTING...]", 1, true, "back to the defaults, or not managed any more", verb_set_options,
     verb_unset},
    {"start", "GUEST", 1, false, "find memory for a guest, and start it", NULL, verb_start},
    {"rate", "SIZE", 1, false, "how well a guest of that startup memory would fit", verb_rate_options, verb_rate},
    {"simulate", "FILE", 1, false, "a run of the simulated host that FILE describes", verb_simulate_options,
     verb_simulate, "it asks no daemon"},
    {"cluster", "WHAT [ARGUMENT]", 1, true,
     "guests move between hosts, on Pacemaker: setup, status, plan, rate SIZE, confirm GUEST", verb_cluster_options,
     verb_cluster, "it looks at the cluster of the host that it runs on; 'ssh HOST dm-ctl cluster' looks at another"},
    {"check", "", 0, false, "is this host set up right?", verb_check_options, verb_check,
     "it looks at the host that it runs on; 'ssh HOST dm-ctl check' looks at another"},
    {"retire", "", 0, false, "all guests get their startup memory back, before dynmemd goes for good",
     verb_retire_options, verb_retire, NULL},
    {"hook", "NAME OPERATION SUBOPERATION EXTRA", 4, false, "what libvirt calls when a guest starts or stops",
     verb_hook_options, verb_hook, "libvirt calls it where the guest is"},
    {NULL, NULL, 0, false, NULL, NULL, NULL},
};

const CtlVerb *
ctl_verb_find(const char *name)
{
    for (const CtlVerb *verb = ctl_verbs; verb->name != NULL; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

const char *
ctl_verb_near(const char *name)
{
    const char *names[G_N_ELEMENTS(ctl_verbs) - 1];

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        names[i] = ctl_verbs[i].name;
    return nearest_name(name, names, G_N_ELEMENTS(names));
}

/* A line of a help: what to write and what that is, beside each other or below. */
static void
print_entry(const char *left, const char *right)
{
    if (strlen(left) > LEFT_COLUMNS)
        printf("  %s\n  %*s %s\n", left, LEFT_COLUMNS, "", right);
    else
        printf("  %-*s %s\n", LEFT_COLUMNS, left, right);
}

/* One that asks no other host has no --host. */
static void
print_options(const GOptionEntry *options, bool local)
{
    for (; options != NULL && options->long_name != NULL; options++) {
        const char letter[] = {'-', options->short_name, ',', ' ', '\0'};
        g_autofree char *left = NULL;

        if ((options->flags & G_OPTION_FLAG_HIDDEN) != 0 || (local && strcmp(options->long_name, "host") == 0))
            continue;
        left = g_strconcat(options->short_name != '\0' ? letter : "", "--", options->long_name,
                           options->arg_description != NULL ? "=" : NULL, options->arg_description, NULL);
        print_entry(left, options->description);
    }
}

void
ctl_print_help(const GOptionEntry *common)
{
    puts("Usage: dm-ctl [OPTION...] VERB [ARGUMENT...]\n\n"
         "Shows what dynmemd does with the memory of this host's guests.\n\n"
         "Verbs:");
    for (const CtlVerb *verb = ctl_verbs; verb->name != NULL; verb++) {
        g_autofree char *left = g_strdup_printf("%s %s", verb->name, verb->arguments);

        print_entry(left, verb->summary);
    }
    puts("\nOptions, before or after the verb:");
    print_options(common, false);
    puts("\nGUEST is the name or the UUID of a guest; to look, a beginning of its name that no other has will "
         "do.\n" SETTING_HELP "\n"
         "'dm-ctl VERB --help' shows the options of a verb.\n"
         "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon. See dm-ctl(1).");
}

void
ctl_print_verb_help(const CtlVerb *verb, const GOptionEntry *common)
{
    printf("Usage: dm-ctl %s [OPTION...]%s%s\n\ndm-ctl %s: %s%s\n\nOptions:\n", verb->name,
           verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->name, verb->summary,
           g_str_has_suffix(verb->summary, "?") ? "" : ".");
    print_options(verb->options, false);
    print_options(common, verb->local != NULL);
    if (strstr(verb->arguments, "SETTING") != NULL)
        puts("\n" SETTING_HELP);
}
