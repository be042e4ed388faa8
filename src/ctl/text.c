/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include "units.h"

#include <string.h>

bool
text_is_utf8(void)
{
    return g_get_charset(NULL);
}

/* Characters that may go to a terminal as they are. */
static bool
is_printable(gunichar c)
{
    /* controls; format characters, among them those that turn text around; what no font has */
    static const GUnicodeType refused[] = {
        G_UNICODE_CONTROL,   G_UNICODE_FORMAT,         G_UNICODE_UNASSIGNED,          G_UNICODE_PRIVATE_USE,
        G_UNICODE_SURROGATE, G_UNICODE_LINE_SEPARATOR, G_UNICODE_PARAGRAPH_SEPARATOR,
    };
    GUnicodeType type = g_unichar_type(c);

    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        if (type == refused[i])
            return false;
    return true;
}

char *
text_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *clean = g_string_sized_new(strlen(valid));
    bool utf8 = text_is_utf8();

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c == 0xfffd || (!utf8 && c > 0x7f && is_printable(c)))
            g_string_append_c(clean, '?');
        else if (is_printable(c))
            g_string_append_unichar(clean, c);
        else
            g_string_append_printf(clean, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
    }
    return g_string_free(clean, FALSE);
}

static unsigned
char_width(gunichar c)
{
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

size_t
text_width(const char *text)
{
    size_t width = 0;

    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
        width += char_width(g_utf8_get_char(p));
    return width;
}

char *
text_shorten(const char *text, size_t width)
{
    const char *mark = text_is_utf8() ? "\u2026" : "~";
    const char *end = text;
    size_t used = 0;

    if (text_width(text) <= width)
        return g_strdup(text);
    if (width == 0)
        return g_strdup("");
    for (; *end != '\0'; end = g_utf8_next_char(end)) {
        unsigned next = char_width(g_utf8_get_char(end));

        if (used + next > width - 1)
            break;
        used += next;
    }
    return g_strdup_printf("%.*s%s", (int)(end - text), text, mark);
}

char *
text_wrap(const char *text, size_t width, unsigned indent)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    GString *wrapped = g_string_new(NULL);
    size_t column = 0;

    for (char **word = words; *word != NULL; word++) {
        size_t length = text_width(*word);

        if (length == 0)
            continue;
        if (column > indent && column + 1 + length > width) {
            g_string_append_c(wrapped, '\n');
            column = 0;
        }
        if (column == 0) {
            g_string_append_printf(wrapped, "%*s", (int)indent, "");
            column = indent;
        } else {
            g_string_append_c(wrapped, ' ');
            column++;
        }
        g_string_append(wrapped, *word);
        column += length;
    }
    if (column > 0)
        g_string_append_c(wrapped, '\n');
    return g_string_free(wrapped, FALSE);
}

char *
text_size(uint64_t bytes)
{
    return units_format_size(kib_from_bytes(bytes));
}

char *
text_short_size(uint64_t bytes)
{
    char *size = text_size(bytes);
    char *blank = strchr(size, ' ');

    /* "1.5 GiB" becomes "1.5Gi" */
    if (blank != NULL) {
        memmove(blank, blank + 1, strlen(blank));
        size[strlen(size) - 1] = '\0';
    }
    return size;
}
