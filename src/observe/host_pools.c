/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_pools.h"

#include "kernel/proc_file.h"
#include "units.h"

#include <string.h>
#include <unistd.h>

#define DIRECTORY "/sys/kernel/mm/hugepages"

enum {
    TOTAL,    /* surplus pages, which go when they are free, among them */
    FREE,     /* those that are promised already among them */
    PROMISED, /* to mappings that have not touched them yet */
    FILES
};

static const char *const names[FILES] = {"nr_hugepages", "free_hugepages", "resv_hugepages"};

typedef struct Pool {
    uint64_t page_kib;
    char *paths[FILES];
    int fds[FILES];
} Pool;

struct HostPools {
    Pool pools[HOST_POOLS_MAX];
    unsigned count;
};

static void
add_pool(HostPools *files, const char *directory, const char *name)
{
    Pool *pool = &files->pools[files->count];
    uint64_t page_kib;

    if (files->count == HOST_POOLS_MAX || !g_str_has_prefix(name, "hugepages-") ||
        proc_file_number(name + strlen("hugepages-"), &page_kib) == NULL || page_kib == 0 || page_kib > KIB_LIMIT)
        return;
    pool->page_kib = page_kib;
    for (unsigned i = 0; i < FILES; i++) {
        pool->paths[i] = g_build_filename(directory, name, names[i], NULL);
        pool->fds[i] = -1;
    }
    files->count++;
}

/* Which sizes there are is settled when the kernel boots. */
HostPools *
host_pools_new(const char *root)
{
    HostPools *files = g_new0(HostPools, 1);
    g_autofree char *directory = g_strconcat(root, DIRECTORY, NULL);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        add_pool(files, directory, name);
    return files;
}

void
host_pools_free(HostPools *files)
{
    for (unsigned pool = 0; pool < files->count; pool++) {
        for (unsigned i = 0; i < FILES; i++) {
            if (files->pools[pool].fds[i] >= 0)
                close(files->pools[pool].fds[i]);
            g_free(files->pools[pool].paths[i]);
        }
    }
    g_free(files);
}

/* So many pages in KiB; 0 where the file does not tell. */
static uint64_t
read_pages(Pool *pool, unsigned file)
{
    char text[64];
    uint64_t pages;

    if (proc_file_read(pool->paths[file], &pool->fds[file], text, sizeof text) < 0 ||
        proc_file_number(text, &pages) == NULL || pages > KIB_LIMIT / pool->page_kib)
        return 0;
    return pages * pool->page_kib;
}

static uint64_t
read_pools(HostPools *files, bool none, HostFigures *figures)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < files->count; i++) {
        HostPool *figure = &figures->pools[i];
        Pool *pool = &files->pools[i];

        *figure = (HostPool){.page_kib = pool->page_kib};
        if (none)
            continue;
        figure->total_kib = read_pages(pool, TOTAL);
        if (figure->total_kib > 0)
            figure->free_kib = MIN(read_pages(pool, FREE), figure->total_kib);
        if (figure->free_kib > 0)
            figure->free_kib = saturating_sub(figure->free_kib, read_pages(pool, PROMISED));
        sum = saturating_add(sum, figure->total_kib);
    }
    return sum;
}

void
host_pools_read(HostPools *files, const char *meminfo, HostFigures *figures)
{
    /* kernels from 4.19 on have the sum of all sizes in meminfo; before, meminfo knows the default size only */
    uint64_t summed, pages, page_kib;
    bool has_sum = proc_file_find(meminfo, "Hugetlb:", &summed);
    uint64_t sum = read_pools(files, has_sum && summed == 0, figures);

    if (!has_sum && sum == 0 && proc_file_find(meminfo, "HugePages_Total:", &pages) &&
        proc_file_find(meminfo, "Hugepagesize:", &page_kib) && pages <= KIB_LIMIT / MAX(page_kib, 1))
        sum = pages * page_kib;
    figures->hugepages_kib = has_sum ? summed : sum;
}
