/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swaps.h"

#include "error.h"
#include "kernel/proc_file.h"

#include <string.h>

static void
area_free(gpointer data)
{
    SwapArea *area = data;

    g_free(area->path);
    g_free(area);
}

static bool
is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The kernel writes blanks and backslashes of a path as three octal digits (fs/seq_file.c, mangle_path). */
static char *
unescape(const char *written, size_t length)
{
    GString *path = g_string_new(NULL);

    for (size_t i = 0; i < length; i++) {
        const char *p = written + i;

        if (length - i >= 4 && *p == '\\' && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
            g_string_append_c(path, (char)(((p[1] & 3) << 6) | ((p[2] - '0') << 3) | (p[3] - '0')));
            i += 3;
        } else {
            g_string_append_c(path, *p);
        }
    }
    return g_string_free(path, FALSE);
}

static SwapArea *
parse_line(const char *line)
{
    size_t length = strcspn(line, " \t");
    const char *p = line + length;
    SwapArea *area;
    uint64_t size_kib, used_kib;

    if (*line != '/')
        return NULL; /* the heading */
    p += strspn(p, " \t");
    p += strcspn(p, " \t"); /* "file" or "partition" */
    p = proc_file_number(p + strspn(p, " \t"), &size_kib);
    if (p == NULL || proc_file_number(p + strspn(p, " \t"), &used_kib) == NULL)
        return NULL;
    area = g_new0(SwapArea, 1);
    area->path = unescape(line, length);
    area->size_kib = size_kib;
    area->used_kib = used_kib;
    return area;
}

GPtrArray *
swaps_read(const char *root, GError **error)
{
    g_autofree char *path = g_strconcat(root, "/proc/swaps", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;
    GPtrArray *areas;

    if (!g_file_get_contents(path, &text, NULL, &why)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s", why->message);
        return NULL;
    }
    areas = g_ptr_array_new_with_free_func(area_free);
    for (const char *line = text; *line != '\0';) {
        SwapArea *area = parse_line(line);

        if (area != NULL)
            g_ptr_array_add(areas, area);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return areas;
}

bool
swap_area_is(const SwapArea *area, const char *path)
{
    return g_str_has_suffix(path, area->path); /* which starts with a slash */
}

const SwapArea *
swaps_find(const GPtrArray *areas, const char *path)
{
    for (guint i = 0; i < areas->len; i++) {
        const SwapArea *area = g_ptr_array_index(areas, i);

        if (swap_area_is(area, path))
            return area;
    }
    return NULL;
}
