/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The libvirt side: a connection that comes back by itself, its events, the registry of guests, and
 * workers for calls that can block. Fills the GuestWorld of the daemon.
 *
 * Must be created and used on the thread that runs the default main context.
 */

#include "keep/keep.h"
#include "ports.h"

typedef struct Watch Watch;

typedef struct WatchOptions {
    const char *uri;             /* NULL: qemu:///system */
    uint64_t call_deadline_usec; /* after it a call's guest is set aside; 0: the default */
    const char *pid_directory;   /* where NAME.pid of each QEMU is; NULL: the place that belongs to the uri */
    Keep *keep;                  /* borrowed: what is known of guests' earlier runs; NULL: nothing */
} WatchOptions;

/*
 * changed is called on the main loop's thread when something happened that should not wait for the next
 * tick: a guest came, went, was reset, paused, changed its definition, stopped or began to answer, or the connection
 * did; at most four times a second.
 */
Watch *watch_new(const WatchOptions *options, void (*changed)(void *user_data), void *user_data);

/* Starts connecting, in the background. */
void watch_start(Watch *watch);

/*
 * Puts the guests' statistics periods back, for at most deadline_usec, then calls done on the main
 * loop's thread. Nothing else is changed in any guest. Those who wait for a start are told at once. After it the watch
 * may be freed.
 */
void watch_stop(Watch *watch, uint64_t deadline_usec, void (*done)(void *user_data), void *user_data);

/* Worker threads that hang in a call are left behind, never joined. */
void watch_free(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_free)

/* The table is valid as long as watch lives. */
GuestWorld watch_guest_world(Watch *watch);

/* One line on the connection for people: "connected to qemu:///system", "libvirt is away: …, next try in 8 s".
   Owned by watch, valid until the main loop runs again. */
const char *watch_link_text(const Watch *watch);
