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

/*
 * Whether path, with the name of a file that no other place has, is that area. A path is shown up to the mount that its file
 * was opened in; where that was one of a mount namespace that is gone, as of a service that has ended, what is above its
 * mount point is cut off (kernel fs/d_path.c, prepend_path).
 */
bool swap_area_is(const SwapArea *area, const char *path);

/* The area that path is, or NULL. */
const SwapArea *swaps_find(const GPtrArray *areas, const char *path);
