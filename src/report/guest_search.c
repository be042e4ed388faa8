/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_search.h"

#include <string.h>

G_DEFINE_QUARK(dynmem - guest - search - error - quark, guest_search_error)

/* More names than that help nobody. */
#define NEAR_NAMES 5
/* Longer words are compared by their beginning: the cost grows with the square. */
#define NEAR_LENGTH 64

static bool
is_uuid(const char *text, const char *uuid)
{
    for (; *text != '\0' && *uuid != '\0'; text++, uuid++) {
        char c = *text == '_' ? '-' : g_ascii_tolower(*text);

        if (c != g_ascii_tolower(*uuid))
            return false;
    }
    return *text == *uuid;
}

/* Letters to change, add or leave out to make one word of the other; case does not count. */
static unsigned
distance(const char *a, const char *b)
{
    unsigned row[NEAR_LENGTH + 1];
    size_t length_a = strnlen(a, NEAR_LENGTH);
    size_t length_b = strnlen(b, NEAR_LENGTH);

    for (unsigned j = 0; j <= length_b; j++)
        row[j] = j;
    for (unsigned i = 1; i <= length_a; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= length_b; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (g_ascii_tolower(a[i - 1]) != g_ascii_tolower(b[j - 1]));

            row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[length_b];
}

/* 0 is nearest; NEAR_LENGTH and above: not near. */
static unsigned
nearness(const char *text, const char *uuid, const char *name)
{
    size_t length = strlen(text);
    unsigned steps;

    if (length >= 4 && g_ascii_strncasecmp(uuid, text, length) == 0)
        return 0;
    if (length >= 3 && (strstr(name, text) != NULL || (strlen(name) >= 3 && strstr(text, name) != NULL)))
        return 1;
    steps = distance(text, name);
    return steps <= MAX(1, length / 3) ? 1 + steps : NEAR_LENGTH;
}

static char *
near_names(const Plan *plan, const char *text)
{
    const char *best[NEAR_NAMES + 1] = {NULL};
    unsigned marks[NEAR_NAMES];
    size_t count = 0;

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestSnapshot *guest = plan->guests[i].guest;
        unsigned mark = nearness(text, guest->uuid, guest->name);
        size_t at = count;

        if (mark >= NEAR_LENGTH)
            continue;
        while (at > 0 && marks[at - 1] > mark)
            at--;
        if (at == NEAR_NAMES)
            continue;
        if (count < NEAR_NAMES)
            count++;
        memmove(best + at + 1, best + at, (count - at - 1) * sizeof *best);
        memmove(marks + at + 1, marks + at, (count - at - 1) * sizeof *marks);
        best[at] = guest->name;
        marks[at] = mark;
    }
    return count == 0 ? NULL : g_strjoinv(", ", (char **)best);
}

const GuestPlan *
guest_search(const TickReport *report, const char *text, GError **error)
{
    const GuestPlan *by_name = NULL;
    const GuestPlan *by_uuid = NULL;
    g_autofree char *near = NULL;

    for (size_t i = 0; report != NULL && i < report->plan->guest_count; i++) {
        const GuestPlan *plan = &report->plan->guests[i];

        if (strcmp(plan->guest->name, text) == 0)
            by_name = plan;
        if (is_uuid(text, plan->guest->uuid))
            by_uuid = plan;
    }
    if (by_name != NULL && by_uuid != NULL && by_name != by_uuid) {
        g_set_error(error, GUEST_SEARCH_ERROR, GUEST_SEARCH_AMBIGUOUS,
                    "'%s' is the name of the guest with uuid %s and the uuid of the guest '%s'; name the first by its "
                    "uuid, the second by its name",
                    text, by_name->guest->uuid, by_uuid->guest->name);
        return NULL;
    }
    if (by_name != NULL || by_uuid != NULL)
        return by_name != NULL ? by_name : by_uuid;

    if (report == NULL || report->plan->guest_count == 0) {
        g_set_error(error, GUEST_SEARCH_ERROR, GUEST_SEARCH_NO_SUCH_GUEST, "no guest '%s': %s", text,
                    report == NULL                                   ? "no guest has been looked at yet"
                    : report->snapshot->host.link == WORLD_LINK_DOWN ? "libvirt is away and no guest is known"
                                                                     : "libvirt knows no guest");
        return NULL;
    }
    near = near_names(report->plan, text);
    g_set_error(error, GUEST_SEARCH_ERROR, GUEST_SEARCH_NO_SUCH_GUEST, "no guest has the name or uuid '%s'%s%s", text,
                near != NULL ? "; near are: " : "; 'dm-ctl list' shows all guests", near != NULL ? near : "");
    return NULL;
}
