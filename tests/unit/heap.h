/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a program has of the heap, counted by the requests themselves: what the allocator keeps for itself, cuts off or rounds up
 * differs from one libc to the next, and says nothing about what grows. A program that is linked with heap.c has
 * malloc() and its like from there, also for its libraries.
 */

#include <stddef.h>

/* Bytes that were asked for and not freed yet, of all threads. */
size_t heap_bytes(void);
