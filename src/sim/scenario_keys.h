/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The keys of a [guest ...] group and the values that simulation files use. Each reader returns NULL, or what
 * is wrong with the text and what is expected, which the caller frees.
 */

#include "scenario.h"

#define SIM_SECONDS_LIMIT (UINT64_C(366) * 86400)
#define SIM_SETTLE_LIMIT 3600

#define SIM_GUEST_KEYS                                                                                                 \
    "minimum, startup, maximum, buffer, priority, demand, noise, inflate, swapping, deflate, behaviour, mode, "        \
    "managed or smart-paging"

/* Keys whose place in the list is known to others. */
enum {
    SIM_KEY_MINIMUM,
    SIM_KEY_STARTUP,
    SIM_KEY_MAXIMUM,
    SIM_KEYS_LIMIT = 16
};

/* The key's place in the list of keys, SIM_KEYS_LIMIT where there is none of that name. */
size_t sim_key_find(const char *name);

/* Sets what the key at that place stands for. */
char *sim_key_set(size_t key, SimGuestSpec *guest, const char *value);

char *sim_read_size(const char *text, uint64_t *kib);
/* Appends steps to levels (of SimLevel): sizes, or percents. */
char *sim_read_levels(const char *text, bool sizes, GArray *levels);
/* Appends seconds (uint64_t) to seconds; each later than the one before. */
char *sim_read_seconds(const char *text, GArray *seconds);
/* "v2", "v1", "none" or "broken". */
char *sim_read_cgroup(const char *text, SimCgroup *cgroup);
/* What goes wrong with paging files: words with commas between them. */
char *sim_read_paging(const char *text, SimPagingFaults *paging);
char *sim_read_number(const char *text, uint64_t low, uint64_t high, uint64_t *number);
