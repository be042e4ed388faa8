/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file that libvirt calls as its hook: where it is, whether it is there, and putting it there. libvirt looks for hooks
 * when its daemon starts or is reloaded and remembers only whether there are any (src/util/virhook.c, virHookCheck): where
 * it has found one, others in the same place are called without further ado.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HOOK_FILE_PATH "/etc/libvirt/hooks/qemu.d/50-dynmem"

typedef enum HookFileState {
    HOOK_FILE_ABSENT,
    HOOK_FILE_CURRENT,
    HOOK_FILE_OUTDATED, /* ours, of another version */
    HOOK_FILE_DISABLED, /* ours, but not executable: libvirt passes it over */
    HOOK_FILE_FOREIGN,  /* somebody else's file of this name */
} HookFileState;

/* Where to look. */
typedef struct HookPlace {
    const char *root;          /* before all paths but the template's; "" for this host */
    const char *template_path; /* what is to be installed */
} HookPlace;

/* Returns false and sets error when the template or the file can't be read. */
bool hook_file_look(const HookPlace *place, HookFileState *state, GError **error);

/* The daemon of libvirt that runs, "libvirtd" or "virtqemud", and when it was started, in seconds since 1970. NULL: none. Static. */
const char *hook_file_libvirt(const HookPlace *place, uint64_t *since_sec);

/* Whether there was any hook at that time, in seconds since 1970, which libvirt then found if it looked. */
bool hook_file_was_there(const HookPlace *place, uint64_t time_sec);

/*
 * The daemon of libvirt that runs and was started before there was any hook for it, "libvirtd" or "virtqemud": unless
 * it was reloaded since, it calls none. NULL: there is no such. Static.
 */
const char *hook_file_unaware(const HookPlace *place);

/*
 * The hooks that libvirt calls before dynmem's, of char *, in their order: the script, then what is named before it in its
 * directory (src/util/virhook.c, virHookCall). Caller unrefs.
 */
GPtrArray *hook_file_earlier(const HookPlace *place);

/*
 * Puts the file there, with its directories; replaces an older one of ours. *changed: it was not as it should be before.
 * Returns false and sets error, and changes nothing, where somebody else's file of that name is there or this process
 * may not write.
 */
bool hook_file_install(const HookPlace *place, bool *changed, GError **error);

/* Takes the file away; *changed: there was one. Likewise refuses somebody else's. */
bool hook_file_remove(const HookPlace *place, bool *changed, GError **error);
