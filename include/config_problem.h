/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line of a configuration file that could not be used: found by config/, told by report/. */

#include <glib.h>

/* One line of a configuration file that was not used. */
typedef struct ConfigProblem {
    char *file;
    unsigned line;
    char *message; /* what is wrong and what is expected */
} ConfigProblem;

void config_problem_free(ConfigProblem *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigProblem, config_problem_free)
