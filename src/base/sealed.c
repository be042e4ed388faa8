/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sealed.h"

#include <string.h>

/* On both sides of the sum, so that no single damage makes the line one of a file without a sum. */
#define BEFORE "# sealed "
#define BEHIND " sealed"

static char *
seal_of(const char *text, size_t length)
{
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);

    return g_strconcat(BEFORE, sum, BEHIND, "\n", NULL);
}

/* The length of the first line where that has a sum, right or wrong; 0: it has none. There may be any bytes. */
static size_t
seal_length(const char *text, size_t length)
{
    const char *end = memchr(text, '\n', length);
    size_t line = end != NULL ? (size_t)(end - text) : length, mark = strlen(BEFORE);
    bool sealed = line >= mark && (memcmp(text, BEFORE, mark) == 0 ||
                                   memcmp(text + line - strlen(BEHIND), BEHIND, strlen(BEHIND)) == 0);

    return sealed ? line + (end != NULL) : 0;
}

static bool
refuse(GError **error, const char *why)
{
    g_set_error_literal(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, why);
    return false;
}

/* Each key once: of two with one name GLib lists both. */
static void
copy_group(GKeyFile *from, const char *group, GKeyFile *to)
{
    g_auto(GStrv) names = g_key_file_get_keys(from, group, NULL, NULL);

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        g_autofree char *value = g_key_file_get_value(from, group, names[i], NULL);

        if (value != NULL)
            g_key_file_set_value(to, group, names[i], value);
    }
}

bool
sealed_load(GKeyFile *keys, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GKeyFile) read = g_key_file_new();
    g_auto(GStrv) groups = NULL;
    gsize length, count;
    size_t skipped;

    if (!g_file_get_contents(path, &text, &length, error))
        return false;
    skipped = seal_length(text, length);
    if (skipped > 0) {
        g_autofree char *seal = seal_of(text + skipped, length - skipped);

        if (strlen(seal) != skipped || memcmp(text, seal, skipped) != 0)
            return refuse(error, "it is not as it was written, by its sum");
    }
    /* nothing is no key file for GLib */
    if (length > skipped && !g_key_file_load_from_data(read, text + skipped, length - skipped, G_KEY_FILE_NONE, error))
        return false;
    groups = g_key_file_get_groups(read, &count);
    if (skipped == 0 && count == 0)
        return refuse(error, "there is nothing in it"); /* what is left of a line with a sum */
    for (size_t i = 0; i < count; i++)
        copy_group(read, groups[i], keys);
    return true;
}

char *
sealed_text(GKeyFile *keys)
{
    gsize length = 0;
    g_autofree char *text = g_key_file_to_data(keys, &length, NULL);
    g_autofree char *seal = seal_of(text, length);

    return g_strconcat(seal, text, NULL);
}
