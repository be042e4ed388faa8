/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nearest.h"

#include "text.h"

#include <string.h>

#define MOST_SHOWN 3
#define MOST_LETTERS 2
#define FAR_AWAY 1000

/* Letters to change, add or leave out to make one text of the other (Levenshtein), in bytes. */
static unsigned
distance(const char *a, const char *b)
{
    size_t length = strlen(b);
    g_autofree unsigned *row = g_new(unsigned, length + 1);

    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < length; j++) {
            unsigned replaced = diagonal + (a[i] != b[j] ? 1 : 0);

            diagonal = row[j + 1];
            row[j + 1] = MIN(replaced, MIN(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

/* How far name is from wanted, both in lower case; FAR_AWAY when nobody would mean it. */
static unsigned
rank(const char *name, const char *wanted)
{
    unsigned letters;

    if (strcmp(name, wanted) == 0)
        return 0;
    if (strlen(wanted) > 1 && strstr(name, wanted) != NULL)
        return 1;
    if (strlen(name) > 1 && strstr(wanted, name) != NULL)
        return 2;
    letters = distance(name, wanted);
    return letters <= MOST_LETTERS && letters < strlen(wanted) ? 2 + letters : FAR_AWAY;
}

char *
nearest_names(const GPtrArray *names, const char *wanted)
{
    g_autofree char *wanted_lower = g_ascii_strdown(wanted, -1);
    GString *shown = g_string_new(NULL);
    unsigned count = 0;

    for (unsigned wanted_rank = 0; wanted_rank <= 2 + MOST_LETTERS; wanted_rank++) {
        for (guint i = 0; i < names->len && count < MOST_SHOWN; i++) {
            const char *name = g_ptr_array_index(names, i);
            g_autofree char *name_lower = g_ascii_strdown(name, -1);
            g_autofree char *clean = NULL;

            if (rank(name_lower, wanted_lower) != wanted_rank)
                continue;
            clean = text_clean(name);
            g_string_append_printf(shown, "%s'%s'", count > 0 ? ", " : "", clean);
            count++;
        }
    }
    return g_string_free(shown, count == 0);
}
