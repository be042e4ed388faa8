/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What could not be used of the configuration: found by config/, told by report/ and ctl/. */

#include <glib.h>
#include <stdbool.h>

/* One line of a configuration file that was not used, or what is wrong with the whole of it. */
typedef struct ConfigProblem {
    char *file;
    unsigned line; /* 0: the whole */
    char *message; /* what is wrong and what is expected */
    bool denied;   /* whoever reads may not, and another one may */
} ConfigProblem;

/* It with its place, in one line. Caller frees. */
char *config_problem_text(const ConfigProblem *problem);

void config_problem_free(ConfigProblem *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigProblem, config_problem_free)
