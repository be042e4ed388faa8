/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys of dynmemd.conf, in the order of its pages: name, kind, range, field. */

#include "settings.h"

#include <stddef.h>

typedef enum ConfigKind {
    CONFIG_BOOLEAN,
    CONFIG_CHOICE,          /* a boolean field with two words of its own */
    CONFIG_WORD,            /* an enumeration, of which words has the names */
    CONFIG_NUMBER,          /* uint32_t, low is 0 */
    CONFIG_PERCENT,         /* uint32_t, a % sign may follow */
    CONFIG_SIZE,            /* KiB, uint64_t; word stands for UINT64_MAX where there is one */
    CONFIG_SIZE_OR_PERCENT, /* SizeOrPercent; low and high are of its size */
    CONFIG_SPAN,            /* microseconds, uint64_t */
    CONFIG_DIRECTORY,
} ConfigKind;

typedef struct ConfigKey {
    const char *group;
    const char *name;
    ConfigKind kind;
    size_t offset; /* of its field in Settings */
    uint64_t low;
    uint64_t high;
    const char *word;         /* sizes: "auto", "none"; CONFIG_CHOICE: what true is called */
    const char *other;        /* CONFIG_CHOICE: what false is called */
    const char *const *words; /* CONFIG_WORD: NULL ends them */
} ConfigKey;

/* All keys. */
const ConfigKey *config_keys(size_t *count);

/* The key's value in settings as a file would give it ("512MiB", "auto", "yes"). Caller frees. */
char *config_key_format(const ConfigKey *key, const Settings *settings);

/*
 * Finds a key; with exact upper and lower case matter. Returns NULL and sets error (DYNMEM_ERROR_INVALID),
 * with the name that was probably meant, when there is none.
 */
const ConfigKey *config_key_find(const char *group, const char *name, bool exact, GError **error);

/* Whether there is such a group; sets error as above when not. */
bool config_group_find(const char *group, GError **error);

/* Sets one key; as config_set. */
bool config_key_set(const ConfigKey *key, Settings *settings, const char *value, GError **error);
