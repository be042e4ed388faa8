/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a domain's memory consists of and what it lies in: cells, memory devices, huge pages, the nodes of the host it is bound
 * to. All of it stands in several places of the XML that refer to each other in any order, so it is gathered first
 * (MemoryReading) and then summed up (DomainMemory).
 */

#include "settings.h"

/* The size of pages where <hugepages/> names none: the kernel's default, which no XML says. */
#define HUGEPAGE_OF_HOST UINT64_MAX

/* Sizes in KiB, as they stand there. */
typedef struct DomainMemory {
    bool has_total; /* <memory> is there and makes sense */
    uint64_t total_kib;
    bool has_current;
    uint64_t current_kib;       /* <currentMemory> */
    uint64_t virtio_mem_kib;    /* sizes of all virtio-mem devices; <memory> includes them */
    uint64_t plugged_kib;       /* of virtio-mem: each device the larger of <requested> and <current> */
    uint64_t dimms_kib;         /* sizes of all dimms; <memory> includes them */
    uint64_t not_ram_kib;       /* sizes of nvdimm, virtio-pmem and SGX devices; <memory> includes them, too */
    uint64_t hugepages_kib;     /* these five as in GuestSettings */
    uint64_t hugepage_size_kib; /* may be HUGEPAGE_OF_HOST */
    uint64_t hard_limit_kib;
    uint64_t strict_nodes;
    char *partition; /* as in GuestSettings; owned */
    MemorySource source;
    bool immediate;
} DomainMemory;

typedef struct MemoryReading MemoryReading;

MemoryReading *memory_reading_new(void);
void memory_reading_free(MemoryReading *reading);

/* An element begins. path: "/domain/memoryBacking/hugepages" and the like; elements of no interest are passed over. */
void memory_reading_begin(MemoryReading *reading, const char *path, const char *const *names,
                          const char *const *values);
/* It ends. text and unit: its own text and its unit attribute, "" where there is none. */
void memory_reading_end(MemoryReading *reading, const char *path, const char *text, const char *unit);
/* QEMU's own option for it stands in the XML. */
void memory_reading_set_immediate(MemoryReading *reading);
/* The whole document is read. */
void memory_reading_sum(const MemoryReading *reading, DomainMemory *memory);
