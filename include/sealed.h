/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A key file that tells whether it is as it was written: a disk may hand back other bytes, and a wrong value that can be read does
 * more harm than none. Its first line is a comment with the sum of what follows. Any thread.
 */

#include <glib.h>
#include <stdbool.h>

/*
 * Reads the file into keys, which is empty. Returns false and sets error as g_key_file_load_from_file does, and
 * (G_KEY_FILE_ERROR_PARSE) where what is read is not what was written. A file without a sum, of an earlier version, is taken as it is.
 */
bool sealed_load(GKeyFile *keys, const char *path, GError **error);

/* The text of such a file. Caller frees. */
char *sealed_text(GKeyFile *keys);
