/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_checks.h"

#include "config/config.h"
#include "memory_checks.h"
#include "units.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More would bury all else. */
#define COMPLAINTS_SHOWN 20

/* ---- kernel ---- */

static void
check_cgroup(GPtrArray *checks, const char *root)
{
    g_autofree char *controllers = check_read(root, "/sys/fs/cgroup/cgroup.controllers");
    g_auto(GStrv) words = g_strsplit(controllers != NULL ? controllers : "", " ", -1);

    if (g_strv_contains((const char *const *)words, "memory"))
        check_add(checks, "cgroup", CHECK_OK, g_strdup("control groups are of version 2, with memory"), NULL);
    else
        check_add(checks, "cgroup", CHECK_WARNING,
                  g_strdup(controllers != NULL
                               ? "control groups of version 2 have no memory controller: no limits, no paging files"
                               : "control groups are of version 1: no limits on guests, no paging files"),
                  g_strdup(controllers != NULL ? "boot without cgroup_disable=memory"
                                               : "boot with systemd.unified_cgroup_hierarchy=1"));
}

static void
check_psi(GPtrArray *checks, const char *root)
{
    g_autofree char *pressure = check_read(root, "/proc/pressure/memory");

    if (pressure != NULL)
        check_add(checks, "psi", CHECK_OK, g_strdup("the kernel reports memory pressure"), NULL);
    else
        check_add(checks, "psi", CHECK_WARNING,
                  g_strdup("the kernel does not report memory pressure: a sudden lack of memory is seen late"),
                  g_strdup("boot with psi=1"));
}

static void
check_swappiness(GPtrArray *checks, const char *root)
{
    g_autofree char *swappiness = check_read(root, "/proc/sys/vm/swappiness");

    if (g_strcmp0(swappiness, "0") == 0)
        check_add(checks, "swappiness", CHECK_WARNING,
                  g_strdup("vm.swappiness is 0, which keeps guests from using a paging file"),
                  g_strdup("sysctl vm.swappiness=60, and a file in /etc/sysctl.d for the next boot"));
    else if (swappiness != NULL)
        check_add(checks, "swappiness", CHECK_OK, g_strdup_printf("vm.swappiness is %s", swappiness), NULL);
}

static void
check_zswap(GPtrArray *checks, const char *root)
{
    g_autofree char *enabled = check_read(root, "/sys/module/zswap/parameters/enabled");

    if (g_strcmp0(enabled, "Y") == 0)
        check_add(checks, "zswap", CHECK_WARNING,
                  g_strdup("zswap is on: it keeps in memory a part of what goes to paging files"),
                  g_strdup("echo N >/sys/module/zswap/parameters/enabled, and zswap.enabled=0 for the next boot"));
    else
        check_add(checks, "zswap", CHECK_OK, g_strdup("zswap is off"), NULL);
}

void
host_checks_kernel(GPtrArray *checks, const char *root)
{
    check_cgroup(checks, root);
    check_psi(checks, root);
    check_swappiness(checks, root);
    check_zswap(checks, root);
}

/* ---- configuration ---- */

/* Kinds of file systems that can't hold a swap file: what they are in words, or NULL. */
static const char *
unfit_file_system(const struct statfs *fs)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } unfit[] = {
        {TMPFS_MAGIC, "tmpfs"},
        {RAMFS_MAGIC, "ramfs"},
        {NFS_SUPER_MAGIC, "NFS"},
        {CIFS_SUPER_MAGIC, "SMB"},
        {OVERLAYFS_SUPER_MAGIC, "overlay"},
        {FUSE_SUPER_MAGIC, "FUSE"},
        {0x2fc12fc1, "ZFS"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(unfit); i++)
        if ((unsigned long)fs->f_type == unfit[i].magic)
            return unfit[i].name;
    return NULL;
}

/* The directory, or the nearest one above it that there is. Caller frees. */
static char *
nearest_there(const char *path)
{
    char *there = g_strdup(path);
    struct stat status;

    while (stat(there, &status) != 0 && errno == ENOENT && strcmp(there, "/") != 0) {
        char *above = g_path_get_dirname(there);

        g_free(there);
        there = above;
    }
    return there;
}

