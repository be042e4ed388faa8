/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_keys.h"

#include "config.h"
#include "error.h"
#include "nearest.h"
#include "units.h"
#include "value.h"

#include <inttypes.h>

#define FIELD(name) offsetof(Settings, name)

static const ConfigKey keys[] = {
    {"Host", "Reserve", CONFIG_SIZE, FIELD(reserve_kib), 0, KIB_LIMIT, "auto", NULL},
    {"Host", "Budget", CONFIG_SIZE, FIELD(budget_kib), KIB_PER_MIB, KIB_LIMIT, "none", NULL},
    {"Policy", "Manage", CONFIG_CHOICE, FIELD(manage_all), 0, 0, "all", "marked"},
    {"Policy", "Buffer", CONFIG_PERCENT, FIELD(buffer_percent), 0, 2000, NULL, NULL},
    {"Policy", "Priority", CONFIG_NUMBER, FIELD(priority), 0, 100, NULL, NULL},
    {"Policy", "PriorityMost", CONFIG_NUMBER, FIELD(priority_most), 0, 100, NULL, NULL},
    {"Policy", "MinimumMost", CONFIG_SIZE_OR_PERCENT, FIELD(minimum_most), KIB_PER_MIB, KIB_LIMIT, "none", NULL},
    {"Policy", "CacheShare", CONFIG_PERCENT, FIELD(cache_share_percent), 0, 100, NULL, NULL},
    {"Policy", "GiveAway", CONFIG_BOOLEAN, FIELD(give_away), 0, 0, NULL, NULL},
    {"Policy", "Interval", CONFIG_SPAN, FIELD(interval_usec), 200 * USEC_PER_MSEC, 60 * USEC_PER_SEC, NULL, NULL},
    {"SmartPaging", "Enabled", CONFIG_BOOLEAN, FIELD(paging_enabled), 0, 0, NULL, NULL},
    {"SmartPaging", "Directory", CONFIG_DIRECTORY, FIELD(paging_directory), 0, 0, SETTINGS_PAGING_BESIDE_DISK, NULL},
    /* ten minutes are the promise: a paging file does not live longer */
    {"SmartPaging", "DeadlineSec", CONFIG_SPAN, FIELD(paging_deadline_usec), 10 * USEC_PER_SEC, 600 * USEC_PER_SEC,
     NULL, NULL},
    {"SmartPaging", "RestartWindowSec", CONFIG_SPAN, FIELD(restart_window_usec), 0, 3600 * USEC_PER_SEC, NULL, NULL},
    {"SmartPaging", "MinimumFreeDisk", CONFIG_SIZE, FIELD(minimum_free_disk_kib), 0, KIB_LIMIT, NULL, NULL},
    {"Admission", "Enabled", CONFIG_BOOLEAN, FIELD(admission_enabled), 0, 0, NULL, NULL},
    {"Admission", "TimeoutSec", CONFIG_SPAN, FIELD(admission_timeout_usec), USEC_PER_SEC, 600 * USEC_PER_SEC, NULL,
     NULL},
    {"Admission", "WhenAbsent", CONFIG_CHOICE, FIELD(admission_allow_when_absent), 0, 0, "allow", "refuse"},
    {"Admission", "Migration", CONFIG_CHOICE, FIELD(admission_refuse_migration), 0, 0, "refuse", "admit"},
    {"Enforcement", "MemoryHigh", CONFIG_BOOLEAN, FIELD(memory_high), 0, 0, NULL, NULL},
    {"Cluster", "Level", CONFIG_WORD, FIELD(cluster_level), 0, 0, NULL, NULL, cluster_level_names},
    {"Cluster", "PressurePercent", CONFIG_PERCENT, FIELD(cluster_pressure_percent), 10, 1000, NULL, NULL},
    {"Cluster", "GainPercent", CONFIG_PERCENT, FIELD(cluster_gain_percent), 1, 100, NULL, NULL},
    {"Cluster", "HoldSec", CONFIG_SPAN, FIELD(cluster_hold_usec), 0, 86400 * USEC_PER_SEC, NULL, NULL},
    {"Cluster", "CooldownSec", CONFIG_SPAN, FIELD(cluster_cooldown_usec), 60 * USEC_PER_SEC, 7 * 86400 * USEC_PER_SEC,
     NULL, NULL},
};

const ConfigKey *
config_keys(size_t *count)
{
    *count = G_N_ELEMENTS(keys);
    return keys;
}

static const void *
field(const ConfigKey *key, const Settings *settings)
{
    return (const char *)settings + key->offset;
}

static void *
mutable_field(const ConfigKey *key, Settings *settings)
{
    return (char *)settings + key->offset;
}

