/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory_checks.h"

#include "guest_files.h"
#include "kernel/proc_file.h"
#include "text.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What dynmem's own files end with. */
#define PAGING_SUFFIX ".dynmem-paging"

#define KSM "/sys/kernel/mm/ksm/"
#define NODES "/sys/devices/system/node"

uint64_t
memory_checks_info(const char *root, const char *name)
{
    g_autofree char *text = check_read(root, "/proc/meminfo");
    uint64_t kib = 0;

    if (text != NULL)
        proc_file_find(text, name, &kib);
    return bytes_from_kib(MIN(kib, KIB_LIMIT));
}

/* ---- swap ---- */

void
memory_checks_swap(const char *root, uint64_t *size, uint64_t *used, GPtrArray *names)
{
    g_autofree char *text = check_read(root, "/proc/swaps");
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

    *size = *used = 0;
    /* a title, then path, kind, size and use in KiB, and priority */
    for (size_t i = 1; lines[0] != NULL && lines[i] != NULL; i++) {
        char path[4096];
        uint64_t size_kib, used_kib;

        if (sscanf(lines[i], "%4095s %*s %" SCNu64 " %" SCNu64, path, &size_kib, &used_kib) != 3 ||
            g_str_has_suffix(path, PAGING_SUFFIX))
            continue;
        *size = saturating_add(*size, bytes_from_kib(MIN(size_kib, KIB_LIMIT)));
        *used = saturating_add(*used, bytes_from_kib(MIN(used_kib, KIB_LIMIT)));
        if (names != NULL)
            g_ptr_array_add(names, g_strdup(path));
    }
}

static void
check_swap(GPtrArray *checks, const char *root)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *shown = NULL, *size_text = NULL, *used_text = NULL;
    uint64_t size, used, available = memory_checks_info(root, "MemAvailable:");

    memory_checks_swap(root, &size, &used, names);
    if (names->len == 0) {
        check_add(checks, "swap", CHECK_OK, g_strdup("the host has no swap of its own"), NULL);
        return;
    }
    shown = check_names(names);
    size_text = text_size(size);
    used_text = text_size(used);
    /* as the daemon decides it when a file is to be made */
    if (used > available / 2)
        check_add(checks, "swap", CHECK_WARNING,
                  g_strdup_printf(
                      "%s of the host's own swap is in use (%s): more than could come back into memory, so no guest "
                      "can have a paging file",
                      used_text, shown),
                  g_strdup("swapoff and swapon of it when there is room; less memory for guests (Reserve=)"));
    else if (strstr(shown, "/dev/zram") != NULL)
        check_add(checks, "swap", CHECK_NOTE,
                  g_strdup_printf(
                      "the host swaps into memory (%s, %s, of which %s are in use): what that takes is not there for "
                      "guests",
                      shown, size_text, used_text),
                  g_strdup("swap on a disk, or none, where guests use most of the memory"));
    else
        check_add(checks, "swap", CHECK_NOTE,
                  g_strdup_printf(
                      "the host has %s of swap of its own (%s), of which %s are in use: while a paging file is on, "
                      "nobody else swaps out",
                      size_text, shown, used_text),
                  NULL);
}

/* ---- caches and merged pages ---- */

/* A line is name, type and value. */
static uint64_t
arc_figure(const char *text, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (size_t i = 0; lines[i] != NULL; i++) {
        char found[64];
        uint64_t value;

        if (sscanf(lines[i], "%63s %*u %" SCNu64, found, &value) == 2 && strcmp(found, name) == 0)
            return value;
    }
    return 0;
}

static void
check_arc(GPtrArray *checks, const char *root)
{
    g_autofree char *text = check_read(root, "/proc/spl/kstat/zfs/arcstats");
    uint64_t total = memory_checks_info(root, "MemTotal:"), most;
    g_autofree char *most_text = NULL;
    CheckLevel level;

    if (text == NULL || total == 0)
        return;
    most = arc_figure(text, "c_max");
    most_text = text_size(most);
    level = most > total / 2 ? CHECK_WARNING : most > total / 8 ? CHECK_NOTE : CHECK_OK;
    if (level == CHECK_OK)
        check_add(checks, "arc", level, g_strdup_printf("ZFS's cache has %s at most", most_text), NULL);
    else
        check_add(
            checks, "arc", level,
            g_strdup_printf(
                "ZFS's cache (ARC) may have %s: what it holds counts as available, and is given back slowly when "
                "guests need it",
                most_text),
            g_strdup(
                "a tenth of the memory or less: zfs_arc_max=BYTES in /sys/module/zfs/parameters, and \"options zfs "
                "zfs_arc_max=BYTES\" in /etc/modprobe.d for the next boot"));
}