static void
check_directory(GPtrArray *checks, const char *root, const Settings *settings)
{
    g_autofree char *path = g_strconcat(root, settings->paging_directory, NULL);
    g_autofree char *there = nearest_there(path);
    struct stat status;
    struct statfs fs;
    uint64_t free_kib;
    const char *unfit;

    if (stat(there, &status) != 0 || statfs(there, &fs) != 0) {
        check_add(checks, "directory", CHECK_WARNING,
                  g_strdup_printf("%s, for paging files: %s", settings->paging_directory, g_strerror(errno)),
                  g_strdup("run dm-ctl check as root"));
        return;
    }
    free_kib = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / 1024;
    unfit = unfit_file_system(&fs);
    if (strcmp(there, path) == 0 && (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022) != 0))
        check_add(
            checks, "directory", CHECK_PROBLEM,
            g_strdup_printf("%s, for paging files, must be a directory that only root can write",
                            settings->paging_directory),
            g_strdup_printf("chown root: %s; chmod 700 %s", settings->paging_directory, settings->paging_directory));
    else if (unfit != NULL)
        check_add(checks, "directory", CHECK_WARNING,
                  g_strdup_printf("%s, for paging files, is on %s, which can't hold a swap file",
                                  settings->paging_directory, unfit),
                  g_strdup("set Directory= in [SmartPaging] to a directory on ext4 or XFS"));
    else if (free_kib <= settings->minimum_free_disk_kib) {
        g_autofree char *free_text = units_format_size(free_kib);
        g_autofree char *minimum = units_format_size(settings->minimum_free_disk_kib);

        check_add(checks, "directory", CHECK_WARNING,
                  g_strdup_printf("%s, for paging files, has %s free, and %s must stay free",
                                  settings->paging_directory, free_text, minimum),
                  g_strdup("free some space, or set Directory= in [SmartPaging] to another place"));
    } else {
        g_autofree char *free_text = units_format_size(free_kib - settings->minimum_free_disk_kib);

        check_add(checks, "directory", CHECK_OK,
                  g_strdup_printf("%s has %s for paging files", settings->paging_directory, free_text), NULL);
    }
}

/*
 * The configuration as dynmemd reads it: root without the capabilities that pass over permissions, which its unit does not leave
 * it (CapabilityBoundingSet=). They are set aside meanwhile, as they would open a file here that it can't open.
 */
static Settings *
load_as_daemon(const char *root, GPtrArray **problems)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3] = {0};
    struct __user_cap_data_struct less[_LINUX_CAPABILITY_U32S_3];
    bool known = syscall(SYS_capget, &header, own) == 0;
    Settings *settings;

    memcpy(less, own, sizeof less);
    less[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    if (known)
        syscall(SYS_capset, &header, less);
    settings = config_load(root, NULL, problems);
    if (known)
        syscall(SYS_capset, &header, own);
    return settings;
}

/* Whoever is not root may be kept from a file that dynmemd reads. */
static bool
is_secret(const ConfigProblem *problem)
{
    return problem->denied && geteuid() != 0;
}

/* Each of them in a row of its own; what helps stands below the last. */
static void
add_complaints(GPtrArray *checks, const GPtrArray *problems)
{
    static const char advice[] = "correct that, then systemctl reload dynmemd";
    guint shown = MIN(problems->len, COMPLAINTS_SHOWN);

    for (guint i = 0; i < shown; i++) {
        const ConfigProblem *problem = g_ptr_array_index(problems, i);

        if (is_secret(problem))
            check_add(checks, "configuration", CHECK_NOTE, g_strdup_printf("%s can't be read", problem->file),
                      g_strdup("run dm-ctl check as root"));
        else
            check_add(checks, "configuration", CHECK_WARNING, config_problem_text(problem),
                      i + 1 == problems->len ? g_strdup(advice) : NULL);
    }
    if (problems->len > shown)
        check_add(checks, "configuration", CHECK_WARNING,
                  g_strdup_printf("%u more complaint%s not shown", problems->len - shown,
                                  problems->len - shown == 1 ? " is" : "s are"),
                  g_strdup(advice));
}

Settings *
host_checks_config(GPtrArray *checks, const char *root)
{
    g_autoptr(GPtrArray) problems = NULL;
    Settings *settings = load_as_daemon(root, &problems);
    uint64_t total = memory_checks_info(root, "MemTotal:");

    if (total > 0)
        config_check_host(settings, kib_from_bytes(saturating_sub(total, memory_checks_info(root, "Hugetlb:"))),
                          problems);
    add_complaints(checks, problems);
    if (problems->len == 0)
        check_add(checks, "configuration", CHECK_OK, g_strdup("nothing is wrong with it"), NULL);
    if (!settings->admission_enabled)
        check_add(checks, "admission", CHECK_WARNING, g_strdup("Enabled=no in [Admission]: no start is ever refused"),
                  g_strdup("set it to yes, unless that is what you want"));
    if (settings->paging_enabled && g_path_is_absolute(settings->paging_directory))
        check_directory(checks, root, settings);
    return settings;
}
