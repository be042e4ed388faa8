/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_checks.h"

#include "guest_files.h"
#include "kernel/guest_group.h"
#include "text.h"
#include "units.h"

#include <string.h>

/* Where libvirt puts guests unless told otherwise. */
#define USUAL_SLICE "/machine.slice"

/* Whether dynmem moves its balloon. */
static bool
is_moved(const GuestFile *guest, const Settings *settings)
{
    const DomainXml *domain = &guest->domain;

    return (domain->element.present || settings->manage_all) && domain->has_balloon && domain->bar == BALLOON_USABLE;
}

typedef bool (*Matches)(const GuestFile *guest, const Settings *settings);

/* Free with g_ptr_array_unref; names stay the guests'. */
static GPtrArray *
names_of(const GPtrArray *guests, const Settings *settings, Matches matches)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const GuestFile *guest = g_ptr_array_index(guests, i);

        if (is_moved(guest, settings) && matches(guest, settings))
            g_ptr_array_add(names, guest->domain.name);
    }
    return names;
}

/* ---- definitions ---- */

static bool
keeps_free_pages(const GuestFile *guest, const Settings *settings)
{
    return !guest->domain.free_page_reporting;
}

/* What a moment of asking sets, 0, is left aside. */
static bool
reports_rarely(const GuestFile *guest, const Settings *settings)
{
    return guest->runs && guest->domain.period_sec > MAX(settings->interval_usec / USEC_PER_SEC, 1);
}

static bool
is_cached(const GuestFile *guest, const Settings *settings)
{
    return guest->domain.host_cached;
}

static const struct {
    const char *name;
    Matches matches;
    const char *found; /* of which guests */
    const char *why;
    const char *advice;
    const char *good;
} rows[] = {
    {"reporting", keeps_free_pages, "no free page reporting",
     "memory that such a guest has freed stays with its QEMU until it is ballooned, and what it takes of that again "
     "shows late",
     "virsh edit GUEST: <memballoon model='virtio' freePageReporting='on'>; it counts from its next start on",
     "guests hand back what they free (free page reporting)"},
    {"period", reports_rarely, "set by somebody else to report rarely",
     "virt-manager and cockpit do that for each guest they show; dynmemd puts it right, and sees late what such a "
     "guest needs "
     "until then",
     "switch the polling of memory statistics off there", "nobody else sets how often guests report"},
    {"cache", is_cached, "a disk that the host caches (any cache= but none and directsync)",
     "that cache counts in the guest's control group, where memory.high leaves it little room when memory is short",
     "virsh edit GUEST: <driver cache='none'/> in its <disk>, unless its disks need the host's cache",
     "no guest's disk is cached by the host"},
};

static void
check_definitions(GPtrArray *checks, const GPtrArray *guests, const Settings *settings)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) names = names_of(guests, settings, rows[i].matches);
        g_autofree char *shown = check_names(names);

        if (rows[i].matches == is_cached && !settings->memory_high)
            continue;
        if (names->len == 0)
            check_add(checks, rows[i].name, CHECK_OK, g_strdup(rows[i].good), NULL);
        else
            check_add(checks, rows[i].name, CHECK_NOTE,
                      g_strdup_printf("%s: %s; %s", rows[i].found, shown, rows[i].why), g_strdup(rows[i].advice));
    }
}

/* ---- limits above them ---- */

/* False where the group has no such limit. */
static bool
read_limit(const char *root, const char *group, const char *file, uint64_t *bytes)
{
    g_autofree char *path = g_strconcat(GUEST_GROUP_MOUNT, group, "/", file, NULL);
    g_autofree char *text = check_read(root, path);

    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, bytes, NULL);
}

/* Returns how many limits it has. */
static unsigned
check_group(GPtrArray *checks, const char *root, const char *group, const Settings *settings)
{
    const char *name = group + 1;
    unsigned found = 0;
    uint64_t bytes;

    if (read_limit(root, group, "memory.high", &bytes)) {
        g_autofree char *size = text_size(bytes);

        found++;
        check_add(checks, "limits", CHECK_WARNING,
                  g_strdup_printf(
                      "%s has memory.high of %s: at that all guests below it are held back at once, and dynmem does "
                      "not reckon with it",
                      name, size),
                  g_strdup_printf("systemctl set-property %s MemoryHigh=infinity; MemoryMax= is reckoned with", name));
    }
    if (settings->paging_enabled && read_limit(root, group, "memory.swap.max", &bytes)) {
        g_autofree char *size = text_size(bytes);

        found++;
        check_add(
            checks, "limits", CHECK_WARNING,
            g_strdup_printf("%s has memory.swap.max of %s: guests below it can use no more than that of paging files",
                            name, bytes > 0 ? size : "0"),
            g_strdup_printf("systemctl set-property %s MemorySwapMax=infinity", name));
    }
    if (read_limit(root, group, "memory.max", &bytes)) {
        g_autofree char *size = text_size(bytes);

        found++;
        check_add(
            checks, "limits", CHECK_NOTE,
            g_strdup_printf("%s has memory.max of %s: the guests below it have no more than that together", name, size),
            NULL);
    }
    return found;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
check_limits(GPtrArray *checks, const GPtrArray *guests, const char *root, const Settings *settings)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) groups = g_ptr_array_new();
    unsigned found = 0;

    g_ptr_array_add(groups, g_strdup(USUAL_SLICE));
    g_hash_table_add(seen, g_ptr_array_index(groups, 0));
    for (guint i = 0; i < guests->len; i++) {
        const GuestFile *guest = g_ptr_array_index(guests, i);
        const char *slash = guest->group;

        for (; slash != NULL && (slash = strchr(slash + 1, '/')) != NULL;) {
            g_autofree char *above = g_strndup(guest->group, (gsize)(slash - guest->group));

            if (g_hash_table_contains(seen, above))
                continue;
            g_ptr_array_add(groups, above);
            g_hash_table_add(seen, g_steal_pointer(&above));
        }
    }
    g_ptr_array_sort(groups, compare_texts);
    for (guint i = 0; i < groups->len; i++)
        found += check_group(checks, root, g_ptr_array_index(groups, i), settings);
    if (found == 0)
        check_add(checks, "limits", CHECK_OK, g_strdup("no control group above the guests is limited"), NULL);
}

void
guest_checks_add(GPtrArray *checks, const GPtrArray *guests, const char *root, const Settings *settings)
{
    if (guests->len > 0)
        check_definitions(checks, guests, settings);
    if (guest_group_bar(root) == NULL)
        check_limits(checks, guests, root, settings);
}
