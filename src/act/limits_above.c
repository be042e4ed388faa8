/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every group has an entry that knows the one above it, so that a guest costs one look-up a tick. A group without a limit
 * costs one pread a second, one with a limit three a tick: what is charged to it is compared with what its guests hold at that
 * moment, and a tick follows at once where one of them has ended.
 */

#include "limits_above.h"

#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
#include "limit_files.h"
#include "units.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* A little less than the interval of ticks, so that each of them finds a new reading. */
#define FRESH_USEC (900 * USEC_PER_MSEC)
/* The readings of one tick are one. */
#define LIMITED_FRESH_USEC (20 * USEC_PER_MSEC)
#define FORGET_USEC (60 * USEC_PER_SEC)

enum {
    MAX_FILE,
    CURRENT_FILE,
    STAT_FILE,
    FILES
};

static const char *const names[FILES] = {"memory.max", "memory.current", "memory.stat"};

typedef struct Group Group;

struct Group {
    Group *parent; /* NULL: that is the root of the tree, which has no limit */
    char *name;    /* as in LimitFiles */
    char *paths[FILES];
    int fds[FILES];
    uint64_t asked_usec;
    uint64_t read_usec; /* 0: not yet */
    uint64_t id;        /* 0: it has no limit */
    uint64_t limit_kib;
    uint64_t charged_kib;
};

struct LimitsAbove {
    const ActSystem *system;
    GHashTable *groups; /* name -> Group */
    uint64_t swept_usec;
};

static void
group_close(Group *group, unsigned *kept)
{
    for (unsigned i = 0; i < FILES; i++) {
        if (group->fds[i] < 0)
            continue;
        close(group->fds[i]);
        group->fds[i] = -1;
        --*kept;
    }
}

static void
group_free(void *data)
{
    Group *group = data;
    unsigned kept = FILES;

    group_close(group, &kept);
    for (unsigned i = 0; i < FILES; i++)
        g_free(group->paths[i]);
    g_free(group->name);
    g_free(group);
}

LimitsAbove *
limits_above_new(const ActSystem *system)
{
    LimitsAbove *above = g_new0(LimitsAbove, 1);

    above->system = system;
    above->groups = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, group_free);
    return above;
}

void
limits_above_free(LimitsAbove *above)
{
    if (above == NULL)
        return;
    g_hash_table_unref(above->groups);
    g_free(above);
}

static Group *
find_group(LimitsAbove *above, const char *name)
{
    Group *group = g_hash_table_lookup(above->groups, name);
    g_autofree char *parent = NULL;

    if (group != NULL)
        return group;
    group = g_new0(Group, 1);
    group->name = g_strdup(name);
    for (unsigned i = 0; i < FILES; i++) {
        group->paths[i] = g_strconcat(above->system->root, GUEST_GROUP_MOUNT, name, "/", names[i], NULL);
        group->fds[i] = -1;
    }
    g_hash_table_insert(above->groups, group->name, group);
    parent = g_path_get_dirname(name);
    if (strlen(parent) > 1)
        group->parent = find_group(above, parent);
    return group;
}

/* A group is asked for whenever one below it is, so it is not forgotten before that. */
static void
sweep(LimitsAbove *above, uint64_t now_usec, unsigned *kept)
{
    GHashTableIter iter;
    void *value;

    if (saturating_sub(now_usec, above->swept_usec) < FORGET_USEC)
        return;
    above->swept_usec = now_usec;
    g_hash_table_iter_init(&iter, above->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;

        if (saturating_sub(now_usec, group->asked_usec) < FORGET_USEC)
            continue;
        group_close(group, kept);
        g_hash_table_iter_remove(&iter);
    }
}

/* Page cache is given back before the limit is felt; shared memory, which is in "file", is not. */
static uint64_t
find_cache(const char *stat)
{
    uint64_t inactive = 0, active = 0;

    proc_file_find(stat, "inactive_file ", &inactive);
    proc_file_find(stat, "active_file ", &active);
    return kib_from_bytes(saturating_add(inactive, active));
}

static bool
read_limit(Group *group, unsigned *kept)
{
    char text[8192];
    uint64_t bytes;

    if (!limit_file_read(group->paths[MAX_FILE], &group->fds[MAX_FILE], text, sizeof text, kept) ||
        proc_file_number(text, &bytes) == NULL)
        return false;
    group->limit_kib = kib_from_bytes(bytes);
    if (!limit_file_read(group->paths[CURRENT_FILE], &group->fds[CURRENT_FILE], text, sizeof text, kept) ||
        proc_file_number(text, &bytes) == NULL)
        return false;
    group->charged_kib = kib_from_bytes(bytes);
    if (limit_file_read(group->paths[STAT_FILE], &group->fds[STAT_FILE], text, sizeof text, kept))
        group->charged_kib = saturating_sub(group->charged_kib, find_cache(text));
    return true;
}

