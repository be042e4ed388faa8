/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the small files of the kernel again and again. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Reads the file from its beginning into buffer (size bytes, zero-terminated, cut where it does not fit). *fd
 * is -1 or the file kept open by an earlier call: the kernel writes these files anew for each read at offset 0,
 * so one system call is enough. A file that can't be read any more is closed and opened once more. Returns the
 * length, or -1 with errno set and *fd = -1.
 */
gssize proc_file_read(const char *path, int *fd, char *buffer, size_t size);

/* The same, where the kernel hands the file out in several records (seq_file): reads on until there are no more. */
gssize proc_file_read_records(const char *path, int *fd, char *buffer, size_t size);

/* Reads digits into *value and returns what follows them; NULL where there are none or they are too many. */
const char *proc_file_number(const char *text, uint64_t *value);

/*
 * The number in the line of text that begins with name, which ends with what stands before the number ("MemTotal:",
 * "anon "). Returns false where there is no such line.
 */
bool proc_file_find(const char *text, const char *name, uint64_t *value);
