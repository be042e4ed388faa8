/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_place.h"

#include "error.h"
#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
#include "paging_file.h"
#include "settings.h"
#include "swaps.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAR_SWAPPINESS                                                                                                 \
    "vm.swappiness is 0, with which no guest's memory is ever swapped; sysctl vm.swappiness=1 or more would help"
#define BAR_CAPABILITY "dynmemd may not switch swap files on; it needs CAP_SYS_ADMIN, which its unit file gives it"
#define BAR_AREAS "the host has so many swap areas already that no more are added; switching some off would help"

/* File systems whose files can't be swapped to, or not safely: the kernel refuses some, others need memory or the network
   to swap. Those without a name in <linux/magic.h> stand as numbers. */
static const struct {
    long type;
    const char *name;
} refused[] = {
    {TMPFS_MAGIC, "tmpfs, which is memory itself"},
    {RAMFS_MAGIC, "ramfs, which is memory itself"},
    {HUGETLBFS_MAGIC, "hugetlbfs, which is memory itself"},
    {OVERLAYFS_SUPER_MAGIC, "an overlay"},
    {NFS_SUPER_MAGIC, "NFS: swapping over the network can hang the host"},
    {CIFS_SUPER_MAGIC, "CIFS: swapping over the network can hang the host"},
    {SMB2_SUPER_MAGIC, "CIFS: swapping over the network can hang the host"},
    {SMB_SUPER_MAGIC, "CIFS: swapping over the network can hang the host"},
    {CEPH_SUPER_MAGIC, "CephFS: swapping over the network can hang the host"},
    {AFS_SUPER_MAGIC, "AFS: swapping over the network can hang the host"},
    {V9FS_MAGIC, "9p"},
    {FUSE_SUPER_MAGIC, "FUSE or virtiofs"},
    {SQUASHFS_MAGIC, "squashfs, which can't be written"},
    {ISOFS_SUPER_MAGIC, "an ISO file system, which can't be written"},
    {ECRYPTFS_SUPER_MAGIC, "eCryptfs"},
    {0x2fc12fc1, "ZFS"},
    {0x01161970, "GFS2"},
    {0x7461636f, "OCFS2"},
    {0x47504653, "GPFS"},
    {(long)0xca451a4e, "bcachefs"},
    {0x61756673, "aufs"},
};

/* ---- the host ---- */

static bool
read_file(const ActSystem *system, const char *file, char *buffer, size_t size)
{
    g_autofree char *path = g_strconcat(system->root, file, NULL);
    int fd = -1;
    gssize length = proc_file_read(path, &fd, buffer, size);

    if (fd >= 0)
        close(fd);
    return length >= 0;
}

static bool
has_capability(const ActSystem *system)
{
    char buffer[8192];
    const char *line;

    if (!read_file(system, "/proc/self/status", buffer, sizeof buffer))
        return true; /* swapon will tell */
    line = strstr(buffer, "\nCapEff:");
    return line == NULL || (g_ascii_strtoull(line + strlen("\nCapEff:"), NULL, 16) >> CAP_SYS_ADMIN & 1) != 0;
}

const char *
paging_place_host_bar(const ActSystem *system)
{
    const char *bar = guest_group_bar(system->root);
    g_autoptr(GPtrArray) areas = NULL;
    char buffer[64];
    uint64_t swappiness;

    if (bar != NULL)
        return bar;
    if (read_file(system, "/proc/sys/vm/swappiness", buffer, sizeof buffer) &&
        proc_file_number(buffer, &swappiness) != NULL && swappiness == 0)
        return BAR_SWAPPINESS;
    if (!has_capability(system))
        return BAR_CAPABILITY;
    areas = swaps_read(system->root, NULL);
    if (areas != NULL && areas->len >= PAGING_AREAS_MAX)
        return BAR_AREAS;
    return NULL;
}

bool
paging_place_host_swap(const ActSystem *system, GError **error)
{
    g_autoptr(GPtrArray) areas = swaps_read(system->root, error);
    g_autofree char *used_text = NULL;
    g_autofree char *available_text = NULL;
    uint64_t used = 0, available = 0;
    char buffer[8192], uuid[37];

    if (areas == NULL)
        return false;
    for (guint i = 0; i < areas->len; i++) {
        const SwapArea *area = g_ptr_array_index(areas, i);

        if (!paging_file_uuid(area->path, uuid))
            used = saturating_add(used, area->used_kib);
    }
    if (used == 0)
        return true;
    if (read_file(system, "/proc/meminfo", buffer, sizeof buffer))
        proc_file_find(buffer, "MemAvailable:", &available);
    if (used <= available / 2)
        return true;
    used_text = units_format_size(used);
    available_text = units_format_size(available);
    g_set_error(
        error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
        "the host's own swap holds %s, and half of the %s that are available could not take that back: while a "
        "paging file is on nobody else swaps out; more memory, or swapoff and swapon of the host's own when there "
        "is room, would help",
        used_text, available_text);
    return false;
}

