/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain_memory.h"

#include "ports.h"
#include "units.h"
#include "value.h"

#include <string.h>
#include <unistd.h>

#define NO_NODE (-1)

/* How a part of the memory is mapped; said of the whole guest or of one cell. */
typedef enum Access {
    ACCESS_UNSAID,
    ACCESS_SHARED,
    ACCESS_PRIVATE,
} Access;

/* A NUMA cell of the guest. */
typedef struct Cell {
    uint64_t id;
    uint64_t kib;
    Access access;
} Cell;

/* <hugepages><page>: one size for all cells, or for some. */
typedef struct Page {
    uint64_t page_kib; /* 0: HUGEPAGE_OF_HOST */
    bool all;
    uint64_t cells; /* bit n: for cell n */
} Page;

typedef enum DeviceModel {
    DEVICE_DIMM,
    DEVICE_VIRTIO_MEM,
    DEVICE_NOT_RAM,
} DeviceModel;

typedef struct Device {
    DeviceModel model;
    uint64_t size_kib;
    uint64_t requested_kib;
    uint64_t current_kib;
    uint64_t page_kib; /* 0: that of its cell */
    int64_t cell;      /* NO_NODE: none */
} Device;

/* <numatune>: of the guest, or of one cell. */
typedef struct Binding {
    int64_t cell; /* NO_NODE: of the guest */
    bool strict;
    uint64_t nodes;
} Binding;

struct MemoryReading {
    DomainMemory memory; /* what needs no sum */
    GArray *cells;       /* of Cell */
    GArray *pages;       /* of Page */
    GArray *devices;     /* of Device */
    GArray *bindings;    /* of Binding */
    MemorySource asked_source;
    Access access;
};

MemoryReading *
memory_reading_new(void)
{
    MemoryReading *reading = g_new0(MemoryReading, 1);

    reading->cells = g_array_new(FALSE, TRUE, sizeof(Cell));
    reading->pages = g_array_new(FALSE, TRUE, sizeof(Page));
    reading->devices = g_array_new(FALSE, TRUE, sizeof(Device));
    reading->bindings = g_array_new(FALSE, TRUE, sizeof(Binding));
    return reading;
}

void
memory_reading_free(MemoryReading *reading)
{
    g_array_unref(reading->cells);
    g_array_unref(reading->pages);
    g_array_unref(reading->devices);
    g_array_unref(reading->bindings);
    g_free(reading->memory.partition);
    g_free(reading);
}

static uint64_t
number_of(const char *text)
{
    uint64_t number = UINT64_MAX;

    if (text != NULL)
        g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &number, NULL);
    return number;
}

static Access
access_of(const char *text)
{
    if (g_strcmp0(text, "shared") == 0)
        return ACCESS_SHARED;
    return g_strcmp0(text, "private") == 0 ? ACCESS_PRIVATE : ACCESS_UNSAID;
}

static void
begin_cell(MemoryReading *reading, const char *const *names, const char *const *values)
{
    const char *memory = value_attribute("memory", names, values);
    const char *unit = value_attribute("unit", names, values);
    Cell cell = {.id = number_of(value_attribute("id", names, values)),
                 .access = access_of(value_attribute("memAccess", names, values))};

    if (cell.id == UINT64_MAX)
        cell.id = reading->cells->len; /* where none has an id they are counted */
    if (memory != NULL)
        value_parse_memory(memory, unit != NULL ? unit : "", &cell.kib);
    g_array_append_val(reading->cells, cell);
}

static void
begin_page(MemoryReading *reading, const char *const *names, const char *const *values)
{
    const char *size = value_attribute("size", names, values);
    const char *unit = value_attribute("unit", names, values);
    const char *cells = value_attribute("nodeset", names, values);
    Page page = {.all = cells == NULL};

    if (size != NULL)
        value_parse_memory(size, unit != NULL ? unit : "", &page.page_kib);
    if (cells != NULL)
        value_parse_nodes(cells, &page.cells);
    g_array_append_val(reading->pages, page);
}

