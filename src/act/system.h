/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What limits and paging files do to the host, as a table that tests replace: where the host's files are, and the
 * calls that need a privilege or a disk. And reading and writing files of control groups.
 *
 * Any thread; those that touch a disk or lower a limit can block.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ActSystem {
    const char *root;      /* of all paths; "" for the real host. What is above it is trusted */
    uid_t owner;           /* who must own the directories of paging files */
    uint64_t page_bytes;   /* of the kernel */
    const char *boot_file; /* tells this boot from others, behind root */
    /* swapon(2). Returns 0, or -1 with errno. */
    int (*swap_on)(const char *path, int flags);
    /* Starts a process of its own that calls swapoff(2) and exits with 0 or the errno. */
    bool (*swap_off)(const char *path, GPid *pid, GError **error);
    /* As fallocate(2) with that mode, the whole of a file. */
    int (*allocate)(int fd, int mode, uint64_t bytes);
    /* Type (statfs) and free space for us of the file system. Returns 0, or -1 with errno. */
    int (*file_system)(int fd, long *type, uint64_t *free_kib);
    /* Makes a subvolume of btrfs. Returns 0, or -1 with errno. */
    int (*make_subvolume)(int parent, const char *name);
    /* What failed is tried again after retry_msec, and each time after twice as long, up to a limit. */
    unsigned retry_msec;
    /* A QEMU without a control group of its own may be just starting for so long: libvirt makes its group meanwhile. */
    unsigned starting_msec;
    /* All limits are looked at so often while there is a file. */
    unsigned hold_msec;
    /* Told after each step that lasts; NULL: nobody listens. Tests end the process there. */
    void (*step)(const char *name);
} ActSystem;

/* The real host. */
const ActSystem *act_system_host(void);

void act_system_step(const ActSystem *system, const char *name);

/* Paths of control group files are relative to where control groups are mounted, with a leading /. */

/* Whether a call on such a file failed with this errno since the file, or its group, is not there. All others tell nothing of it. */
bool group_errno_absent(int number);
/* The first line of such a file. Returns NULL with errno where it can't be read. Caller frees. */
char *group_file_read(const ActSystem *system, const char *file);
/* Its first number of bytes in KiB; "max" is LIMIT_NONE. Returns false with errno where there is none. */
bool group_file_kib(const ActSystem *system, const char *file, uint64_t *kib);
bool group_file_write(const ActSystem *system, const char *file, const char *value, GError **error);
/* The inode of the group that has the file: another group of the same name has another. Returns 0 with errno where it can't be known. */
uint64_t group_file_inode(const ActSystem *system, const char *file);

/* A size as such files take it, "max" for LIMIT_NONE; rounded down to pages, as the kernel does. Caller frees. */
char *group_value_text(const ActSystem *system, uint64_t kib);
/* What the kernel makes of a size. */
uint64_t group_value_round(const ActSystem *system, uint64_t kib);
