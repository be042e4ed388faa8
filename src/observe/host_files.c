/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_files.h"

#include "error.h"
#include "host_arc.h"
#include "host_nodes.h"
#include "host_pools.h"
#include "kernel/proc_file.h"
#include "resident.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * 150 ms of stall within 2 s. Without CAP_SYS_RESOURCE the kernel takes windows of whole multiples of two seconds only
 * (kernel/sched/psi.c, psi_trigger_create), so this works in every case.
 */
#define PRESSURE_TRIGGER "some 150000 2000000"
#define PRESSURE_WINDOW_USEC (2 * USEC_PER_SEC)

struct HostFiles {
    char *meminfo_path;
    int meminfo_fd;
    char *pressure_path;
    int pressure_fd;
    bool no_pressure; /* it could not be opened: this kernel has none */
    HostArc *arc;
    HostPools *pools;
    HostNodes *nodes;
    ResidentReader *resident;

    int trigger_fd;
    guint trigger_source;
    gint64 pressed_usec;
    void (*pressed)(void *user_data);
    void *user_data;
};

HostFiles *
host_files_new(const char *root)
{
    HostFiles *files = g_new0(HostFiles, 1);

    files->meminfo_path = g_strconcat(root, "/proc/meminfo", NULL);
    files->meminfo_fd = -1;
    files->pressure_path = g_strconcat(root, "/proc/pressure/memory", NULL);
    files->pressure_fd = -1;
    files->trigger_fd = -1;
    files->arc = host_arc_new(root);
    files->pools = host_pools_new(root);
    files->nodes = host_nodes_new(root);
    files->resident = resident_reader_new(root);
    return files;
}

static void
close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
stop_watching(HostFiles *files)
{
    if (files->trigger_source != 0)
        g_source_remove(files->trigger_source);
    files->trigger_source = 0;
    close_if_open(&files->trigger_fd);
}

void
host_files_free(HostFiles *files)
{
    if (files == NULL)
        return;
    stop_watching(files);
    close_if_open(&files->meminfo_fd);
    close_if_open(&files->pressure_fd);
    host_arc_free(files->arc);
    host_pools_free(files->pools);
    host_nodes_free(files->nodes);
    resident_reader_free(files->resident);
    g_free(files->meminfo_path);
    g_free(files->pressure_path);
    g_free(files);
}

/* avg10 of the line that begins with kind, "0.15" as 15; false where it is not there. */
static bool
find_avg10(const char *text, const char *kind, uint32_t *centi)
{
    const char *p = g_str_has_prefix(text, kind) ? text : strstr(text, kind);
    uint64_t whole, fraction;

    if (p == NULL)
        return false;
    p = proc_file_number(p + strlen(kind), &whole);
    if (p == NULL || *p != '.' || !g_ascii_isdigit(p[1]) || !g_ascii_isdigit(p[2]) || whole > 100)
        return false;
    fraction = (uint64_t)(p[1] - '0') * 10 + (uint64_t)(p[2] - '0');
    *centi = (uint32_t)(whole * 100 + fraction);
    return true;
}

static void
read_pressure(HostFiles *files, HostFigures *figures)
{
    char text[512];

    if (files->no_pressure)
        return;
    if (proc_file_read(files->pressure_path, &files->pressure_fd, text, sizeof text) < 0) {
        /* there or not for as long as the kernel runs; with psi=0 it is there and can't be opened */
        files->no_pressure = errno == ENOENT || errno == EOPNOTSUPP;
        return;
    }
    figures->has_pressure = find_avg10(text, "some avg10=", &figures->pressure_some_centi);
    if (figures->has_pressure)
        find_avg10(text, "full avg10=", &figures->pressure_full_centi);
}

