/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The kernel works MemAvailable out for the host alone (mm/show_mem.c, si_mem_available): free memory, page cache and slab
 * that can be given back, less what its watermarks keep. A node tells all but the last. That is the difference between
 * their sum and MemAvailable, and is laid on the nodes by their size, as the watermarks are (mm/page_alloc.c,
 * __setup_per_zone_wmarks).
 *
 * Cost: one pread a node and tick, none on a host with one node.
 */

#include "host_nodes.h"

#include "kernel/proc_file.h"
#include "units.h"

#include <string.h>
#include <unistd.h>

#define DIRECTORY "/sys/devices/system/node/"
/* Memory, and with it a node, may be plugged in: which there are is looked up again after so many reads. */
#define LOOK_AGAIN 60

struct HostNodes {
    char *directory;
    int list_fd;
    char *paths[HOST_NODES_MAX]; /* NULL: no such node */
    int fds[HOST_NODES_MAX];
    unsigned count;
    unsigned reads; /* left until the list is read again */
};

HostNodes *
host_nodes_new(const char *root)
{
    HostNodes *files = g_new0(HostNodes, 1);

    files->directory = g_strconcat(root, DIRECTORY, NULL);
    files->list_fd = -1;
    for (unsigned i = 0; i < HOST_NODES_MAX; i++)
        files->fds[i] = -1;
    return files;
}

static void
let_go(HostNodes *files, unsigned node)
{
    if (files->fds[node] >= 0)
        close(files->fds[node]);
    files->fds[node] = -1;
    g_clear_pointer(&files->paths[node], g_free);
}

void
host_nodes_free(HostNodes *files)
{
    for (unsigned i = 0; i < HOST_NODES_MAX; i++)
        let_go(files, i);
    if (files->list_fd >= 0)
        close(files->list_fd);
    g_free(files->directory);
    g_free(files);
}

/* "0-1,3" as bits; 0 where it is something else. */
static uint64_t
parse_list(const char *text)
{
    uint64_t bits = 0, first, last;
    const char *p = text;

    for (;;) {
        p = proc_file_number(p, &first);
        last = first;
        if (p != NULL && *p == '-')
            p = proc_file_number(p + 1, &last);
        if (p == NULL)
            return 0;
        for (uint64_t node = first; node <= last && node < HOST_NODES_MAX; node++)
            bits |= UINT64_C(1) << node;
        if (*p != ',')
            return bits;
        p++;
    }
}

static void
look_up(HostNodes *files)
{
    g_autofree char *path = g_strconcat(files->directory, "has_memory", NULL);
    char text[1024];
    uint64_t bits = 0;

    files->reads = LOOK_AGAIN;
    if (proc_file_read(path, &files->list_fd, text, sizeof text) >= 0)
        bits = parse_list(text);
    files->count = 0;
    for (unsigned i = 0; i < HOST_NODES_MAX; i++) {
        if ((bits >> i & 1) == 0) {
            let_go(files, i);
            continue;
        }
        files->count++;
        if (files->paths[i] == NULL)
            files->paths[i] = g_strdup_printf("%snode%u/meminfo", files->directory, i);
    }
}

/* One figure of a node, whose lines all begin with its name. */
static uint64_t
find(const char *text, unsigned node, const char *name)
{
    char line[64];
    uint64_t kib = 0;

    g_snprintf(line, sizeof line, "Node %u %s:", node, name);
    return proc_file_find(text, line, &kib) ? MIN(kib, KIB_LIMIT) : 0;
}

static void
read_node(HostNodes *files, unsigned node, HostNode *figures)
{
    char text[8192];
    uint64_t reclaimable;

    if (proc_file_read(files->paths[node], &files->fds[node], text, sizeof text) < 0)
        return;
    figures->total_kib = find(text, node, "MemTotal");
    /* slab, and what else the kernel gives back: one figure from Linux 4.20 on */
    reclaimable = find(text, node, "KReclaimable");
    if (reclaimable == 0)
        reclaimable = find(text, node, "SReclaimable");
    figures->available_kib = find(text, node, "MemFree") + find(text, node, "Active(file)") +
                             find(text, node, "Inactive(file)") + reclaimable;
}

/* a / b of amount, where a <= b: to a thousandth, rounded up. */
static uint64_t
part_of(uint64_t amount, uint64_t a, uint64_t b)
{
    uint64_t permille = b == 0 ? 0 : (a * 1000 + b - 1) / b;

    return (amount * permille + 999) / 1000;
}

void
host_nodes_read(HostNodes *files, uint64_t available_kib, HostFigures *figures)
{
    uint64_t total = 0, raw = 0, kept;

    if (files->reads == 0)
        look_up(files);
    files->reads--;
    if (files->count < 2)
        return;
    for (unsigned i = 0; i < HOST_NODES_MAX; i++) {
        if (files->paths[i] == NULL)
            continue;
        read_node(files, i, &figures->nodes[i]);
        total = saturating_add(total, figures->nodes[i].total_kib);
        raw = saturating_add(raw, figures->nodes[i].available_kib);
    }
    kept = saturating_sub(raw, available_kib);
    for (unsigned i = 0; i < HOST_NODES_MAX; i++) {
        HostNode *node = &figures->nodes[i];

        node->available_kib = saturating_sub(node->available_kib, part_of(kept, node->total_kib, total));
        node->available_kib = MIN(node->available_kib, node->total_kib);
    }
}
