/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units. Memory is counted in KiB as uint64_t everywhere inside (libvirt's unit), in bytes on D-Bus,
 * in JSON and in metrics; time in microseconds of CLOCK_MONOTONIC. Every conversion is here.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define KIB_PER_MIB UINT64_C(1024)
#define KIB_PER_GIB (UINT64_C(1024) * 1024)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)

/* The largest amount of memory that is believed: 2^52 bytes. Above it a figure is a mistake. */
#define KIB_LIMIT (UINT64_C(1) << 42)

/* a - b, but never below 0. */
static inline uint64_t
saturating_sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* How far apart they are. */
static inline uint64_t
distance_u64(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* a + b, but never above UINT64_MAX. */
static inline uint64_t
saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/*
 * The pages that a balloon (QEMU hw/virtio/virtio-balloon.c, BALLOON_PAGE_SIZE), swap and the limits of a cgroup are made of
 * on x86.
 */
#define PAGE_KIB UINT64_C(4)

static inline uint64_t
pages_down(uint64_t kib)
{
    return kib - kib % PAGE_KIB;
}

static inline uint64_t
pages_up(uint64_t kib)
{
    return pages_down(kib + PAGE_KIB - 1);
}

/* value kept within [low, high]; high wins where low > high. */
static inline uint64_t
clamp_u64(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low)
        value = low;
    return value > high ? high : value;
}

/* amount * percent / 100 without overflow for amounts up to KIB_LIMIT and percents up to 1,000,000. */
static inline uint64_t
percent_of(uint64_t amount, uint64_t percent)
{
    return amount / 100 * percent + amount % 100 * percent / 100;
}

static inline uint64_t
bytes_from_kib(uint64_t kib)
{
    return kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
}

/* Rounds down: a promise of memory must not grow by rounding. */
static inline uint64_t
kib_from_bytes(uint64_t bytes)
{
    return bytes / 1024;
}

/*
 * Reads a size: a whole number and one of B, KiB, MiB, GiB, TiB, with at most blanks between and
 * around them ("512MiB", "1 GiB"). "0" alone needs no unit. Bytes are rounded down to KiB.
 * Returns false and sets error (DYNMEM_ERROR_INVALID: what was read, what is expected) when text is
 * anything else or above KIB_LIMIT; *kib is then untouched.
 */
bool units_parse_size(const char *text, uint64_t *kib, GError **error);

/*
 * A size as people read it: the largest unit that shows it with at most one decimal and at least
 * three digits where there are any ("512 MiB", "1.5 GiB", "96 KiB"). Caller frees.
 */
char *units_format_size(uint64_t kib);

/* A size that units_parse_size reads back to the same KiB ("1536MiB"). Caller frees. */
char *units_format_size_exact(uint64_t kib);

/* A span of time as people read it: "850 ms", "12 s", "3 min 20 s", "2 h 5 min". Caller frees. */
char *units_format_span(uint64_t usec);