/* ---- the directory ---- */

/* Nobody but root may be able to put another file or directory in the place of one on the way. */
static bool
check_owner(const ActSystem *system, int fd, const char *path, GError **error)
{
    struct stat facts;

    if (fstat(fd, &facts) != 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s can't be looked at: %s", path, g_strerror(errno));
        return false;
    }
    if (facts.st_uid != system->owner) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "%s does not belong to root; paging files need a directory that only root can change "
                    "(chown root %s)",
                    path, path);
        return false;
    }
    if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "%s can be written by others than root; paging files need a directory that only root can change "
                    "(chmod go-w %s)",
                    path, path);
        return false;
    }
    return true;
}

static bool
is_link(int parent, const char *name)
{
    struct stat facts;

    return fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(facts.st_mode);
}

/*
 * A subvolume of its own where there are such: of one that holds a swap file that is on no snapshot can be taken (kernel
 * fs/btrfs/ioctl.c, create_snapshot), and that may be the root of the host.
 */
static bool
make_directory(const ActSystem *system, int parent, const char *name)
{
    struct stat facts;
    uint64_t free_kib;
    long type;

    if (fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    if (system->file_system(parent, &type, &free_kib) == 0 && type == (long)BTRFS_SUPER_MAGIC &&
        system->make_subvolume(parent, name) == 0)
        return fchmodat(parent, name, 0700, 0) == 0;
    return mkdirat(parent, name, 0700) == 0 || errno == EEXIST;
}

static int
open_part(const ActSystem *system, int parent, const char *name, const char *path, bool make, GError **error)
{
    int fd;

    if (make && !make_directory(system, parent, name)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s can't be made: %s", path, g_strerror(errno));
        return -1;
    }
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (is_link(parent, name))
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "%s is a symbolic link, and none is followed; name the directory that it leads to", path);
    else if (errno == ENOENT)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "%s does not exist; make it, owned by root with mode 0700", path);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "%s can't be opened: %s", path, g_strerror(errno));
    return -1;
}

int
paging_place_open(const ActSystem *system, const char *directory, bool make, GError **error)
{
    g_auto(GStrv) parts = NULL;
    g_autoptr(GString) path = g_string_new(NULL);
    int fd;

    if (strcmp(directory, SETTINGS_PAGING_BESIDE_DISK) == 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "it has no disk in a file, beside which a paging file could be; give it a paging-directory");
        return -1;
    }
    if (*directory != '/') {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s is not an absolute path", directory);
        return -1;
    }
    fd = open(*system->root != '\0' ? system->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "/ can't be opened: %s", g_strerror(errno));
        return -1;
    }
    parts = g_strsplit(directory, "/", -1);
    for (size_t i = 0; parts[i] != NULL; i++) {
        int next;

        if (*parts[i] == '\0')
            continue;
        g_string_append_printf(path, "/%s", parts[i]);
        if (strcmp(parts[i], "..") == 0 || strcmp(parts[i], ".") == 0) {
            g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s must not have . or .. in it", directory);
            close(fd);
            return -1;
        }
        next = open_part(system, fd, parts[i], path->str, make, error);
        close(fd);
        if (next >= 0 && !check_owner(system, next, path->str, error)) {
            close(next);
            return -1;
        }
        if (next < 0)
            return -1;
        fd = next;
    }
    return fd;
}

bool
paging_place_check(const ActSystem *system, int fd, const char *directory, uint64_t size_kib, uint64_t minimum_free_kib,
                   bool *nocow, GError **error)
{
    g_autofree char *size = units_format_size(size_kib);
    g_autofree char *minimum = units_format_size(minimum_free_kib);
    g_autofree char *free_text = NULL;
    g_autofree char *lacking = NULL;
    uint64_t free_kib, needed_kib = saturating_add(size_kib, minimum_free_kib);
    long type;

    if (system->file_system(fd, &type, &free_kib) != 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "the file system of %s can't be looked at: %s", directory,
                    g_strerror(errno));
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (refused[i].type != type)
            continue;
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_UNSUPPORTED,
                    "%s is on a file system that can't hold paging files: %s; a directory on ext4 or XFS would do",
                    directory, refused[i].name);
        return false;
    }
    if (free_kib < needed_kib) {
        free_text = units_format_size(free_kib);
        lacking = units_format_size(needed_kib - free_kib);
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "%s has %s free; a paging file of %s must leave %s there (MinimumFreeDisk=): free %s more",
                    directory, free_text, size, minimum, lacking);
        return false;
    }
    *nocow = type == (long)BTRFS_SUPER_MAGIC;
    return true;
}
