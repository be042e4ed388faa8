/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "isolate.h"

#include "error.h"
#include "kernel/guest_group.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define SWAP_MAX "/memory.swap.max"
#define NO_SWAP "0"

typedef struct Freeze {
    const ActSystem *system;
    Held *held;
    const char *const *groups;
    GArray *values; /* of HeldValue */
    GPtrArray *texts;
} Freeze;

static bool
is_at_or_above(const char *group, const char *below)
{
    size_t length = strlen(group);

    return strncmp(below, group, length) == 0 && (below[length] == '\0' || below[length] == '/');
}

static bool
is_on_the_way(const Freeze *freeze, const char *group)
{
    for (size_t i = 0; freeze->groups[i] != NULL; i++)
        if (is_at_or_above(group, freeze->groups[i]))
            return true;
    return false;
}

/* Where the limit of a group is set so that it lasts: a machine's scope has a group inside that is its own. */
static char *
lasting_group(const ActSystem *system, const char *group)
{
    g_autofree char *inner = g_strconcat(group, "/libvirt", NULL);
    g_autofree char *inner_max = g_strconcat(inner, SWAP_MAX, NULL);
    const char *name = strrchr(group, '/') + 1;

    if (g_str_has_prefix(name, "machine-qemu") &&
        (group_file_inode(system, inner_max) != 0 || !group_errno_absent(errno)))
        return g_steal_pointer(&inner);
    return g_strdup(group);
}

/*
 * What it has in swap stays there, also where that is more than it may have. It must be nothing: with what it has, a page that
 * comes back would let it swap another one out, and to the file, whose priority is the highest.
 */
static void
freeze_group(Freeze *freeze, const char *group)
{
    g_autofree char *lasting = lasting_group(freeze->system, group);
    g_autofree char *file = g_strconcat(lasting, SWAP_MAX, NULL);
    HeldValue held = {.file = file, .value = NO_SWAP};
    uint64_t max_kib;

    if (!held_has(freeze->held, file) &&
        (group_file_kib(freeze->system, file, &max_kib) ? max_kib == 0 : group_errno_absent(errno)))
        return;
    g_array_append_val(freeze->values, held);
    g_ptr_array_add(freeze->texts, g_steal_pointer(&file));
}

static bool
freeze_beside(Freeze *freeze, const char *parent, GError **error)
{
    g_autofree char *path = g_strconcat(freeze->system->root, GUEST_GROUP_MOUNT, parent, NULL);
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (directory == NULL) {
        if (group_errno_absent(errno))
            return true;
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s can't be listed: %s", path, g_strerror(errno));
        return false;
    }
    while ((entry = readdir(directory)) != NULL) {
        g_autofree char *child = g_strconcat(parent, "/", entry->d_name, NULL);

        if (entry->d_type == DT_DIR && *entry->d_name != '.' && !is_on_the_way(freeze, child))
            freeze_group(freeze, child);
    }
    closedir(directory);
    return true;
}

/*
 * A group that was beside the way to one guest may be on that to another, as the slices of two guests are. There is no limit of ours on
 * the way: what is below is kept from swapping out by its own by now.
 */
static bool
clear_the_way(Held *held, GHashTable *parents, GError **error)
{
    g_autoptr(GPtrArray) closed = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    void *parent;

    g_hash_table_iter_init(&iter, parents);
    while (g_hash_table_iter_next(&iter, &parent, NULL)) {
        g_autofree char *file = g_strconcat(parent, SWAP_MAX, NULL);

        if (held_has(held, file))
            g_ptr_array_add(closed, g_steal_pointer(&file));
    }
    return held_release(held, (const char *const *)closed->pdata, closed->len, error);
}

bool
isolate_apply(const ActSystem *system, Held *held, const char *const *groups, GError **error)
{
    g_autoptr(GHashTable) parents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(HeldValue));
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    Freeze freeze = {.system = system, .held = held, .groups = groups, .values = values, .texts = texts};
    GHashTableIter iter;
    void *parent;
    bool good = true;

    for (size_t i = 0; groups[i] != NULL; i++)
        for (const char *slash = groups[i]; slash != NULL; slash = strchr(slash + 1, '/'))
            g_hash_table_add(parents, g_strndup(groups[i], (gsize)(slash - groups[i])));
    g_hash_table_iter_init(&iter, parents);
    while (g_hash_table_iter_next(&iter, &parent, NULL))
        good = freeze_beside(&freeze, parent, good ? error : NULL) && good;
    good = held_set(held, (const HeldValue *)(const void *)values->data, values->len, good ? error : NULL) && good;
    return good && clear_the_way(held, parents, error);
}

bool
isolate_put_back(Held *held, const char *suffix, GError **error)
{
    g_auto(GStrv) files = held_list(held, suffix);
    g_auto(GStrv) left = NULL;
    g_autoptr(GError) why = NULL;

    if (held_release(held, (const char *const *)files, g_strv_length(files), &why))
        return true;
    left = held_list(held, suffix);
    if (left[0] == NULL)
        return true; /* all that failed is to forget it on disk, and the next daemon finds nothing of its own there */
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

bool
isolate_end(Held *held, GError **error)
{
    return isolate_put_back(held, SWAP_MAX, error);
}

bool
isolate_allow(const ActSystem *system, Held *held, const char *group, uint64_t swap_kib, GError **error)
{
    g_autofree char *file = g_strconcat(group, SWAP_MAX, NULL);
    g_autofree char *value = group_value_text(system, swap_kib);
    const HeldValue held_value = {.file = file, .value = value};

    return held_set(held, &held_value, 1, error);
}
