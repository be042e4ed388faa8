/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_search.h"

#include "nearest.h"

#include <string.h>

G_DEFINE_QUARK(dynmem - guest - search - error - quark, guest_search_error)

/* More names than that help nobody. */
#define NEAR_NAMES 5
/* So many letters of a uuid say whose it is. */
#define UUID_LETTERS 4

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

/* The names of guests that may have been meant, with commas; NULL: none. Who gave the first letters of a uuid is told
   whose it is. */
static char *
near_names(const Plan *plan, const char *text)
{
    g_autofree const char **names = g_new0(const char *, plan->guest_count);
    g_autofree const char **near = NULL;
    size_t length = strlen(text);

    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestSnapshot *guest = plan->guests[i].guest;

        if (length >= UUID_LETTERS && g_ascii_strncasecmp(guest->uuid, text, length) == 0)
            return g_strdup(guest->name);
        names[i] = guest->name;
    }
    near = nearest_names(text, names, plan->guest_count, NEAR_NAMES);
    return near[0] == NULL ? NULL : g_strjoinv(", ", (char **)near);
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