static bool
read_figures(void *self, HostFigures *figures, GError **error)
{
    HostFiles *files = self;
    HostFigures read = {0};
    char text[8192];

    resident_reader_tick(files->resident);
    if (proc_file_read(files->meminfo_path, &files->meminfo_fd, text, sizeof text) < 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s can't be read: %s", files->meminfo_path,
                    g_strerror(errno));
        return false;
    }
    if (!proc_file_find(text, "MemTotal:", &read.total_kib) || read.total_kib == 0 || read.total_kib > KIB_LIMIT ||
        !proc_file_find(text, "MemAvailable:", &read.available_kib)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s does not tell MemTotal and MemAvailable",
                    files->meminfo_path);
        return false;
    }
    read.available_kib = MIN(read.available_kib, read.total_kib);
    host_nodes_read(files->nodes, read.available_kib, &read);
    read.arc_kib = MIN(host_arc_read(files->arc), read.total_kib - read.available_kib);
    read.available_kib += read.arc_kib;
    host_pools_read(files->pools, text, &read);
    read.hugepages_kib = MIN(read.hugepages_kib, read.total_kib);
    if (proc_file_find(text, "SwapTotal:", &read.swap_total_kib) &&
        proc_file_find(text, "SwapFree:", &read.swap_free_kib))
        read.swap_free_kib = MIN(read.swap_free_kib, read.swap_total_kib);
    read_pressure(files, &read);
    *figures = read;
    return true;
}

uint64_t
host_files_hugepage_kib(HostFiles *files)
{
    char text[8192];
    uint64_t page_kib = 0;

    if (proc_file_read(files->meminfo_path, &files->meminfo_fd, text, sizeof text) >= 0)
        proc_file_find(text, "Hugepagesize:", &page_kib);
    return page_kib;
}

static bool
read_resident(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident)
{
    HostFiles *files = self;

    return resident_reader_read(files->resident, guest->pid, settings, resident);
}

HostWorld
host_files_world(HostFiles *files)
{
    return (HostWorld){.self = files, .read = read_figures, .resident = read_resident};
}

static gboolean
trigger_ready(gint fd, GIOCondition condition, gpointer user_data)
{
    HostFiles *files = user_data;
    gint64 now_usec = g_get_monotonic_time();

    if ((condition & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)) != 0) {
        files->trigger_source = 0; /* the kernel let go of the trigger; removed by the return */
        close_if_open(&files->trigger_fd);
        return G_SOURCE_REMOVE;
    }
    if (files->pressed_usec != 0 && now_usec - files->pressed_usec < (gint64)PRESSURE_WINDOW_USEC)
        return G_SOURCE_CONTINUE;
    files->pressed_usec = now_usec;
    files->pressed(files->user_data);
    return G_SOURCE_CONTINUE;
}

bool
host_files_watch_pressure(HostFiles *files, void (*pressed)(void *user_data), void *user_data, GError **error)
{
    struct statfs fs;

    stop_watching(files);
    files->trigger_fd = open(files->pressure_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    /* a recorded file could be written to, and would then be ready for ever */
    if (files->trigger_fd >= 0 && (fstatfs(files->trigger_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)) {
        close_if_open(&files->trigger_fd);
        errno = EOPNOTSUPP;
    }
    if (files->trigger_fd >= 0 && write(files->trigger_fd, PRESSURE_TRIGGER, sizeof PRESSURE_TRIGGER) < 0) {
        int why = errno;

        close_if_open(&files->trigger_fd);
        errno = why;
    }
    if (files->trigger_fd < 0) {
        g_set_error(
            error, DYNMEM_ERROR, DYNMEM_ERROR_UNSUPPORTED,
            "%s can't be watched: %s; the kernel needs CONFIG_PSI and, where it is off by default, psi=1 on its "
            "command line",
            files->pressure_path, g_strerror(errno));
        return false;
    }
    files->pressed = pressed;
    files->user_data = user_data;
    files->trigger_source =
        g_unix_fd_add(files->trigger_fd, G_IO_PRI | G_IO_ERR | G_IO_HUP | G_IO_NVAL, trigger_ready, files);
    return true;
}
