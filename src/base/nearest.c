/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nearest.h"

#include <glib.h>
#include <string.h>

/* Longer ones are not compared: no published name comes near. */
#define LENGTH_LIMIT 64
/* Of longer ones only the case may be another: anybody may ask for a guest by whatever name, and who searches is the daemon. */
#define NAME_LIMIT 255
#define LETTERS_LIMIT 2
#define FAR_AWAY (2 + LETTERS_LIMIT + 1)

/*
 * How many letters were added, left out, exchanged or swapped with their neighbour, whatever their case; more than LETTERS_LIMIT, whatever
 * that is, where it is more. So only places count that are no further apart in the two.
 */
static unsigned
distance(const char *a, const char *b)
{
    unsigned rows[3][LENGTH_LIMIT + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (MAX(a_length, b_length) - MIN(a_length, b_length) > LETTERS_LIMIT)
        return FAR_AWAY;
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t low = i > LETTERS_LIMIT ? i - LETTERS_LIMIT : 1;
        size_t high = MIN(b_length, i + LETTERS_LIMIT);
        unsigned *spare = before;

        row[low - 1] = low == 1 ? (unsigned)i : FAR_AWAY;
        for (size_t j = low; j <= high; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
            unsigned best = last[j - 1] + (x != y);

            best = MIN(best, last[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
                best = MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        if (high < b_length)
            row[high + 1] = FAR_AWAY;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_length];
}

/* 0 is the same but for case; FAR_AWAY: nobody would mean it. */
static unsigned
rank(const char *candidate, const char *name)
{
    g_autofree char *candidate_lower = g_ascii_strdown(candidate, -1);
    g_autofree char *name_lower = g_ascii_strdown(name, -1);
    unsigned letters;

    if (strcmp(candidate_lower, name_lower) == 0)
        return 0;
    if (strlen(name) > 1 && strstr(candidate_lower, name_lower) != NULL)
        return 1;
    if (strlen(candidate) > 1 && strstr(name_lower, candidate_lower) != NULL)
        return 2;
    if (strlen(name) > LENGTH_LIMIT || strlen(candidate) > LENGTH_LIMIT)
        return FAR_AWAY;
    letters = distance(candidate, name);
    return letters <= LETTERS_LIMIT && letters <= strlen(name) / 2 ? 2 + letters : FAR_AWAY;
}

const char *
nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = LETTERS_LIMIT + 1;

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

const char **
nearest_names(const char *name, const char *const *names, size_t count, size_t most)
{
    const char **nearest = g_new0(const char *, most + 1);
    g_autofree unsigned char *ranks = g_new(unsigned char, count);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (strlen(name) <= NAME_LIMIT)
            ranks[i] = (unsigned char)rank(names[i], name);
        else
            ranks[i] = g_ascii_strcasecmp(names[i], name) == 0 ? 0 : FAR_AWAY;
    }
    for (unsigned wanted = 0; wanted < FAR_AWAY; wanted++) {
        for (size_t i = 0; i < count && found < most; i++) {
            if (ranks[i] == wanted)
                nearest[found++] = names[i];
        }
    }
    return nearest;
}
