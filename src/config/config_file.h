/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One file of the configuration, read line by line: GKeyFile would do the syntax, but names no lines, and
 * refuses a whole file for one bad line of it.
 */

#include "config_problem.h"
#include "settings.h"

/*
 * Applies the lines of text (length bytes, of the file called name, any bytes) to settings. What can't be used is
 * appended to problems (of ConfigProblem), with its line; the rest is in force.
 */
void config_file_apply(const char *name, const char *text, size_t length, Settings *settings, GPtrArray *problems);

/* Appends a problem; line 0 stands for the whole file. message is taken over. Returns it, owned by problems. */
ConfigProblem *config_problem_add(GPtrArray *problems, const char *file, unsigned line, char *message);
