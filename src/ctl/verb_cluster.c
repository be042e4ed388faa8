/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl cluster: this host as one of a Pacemaker cluster. What it does is the next word, one line in the table below. */

#include "cluster_exchange.h"
#include "cluster_guests.h"
#include "cluster_setup.h"
#include "cluster_tool.h"
#include "cluster_view.h"
#include "ctl.h"
#include "text.h"

#include <string.h>

static char *shell_option;
static char *cib_option;
static char *guests_option;
static char *agent_option;
static gboolean capacities;
static gboolean apply;
static int wait_sec;

const GOptionEntry verb_cluster_options[] = {
    {"for", 0, 0, G_OPTION_ARG_STRING, &shell_option, "setup: print commands of pcs or of crmsh", "SHELL"},
    {"cib", 0, 0, G_OPTION_ARG_FILENAME, &cib_option, "setup: look at a saved CIB instead of the cluster", "FILE"},
    {"guests", 0, 0, G_OPTION_ARG_STRING, &guests_option,
     "setup: what the names of resources that are guests look like, as 'vm-.*'", "PATTERN"},
    {"agent", 0, 0, G_OPTION_ARG_STRING, &agent_option, "setup: the agent of guests, if not " CLUSTER_GUEST_AGENT,
     "AGENT"},
    {"capacities", 0, 0, G_OPTION_ARG_NONE, &capacities,
     "setup: also have hosts take in no more than fits with minimums", NULL},
    {"apply", 0, 0, G_OPTION_ARG_NONE, &apply, "setup: do it, where no guest is moved, stopped or started by it", NULL},
    /* for the agent */
    {"wait", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &wait_sec, "withdraw: for a guest on its way", "SECONDS"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static bool
run_setup(const CtlOptions *options, const char *argument, GError **error)
{
    g_autofree char *pcs = g_find_program_in_path("pcs");
    g_autofree char *crm = g_find_program_in_path("crm");
    const ClusterSetup setup = {.cib = cib_option,
                                .agent = agent_option != NULL ? agent_option : CLUSTER_GUEST_AGENT,
                                .guests = guests_option,
                                .capacities = capacities,
                                .shell = g_strcmp0(shell_option, "crmsh") == 0 ||
                                                 (shell_option == NULL && pcs == NULL && crm != NULL)
                                             ? CLUSTER_SHELL_CRMSH
                                             : CLUSTER_SHELL_PCS,
                                .apply = apply};

    if (shell_option != NULL && !g_str_equal(shell_option, "pcs") && !g_str_equal(shell_option, "crmsh")) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "cluster: --for= is pcs or crmsh");
        return false;
    }
    if (guests_option != NULL && strpbrk(guests_option, "' \t\n") != NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "cluster: --guests= has no quotes and no blanks in it: names of resources have none");
        return false;
    }
    if (apply && cib_option != NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "cluster: --apply and --cib make no sense together");
        return false;
    }
    return cluster_setup(options, &setup, error);
}

static bool
run_exchange(const CtlOptions *options, const char *argument, GError **error)
{
    return cluster_exchange(agent_option != NULL ? agent_option : CLUSTER_GUEST_AGENT, error);
}

static bool
run_withdraw(const CtlOptions *options, const char *argument, GError **error)
{
    return cluster_withdraw((unsigned)MAX(wait_sec, 0), error);
}

static bool
run_status(const CtlOptions *options, const char *argument, GError **error)
{
    return cluster_view_status(options, error);
}

static bool
run_plan(const CtlOptions *options, const char *argument, GError **error)
{
    return cluster_view_plan(options, error);
}

static const struct {
    const char *name;
    const char *argument; /* that it must have; NULL: none */
    bool (*run)(const CtlOptions *options, const char *argument, GError **error);
} commands[] = {
    {"setup", NULL, run_setup},
    {"status", NULL, run_status},
    {"plan", NULL, run_plan},
    {"rate", "SIZE", cluster_view_rate},
    {"confirm", "GUEST", cluster_view_confirm},
    /* what the agent calls */
    {"exchange", NULL, run_exchange},
    {"withdraw", NULL, run_withdraw},
};

bool
verb_cluster(const CtlOptions *options, char **arguments, GError **error)
{
    unsigned given = g_strv_length(arguments + 1);

    cluster_tool_init();
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const char *argument = commands[i].argument;

        if (strcmp(arguments[0], commands[i].name) != 0)
            continue;
        if (given != (argument != NULL ? 1 : 0)) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "cluster: usage: dm-ctl cluster %s%s%s",
                        commands[i].name, argument != NULL ? " " : "", argument != NULL ? argument : "");
            return false;
        }
        return commands[i].run(options, arguments[1], error);
    }
    {
        g_autofree char *shown = text_clean(arguments[0]);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "cluster: '%s' is not setup, status, plan, rate SIZE or confirm GUEST", shown);
    }
    return false;
}
