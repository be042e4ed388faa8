/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this folder share of a Watch. Main thread only, but for WatchHandle's reference count. */

#include "calls.h"
#include "hooks.h"
#include "registry.h"
#include "watch.h"

typedef struct Link Link;

/* What threads and libvirt's callbacks hold instead of a Watch, which may be gone when they are heard. An atomic rc
   box; watch is looked at on the main thread only. */
typedef struct WatchHandle {
    Watch *watch; /* NULL: gone */
} WatchHandle;

typedef struct Inventory {
    bool wanted;      /* again, after the listing under way */
    bool put_off;     /* the listing, until no hook waits */
    bool complete;    /* once since the connection was made */
    bool known;       /* once since the start: the guests that are known are as good as all */
    bool listed;      /* the listing is done, the guests in it are being read */
    unsigned awaited; /* guests of the listing that have not been read yet */
    guint retry;      /* source */
    guint look;       /* source: for what changes without an event */
    uint64_t looked;  /* times */
} Inventory;

/* A collection of reports. */
typedef struct Round {
    bool open;
    unsigned asked;
    guint timer; /* source */
    GuestChosen chosen;
    void (*done)(void *user_data);
    void *user_data; /* of both */
} Round;

typedef struct Stop {
    bool active;
    bool ended;
    guint timer; /* source */
    void (*done)(void *user_data);
    void *user_data;
} Stop;

struct Watch {
    char *uri;
    char *pid_directory; /* NULL: none */
    uint64_t call_deadline_usec;
    void (*changed)(void *user_data);
    void *user_data;
    guint changed_source;
    uint64_t changed_usec; /* when it was called last */
    WatchHandle *handle;
    Runs *runs;
    HookNotes *hooks;
    guint hooks_source; /* they have changed */
    Registry *registry;
    CallPool *reads;    /* listings and readings: they wait for the locks of guests; key: uuid, or INVENTORY_KEY */
    CallPool *monitor;  /* calls that enter a guest's monitor; key: uuid */
    CallPool *creates;  /* starts; key: uuid */
    CallPool *writes;   /* changes of metadata; key: uuid */
    GHashTable *starts; /* uuid -> StartCall of guest_start.c that somebody waits for */
    GHashTable *edits;  /* uuid -> Edit of guest_element.c, likewise */
    Link *link;
    Inventory inventory;
    Round round;
    uint64_t rounds; /* begun so far */
    Stop stop;
    GString *text;
};

/* Something happened that should not wait for the next tick: changed is called soon, once. */
void watch_note_change(Watch *watch);
/* The connection is there (and only looks, if read_only), or is gone. */
void watch_note_connected(Watch *watch, bool read_only);
void watch_note_disconnected(Watch *watch);

/* Runs function(data) on the main thread, from its loop. Any thread. */
void watch_post(GSourceFunc function, void *data);
WatchHandle *watch_handle_ref(WatchHandle *handle);
void watch_handle_unref(WatchHandle *handle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchHandle, watch_handle_unref)
