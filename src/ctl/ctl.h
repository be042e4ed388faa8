/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What dm_ctl.c and the verbs agree on. A verb is one file, verb_NAME.c, with one entry in the table of
 * verbs.c; dm_ctl.c parses the options, runs the verb and turns what it returns into an exit status.
 */

#include <glib.h>
#include <stdbool.h>

typedef enum CtlExit {
    CTL_EXIT_DONE = 0,
    CTL_EXIT_FAILED = 1,
    CTL_EXIT_USAGE = 2,
    CTL_EXIT_NO_DAEMON = 3,
} CtlExit;

/* The options that every verb takes. */
typedef struct CtlOptions {
    bool json;   /* --json: machine output */
    bool legend; /* false with --no-legend: no header lines */
} CtlOptions;

/*
 * Does the work of a verb. arguments is NULL-terminated and has as many members as the verb's entry allows.
 * Prints to stdout only. Returns false and sets error when it could not be done; dm_ctl.c prints the message
 * and exits with CTL_EXIT_NO_DAEMON for DYNMEM_ERROR_DISCONNECTED, CTL_EXIT_USAGE for errors of the
 * G_OPTION_ERROR domain, CTL_EXIT_FAILED for all others. A message reads "what: why; what would help".
 */
typedef bool (*CtlRun)(const CtlOptions *options, char **arguments, GError **error);

typedef struct CtlVerb {
    const char *name;
    const char *arguments;       /* as shown in the help, "" for none */
    unsigned argument_count;     /* all are required */
    bool more;                   /* any number of further ones may follow */
    const char *summary;         /* for the list of verbs: one clause, no full stop */
    const GOptionEntry *options; /* those of this verb alone, ends with {NULL}; NULL for none */
    CtlRun run;
    const char *local; /* why it makes no sense with --host, one clause; NULL: it does */
} CtlVerb;

/* All verbs in the order of the help; the last has no name. */
extern const CtlVerb ctl_verbs[];

/* The entry of name, or NULL. */
const CtlVerb *ctl_verb_find(const char *name);

/* The name of the verb that was probably meant, or NULL. */
const char *ctl_verb_near(const char *name);

/* Prints the help of the whole program, or of one verb; common is the options all verbs take. */
void ctl_print_help(const GOptionEntry *common);
void ctl_print_verb_help(const CtlVerb *verb, const GOptionEntry *common);

bool verb_list(const CtlOptions *options, char **arguments, GError **error);
bool verb_show(const CtlOptions *options, char **arguments, GError **error);
bool verb_host(const CtlOptions *options, char **arguments, GError **error);
bool verb_explain(const CtlOptions *options, char **arguments, GError **error);
bool verb_history(const CtlOptions *options, char **arguments, GError **error);
bool verb_top(const CtlOptions *options, char **arguments, GError **error);
bool verb_simulate(const CtlOptions *options, char **arguments, GError **error);
bool verb_paging(const CtlOptions *options, char **arguments, GError **error);
bool verb_monitor(const CtlOptions *options, char **arguments, GError **error);
bool verb_check(const CtlOptions *options, char **arguments, GError **error);
bool verb_rate(const CtlOptions *options, char **arguments, GError **error);
bool verb_start(const CtlOptions *options, char **arguments, GError **error);
bool verb_set(const CtlOptions *options, char **arguments, GError **error);
bool verb_mode(const CtlOptions *options, char **arguments, GError **error);
bool verb_unset(const CtlOptions *options, char **arguments, GError **error);
bool verb_manage(const CtlOptions *options, char **arguments, GError **error);
bool verb_retire(const CtlOptions *options, char **arguments, GError **error);
bool verb_cluster(const CtlOptions *options, char **arguments, GError **error);
bool verb_hook(const CtlOptions *options, char **arguments, GError **error);

extern const GOptionEntry verb_check_options[];
extern const GOptionEntry verb_cluster_options[];
extern const GOptionEntry verb_history_options[];
extern const GOptionEntry verb_hook_options[];
extern const GOptionEntry verb_manage_options[];
extern const GOptionEntry verb_rate_options[];
extern const GOptionEntry verb_retire_options[];
extern const GOptionEntry verb_set_options[];
extern const GOptionEntry verb_simulate_options[];
extern const GOptionEntry verb_top_options[];
