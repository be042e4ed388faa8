/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heap.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

/* sanitizer/allocator_interface.h, which gcc does not bring everywhere */
extern size_t __sanitizer_get_current_allocated_bytes(void);

size_t
heap_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes();
}

#else

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Before each block that is handed out. Its size keeps the alignment that malloc() promises. */
typedef struct Header {
    _Alignas(max_align_t) size_t bytes; /* as asked for */
    void *whole;                        /* what libc handed out */
} Header;

/* libc's own, which stay there beside those that a program brings (glibc manual, Replacing malloc). */
extern void *__libc_malloc(size_t bytes);
extern void __libc_free(void *whole);

static atomic_size_t in_use;

size_t
heap_bytes(void)
{
    return atomic_load(&in_use);
}

static Header *
header_of(void *block)
{
    return (Header *)block - 1;
}

static void *
hand_out(void *whole, Header *header, size_t bytes)
{
    *header = (Header){.bytes = bytes, .whole = whole};
    atomic_fetch_add(&in_use, bytes);
    return header + 1;
}

static void *
take(size_t alignment, size_t bytes)
{
    size_t room = sizeof(Header) + (alignment > _Alignof(Header) ? alignment : 0);
    uintptr_t first;
    void *whole;

    if (bytes > SIZE_MAX - room || (whole = __libc_malloc(bytes + room)) == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    first = (uintptr_t)whole + sizeof(Header);
    if (alignment > _Alignof(Header))
        first = (first + alignment - 1) / alignment * alignment;
    return hand_out(whole, header_of((void *)first), bytes);
}

void *
malloc(size_t bytes)
{
    return take(1, bytes);
}

void
free(void *block)
{
    if (block == NULL)
        return;
    atomic_fetch_sub(&in_use, header_of(block)->bytes);
    memset(block, 0xdd, header_of(block)->bytes); /* who goes on reading it sees that */
    __libc_free(header_of(block)->whole);
}

void *
calloc(size_t count, size_t size)
{
    size_t bytes;
    void *block;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    block = take(1, bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

void *
realloc(void *block, size_t bytes)
{
    void *other;

    if (block == NULL)
        return malloc(bytes);
    if (bytes == 0) {
        free(block);
        return NULL;
    }
    other = malloc(bytes);
    if (other == NULL)
        return NULL;
    memcpy(other, block, bytes < header_of(block)->bytes ? bytes : header_of(block)->bytes);
    free(block);
    return other;
}

void *
memalign(size_t alignment, size_t bytes)
{
    return take(alignment, bytes);
}

void *
aligned_alloc(size_t alignment, size_t bytes)
{
    return take(alignment, bytes);
}

int
posix_memalign(void **block, size_t alignment, size_t bytes)
{
    void *taken = take(alignment, bytes);

    if (taken == NULL)
        return ENOMEM;
    *block = taken;
    return 0;
}

void *
valloc(size_t bytes)
{
    return take((size_t)sysconf(_SC_PAGESIZE), bytes);
}

size_t
malloc_usable_size(void *block)
{
    return block != NULL ? header_of(block)->bytes : 0;
}

#endif