/* A span that value_parse_span reads back, in the largest unit that divides it. */
static char *
format_span(uint64_t usec)
{
    if (usec % (60 * USEC_PER_SEC) == 0 && usec != 0)
        return g_strdup_printf("%" PRIu64 "min", usec / (60 * USEC_PER_SEC));
    if (usec % USEC_PER_SEC == 0)
        return g_strdup_printf("%" PRIu64 "s", usec / USEC_PER_SEC);
    if (usec % USEC_PER_MSEC == 0)
        return g_strdup_printf("%" PRIu64 "ms", usec / USEC_PER_MSEC);
    return g_strdup_printf("%" PRIu64 "us", usec);
}

static char *
format_size(const ConfigKey *key, uint64_t kib)
{
    return key->word != NULL && kib == UINT64_MAX ? g_strdup(key->word) : units_format_size_exact(kib);
}

char *
config_key_format(const ConfigKey *key, const Settings *settings)
{
    const void *value = field(key, settings);

    switch (key->kind) {
    case CONFIG_BOOLEAN:
        return g_strdup(*(const bool *)value ? "yes" : "no");
    case CONFIG_CHOICE:
        return g_strdup(*(const bool *)value ? key->word : key->other);
    case CONFIG_WORD:
        return g_strdup(key->words[*(const unsigned *)value]);
    case CONFIG_NUMBER:
        return g_strdup_printf("%" PRIu32, *(const uint32_t *)value);
    case CONFIG_PERCENT:
        return g_strdup_printf("%" PRIu32 "%%", *(const uint32_t *)value);
    case CONFIG_SIZE:
        return format_size(key, *(const uint64_t *)value);
    case CONFIG_SIZE_OR_PERCENT:
        if (((const SizeOrPercent *)value)->percent != 0)
            return g_strdup_printf("%" PRIu32 "%%", ((const SizeOrPercent *)value)->percent);
        return format_size(key, ((const SizeOrPercent *)value)->kib);
    case CONFIG_SPAN:
        return format_span(*(const uint64_t *)value);
    case CONFIG_DIRECTORY:
        return g_strdup(*(char *const *)value);
    }
    g_assert_not_reached();
}

static bool
same(const char *a, const char *b, bool exact)
{
    return exact ? g_str_equal(a, b) : g_ascii_strcasecmp(a, b) == 0;
}

bool
config_group_find(const char *group, GError **error)
{
    const char *groups[G_N_ELEMENTS(keys)];
    const char *meant;
    g_autofree char *shown = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g_str_equal(keys[i].group, group))
            return true;
        groups[i] = keys[i].group;
    }
    shown = value_shown(group);
    meant = nearest_name(group, groups, G_N_ELEMENTS(groups));
    if (meant != NULL)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no group [%s]; [%s] was probably meant", shown,
                    meant);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID,
                    "there is no group [%s]; expected Host, Policy, SmartPaging, Admission, Enforcement or Cluster",
                    shown);
    return false;
}

const ConfigKey *
config_key_find(const char *group, const char *name, bool exact, GError **error)
{
    const char *names[G_N_ELEMENTS(keys)];
    const char *known_group = NULL;
    const ConfigKey *elsewhere = NULL;
    size_t count = 0;
    const char *meant;
    g_autofree char *shown = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!same(keys[i].group, group, exact)) {
            if (same(keys[i].name, name, exact))
                elsewhere = &keys[i];
            continue;
        }
        if (same(keys[i].name, name, exact))
            return &keys[i];
        known_group = keys[i].group;
        names[count++] = keys[i].name;
    }
    if (known_group == NULL) {
        config_group_find(group, error);
        return NULL;
    }
    shown = value_shown(name);
    meant = nearest_name(name, names, count);
    if (elsewhere != NULL)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no key %s= in [%s]; it belongs in [%s]", shown,
                    known_group, elsewhere->group);
    else if (meant != NULL)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no key %s= in [%s]; %s= was probably meant",
                    shown, known_group, meant);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no key %s= in [%s]", shown, known_group);
    return NULL;
}

static bool
fail_range(const ConfigKey *key, const char *value, char *(*format)(uint64_t), GError **error)
{
    g_autofree char *shown = value_shown(value);
    g_autofree char *low = format(key->low);
    g_autofree char *high = format(key->high);

    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s' is out of range; expected %s to %s", shown, low, high);
    return false;
}

