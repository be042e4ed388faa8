/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text for a terminal. Names of guests and texts of the bus are made by others: nothing of them that could
 * steer a terminal, hide or turn text around is ever printed. Widths are columns of a terminal, where some
 * characters take two and some none.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Can the terminal, as the locale says, show UTF-8? Otherwise all that is not ASCII is printed as '?'. */
bool text_is_utf8(void);

/*
 * text as it can be printed: control and format characters as \xNN or \uNNNN, broken UTF-8 as '?'.
 * Caller frees.
 */
char *text_clean(const char *text);

/* Columns that clean text takes. */
size_t text_width(const char *text);

/* The longest beginning of clean text that is at most width columns, with an ellipsis if it had to be cut. */
char *text_shorten(const char *text, size_t width);

/* Clean text broken into lines of at most width columns at blanks, each with indent blanks before it. Ends
   with a newline unless empty. A longer word gets a line of its own. Caller frees. */
char *text_wrap(const char *text, size_t width, unsigned indent);

/* A size in at most six columns, as free(1) does it: "512Mi", "1.5Gi". Caller frees. */
char *text_short_size(uint64_t bytes);

/* A size with unit for sentences: "1.5 GiB". Caller frees. */
char *text_size(uint64_t bytes);
