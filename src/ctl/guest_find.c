/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_find.h"

#include "error.h"
#include "nearest.h"
#include "text.h"

#include <string.h>

#define NEAR_NAMES 3
/* Names that begin alike: more help nobody. */
#define CANDIDATES 8
/* The daemon hears of a new guest by an event of libvirt's, usually within a tenth of a second. */
#define LOOKS 4
#define LOOK_USEC (G_USEC_PER_SEC / 4)

/* Names of guests that may have been meant, in quotes and with commas; NULL: none. Caller frees. */
static char *
show_near_names(GPtrArray *guests, const char *wanted)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree const char **near = NULL;
    GString *shown = g_string_new(NULL);

    for (guint i = 0; i < guests->len; i++)
        g_ptr_array_add(names, (gpointer)((const GuestView *)g_ptr_array_index(guests, i))->name);
    near = nearest_names(wanted, (const char *const *)names->pdata, names->len, NEAR_NAMES);
    for (size_t i = 0; near[i] != NULL; i++) {
        g_autofree char *clean = text_clean(near[i]);

        g_string_append_printf(shown, "%s'%s'", i > 0 ? ", " : "", clean);
    }
    return g_string_free(shown, near[0] == NULL);
}

static void
set_no_such_guest(GPtrArray *guests, const char *wanted, GError **error)
{
    g_autofree char *shown = text_clean(wanted);
    g_autofree char *near = show_near_names(guests, wanted);

    if (guests->len == 0)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "guest '%s': dynmemd knows no guest at all; 'dm-ctl host' tells whether it is connected to libvirt",
                    shown);
    else if (near != NULL)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "guest '%s': there is none of this name or UUID; near ones are %s", shown, near);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "guest '%s': there is none of this name or UUID; 'dm-ctl list' shows all", shown);
}

/* How many names begin with wanted, one of them as *found, and the first of them in names. */
static unsigned
find_beginnings(GPtrArray *guests, const char *wanted, GString *names, const GuestView **found)
{
    unsigned count = 0;

    for (guint i = 0; i < guests->len && *wanted != '\0'; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);
        g_autofree char *name = NULL;

        if (!g_str_has_prefix(guest->name, wanted))
            continue;
        *found = guest;
        if (++count > CANDIDATES)
            continue;
        name = text_clean(guest->name);
        g_string_append_printf(names, "%s'%s'", names->len > 0 ? ", " : "", name);
    }
    if (count > CANDIDATES)
        g_string_append_printf(names, " and %u more", count - CANDIDATES);
    return count;
}

/* Of that name or UUID. NULL without an error: there is none. */
static const GuestView *
find_exactly(GPtrArray *guests, const char *wanted, GError **error)
{
    const GuestView *found = NULL;

    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        if (strcmp(guest->name, wanted) != 0 && g_ascii_strcasecmp(guest->uuid, wanted) != 0)
            continue;
        if (found != NULL) {
            g_autofree char *shown = text_clean(wanted);

            g_set_error(
                error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                "guest '%s': ambiguous, it names the guests %s and %s; say which by a UUID that is no guest's name",
                shown, found->uuid, guest->uuid);
            return NULL;
        }
        found = guest;
    }
    return found;
}

static const GuestView *
find(GPtrArray *guests, const char *wanted, bool whole, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *shown = text_clean(wanted);
    g_autoptr(GError) ambiguous = NULL;
    const GuestView *found = find_exactly(guests, wanted, &ambiguous);
    unsigned count;

    if (found != NULL)
        return found;
    if (ambiguous != NULL) {
        g_propagate_error(error, g_steal_pointer(&ambiguous));
        return NULL;
    }
    count = find_beginnings(guests, wanted, names, &found);
    if (count == 0)
        set_no_such_guest(guests, wanted, error);
    else if (whole)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "guest '%s': there is none of this name or UUID, and a change needs all of it; so begin: %s", shown,
                    names->str);
    else if (count > 1)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "guest '%s': the names of %u guests begin so: %s; write more of the name", shown, count,
                    names->str);
    else
        return found;
    return NULL;
}

const GuestView *
guest_find(GPtrArray *guests, const char *wanted, GError **error)
{
    return find(guests, wanted, false, error);
}

const GuestView *
guest_find_whole(GPtrArray *guests, const char *wanted, GError **error)
{
    return find(guests, wanted, true, error);
}

static bool
is_named(const GPtrArray *guests, const char *wanted)
{
    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        if (strcmp(guest->name, wanted) == 0 || g_ascii_strcasecmp(guest->uuid, wanted) == 0)
            return true;
    }
    return false;
}

static bool
are_named(const GPtrArray *guests, char *const *wanted)
{
    while (*wanted != NULL && is_named(guests, *wanted))
        wanted++;
    return *wanted == NULL;
}

GPtrArray *
guest_find_read(GDBusConnection *bus, char *const *wanted, GError **error)
{
    GPtrArray *guests = client_read_guests(bus, error);

    for (unsigned looks = 0; guests != NULL && looks < LOOKS && !are_named(guests, wanted); looks++) {
        GPtrArray *later;

        g_usleep(LOOK_USEC);
        later = client_read_guests(bus, NULL);
        if (later == NULL)
            break;
        g_ptr_array_unref(guests);
        guests = later;
    }
    return guests;
}
