/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What libvirt's hook has told of guests: whose start waits for our answer, and who was started before libvirt itself
 * could say so.
 *
 * While a hook runs libvirtd holds its guest locked (qemu_driver.c, qemuDomainCreateWithFlags; qemu_process.c,
 * qemuProcessInit): a call about that guest, and one that walks all guests (virdomainobjlist.c, virDomainObjListFilter),
 * would wait for the hook that waits for us. Who makes calls asks here first.
 *
 * Main thread only.
 */

#include "ports.h"

typedef struct HookNotes HookNotes;

/* An answer that is never told to have been given is taken as given after patience_usec. over is called from note or from the
   main loop when a guest no longer waits. */
HookNotes *hook_notes_new(uint64_t patience_usec, void (*over)(void *user_data), void *user_data);
void hook_notes_free(HookNotes *notes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HookNotes, hook_notes_free)

/* at_usec: as of GuestWorld.note_hook. */
void hook_notes_note(HookNotes *notes, const char *uuid, HookMoment moment, uint64_t at_usec);

/* Its hook waits: nothing may touch it. */
bool hook_notes_waits(const HookNotes *notes, const char *uuid);
/* Somebody's hook waits: nothing may walk all guests. */
bool hook_notes_any_waits(const HookNotes *notes);

/* When the hook told that this guest is started, 0 where it did not; forgets it. */
uint64_t hook_notes_take_start(HookNotes *notes, const char *uuid);
