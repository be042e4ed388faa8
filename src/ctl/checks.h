/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "dm-ctl check" looks at, and what it makes of it. */

#include "hook_file.h"

#include <glib.h>

typedef enum CheckLevel {
    CHECK_OK,
    CHECK_NOTE,    /* nothing is wrong; it is good to know */
    CHECK_WARNING, /* it works, but not as well or as safely as it could */
    CHECK_PROBLEM, /* something that dynmem is there for does not work */
} CheckLevel;

/* "ok", "note", "warning", "problem". Never NULL. */
const char *check_level_name(CheckLevel level);

typedef struct Check {
    const char *name; /* short and stable, as "daemon"; static */
    CheckLevel level;
    char *text;   /* what was found */
    char *advice; /* what would help; NULL where nothing is to be done */
} Check;

/* An array for Check. Caller unrefs. */
GPtrArray *checks_new(void);

/* Adds one to an array of Check; text and advice are taken over. */
void check_add(GPtrArray *checks, const char *name, CheckLevel level, char *text, char *advice);

/* The text of a small file below root ("" for this host), without the newline at its end; NULL where it can't be read. Caller frees. */
char *check_read(const char *root, const char *path);

/* "web, db and 3 more", of an array of char *. Caller frees. */
char *check_names(const GPtrArray *names);

/* Looks at everything. GPtrArray of Check, those that matter most first; caller unrefs. */
GPtrArray *checks_run(const HookPlace *place);
