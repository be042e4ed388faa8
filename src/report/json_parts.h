/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Members of a JSON object that is being built. */

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL becomes null; what is no UTF-8 in it is replaced. */
void json_add_text(JsonBuilder *builder, const char *key, const char *value);

/* Beyond what JSON's readers hold in 63 bits: the largest that they do. */
void json_add_number(JsonBuilder *builder, const char *key, uint64_t value);

/* As bytes. */
void json_add_size(JsonBuilder *builder, const char *key, uint64_t kib);

void json_add_flag(JsonBuilder *builder, const char *key, bool value);