static void
refresh(LimitsAbove *above, Group *group, uint64_t now_usec, unsigned *kept)
{
    if (group->read_usec != 0 && now_usec - group->read_usec < (group->id != 0 ? LIMITED_FRESH_USEC : FRESH_USEC))
        return;
    group->read_usec = now_usec;
    group->id = 0;
    if (read_limit(group, kept)) {
        g_autofree char *file = g_strconcat(group->name, "/", names[MAX_FILE], NULL);

        group->id = group_file_inode(above->system, file);
    }
}

static uint64_t
left_in(const LimitAbove *one)
{
    return saturating_sub(one->limit_kib, one->charged_kib);
}

/* The tightest comes first, the others in the order in which they lie; who finds no place is left out. */
static void
add_group(GroupsAbove *groups, LimitAbove one)
{
    LimitAbove *first = &groups->group[0];

    if (first->id != 0 && left_in(&one) < left_in(first)) {
        LimitAbove other = *first;

        *first = one;
        one = other;
    }
    for (size_t i = 0; i < LIMITS_ABOVE; i++)
        if (groups->group[i].id == 0) {
            groups->group[i] = one;
            return;
        }
}

/* This group and those that it lies in. */
static void
add_groups(LimitsAbove *above, Group *group, uint64_t now_usec, unsigned *kept, GroupsAbove *groups)
{
    for (; group != NULL; group = group->parent) {
        group->asked_usec = now_usec;
        refresh(above, group, now_usec, kept);
        if (group->id != 0)
            add_group(groups,
                      (LimitAbove){.id = group->id, .limit_kib = group->limit_kib, .charged_kib = group->charged_kib});
    }
}

void
limits_above_read(LimitsAbove *above, const char *group, uint64_t now_usec, unsigned *kept, GroupsAbove *groups)
{
    Group *own = find_group(above, group);

    *groups = (GroupsAbove){0};
    own->asked_usec = now_usec;
    add_groups(above, own->parent, now_usec, kept, groups);
    sweep(above, now_usec, kept);
}

/*
 * The slice of a partition: /machine/web is machine-web.slice, which systemd has in machine.slice (libvirt src/util/virsystemd.c,
 * virSystemdMakeSliceName; systemd.slice(5)).
 */
static char *
slice_of(const char *partition)
{
    g_autoptr(GString) name = g_string_new(NULL);
    GString *path = g_string_new(NULL);

    for (const char *p = partition + 1; *p != '\0'; p++) {
        if (*p == '/') {
            g_string_append_printf(path, "/%s.slice", name->str);
            g_string_append_c(name, '-');
        } else if (g_ascii_isalnum(*p) || *p == ':' || *p == '_' || (*p == '.' && p != partition + 1)) {
            g_string_append_c(name, *p);
        } else {
            g_string_append_printf(name, "\\x%02x", (unsigned char)*p);
        }
    }
    g_string_append_printf(path, "/%s.slice", name->str);
    return g_string_free(path, FALSE);
}

/* Its group where libvirt makes it itself, without systemd's help (src/util/vircgroup.c, virCgroupSetPartitionSuffix). */
static char *
directory_of(const char *partition)
{
    g_auto(GStrv) parts = g_strsplit(partition + 1, "/", -1);
    GString *path = g_string_new(NULL);

    for (size_t i = 0; parts[i] != NULL; i++) {
        bool fixed = i == 0 && (strcmp(parts[i], "machine") == 0 || strcmp(parts[i], "system") == 0 ||
                                strcmp(parts[i], "user") == 0);

        g_string_append_printf(path, "/%s%s", parts[i], fixed || strchr(parts[i], '.') != NULL ? "" : ".partition");
    }
    return g_string_free(path, FALSE);
}

void
limits_above_of_partition(LimitsAbove *above, const char *partition, uint64_t now_usec, unsigned *kept,
                          GroupsAbove *groups)
{
    g_autofree char *slice = NULL, *directory = NULL;

    *groups = (GroupsAbove){0};
    if (strlen(partition) > NAME_MAX) /* the last slice is named after all of it; there is no such group */
        return;
    if (partition[0] != '/' || partition[1] == '\0' || g_str_has_suffix(partition, "/") ||
        strstr(partition, "//") != NULL || strstr(partition, "/..") != NULL)
        return;
    slice = slice_of(partition);
    directory = directory_of(partition);
    add_groups(above, find_group(above, slice), now_usec, kept, groups);
    if (groups->group[0].id == 0)
        add_groups(above, find_group(above, directory), now_usec, kept, groups);
    sweep(above, now_usec, kept);
}
