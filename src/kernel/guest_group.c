/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_group.h"

#include "proc_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define BAR_VERSION                                                                                                    \
    "this host has control groups of version 1; boot it with systemd.unified_cgroup_hierarchy=1 to have version 2"
#define BAR_CONTROLLER                                                                                                 \
    "the memory controller of the control groups is switched off on this host (cgroup_disable=memory)"
#define BAR_SHARED "it has no control group of its own, as guests of a user's session have none"

static gssize
read_once(const char *path, char *buffer, size_t size)
{
    int fd = -1;
    gssize length = proc_file_read(path, &fd, buffer, size);

    if (fd >= 0)
        close(fd);
    return length;
}

static bool
is_absent(int number)
{
    return number == ENOENT || number == ENOTDIR;
}

/* Whether a group of this name holds one guest and nothing else: with systemd-machined, and without. */
static bool
is_guest_group(const char *name, size_t length)
{
    static const char machine[] = "machine-qemu", scope[] = ".scope", plain[] = ".libvirt-qemu";

    if (length > strlen(machine) + strlen(scope) && strncmp(name, machine, strlen(machine)) == 0)
        return strncmp(name + length - strlen(scope), scope, strlen(scope)) == 0;
    return length > strlen(plain) && strncmp(name + length - strlen(plain), plain, strlen(plain)) == 0;
}

/* Whether group, or one above it, is a guest's own. */
static bool
belongs_to_guest(const char *group)
{
    while (*group != '\0') {
        size_t length = strcspn(++group, "/");

        if (is_guest_group(group, length))
            return true;
        group += length;
    }
    return false;
}

/* The group that a line of /proc/PID/cgroup names; NULL where there is none. */
static char *
named_group(const char *line)
{
    g_autofree char *group = NULL;

    line = line != NULL ? strchr(line, '/') : NULL;
    if (line == NULL)
        return NULL;
    group = g_strndup(line, strcspn(line, "\n"));
    /* above the root of this namespace, or gone */
    if (strstr(group, "/../") != NULL || g_str_has_suffix(group, " (deleted)"))
        return NULL;
    return g_steal_pointer(&group);
}

const char *
guest_group_bar(const char *root)
{
    g_autofree char *path = g_strconcat(root, GUEST_GROUP_MOUNT "/cgroup.controllers", NULL);
    char buffer[1024] = " ";

    if (read_once(path, buffer + 1, sizeof buffer - 1) < 0)
        return is_absent(errno) ? BAR_VERSION : NULL; /* what can't be read may well be there */
    g_strdelimit(buffer, "\n", ' ');
    return strstr(buffer, " memory ") == NULL ? BAR_CONTROLLER : NULL;
}

char *
guest_group_find(const char *root, pid_t pid, const char **bar)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/cgroup", root, (int)pid);
    g_autofree char *group = NULL;
    const char *why = NULL;
    char buffer[4096];

    if (pid > 0 && read_once(path, buffer, sizeof buffer) >= 0) {
        why = BAR_SHARED;
        group = named_group(g_str_has_prefix(buffer, "0::") ? buffer : strstr(buffer, "\n0::"));
    }
    while (group != NULL && belongs_to_guest(group)) {
        g_autofree char *type_path = g_strconcat(root, GUEST_GROUP_MOUNT, group, "/cgroup.type", NULL);
        char type[64];
        bool told = read_once(type_path, type, sizeof type) >= 0;

        if (told ? !g_str_has_prefix(type, "threaded") : is_absent(errno))
            return g_steal_pointer(&group);
        if (!told) {
            why = NULL; /* maybe the next time */
            break;
        }
        *strrchr(group, '/') = '\0';
    }
    if (bar != NULL) {
        const char *host_bar = guest_group_bar(root);

        *bar = host_bar != NULL ? host_bar : why;
    }
    return NULL;
}

char *
guest_group_old_limit(const char *root, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/cgroup", root, (int)pid);
    g_autofree char *group = NULL;
    char buffer[4096];

    if (pid > 0 && read_once(path, buffer, sizeof buffer) >= 0)
        group = named_group(strstr(buffer, ":memory:"));
    return group != NULL && belongs_to_guest(group)
               ? g_strconcat(root, GUEST_GROUP_MOUNT "/memory", group, "/memory.limit_in_bytes", NULL)
               : NULL;
}
