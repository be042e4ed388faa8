/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_arc.h"

#include "kernel/proc_file.h"
#include "units.h"

#include <string.h>
#include <unistd.h>

/* ZFS may be loaded while the daemon runs: where it is not, it is looked for again after so many reads. */
#define LOOK_AGAIN 60

struct HostArc {
    char *path;
    int fd;
    unsigned absent_reads; /* left in which it is not looked for */
};

HostArc *
host_arc_new(const char *root)
{
    HostArc *arc = g_new0(HostArc, 1);

    arc->path = g_strconcat(root, "/proc/spl/kstat/zfs/arcstats", NULL);
    arc->fd = -1;
    return arc;
}

void
host_arc_free(HostArc *arc)
{
    if (arc->fd >= 0)
        close(arc->fd);
    g_free(arc->path);
    g_free(arc);
}

/* A line is name, type and value. */
static bool
find_bytes(const char *text, const char *name, uint64_t *bytes)
{
    size_t length = strlen(name);
    uint64_t type;

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        const char *p;

        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ' ')
            continue;
        p = line + length;
        p = proc_file_number(p + strspn(p, " "), &type);
        return p != NULL && *p == ' ' && proc_file_number(p + strspn(p, " "), bytes) != NULL;
    }
    return false;
}

/* What is clean and used by nobody at the moment; false where this ZFS does not tell. */
static bool
find_evictable(const char *text, uint64_t *bytes)
{
    static const char *const names[] = {"mru_evictable_data", "mru_evictable_metadata", "mfu_evictable_data",
                                        "mfu_evictable_metadata"};
    uint64_t sum = 0, part;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!find_bytes(text, names[i], &part))
            return false;
        sum = saturating_add(sum, part);
    }
    *bytes = sum;
    return true;
}

uint64_t
host_arc_read(HostArc *arc)
{
    char text[32768];
    uint64_t size, least, evictable, bytes;

    if (arc->absent_reads > 0) {
        arc->absent_reads--;
        return 0;
    }
    if (proc_file_read_records(arc->path, &arc->fd, text, sizeof text) < 0) {
        arc->absent_reads = LOOK_AGAIN;
        return 0;
    }
    if (!find_bytes(text, "size", &size) || !find_bytes(text, "c_min", &least))
        return 0;
    bytes = saturating_sub(size, least);
    if (find_evictable(text, &evictable))
        bytes = MIN(bytes, evictable);
    return MIN(kib_from_bytes(bytes), KIB_LIMIT);
}