static void
check_ksm(GPtrArray *checks, const char *root)
{
    g_autofree char *run = check_read(root, KSM "run");
    g_autofree char *sharing = check_read(root, KSM "pages_sharing");
    uint64_t pages = sharing != NULL ? g_ascii_strtoull(sharing, NULL, 10) : 0;
    uint64_t saved = MIN(pages, KIB_LIMIT) * (uint64_t)sysconf(_SC_PAGESIZE);
    g_autofree char *saved_text = text_size(saved);

    if (run == NULL)
        return;
    if (strcmp(run, "1") != 0 && saved == 0)
        check_add(checks, "ksm", CHECK_OK, g_strdup("no pages are merged (KSM)"), NULL);
    else
        check_add(checks, "ksm", CHECK_NOTE,
                  g_strdup_printf(
                      "KSM %s, and saves %s: dynmem books guests in full, as merged pages come apart when they are "
                      "written",
                      strcmp(run, "1") == 0 ? "runs" : "has merged pages", saved_text),
                  g_strdup("echo 2 >" KSM
                           "run, and no ksmtuned, where all guests are managed: it costs time and gains nothing"));
}

void
memory_checks_add(GPtrArray *checks, const char *root)
{
    check_swap(checks, root);
    check_arc(checks, root);
    check_ksm(checks, root);
}

/* ---- NUMA ---- */

/* Nodes with memory. */
static unsigned
count_nodes(const char *root)
{
    g_autofree char *path = g_strconcat(root, NODES, NULL);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    unsigned count = 0;
    const char *entry;

    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL) {
        g_autofree char *file = g_strconcat(NODES "/", entry, "/meminfo", NULL);
        g_autofree char *text = g_str_has_prefix(entry, "node") ? check_read(root, file) : NULL;
        const char *figure = text != NULL ? strstr(text, " MemTotal:") : NULL;
        uint64_t kib = 0;

        if (figure != NULL)
            sscanf(figure, " MemTotal: %" SCNu64, &kib);
        count += kib > 0;
    }
    return count;
}

void
memory_checks_nodes(GPtrArray *checks, const GPtrArray *guests, const char *root)
{
    unsigned nodes = count_nodes(root);
    g_autofree char *reclaim = check_read(root, "/proc/sys/vm/zone_reclaim_mode");
    g_autoptr(GPtrArray) bound = g_ptr_array_new();
    g_autofree char *shown = NULL;

    if (nodes < 2)
        return;
    for (guint i = 0; i < guests->len; i++) {
        const GuestFile *guest = g_ptr_array_index(guests, i);

        if (guest->domain.memory.strict_nodes != 0)
            g_ptr_array_add(bound, guest->domain.name);
    }
    shown = check_names(bound);
    if (reclaim != NULL && strcmp(reclaim, "0") != 0)
        check_add(checks, "numa", CHECK_WARNING,
                  g_strdup_printf(
                      "vm.zone_reclaim_mode is %s: the kernel takes memory back in one node while another has plenty",
                      reclaim),
                  g_strdup("sysctl vm.zone_reclaim_mode=0, and a file in /etc/sysctl.d for the next boot"));
    else if (bound->len > 0)
        check_add(checks, "numa", CHECK_NOTE,
                  g_strdup_printf(
                      "%u nodes have memory, and guests are bound strictly to some: %s; a guest gets no more than its "
                      "nodes have, whatever is free in others",
                      nodes, shown),
                  g_strdup("virsh edit GUEST: mode='preferred' in its <numatune>, unless it needs its memory near"));
    else
        check_add(checks, "numa", CHECK_OK,
                  g_strdup_printf("%u nodes have memory, and no guest is bound strictly to any", nodes), NULL);
}
