/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was changed on the host and must be put back: values in control groups, and paging files. Each change is on disk
 * before it is made, so that a daemon that follows a crash knows what is its own and finishes it. After a
 * boot of the host the values are void, since the control groups are other ones, and the files are to be deleted.
 *
 * A value is taken for our own only while it is what was written here, in a group that is still the same (its
 * inode); what somebody else wrote meanwhile is left alone.
 *
 * All functions may be called on any thread; those that write to disk say so.
 */

#include "system.h"

typedef struct Held Held;

/* A paging file. */
typedef struct HeldFile {
    char uuid[37];
    char *directory; /* absolute */
    uint64_t size_kib;
    uint64_t since_usec; /* monotonic, of the boot in which it was made */
    char *group;         /* its guest's control group; NULL: not known */
    bool ending;
    bool off;        /* being made, or only to be deleted, which failed in this boot: in nobody's way */
    uint64_t device; /* where off: of the file system that it is in; 0: not known */
} HeldFile;

void held_file_free(HeldFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldFile, held_file_free)

/* What a value of a control group is to be while it is held. */
typedef struct HeldValue {
    const char *file; /* path of group_file_read */
    const char *value;
} HeldValue;

/*
 * Reads directory/held. Never fails: a file that can't be used is set aside, told in *problem (owned by the caller, else
 * NULL). system must stay. Count references with held_ref, held_unref. Writes to disk.
 */
Held *held_open(const ActSystem *system, const char *directory, char **problem);
Held *held_ref(Held *held);
void held_unref(Held *held);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Held, held_unref)

/* Remembers what stands in the files, on disk, then writes the values. What has its value already is passed over, groups
   that are gone too. Returns false with the first error; what was written stays held. Writes to disk. */
bool held_set(Held *held, const HeldValue *values, size_t count, GError **error);
/* Remembers on disk that a file is ours to write, whatever value it gets; what stands in it now is put back at the
   end. Writes to disk. */
bool held_claim(Held *held, const char *file, GError **error);
/* Puts back what stood in the files before, and forgets them. Returns false with the first error; those that failed stay
   held. Writes to disk. */
bool held_release(Held *held, const char *const *files, size_t count, GError **error);
/* Forgets them as they are. Writes to disk. */
bool held_forget(Held *held, const char *const *files, size_t count, GError **error);

/* Whether the file is held, in the group that it was. */
bool held_has(Held *held, const char *file);
/* The value it is held at. Caller frees; NULL where it is not held. */
char *held_value(Held *held, const char *file);
/* All files held whose path ends so. Free with g_strfreev. */
char **held_list(Held *held, const char *suffix);

/* Remembers a paging file in place of what was known of it. Writes to disk. */
bool held_put_file(Held *held, const HeldFile *file, GError **error);
bool held_drop_file(Held *held, const char *uuid, GError **error);
/* A copy, or NULL. Caller frees. */
HeldFile *held_get_file(Held *held, const char *uuid);
/* Copies of all. Free with g_ptr_array_unref. */
GPtrArray *held_files(Held *held);
