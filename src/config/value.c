/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "value.h"

#include "error.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

char *
value_shown(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, 200));
    GString *shown = g_string_new(NULL);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (g_utf8_strlen(shown->str, -1) >= 64) {
            g_string_append(shown, "…");
            break;
        }
        g_string_append_unichar(shown, g_unichar_isprint(c) ? c : '?');
    }
    return g_string_free(shown, FALSE);
}

static bool G_GNUC_PRINTF(3, 4) fail(const char *text, GError **error, const char *format, ...)
{
    g_autofree char *shown = value_shown(text);
    g_autofree char *expected = NULL;
    va_list arguments;

    va_start(arguments, format);
    expected = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "'%s' %s", shown, expected);
    return false;
}

bool
value_parse_boolean(const char *text, bool *value, GError **error)
{
    static const char *const words[2][6] = {{"0", "no", "n", "false", "f", "off"},
                                            {"1", "yes", "y", "true", "t", "on"}};

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(words[i]); j++) {
            if (g_ascii_strcasecmp(text, words[i][j]) != 0)
                continue;
            *value = i == 1;
            return true;
        }
    }
    return fail(text, error, "is neither yes nor no");
}

bool
value_parse_number(const char *text, uint32_t high, bool percent, uint32_t *value, GError **error)
{
    const char *p = text;
    uint64_t number = 0;

    for (; g_ascii_isdigit(*p) && number <= UINT32_MAX; p++)
        number = number * 10 + (uint64_t)(*p - '0');
    if (p == text || (*p != '\0' && !g_ascii_isdigit(*p) && !(percent && g_str_equal(p, "%"))))
        return fail(text, error, "is not a whole number from 0 to %" PRIu32, high);
    if (number > high)
        return fail(text, error, "is too large; expected a whole number from 0 to %" PRIu32, high);
    *value = (uint32_t)number;
    return true;
}

static const struct {
    const char *name;
    uint64_t usec;
} span_units[] = {
    {"us", 1},
    {"usec", 1},
    {"ms", USEC_PER_MSEC},
    {"msec", USEC_PER_MSEC},
    {"s", USEC_PER_SEC},
    {"sec", USEC_PER_SEC},
    {"second", USEC_PER_SEC},
    {"seconds", USEC_PER_SEC},
    {"", USEC_PER_SEC},
    {"m", 60 * USEC_PER_SEC},
    {"min", 60 * USEC_PER_SEC},
    {"minute", 60 * USEC_PER_SEC},
    {"minutes", 60 * USEC_PER_SEC},
    {"h", 3600 * USEC_PER_SEC},
    {"hr", 3600 * USEC_PER_SEC},
    {"hour", 3600 * USEC_PER_SEC},
    {"hours", 3600 * USEC_PER_SEC},
};

/* Longer ones are mistakes, and below it nothing overflows. */
#define SPAN_WHOLE_LIMIT UINT64_C(1000000000)

bool
value_parse_span(const char *text, uint64_t *usec, GError **error)
{
    static const char expected[] =
        "is no span of time; expected a number and one of ms, s, min, h, as in 500ms or 1min 30s";
    const char *p = text;
    unsigned parts = 0;
    uint64_t sum = 0;

    while (g_ascii_isspace(*p))
        p++;
    if (*p == '\0')
        return fail(text, error, "%s", expected);
    while (*p != '\0') {
        uint64_t whole = 0, fraction = 0, fraction_scale = 1, unit = 0;
        const char *start = p;
        size_t length = 0;

        for (; g_ascii_isdigit(*p); p++) {
            if (whole > SPAN_WHOLE_LIMIT)
                return fail(text, error, "is too long a time");
            whole = whole * 10 + (uint64_t)(*p - '0');
        }
        if (p == start)
            return fail(text, error, "%s", expected);
        if (*p == '.') {
            p++;
            if (!g_ascii_isdigit(*p))
                return fail(text, error, "%s", expected);
            for (; g_ascii_isdigit(*p); p++) {
                if (fraction_scale == USEC_PER_SEC)
                    continue; /* finer than a microsecond of a second */
                fraction = fraction * 10 + (uint64_t)(*p - '0');
                fraction_scale *= 10;
            }
        }
        while (g_ascii_isspace(*p))
            p++;
        while (g_ascii_isalpha(p[length]))
            length++;
        for (size_t i = 0; i < G_N_ELEMENTS(span_units) && unit == 0; i++) {
            if (strlen(span_units[i].name) == length && strncmp(span_units[i].name, p, length) == 0)
                unit = span_units[i].usec;
        }
        parts++;
        if (unit == 0 || (length == 0 && (parts > 1 || *p != '\0')))
            return fail(text, error, "%s", expected);
        p += length;
        while (g_ascii_isspace(*p))
            p++;
        sum = saturating_add(sum, whole * unit + fraction * unit / fraction_scale);
    }
    *usec = sum;
    return true;
}

