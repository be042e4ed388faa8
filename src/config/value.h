/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reads the values of dynmemd.conf and of the domain XML, all but sizes of dynmem's own (units.h). Those with an error return
 * false and set it (DYNMEM_ERROR_INVALID: what was read, what is expected) for anything else; *value is
 * then untouched. Blanks around a value are for the caller to remove.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* As systemd reads them: 1 yes y true t on, 0 no n false f off, in any case. */
bool value_parse_boolean(const char *text, bool *value, GError **error);

/* A whole number from 0 to high. With percent a % sign may follow. */
bool value_parse_number(const char *text, uint32_t high, bool percent, uint32_t *value, GError **error);

/*
 * A span of time as systemd reads it: "90", "1.5s", "500ms", "1min 30s"; a number without a unit counts
 * seconds. In microseconds.
 */
bool value_parse_span(const char *text, uint64_t *usec, GError **error);

/* An absolute path without "." and ".." parts; doubled and trailing slashes are dropped. Caller frees. */
bool value_parse_path(const char *text, char **path, GError **error);

/*
 * Memory as libvirt writes it: a number, its unit ("" is KiB; KB and the like are powers of 1000), rounded up (libvirt
 * src/conf/domain_conf.c, virDomainParseMemory). Returns false where it is none, or beyond KIB_LIMIT; *kib is then untouched.
 */
bool value_parse_memory(const char *text, const char *unit, uint64_t *kib);

/*
 * Nodes as libvirt writes them, "0-1,3,^2": bit n for node n. Returns false where it is none, or names a node above 63; *nodes
 * is then untouched.
 */
bool value_parse_nodes(const char *text, uint64_t *nodes);

/* The value of an XML attribute, NULL where it is not given. Both lists end with NULL. */
const char *value_attribute(const char *name, const char *const *names, const char *const *values);

/* text shortened and without control characters, for messages. Caller frees. */
char *value_shown(const char *text);
