/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* dynmemd.conf and its drop-ins. */

#include "config_problem.h"
#include "settings.h"

/*
 * Reads dynmemd.conf and the drop-ins in dynmemd.conf.d (names that end in .conf) as systemd does: the main
 * file from the first of /etc/dynmem, /run/dynmem, /usr/lib/dynmem that has one; drop-ins of all three
 * merged by name, those of /etc hiding those of /run hiding those of /usr/lib, then applied in the order of
 * their names. A link to /dev/null masks what it hides. All below root ("" for the real host). Where file is
 * not NULL it is read in place of the main file, as it is and not below root, and drop-ins are those of file.d/.
 * Never fails: what can't be used is reported in problems (GPtrArray of ConfigProblem, owned by the caller; line
 * 0 is the whole file), the rest is in force. Free with settings_free.
 */
Settings *config_load(const char *root, const char *file, GPtrArray **problems);

/*
 * What can't be meant on a host with so much memory that is not set aside in huge pages, in KiB: appended to problems. It is in
 * force all the same.
 */
void config_check_host(const Settings *settings, uint64_t memory_kib, GPtrArray *problems);

/*
 * Sets one key. Returns false and sets error (DYNMEM_ERROR_INVALID) for an unknown group or key or a bad
 * value; settings are then unchanged. An empty value puts the default back. Serves the simulator's files too,
 * whose groups are in lower case: here case does not matter in names, in dynmemd.conf it does.
 */
bool config_set(Settings *settings, const char *group, const char *key, const char *value, GError **error);
