/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The values of memory.high on their way to guests, written by threads.
 *
 * Lowering reclaims memory in the writer and may take seconds or minutes, so it is done in steps, by a bounded number of
 * threads. A raise never waits for a lowering: it has threads of its own, and overtakes one of its own guest while that is
 * at a step. The kernel sets the value before it reclaims (mm/memcontrol.c, memory_high_write), so the raise is in force as
 * soon as it is written; the lowering ends after that step. Where its last step came after the raise, the raise is written
 * again.
 *
 * Main thread only.
 */

#include "held.h"
#include "ports.h"

typedef struct LimitJob LimitJob;

/* Of one guest. All zero: nothing is on its way. It must stay where it is until it is idle, or abandoned. */
typedef struct LimitSlot {
    LimitJob *running;   /* under way */
    LimitJob *raise;     /* under way as well: it has overtaken running */
    LimitJob *next;      /* waits */
    uint64_t raised_kib; /* what a raise has written while running was under way; 0: none has */
} LimitSlot;

typedef struct LimitWrites LimitWrites;

/* A write has ended; what it left is memory.high. Others to the same guest may be under way. */
typedef void (*LimitWriteEnded)(void *user_data, LimitSlot *slot, uint64_t high_kib);

/* A reference of held is taken, system must stay. */
LimitWrites *limit_writes_new(const ActSystem *system, Held *held, LimitWriteEnded ended, void *user_data);
/* Writes under way are left to their threads; all slots must have been abandoned. */
void limit_writes_free(LimitWrites *writes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LimitWrites, limit_writes_free)
/* So many are under way. */
unsigned limit_writes_running(const LimitWrites *writes);

/* As LimitWorld's set. file: its memory.high, as group_file_read takes it. */
void limit_slot_set(LimitWrites *writes, LimitSlot *slot, const char *file, const char *uuid, uint64_t high_kib,
                    GuestLimitDone done, void *user_data);
/* To be called now and then: whether a lowering has undone a raise, or gone below what waits for it. */
void limit_slot_look(LimitSlot *slot);
bool limit_slot_is_idle(const LimitSlot *slot);
/* Fills high_kib and pending of figures. high_kib: what stands in the file, which the kernel keeps to while it reclaims for it
   (mm/memcontrol.c, memory_high_write). */
void limit_slot_show(const LimitSlot *slot, uint64_t high_kib, GuestLimits *figures);
/* What is under way ends at its next step, what waits ends with an error that says why. */
void limit_slot_stop(LimitSlot *slot, const char *why);
/* Likewise, and nobody is told of the ends of what is under way any more, but here. */
void limit_slot_abandon(LimitSlot *slot, const char *why);
