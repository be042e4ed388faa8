/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing to stdout so that a full disk or a reader that has gone is noticed. */

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

/*
 * Writes out what was printed so far. Returns false and sets error when any of it was lost:
 * G_IO_ERROR_BROKEN_PIPE when nobody reads any more, DYNMEM_ERROR_FAILED for the rest.
 */
bool output_flush(GError **error);

/* May colours be used on stdout? Where it is a terminal that knows them, and NO_COLOR is unset or empty. */
bool output_has_colour(void);

/* Columns of the terminal that stdout is, 0 when it is none. */
unsigned output_columns(void);

/* Columns of a drawing: those of the terminal, within reason; 80 where there is none. */
unsigned output_drawing_columns(void);

/* Puts a picture in its place in one step, so that nobody sees half of it. */
bool output_write_picture(const char *path, const char *picture, size_t length, GError **error);

/* A D-Bus name as --json has it, in lower camel case: "PagingSize" becomes "pagingSize". Caller frees. */
char *output_json_name(const char *name);

/*
 * The properties (a{sv}) of one object as JSON: its members are named in lower camel case ("PagingState" is "pagingState"),
 * numbers stay numbers. Caller unrefs.
 */
JsonObject *output_json_from_properties(GVariant *properties);

/*
 * Prints one JSON document and a newline, over several lines where pretty. Characters that could steer a
 * terminal are escaped. Takes root over.
 */
void output_print_json(JsonNode *root, bool pretty);

/* Likewise for an object, which is taken over. */
void output_print_json_object(JsonObject *object, bool pretty);