static bool
set_size(const ConfigKey *key, uint64_t *kib, const char *value, GError **error)
{
    uint64_t read;

    if (key->word != NULL && g_ascii_strcasecmp(value, key->word) == 0) {
        *kib = UINT64_MAX;
        return true;
    }
    if (!units_parse_size(value, &read, error)) {
        if (key->word != NULL && error != NULL) {
            char *message = g_strdup_printf("%s%s, or %s", (*error)->message,
                                            key->kind == CONFIG_SIZE_OR_PERCENT ? ", or 1% to 100%" : "", key->word);

            g_free((*error)->message);
            (*error)->message = message;
        }
        return false;
    }
    if (read < key->low || read > key->high)
        return fail_range(key, value, units_format_size_exact, error);
    *kib = read;
    return true;
}

static bool
set_size_or_percent(const ConfigKey *key, SizeOrPercent *field_value, const char *value, GError **error)
{
    SizeOrPercent read = {.percent = 0};

    if (!g_str_has_suffix(value, "%")) {
        if (!set_size(key, &read.kib, value, error))
            return false;
    } else if (!value_parse_number(value, 100, true, &read.percent, error)) {
        return false;
    } else if (read.percent == 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s' is out of range; expected 1%% to 100%%", value);
        return false;
    }
    *field_value = read;
    return true;
}

static bool
set_choice(const ConfigKey *key, bool *field_value, const char *value, GError **error)
{
    g_autofree char *shown = NULL;

    if (g_ascii_strcasecmp(value, key->word) == 0) {
        *field_value = true;
        return true;
    }
    if (g_ascii_strcasecmp(value, key->other) == 0) {
        *field_value = false;
        return true;
    }
    shown = value_shown(value);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s' is neither %s nor %s", shown, key->other, key->word);
    return false;
}

static bool
set_word(const ConfigKey *key, unsigned *field_value, const char *value, GError **error)
{
    g_autofree char *shown = NULL;
    g_autofree char *expected = NULL;

    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (g_ascii_strcasecmp(value, key->words[i]) != 0)
            continue;
        *field_value = i;
        return true;
    }
    shown = value_shown(value);
    expected = g_strjoinv(", ", (char **)key->words);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s' is none of %s", shown, expected);
    return false;
}

static char *
format_percent(uint64_t percent)
{
    return g_strdup_printf("%" PRIu64 "%%", percent);
}

static bool
set_percent(const ConfigKey *key, uint32_t *field_value, const char *value, GError **error)
{
    uint32_t read;

    if (!value_parse_number(value, (uint32_t)key->high, true, &read, error))
        return false;
    if (read < key->low)
        return fail_range(key, value, format_percent, error);
    *field_value = read;
    return true;
}

static bool
set_directory(const ConfigKey *key, char **directory, const char *value, GError **error)
{
    char *path = NULL;

    if (g_str_equal(value, key->word))
        path = g_strdup(value);
    else if (!value_parse_path(value, &path, error))
        return false;
    g_free(*directory);
    *directory = path;
    return true;
}

static bool
set_field(const ConfigKey *key, Settings *settings, const char *value, GError **error)
{
    void *place = mutable_field(key, settings);
    uint64_t usec;

    switch (key->kind) {
    case CONFIG_BOOLEAN:
        return value_parse_boolean(value, place, error);
    case CONFIG_CHOICE:
        return set_choice(key, place, value, error);
    case CONFIG_WORD:
        return set_word(key, place, value, error);
    case CONFIG_NUMBER:
        return value_parse_number(value, (uint32_t)key->high, false, place, error);
    case CONFIG_PERCENT:
        return set_percent(key, place, value, error);
    case CONFIG_SIZE:
        return set_size(key, place, value, error);
    case CONFIG_SIZE_OR_PERCENT:
        return set_size_or_percent(key, place, value, error);
    case CONFIG_SPAN:
        if (!value_parse_span(value, &usec, error))
            return false;
        if (usec < key->low || usec > key->high)
            return fail_range(key, value, format_span, error);
        *(uint64_t *)place = usec;
        return true;
    case CONFIG_DIRECTORY:
        return set_directory(key, place, value, error);
    }
    g_assert_not_reached();
}

bool
config_key_set(const ConfigKey *key, Settings *settings, const char *value, GError **error)
{
    GError *why = NULL;

    if (*value == '\0') {
        g_autoptr(Settings) defaults = settings_new();
        g_autofree char *text = config_key_format(key, defaults);

        return set_field(key, settings, text, error);
    }
    if (set_field(key, settings, value, &why))
        return true;
    g_propagate_prefixed_error(error, why, "%s=: ", key->name);
    return false;
}

bool
config_set(Settings *settings, const char *group, const char *key, const char *value, GError **error)
{
    const ConfigKey *found = config_key_find(group, key, false, error);

    return found != NULL && config_key_set(found, settings, value, error);
}
