/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system.h"

#include "error.h"
#include "kernel/guest_group.h"
#include "kernel/proc_file.h"
#include "paging.h"
#include "swap_off.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <unistd.h>

static int
host_swap_on(const char *path, int flags)
{
    return swapon(path, flags);
}

static int
host_allocate(int fd, int mode, uint64_t bytes)
{
    return fallocate(fd, mode, 0, (off_t)bytes);
}

static int
host_file_system(int fd, long *type, uint64_t *free_kib)
{
    struct statfs figures;

    if (fstatfs(fd, &figures) != 0)
        return -1;
    *type = (long)figures.f_type;
    *free_kib = kib_from_bytes((uint64_t)figures.f_bavail * (uint64_t)figures.f_bsize);
    return 0;
}

static int
host_make_subvolume(int parent, const char *name)
{
    struct btrfs_ioctl_vol_args what = {.fd = 0};

    if (g_strlcpy(what.name, name, sizeof what.name) >= sizeof what.name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &what);
}

const ActSystem *
act_system_host(void)
{
    static ActSystem host = {
        .root = "",
        .boot_file = "/proc/sys/kernel/random/boot_id",
        .swap_on = host_swap_on,
        .swap_off = swap_off_spawn,
        .allocate = host_allocate,
        .file_system = host_file_system,
        .make_subvolume = host_make_subvolume,
        .retry_msec = 1000,
        .starting_msec = 5000,
        /* systemd writes the limits of its slices anew now and then, and new groups come */
        .hold_msec = 2000,
    };

    host.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    return &host;
}

void
act_system_step(const ActSystem *system, const char *name)
{
    if (system->step != NULL)
        system->step(name);
}

static char *
group_path(const ActSystem *system, const char *file)
{
    return g_strconcat(system->root, GUEST_GROUP_MOUNT, file, NULL);
}

bool
group_errno_absent(int number)
{
    return number == ENOENT || number == ENOTDIR ||
           number == ENODEV; /* the last one: it was open when its group went */
}

char *
group_file_read(const ActSystem *system, const char *file)
{
    g_autofree char *path = group_path(system, file);
    char buffer[4096];
    int fd = -1;
    gssize length = proc_file_read(path, &fd, buffer, sizeof buffer);

    if (fd >= 0)
        close(fd);
    return length < 0 ? NULL : g_strndup(buffer, strcspn(buffer, "\n"));
}

bool
group_file_kib(const ActSystem *system, const char *file, uint64_t *kib)
{
    g_autofree char *text = group_file_read(system, file);
    uint64_t bytes;

    if (text == NULL)
        return false;
    if (strcmp(text, "max") == 0) {
        *kib = LIMIT_NONE;
        return true;
    }
    if (proc_file_number(text, &bytes) == NULL) {
        errno = EINVAL;
        return false;
    }
    *kib = kib_from_bytes(bytes);
    return true;
}

bool
group_file_write(const ActSystem *system, const char *file, const char *value, GError **error)
{
    g_autofree char *path = group_path(system, file);
    g_autofree char *line = g_strconcat(value, "\n", NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t written = fd < 0 ? -1 : write(fd, line, strlen(line));
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (written == (ssize_t)strlen(line))
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s can't be set to %s: %s", path, value,
                written < 0 ? g_strerror(why) : "written in part");
    return false;
}

uint64_t
group_file_inode(const ActSystem *system, const char *file)
{
    g_autofree char *path = group_path(system, file);
    struct stat facts;

    *strrchr(path, '/') = '\0';
    return stat(path, &facts) == 0 ? (uint64_t)facts.st_ino : 0;
}

uint64_t
group_value_round(const ActSystem *system, uint64_t kib)
{
    return kib == LIMIT_NONE ? kib : kib - kib % (system->page_bytes / 1024);
}

char *
group_value_text(const ActSystem *system, uint64_t kib)
{
    if (kib == LIMIT_NONE)
        return g_strdup("max");
    return g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)bytes_from_kib(group_value_round(system, kib)));
}
