/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever stands in the small files of the kernel, in /proc, /sys and control groups: the host's figures, what a guest holds and
 * its limits are bounded, or are not told. The input is the files one after the other, each behind a line "@LETTER".
 */

#include "fuzz.h"

#include "act/guest_limits.h"
#include "observe/host_files.h"
#include "units.h"

#include <glib/gstdio.h>
#include <stdlib.h>

#define PID 77
#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/machine.slice/machine-qemu-1.scope"
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define NODES "/sys/devices/system/node"

/* By letter, from a on. */
static const char *const files[] = {
    "/proc/meminfo",
    "/proc/pressure/memory",
    "/proc/spl/kstat/zfs/arcstats",
    POOL "/nr_hugepages",
    POOL "/free_hugepages",
    POOL "/resv_hugepages",
    NODES "/node0/meminfo",
    NODES "/node1/meminfo",
    "/proc/77/cgroup",
    "/proc/77/status",
    GROUPS "/cgroup.controllers",
    GROUP "/cgroup.type",
    GROUP "/memory.stat",
    GROUP "/memory.high",
    GROUP "/memory.max",
    GROUP "/memory.current",
    GROUP "/memory.swap.current",
    GROUP "/memory.swap.max",
    GROUP "/memory.events",
    GROUPS "/machine.slice/memory.max",
    GROUPS "/machine.slice/memory.current",
    GROUPS "/machine.slice/memory.stat",
    GROUPS "/memory/machine.slice/machine-qemu-1.scope/memory.limit_in_bytes",
    NODES "/has_memory",
};

static char *root;

/* With all folders that it is alone in. */
static void
remove_file(const char *path)
{
    g_autofree char *below = g_strdup(path);

    g_remove(path);
    for (char *slash; (slash = strrchr(below, '/')) != NULL && (size_t)(slash - below) > strlen(root);) {
        *slash = '\0';
        if (g_rmdir(below) != 0)
            break;
    }
}

static void
clean(void)
{
    g_autofree char *held = g_strconcat(root, "/held", NULL);

    g_remove(held);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(root, files[i], NULL);

        remove_file(path);
    }
    g_rmdir(root);
    g_free(root);
}

static void
prepare(void)
{
    root = g_strdup("/dev/shm/dynmem-fuzz-XXXXXX"); /* in memory where that is to be had */
    if (g_mkdtemp(root) == NULL) {
        g_free(root);
        root = g_dir_make_tmp("dynmem-fuzz-XXXXXX", NULL);
    }
    atexit(clean);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(root, files[i], NULL);
        g_autofree char *directory = g_path_get_dirname(path);

        g_mkdir_with_parents(directory, 0700);
    }
}

/* Not replaced atomically, which takes long. */
static void
put(const char *name, const char *data, size_t size)
{
    g_autofree char *path = g_strconcat(root, name, NULL);
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
    fclose(file);
}

static void
put_files(const char *data, size_t size)
{
    static bool there[G_N_ELEMENTS(files)];
    const char *end = data + size;

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(root, files[i], NULL);

        if (there[i])
            g_unlink(path);
        there[i] = false;
    }
    while (end - data >= 3 && *data == '@') {
        size_t which = (size_t)(unsigned char)data[1] - 'a';
        const char *next;

        data += 3;
        next = g_strstr_len(data, end - data, "\n@");
        next = next != NULL ? next + 1 : end;
        if (which < G_N_ELEMENTS(files)) {
            put(files[which], data, (size_t)(next - data));
            there[which] = true;
        }
        data = next;
    }
}

static void
check_host(const HostFigures *figures)
{
    g_assert_cmpuint(figures->total_kib, >, 0);
    g_assert_cmpuint(figures->total_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(figures->available_kib, <=, figures->total_kib);
    g_assert_cmpuint(figures->arc_kib, <=, figures->available_kib);
    g_assert_cmpuint(figures->hugepages_kib, <=, figures->total_kib);
    g_assert_cmpuint(figures->swap_free_kib, <=, figures->swap_total_kib);
    g_assert_cmpuint(figures->pressure_some_centi, <, 10100);
    g_assert_cmpuint(figures->pressure_full_centi, <, 10100);
    for (unsigned i = 0; i < HOST_POOLS_MAX; i++) {
        g_assert_cmpuint(figures->pools[i].free_kib, <=, figures->pools[i].total_kib);
        g_assert_cmpuint(figures->pools[i].total_kib, <=, KIB_LIMIT);
    }
    for (unsigned i = 0; i < HOST_NODES_MAX; i++) {
        g_assert_cmpuint(figures->nodes[i].available_kib, <=, figures->nodes[i].total_kib);
        g_assert_cmpuint(figures->nodes[i].total_kib, <=, KIB_LIMIT);
    }
}

static void
check_limits(const GuestRecord *guest)
{
    static const ActSystem nothing = {.boot_file = "/boot_id", .page_bytes = 4096};
    ActSystem system = nothing;
    g_autofree char *problem = NULL;
    g_autoptr(Held) held = NULL;
    g_autoptr(Limits) limits = NULL;
    LimitWorld world;
    GuestLimits figures = {0};
    GuestGlance glance = {0};

    system.root = root;
    held = held_open(&system, root, &problem);
    limits = limits_new(&system, held);
    world = limits_world(limits);
    for (unsigned look = 0; look < 2; look++) {
        world.read(world.self, guest, &figures);
        g_assert_true(!figures.usable || figures.bar == NULL);
        g_assert_false(figures.set || figures.pending);
        g_assert_true(figures.max_kib <= KIB_LIMIT || figures.max_kib == LIMIT_NONE);
        g_assert_true(figures.above.group[0].id != 0 ||
                      (figures.above.group[0].limit_kib == 0 && figures.above.group[0].charged_kib == 0));
        world.glance(world.self, guest, &glance);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "fuzz";
    const GuestRecord guest = {.uuid = "00000000-0000-0000-0000-000000000000",
                               .serial = 1,
                               .name = name,
                               .life = GUEST_LIFE_RUNNING,
                               .boots = 1,
                               .pid = PID};
    GuestSettings settings = {.managed = true, .maximum_kib = KIB_PER_GIB, .vcpus = 1};
    g_autoptr(HostFiles) host = NULL;
    HostWorld world;
    HostFigures figures;
    GuestResident resident = {0};

    if (root == NULL)
        prepare();
    put_files((const char *)data, size);
    host = host_files_new(root);
    world = host_files_world(host);
    for (unsigned look = 0; look < 2; look++) {
        g_autoptr(GError) error = NULL;

        settings.source = look == 0 ? MEMORY_ANONYMOUS : MEMORY_FILE;
        if (world.read(world.self, &figures, &error))
            check_host(&figures);
        else
            g_assert_nonnull(error);
        world.resident(world.self, &guest, &settings, &resident);
    }
    check_limits(&guest);
    return 0;
}