static void
begin_device(MemoryReading *reading, const char *model)
{
    Device device = {.model = DEVICE_NOT_RAM, .cell = NO_NODE};

    if (g_strcmp0(model, "dimm") == 0)
        device.model = DEVICE_DIMM;
    else if (g_strcmp0(model, "virtio-mem") == 0)
        device.model = DEVICE_VIRTIO_MEM;
    g_array_append_val(reading->devices, device);
}

/*
 * strict is the default (libvirt src/conf/numa_conf.c). restrictive sets the cpuset alone, and that binds as well. Nodes that
 * can't be read, or that are beyond those that are looked at, bind to nothing.
 */
static void
begin_binding(MemoryReading *reading, bool of_cell, const char *const *names, const char *const *values)
{
    const char *mode = value_attribute("mode", names, values);
    const char *nodes = value_attribute("nodeset", names, values);
    Binding binding = {.cell = NO_NODE,
                       .strict = mode == NULL || strcmp(mode, "strict") == 0 || strcmp(mode, "restrictive") == 0};

    if (of_cell)
        binding.cell = (int64_t)number_of(value_attribute("cellid", names, values));
    if (nodes == NULL || !value_parse_nodes(nodes, &binding.nodes))
        binding.nodes = 0;
    g_array_append_val(reading->bindings, binding);
}

void
memory_reading_begin(MemoryReading *reading, const char *path, const char *const *names, const char *const *values)
{
    if (strcmp(path, "/domain/devices/memory") == 0) {
        begin_device(reading, value_attribute("model", names, values));
    } else if (strcmp(path, "/domain/cpu/numa/cell") == 0) {
        begin_cell(reading, names, values);
    } else if (strcmp(path, "/domain/memoryBacking/hugepages/page") == 0) {
        begin_page(reading, names, values);
    } else if (strcmp(path, "/domain/memoryBacking/source") == 0) {
        const char *type = value_attribute("type", names, values);

        reading->asked_source = g_strcmp0(type, "file") == 0    ? MEMORY_FILE
                                : g_strcmp0(type, "memfd") == 0 ? MEMORY_SHARED
                                                                : MEMORY_ANONYMOUS;
    } else if (strcmp(path, "/domain/memoryBacking/access") == 0) {
        reading->access = access_of(value_attribute("mode", names, values));
    } else if (strcmp(path, "/domain/memoryBacking/allocation") == 0) {
        reading->memory.immediate = g_strcmp0(value_attribute("mode", names, values), "immediate") == 0;
    } else if (strcmp(path, "/domain/numatune/memory") == 0) {
        begin_binding(reading, false, names, values);
    } else if (strcmp(path, "/domain/numatune/memnode") == 0) {
        begin_binding(reading, true, names, values);
    }
}

static void
end_device_part(MemoryReading *reading, const char *part, const char *text, const char *unit)
{
    Device *device = &g_array_index(reading->devices, Device, reading->devices->len - 1);

    if (strcmp(part, "target/size") == 0)
        value_parse_memory(text, unit, &device->size_kib);
    else if (strcmp(part, "target/requested") == 0)
        value_parse_memory(text, unit, &device->requested_kib);
    else if (strcmp(part, "target/current") == 0)
        value_parse_memory(text, unit, &device->current_kib);
    else if (strcmp(part, "source/pagesize") == 0)
        value_parse_memory(text, unit, &device->page_kib);
    else if (strcmp(part, "target/node") == 0)
        device->cell = (int64_t)number_of(text);
}

