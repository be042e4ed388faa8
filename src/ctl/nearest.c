/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nearest.h"

#include "text.h"

#include <string.h>

#define MOST_SHOWN 3
#define MOST_LETTERS 2
#define FAR_AWAY 1000

/* What is longer is not compared letter by letter: nobody types it. */
#define MOST_COMPARED 256

/* Letters to change, add, leave out or swap with the next to make one text of the other, in bytes. */
static unsigned
distance(const char *a, const char *b)
{
    size_t rows = strlen(a) + 1;
    size_t columns = strlen(b) + 1;
    size_t cells = rows * columns;
    g_autofree unsigned *steps = g_new(unsigned, cells); /* from the first i of a to the first j of b */

    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            unsigned *here = &steps[i * columns + j];

            if (i == 0 || j == 0) {
                *here = (unsigned)(i + j);
                continue;
            }
            *here = steps[(i - 1) * columns + j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
            *here = MIN(*here, MIN(steps[(i - 1) * columns + j], steps[i * columns + j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                *here = MIN(*here, steps[(i - 2) * columns + j - 2] + 1);
        }
    }
    return steps[cells - 1];
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
    if (strlen(wanted) > MOST_COMPARED || strlen(name) > MOST_COMPARED)
        return FAR_AWAY;
    letters = distance(name, wanted);
    return letters <= MOST_LETTERS && letters <= strlen(wanted) / 2 ? 2 + letters : FAR_AWAY;
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
