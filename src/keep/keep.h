/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must outlive the daemon: which guests run, who is about to start. A small key file, read once and rewritten as a
 * whole, atomically, by a thread, a moment after something changed. It may be lost or older than the truth by that
 * moment: whoever reads it must be able to do without.
 *
 * Main thread only.
 */

#include <glib.h>
#include <stdbool.h>

typedef struct Keep Keep;

/* Its groups. The key is a guest's uuid, but in the last two. */
#define KEEP_RUNNING "running"       /* it runs: its name. Kept by watch/ */
#define KEEP_RAN_BEFORE "ran-before" /* it ran when the host went down, and has not been started since: its name */
#define KEEP_STOPPED "stopped"       /* when it stopped in this boot of the host, and its name. Kept by watch/ */
#define KEEP_STAYS "stays"           /* it stays on this host: until which time of this boot. Kept by member/ */
#define KEEP_STARTS "starts" /* its start was admitted in this boot of the host, and is not seen yet. Kept by admit/ */
#define KEEP_DAEMON "daemon" /* how far the daemon came in this boot of the host. Kept by watch/ */
#define KEEP_HOOK "hook"     /* when libvirt called last: seconds since 1970. Kept by dynmemd.c */

/*
 * Reads directory/state. directory: NULL keeps everything in memory only. A file that can't be read is set aside and told
 * by *problem (owned by the caller; NULL where all is well), a missing one is no problem. Never fails. boot_id: of
 * this boot of the host, NULL: /proc/sys/kernel/random/boot_id.
 */
Keep *keep_open(const char *directory, const char *boot_id, char **problem);
/* Writes what is not written yet, and waits for it. */
void keep_free(Keep *keep);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Keep, keep_free)

/* True when the file was written in an earlier boot of the host (or there was none). */
bool keep_host_was_down(const Keep *keep);

/* The value, or NULL. Owned by the caller. */
char *keep_get(const Keep *keep, const char *group, const char *key);
/* value: NULL takes the key away. Any text. */
void keep_set(Keep *keep, const char *group, const char *key, const char *value);
/* The keys of a group, NULL-terminated, maybe none. Free with g_strfreev. */
char **keep_keys(const Keep *keep, const char *group);
void keep_clear_group(Keep *keep, const char *group);

/* Why the last write failed, one line, or NULL. Owned by keep. */
const char *keep_problem(const Keep *keep);