void
memory_reading_end(MemoryReading *reading, const char *path, const char *text, const char *unit)
{
    static const char in_device[] = "/domain/devices/memory/";
    DomainMemory *memory = &reading->memory;

    if (g_str_has_prefix(path, in_device)) {
        end_device_part(reading, path + strlen(in_device), text, unit);
    } else if (strcmp(path, "/domain/memory") == 0) {
        memory->has_total = value_parse_memory(text, unit, &memory->total_kib) && memory->total_kib > 0;
    } else if (strcmp(path, "/domain/currentMemory") == 0) {
        memory->has_current = value_parse_memory(text, unit, &memory->current_kib);
    } else if (strcmp(path, "/domain/memtune/hard_limit") == 0) {
        /* "unlimited" is a figure beyond all that is read (libvirt VIR_DOMAIN_MEMORY_PARAM_UNLIMITED) */
        if (!value_parse_memory(text, unit, &memory->hard_limit_kib))
            memory->hard_limit_kib = 0;
    } else if (strcmp(path, "/domain/resource/partition") == 0) {
        g_clear_pointer(&memory->partition, g_free);
        if (strcmp(text, SETTINGS_DEFAULT_PARTITION) != 0)
            memory->partition = g_strdup(text);
    } else if (strcmp(path, "/domain/memoryBacking/hugepages") == 0 && reading->pages->len == 0) {
        const Page page = {.all = true};

        g_array_append_val(reading->pages, page);
    }
}

void
memory_reading_set_immediate(MemoryReading *reading)
{
    reading->memory.immediate = true;
}

/* ---- sums ---- */

/*
 * The size of the pages that memory of this cell lies in, 0: ordinary ones. As libvirt finds it (src/qemu/qemu_command.c,
 * qemuBuildMemoryBackendProps): what is said of the cell, else what is said of all; a size that is the system's own is as if
 * nothing had been said. own_kib: what a device says of itself.
 */
static uint64_t
page_of(const MemoryReading *reading, int64_t cell, uint64_t own_kib)
{
    const Page *page = NULL;
    uint64_t page_kib = own_kib;
    bool found = false;

    for (guint i = 0; i < reading->pages->len && !found; i++) {
        const Page *one = &g_array_index(reading->pages, Page, i);

        found = !one->all && cell >= 0 && cell < HOST_NODES_MAX && (one->cells >> cell & 1) != 0;
        /* a guest without cells is one cell, whatever its pages are said to be for */
        if (one->all || found || reading->cells->len == 0)
            page = one;
    }
    if (own_kib == 0)
        page_kib = page == NULL ? 0 : page->page_kib == 0 ? HUGEPAGE_OF_HOST : page->page_kib;
    return page_kib == (uint64_t)sysconf(_SC_PAGESIZE) / 1024 ? 0 : page_kib;
}

/* Parts of the memory that lie in pools, by the size of their pages. */
typedef struct Pool {
    uint64_t page_kib;
    uint64_t kib;
} Pool;

static void
add_to_pools(GArray *pools, uint64_t kib, uint64_t page_kib)
{
    const Pool fresh = {.page_kib = page_kib, .kib = kib};

    for (guint i = 0; i < pools->len; i++) {
        Pool *pool = &g_array_index(pools, Pool, i);

        if (pool->page_kib != page_kib)
            continue;
        pool->kib = saturating_add(pool->kib, kib);
        return;
    }
    if (page_kib != 0 && kib != 0)
        g_array_append_val(pools, fresh);
}

static void
sum_devices(const MemoryReading *reading, DomainMemory *memory, GArray *pools)
{
    for (guint i = 0; i < reading->devices->len; i++) {
        const Device *device = &g_array_index(reading->devices, Device, i);
        uint64_t plugged = MAX(device->requested_kib, device->current_kib);
        uint64_t page = page_of(reading, device->cell, device->page_kib);

        switch (device->model) {
        case DEVICE_DIMM:
            memory->dimms_kib = saturating_add(memory->dimms_kib, device->size_kib);
            add_to_pools(pools, device->size_kib, page);
            break;
        case DEVICE_VIRTIO_MEM:
            memory->virtio_mem_kib = saturating_add(memory->virtio_mem_kib, device->size_kib);
            memory->plugged_kib = saturating_add(memory->plugged_kib, MIN(plugged, device->size_kib));
            add_to_pools(pools, MIN(plugged, device->size_kib), page);
            break;
        case DEVICE_NOT_RAM:
            memory->not_ram_kib = saturating_add(memory->not_ram_kib, device->size_kib);
            break;
        }
    }
}

