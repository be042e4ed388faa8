/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The PagingWorld of a real host: which files there are and what each is at. What blocks is done by two threads
 * (paging_work.h), swapoff by a process a file; their ends come back to the main loop. Main thread only.
 */

#include "guest_limits.h"
#include "ports.h"

typedef struct Paging Paging;

/*
 * Takes over what an earlier daemon left: files that are on are in the records at once, or as soon as /proc/swaps can be
 * read; the rest is finished by a thread. own_directory is made where it does not exist, the others a request names must
 * be there. limits, held and system must stay; a reference of held is taken.
 */
Paging *paging_new(const ActSystem *system, Held *held, Limits *limits, const char *own_directory);
/* Files stay as they are: the next daemon finds them. */
void paging_free(Paging *paging);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Paging, paging_free)

/* Valid as long as paging. */
PagingWorld paging_world(Paging *paging);

/*
 * Calls off what is being made and begins nothing more; files that are on stay, with their limits. done is called once,
 * when the threads rest, at the latest deadline_usec from now.
 */
void paging_stop(Paging *paging, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data);
