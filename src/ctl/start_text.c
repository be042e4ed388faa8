/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_text.h"

#include "text.h"

#include <string.h>

#define GIVERS_SHOWN 3

static const GuestView *
find(GPtrArray *guests, const char *uuid)
{
    for (guint i = 0; i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        if (strcmp(guest->uuid, uuid) == 0)
            return guest;
    }
    return NULL;
}

/* Squeezed, so that another can start. */
static bool
gives(const GuestView *guest)
{
    const char *rule = "";

    g_variant_lookup(guest->properties, "Rule", "&s", &rule);
    return strcmp(rule, "make-room") == 0;
}

static uint64_t
given(GPtrArray *first, GPtrArray *now)
{
    uint64_t sum = 0;

    for (guint i = 0; i < now->len; i++) {
        const GuestView *guest = g_ptr_array_index(now, i);
        const GuestView *before = find(first, guest->uuid);

        if (before != NULL && before->assigned > guest->assigned)
            sum += before->assigned - guest->assigned;
    }
    return sum;
}

char *
start_progress_text(const char *uuid, const char *name, GPtrArray *first, GPtrArray *now)
{
    const GuestView *self = find(now, uuid);
    g_autoptr(GString) list = g_string_new(NULL);
    g_autofree char *freed = text_size(given(first, now));
    unsigned count = 0;

    for (guint i = 0; i < now->len; i++) {
        const GuestView *guest = g_ptr_array_index(now, i);
        g_autofree char *clean = NULL;
        g_autofree char *assigned = NULL;
        g_autofree char *target = NULL;

        if (!gives(guest) || ++count > GIVERS_SHOWN)
            continue;
        clean = text_clean(guest->name);
        assigned = text_size(guest->assigned);
        target = text_size(guest->target);
        g_string_append_printf(list, "%s%s (%s, on its way to %s)", list->len > 0 ? ", " : "", clean, assigned, target);
    }
    if (count > GIVERS_SHOWN)
        g_string_append_printf(list, " and %u more", count - GIVERS_SHOWN);
    if (self != NULL && strcmp(self->state, "reserved") != 0 && strcmp(self->state, "off") != 0)
        return g_strdup_printf("%s: libvirt starts it", name);
    if (count > 0)
        return g_strdup_printf("%s: waiting for memory, %s freed so far; giving up memory: %s", name, freed, list->str);
    return g_strdup_printf("%s: waiting for memory, %s freed so far", name, freed);
}
