/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A paging file is for its guest alone, but the kernel gives swap to whoever asks (mm/swap_slots.c): so everybody else
 * is kept from swapping out at all, by memory.swap.max = 0; what they have in the host's own swap stays there (mm/memcontrol.c,
 * swap_max_write, evicts nothing). That is set beside the way from the root of the control
 * groups to each guest with a file: on all groups of each level that are not on such a way. It holds for what is below
 * them too, so it is taken from a group that comes to be on such a way. Of another guest it is set in the group that
 * accounts it, not in its scope, which systemd writes anew.
 *
 * systemd writes slices anew as well, and groups are made at any time: isolate_apply is repeated every few seconds while
 * there is a file. Any thread but the main one.
 */

#include "held.h"

/* groups: of the guests with files, NULL-terminated. Writes to disk where something changes. */
bool isolate_apply(const ActSystem *system, Held *held, const char *const *groups, GError **error);

/*
 * Puts back what is held and ends so. Returns false with error where something is not put back; that it can't be forgotten on
 * disk is no such thing. Writes to disk.
 */
bool isolate_put_back(Held *held, const char *suffix, GError **error);

/* Puts back everybody's memory.swap.max, likewise. */
bool isolate_end(Held *held, GError **error);

/* memory.swap.max of a guest with a file; 0 when it ends. Writes to disk. */
bool isolate_allow(const ActSystem *system, Held *held, const char *group, uint64_t swap_kib, GError **error);
