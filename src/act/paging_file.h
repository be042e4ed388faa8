/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A paging file on disk: made as swapon(2) wants it, told from files of others, deleted. Any thread but the main one.
 */

#include "system.h"

/* The first page of a swap file is its header. Free with g_free. */
char *paging_file_name(const char *uuid);
/* The uuid of a path whose last part is a paging file's name; false where it is none. */
bool paging_file_uuid(const char *path, char uuid[37]);

/*
 * Makes the file in an open directory: new, 0600, fully allocated, with its header, on disk. Returns it open, or -1
 * with error; then nothing of it is left. A file that has the name already is not touched, and is an error. stop is looked
 * at between steps: set, the making ends with an error.
 */
int paging_file_make(const ActSystem *system, int directory_fd, const char *directory, const char *uuid,
                     uint64_t size_kib, bool nocow, const int *stop, GError **error);

/* Whether the file at path has a header of ours. */
bool paging_file_is_ours(const ActSystem *system, const char *path);

/*
 * Discards what the file holds and deletes it; one that is not there is fine. It must not be switched on. With check only
 * where its header is ours.
 */
bool paging_file_delete(const ActSystem *system, int directory_fd, const char *directory, const char *uuid, bool check,
                        GError **error);
/*
 * On a disk with errors what was deleted may come back. Returns false with error where that is to be feared. A sync tells of an error
 * once only; after that a file system that the kernel has given up (ext4 with an aborted journal) takes no change any more, as that of a file
 * without a name, which leaves nothing behind. Some know no sync of a directory.
 */
bool paging_file_stays_deleted(int directory_fd, const char *directory, const char *uuid, GError **error);
