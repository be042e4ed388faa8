/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nearest.h"

#include <glib.h>
#include <string.h>

/* Longer ones are not compared: no published name comes near. */
#define LENGTH_LIMIT 64

/* How many letters were added, left out, exchanged or swapped with their neighbour, whatever their case. */
static unsigned
distance(const char *a, const char *b)
{
    unsigned rows[3][LENGTH_LIMIT + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_length = strlen(a), b_length = strlen(b);

    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *spare = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
            unsigned best = last[j - 1] + (x != y);

            best = MIN(best, last[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
                best = MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[b_length];
}

const char *
nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = 3;

    if (strlen(name) > LENGTH_LIMIT)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t d;

        if (strlen(names[i]) > LENGTH_LIMIT)
            continue;
        d = distance(name, names[i]);
        /* two letters of a name of four are another name */
        if (d < nearest_distance && 2 * d < strlen(names[i])) {
            nearest = names[i];
            nearest_distance = d;
        }
    }
    return nearest;
}
