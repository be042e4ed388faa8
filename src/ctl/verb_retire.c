/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl retire: before dynmemd is taken away for good, all guests get their startup memory back. */

#include "client.h"
#include "ctl.h"
#include "error.h"
#include "guest_text.h"
#include "output.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define LOOK_USEC (G_USEC_PER_SEC / 2)
/* Where a balloon counts as come to its target: the rest comes without dynmemd. */
#define NEAR_PART 64

static int timeout_sec = 60;

const GOptionEntry verb_retire_options[] = {
    {"timeout", 0, 0, G_OPTION_ARG_INT, &timeout_sec, "how long to wait for it (60)", "SECONDS"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

/* It is squeezed below its startup memory, or a part of that is in a paging file. */
static bool
is_owed(const GuestView *guest)
{
    const char *rule = "";

    if (guest_is_off(guest))
        return false;
    g_variant_lookup(guest->properties, "Rule", "&s", &rule);
    if (guest->paging_size > 0 || strcmp(rule, "let-go") == 0)
        return true;
    return guest->managed && strcmp(guest->mode, "dynamic") == 0 && strcmp(guest->state, "static") != 0 &&
           (guest->target < guest->startup || guest->assigned < guest->startup - guest->startup / NEAR_PART);
}

/* Those of guests that are owed something. The views stay theirs. */
static GPtrArray *
find_owed(const GPtrArray *guests)
{
    GPtrArray *owed = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++)
        if (is_owed(g_ptr_array_index(guests, i)))
            g_ptr_array_add(owed, g_ptr_array_index(guests, i));
    return owed;
}

/* "web has 512 MiB of 1 GiB, db has a paging file"; caller frees. */
static char *
owed_text(const GPtrArray *owed)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < owed->len; i++) {
        const GuestView *guest = g_ptr_array_index(owed, i);
        g_autofree char *name = text_clean(guest->name);
        g_autofree char *assigned = text_size(guest->assigned);
        g_autofree char *startup = text_size(guest->startup);

        g_string_append_printf(text, "%s%s has ", i > 0 ? ", " : "", name);
        if (guest->paging_size > 0)
            g_string_append(text, "a paging file");
        else
            g_string_append_printf(text, "%s of %s", assigned, startup);
    }
    return g_string_free(text, FALSE);
}

static bool
may_retire(GDBusConnection *bus, GError **error)
{
    g_autoptr(HostView) host = client_read_host(bus, error);

    if (host == NULL)
        return false;
    if (strcmp(host->link, "read-write") == 0)
        return client_retire(bus, error);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                "retire: dynmemd can change no guest now: %s; all guests keep what they have", host->link_text);
    return false;
}

/* Waits until nobody is owed anything, for no longer than was said. Returns who is then; *guests owns the views. */
static GPtrArray *
wait_for_guests(const CtlOptions *options, GDBusConnection *bus, GPtrArray **guests, GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + timeout_sec * G_USEC_PER_SEC;
    g_autofree char *told = NULL;

    for (;;) {
        g_autoptr(GPtrArray) owed = NULL;
        g_autofree char *text = NULL;

        g_clear_pointer(guests, g_ptr_array_unref);
        *guests = client_read_guests(bus, error);
        if (*guests == NULL)
            return NULL;
        owed = find_owed(*guests);
        if (owed->len == 0 || g_get_monotonic_time() >= end_usec)
            return g_steal_pointer(&owed);
        text = owed_text(owed);
        if (!options->json && g_strcmp0(text, told) != 0) {
            printf("%s\n", text);
            if (!output_flush(error))
                return NULL;
            g_free(told);
            told = g_steal_pointer(&text);
        }
        g_usleep(LOOK_USEC);
    }
}

/* What stands in the way that a word of the administrator would take away: "; Budget= ...", or "". Caller frees. */
static char *
way_text(GDBusConnection *bus)
{
    g_autoptr(HostView) host = client_read_host(bus, NULL);
    g_autofree char *budget = host != NULL ? text_size(host->budget) : NULL;

    if (host == NULL || strcmp(host->budget_limit, "setting") != 0)
        return g_strdup("");
    return g_strdup_printf(
        "; Budget= in dynmemd.conf allows all guests %s together, and holds to the last: raise it, and "
        "after the reload say 'dm-ctl retire' again",
        budget);
}

bool
verb_retire(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    g_autoptr(GPtrArray) owed = NULL;
    g_autofree char *text = NULL;
    g_autofree char *way = NULL;

    if (timeout_sec < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "retire: --timeout=%d: expected 0 or more seconds",
                    timeout_sec);
        return false;
    }
    bus = client_connect(error);
    if (bus == NULL || !may_retire(bus, error))
        return false;
    owed = wait_for_guests(options, bus, &guests, error);
    if (owed == NULL)
        return false;
    if (options->json)
        output_print_json_object(guests_to_json(owed), true);
    if (owed->len == 0) {
        if (!options->json)
            puts("All guests have their startup memory; dynmemd may be stopped.");
        return true;
    }
    text = owed_text(owed);
    way = way_text(bus);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT,
                "retire: after %d s %s; 'dm-ctl explain GUEST' says why, 'systemctl reload dynmemd' takes it back%s",
                timeout_sec, text, way);
    return false;
}