static void
sum_cells(const MemoryReading *reading, const DomainMemory *memory, GArray *pools)
{
    uint64_t others = saturating_add(memory->virtio_mem_kib, memory->not_ram_kib);

    for (guint i = 0; i < reading->cells->len; i++) {
        const Cell *cell = &g_array_index(reading->cells, Cell, i);

        add_to_pools(pools, cell->kib, page_of(reading, (int64_t)cell->id, 0));
    }
    if (reading->cells->len > 0)
        return;
    for (guint i = 0; i < reading->devices->len; i++) {
        const Device *device = &g_array_index(reading->devices, Device, i);

        if (device->model == DEVICE_DIMM)
            others = saturating_add(others, device->size_kib);
    }
    add_to_pools(pools, saturating_sub(memory->total_kib, others), page_of(reading, NO_NODE, 0));
}

/* The nodes that this cell's memory comes from, 0: any. */
static uint64_t
nodes_of(const MemoryReading *reading, int64_t cell)
{
    uint64_t nodes = 0;

    for (guint i = 0; i < reading->bindings->len; i++) {
        const Binding *binding = &g_array_index(reading->bindings, Binding, i);

        if (binding->cell == cell)
            return binding->strict ? binding->nodes : 0;
        if (binding->cell == NO_NODE)
            nodes = binding->strict ? binding->nodes : 0;
    }
    return nodes;
}

/* A guest of which one cell may have its memory anywhere is not bound. */
static uint64_t
sum_nodes(const MemoryReading *reading)
{
    uint64_t sum = 0;

    if (reading->cells->len == 0)
        return nodes_of(reading, NO_NODE);
    for (guint i = 0; i < reading->cells->len; i++) {
        uint64_t nodes = nodes_of(reading, (int64_t)g_array_index(reading->cells, Cell, i).id);

        if (nodes == 0)
            return 0;
        sum |= nodes;
    }
    return sum;
}

/*
 * What becomes of source and access in QEMU (libvirt src/qemu/qemu_command.c, qemuBuildMemoryBackendProps): memfd is shared
 * unless it is said to be private; memory that shall be shared without it is a file. What is private is anonymous once it is
 * written to, whatever it was mapped from.
 */
static MemorySource
sum_source(const MemoryReading *reading)
{
    bool shared = reading->access == ACCESS_SHARED;

    for (guint i = 0; i < reading->cells->len; i++)
        shared = shared || g_array_index(reading->cells, Cell, i).access == ACCESS_SHARED;
    if (reading->asked_source == MEMORY_SHARED)
        return shared || reading->access != ACCESS_PRIVATE ? MEMORY_SHARED : MEMORY_ANONYMOUS;
    return shared ? MEMORY_FILE : MEMORY_ANONYMOUS;
}

void
memory_reading_sum(const MemoryReading *reading, DomainMemory *memory)
{
    g_autoptr(GArray) pools = g_array_new(FALSE, TRUE, sizeof(Pool));
    uint64_t most = 0;

    *memory = reading->memory;
    memory->partition = g_strdup(reading->memory.partition);
    sum_devices(reading, memory, pools);
    sum_cells(reading, memory, pools);
    for (guint i = 0; i < pools->len; i++) {
        const Pool *pool = &g_array_index(pools, Pool, i);

        memory->hugepages_kib = saturating_add(memory->hugepages_kib, pool->kib);
        if (pool->kib > most) {
            most = pool->kib;
            memory->hugepage_size_kib = pool->page_kib;
        }
    }
    memory->strict_nodes = sum_nodes(reading);
    memory->source = sum_source(reading);
}
