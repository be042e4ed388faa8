/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What dynmemd answers as a JSON object. What it does not tell is 0, "", false or empty. */

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The object; NULL and error where it is none. Caller unrefs the node. */
JsonNode *answer_parse(const char *json, GError **error);

uint64_t answer_number(JsonObject *object, const char *member);
bool answer_flag(JsonObject *object, const char *member);
/* As it is, for comparing; valid as long as object. */
const char *answer_word(JsonObject *object, const char *member);
/* Cleaned; caller frees. */
char *answer_text(JsonObject *object, const char *member);
/* NULL where there is none. */
JsonObject *answer_object(JsonObject *object, const char *member);
/* The members of an array that are objects; NULL past the last. */
JsonObject *answer_row(JsonObject *object, const char *member, unsigned index);
