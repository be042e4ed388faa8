/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "dm-ctl check" looks at, and what it makes of it. */

#include "hook_file.h"

#include <glib.h>

typedef enum CheckLevel {
    CHECK_OK,
    CHECK_WARNING, /* it works, but not as well or as safely as it could */
    CHECK_PROBLEM, /* something that dynmem is there for does not work */
} CheckLevel;

/* "ok", "warning", "problem". Never NULL. */
const char *check_level_name(CheckLevel level);

typedef struct Check {
    const char *name; /* short and stable, as "daemon"; static */
    CheckLevel level;
    char *text;   /* what was found */
    char *advice; /* what would help; NULL where nothing is to be done */
} Check;

/* Adds one to an array of Check; text and advice are taken over. */
void check_add(GPtrArray *checks, const char *name, CheckLevel level, char *text, char *advice);

/* Looks at everything. GPtrArray of Check, those that matter most first; caller unrefs. */
GPtrArray *checks_run(const HookPlace *place);
