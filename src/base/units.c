/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units.h"

#include "error.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned shift; /* bytes = number << shift */
} units[] = {{"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};

static bool
fail(const char *text, const char *why, GError **error)
{
    g_autofree char *shown = g_strndup(text, 64);
    g_autofree char *printable = g_strescape(shown, NULL);

    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID,
                "'%s' %s; a size is a whole number and one of B, KiB, MiB, GiB, TiB, as in 512MiB", printable, why);
    return false;
}

bool
units_parse_size(const char *text, uint64_t *kib, GError **error)
{
    const char *p = text;
    uint64_t number = 0;
    const char *unit;
    size_t unit_length;

    while (g_ascii_isspace(*p))
        p++;
    if (!g_ascii_isdigit(*p))
        return fail(text, "is no size", error);
    for (; g_ascii_isdigit(*p); p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return fail(text, "is too large", error);
        number = number * 10 + (uint64_t)(*p - '0');
    }
    if (*p == '.' || *p == ',')
        return fail(text, "is not a whole number", error);
    while (g_ascii_isspace(*p))
        p++;
    unit = p;
    while (*p != '\0' && !g_ascii_isspace(*p))
        p++;
    unit_length = (size_t)(p - unit);
    while (g_ascii_isspace(*p))
        p++;
    if (*p != '\0')
        return fail(text, "has something behind its unit", error);

    if (unit_length == 0) {
        if (number != 0)
            return fail(text, "has no unit", error);
        *kib = 0;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strlen(units[i].name) != unit_length || strncmp(unit, units[i].name, unit_length) != 0)
            continue;
        if (number > bytes_from_kib(KIB_LIMIT) >> units[i].shift)
            return fail(text, "is too large", error);
        *kib = kib_from_bytes(number << units[i].shift);
        return true;
    }
    return fail(text, "has an unknown unit", error);
}

char *
units_format_size(uint64_t kib)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    uint64_t one = 1;
    size_t unit = 0;

    while (unit + 1 < G_N_ELEMENTS(names) && kib >= one * 1024) {
        one *= 1024;
        unit++;
    }
    if (kib / one < 100 && kib % one != 0) {
        /* one decimal, rounded to nearest; 9.96 becomes 10.0 */
        uint64_t tenths = kib / one * 10 + (kib % one * 10 + one / 2) / one;

        return g_strdup_printf("%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, names[unit]);
    }
    return g_strdup_printf("%" PRIu64 " %s", kib / one + (kib % one >= one - one / 2 && one > 1 ? 1 : 0), names[unit]);
}

char *
units_format_size_exact(uint64_t kib)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit + 1 < G_N_ELEMENTS(names) && kib != 0 && kib % 1024 == 0) {
        kib /= 1024;
        unit++;
    }
    return g_strdup_printf("%" PRIu64 "%s", kib, names[unit]);
}

char *
units_format_span(uint64_t usec)
{
    uint64_t seconds = usec / USEC_PER_SEC;

    if (usec < USEC_PER_SEC)
        return g_strdup_printf("%" PRIu64 " ms", usec / USEC_PER_MSEC);
    if (seconds < 60)
        return g_strdup_printf("%" PRIu64 " s", seconds);
    if (seconds < 3600)
        return seconds % 60 == 0 ? g_strdup_printf("%" PRIu64 " min", seconds / 60)
                                 : g_strdup_printf("%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
    return seconds / 60 % 60 == 0 ? g_strdup_printf("%" PRIu64 " h", seconds / 3600)
                                  : g_strdup_printf("%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
}
