/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /proc/swaps: what the host swaps to. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SwapArea {
    char *path; /* as it is, not as /proc/swaps writes it */
    uint64_t size_kib;
    uint64_t used_kib; /* with what was read back and not changed since */
} SwapArea;

/* All areas, of SwapArea. Free with g_ptr_array_unref. Returns NULL with error where the file can't be read. Any thread. */
GPtrArray *swaps_read(const char *root, GError **error);

/* The area of that path, or NULL. */
const SwapArea *swaps_find(const GPtrArray *areas, const char *path);
