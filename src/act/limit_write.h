/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writing memory.high of a guest. Lowering it reclaims memory in the writer until the group is below, or gives up
 * (kernel mm/memcontrol.c, memory_high_write): seconds, with a disk's worth of swapping in them. So it is done
 * in steps, and a newer value need not wait for all of them. On a thread.
 */

#include "held.h"

typedef struct LimitWrite {
    const ActSystem *system;
    Held *held;
    char *file; /* memory.high */
    uint64_t from_kib;
    uint64_t to_kib;   /* LIMIT_NONE: what was there before the first write */
    bool stay_claimed; /* with LIMIT_NONE: no limit is written, and the file stays ours */
    int superseded;    /* atomic: end at the next step */
} LimitWrite;

/* Returns false with error; then it may be at any step. */
bool limit_write_run(const LimitWrite *write, GError **error);