bool
value_parse_path(const char *text, char **path, GError **error)
{
    GString *clean;

    if (*text != '/')
        return fail(text, error, "is not an absolute path; expected one as /srv/paging, or beside-disk");
    if (!g_utf8_validate(text, -1, NULL))
        return fail(text, error, "is not UTF-8");
    clean = g_string_new(NULL);
    while (*text != '\0') {
        size_t length;

        text += strspn(text, "/");
        length = strcspn(text, "/");
        if (length == 0)
            break;
        if ((length == 1 && text[0] == '.') || (length == 2 && text[0] == '.' && text[1] == '.')) {
            g_string_free(clean, TRUE);
            return fail(text, error, "is a part of the path; expected one without '.' and '..'");
        }
        g_string_append_c(clean, '/');
        g_string_append_len(clean, text, (gssize)length);
        text += length;
    }
    if (clean->len == 0)
        g_string_append_c(clean, '/');
    *path = g_string_free(clean, FALSE);
    return true;
}

bool
value_parse_memory(const char *text, const char *unit, uint64_t *kib)
{
    static const char powers[] = "kmgtpe";
    g_autofree char *digits = g_strstrip(g_strdup(text));
    uint64_t number, scale = 1, bytes;

    if (!g_ascii_string_to_unsigned(digits, 10, 0, UINT64_MAX, &number, NULL))
        return false;
    if (*unit == '\0')
        unit = "KiB";
    if (g_ascii_strcasecmp(unit, "b") != 0 && g_ascii_strcasecmp(unit, "byte") != 0 &&
        g_ascii_strcasecmp(unit, "bytes") != 0) {
        const char *power = strchr(powers, g_ascii_tolower(unit[0]));
        uint64_t base;

        if (power == NULL)
            return false;
        if (unit[1] == '\0' || g_ascii_strcasecmp(unit + 1, "ib") == 0)
            base = 1024;
        else if (g_ascii_strcasecmp(unit + 1, "b") == 0)
            base = 1000;
        else
            return false;
        for (ptrdiff_t i = 0; i <= power - powers; i++)
            scale *= base;
    }
    if (number > bytes_from_kib(KIB_LIMIT) / scale)
        return false;
    bytes = number * scale;
    *kib = bytes / 1024 + (bytes % 1024 != 0 ? 1 : 0);
    return true;
}

/* The node at *text, which is moved behind it. Returns false where there is none, or it is above 63. */
static bool
take_node(const char **text, unsigned *node)
{
    const char *start = *text;

    *node = 0;
    for (; g_ascii_isdigit(**text) && *node < 64; (*text)++)
        *node = *node * 10 + (unsigned)(**text - '0');
    return *text > start && *node < 64;
}

bool
value_parse_nodes(const char *text, uint64_t *nodes)
{
    uint64_t read = 0;

    for (;;) {
        bool without;
        unsigned first, last;

        text += strspn(text, " \t\n");
        without = *text == '^';
        text += without;
        if (!take_node(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (without || !take_node(&text, &last) || last < first)
                return false;
        }
        for (unsigned node = first; node <= last; node++)
            read = without ? read & ~(UINT64_C(1) << node) : read | UINT64_C(1) << node;
        text += strspn(text, " \t\n");
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return false;
    }
    *nodes = read;
    return true;
}

const char *
value_attribute(const char *name, const char *const *names, const char *const *values)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0)
            return values[i];
    }
    return NULL;
}
