/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PSI as a second opinion on the host: is it short of memory whatever the ledger says? Only pressure that
 * lasts counts; a reading above zero says nothing, since every busy host has some. And only where memory is short as well: who is
 * held back at its memory.high stalls just the same, and shows in the host's figures (kernel mm/memcontrol.c,
 * mem_cgroup_handle_over_high), however much is free.
 */

#include "snapshot.h"

/* Zero: nothing yet. */
typedef struct PressureMemory {
    bool pressed;
    uint64_t against_usec; /* readings have said the opposite since then; 0: the last did not */
} PressureMemory;

/* Whether the host suffers now. reserve_kib: what is kept for it. */
bool pressure_judge(PressureMemory *memory, const HostSnapshot *host, uint64_t reserve_kib, uint64_t now_usec);
