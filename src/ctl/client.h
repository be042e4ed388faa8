/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * dm-ctl's side of the bus. Every function that asks the daemon blocks until it answers, for ten seconds at
 * most. Errors: DYNMEM_ERROR_DISCONNECTED when there is no daemon or no bus, DYNMEM_ERROR_TIMEOUT when it does not
 * answer, DYNMEM_ERROR_NOT_FOUND for a guest it does not know, DYNMEM_ERROR_REFUSED when it will not.
 */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* One guest as the bus shows it. Sizes in bytes; what the daemon does not tell is 0, "" or false. */
typedef struct GuestView {
    char *path;
    GVariant *properties; /* a{sv}: all of them, also those not named below */
    const char *name;     /* these point into properties */
    const char *uuid;
    const char *state;
    const char *status;
    const char *reason;
    const char *mode;
    const char *issue;
    bool managed;
    uint64_t minimum;
    uint64_t startup;
    uint64_t maximum;
    uint32_t buffer;
    uint32_t priority;
    uint64_t assigned;
    uint64_t target;
    uint64_t committed;
    const char *ground; /* "none", "start", "limit", "balloon", "brought", "maximum", "full"; "": not told */
    uint64_t demand;
    uint64_t want;
    uint64_t resident;
    uint64_t total; /* what it says itself it has, and can still use */
    uint64_t usable;
    uint32_t pressure;
    const char *restart; /* "none", "reset", "soon", "host" */
    uint64_t shortfall;
    uint64_t limit;
    uint64_t lent;
    const char *limit_bar;
    const char *paging_state;
    const char *paging_directory;
    const char *paging_reason;
    uint64_t paging_size;
    uint64_t paging_used;
    uint64_t paging_peak;
    uint64_t paging_since; /* microseconds since 1970, 0: there is no file */
    uint64_t paging_deadline;
} GuestView;

/* Takes a reference to properties, copies path. Never fails: whatever is absent has its empty value. */
GuestView *guest_view_new(const char *path, GVariant *properties);
void guest_view_free(GuestView *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestView, guest_view_free)

/* The host as the bus shows it; likewise. */
typedef struct HostView {
    GVariant *properties; /* a{sv} */
    const char *version;
    const char *link;
    const char *link_text;
    const char *budget_limit;
    bool dry_run;
    bool over_budget;
    bool minimums_fit; /* true where not told */
    bool host_pressure;
    bool retiring; /* it is to end for good */
    uint64_t budget;
    uint64_t committed;
    uint64_t free;
    uint64_t reserve;
    uint64_t lent;
    uint64_t overhead;
    uint64_t other;
    uint64_t total;
    uint64_t available;
    uint64_t arc; /* part of available: the cache of ZFS gives it back */
    uint64_t demand;
    uint64_t want;
    uint32_t pressure;
    uint64_t reserved;
    uint32_t starts_waiting;
    uint32_t starts_admitted;
    uint32_t paging_files;
    const char *paging_bar; /* why no guest can have a paging file, "" where they can */
    const char *limit_bar;  /* likewise of limits */
} HostView;

HostView *host_view_new(GVariant *properties);
void host_view_free(HostView *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostView, host_view_free)

/* Whose bus is asked from now on, see remote.h; NULL: this host's. Kept. */
void client_set_host(const char *host);

/* Whether that is this host's. */
bool client_is_here(void);

/*
 * Calls dynmemd, and again after a pause, for ten seconds, where it is asked too often: it knows root by then, whom it hears
 * whatever others ask. Takes parameters over, which may be NULL. NULL with error on failure. The caller frees.
 */
GVariant *client_call(GDBusConnection *bus, const char *interface, const char *method, GVariant *parameters,
                      const char *reply_type, GDBusCallFlags flags, int timeout_msec, GError **error);

/* The flags of a call that polkit may ask a password for, see password.h. */
GDBusCallFlags client_asking_flags(void);

/* The system bus. Caller unrefs. Errors also as remote_connect. */
GDBusConnection *client_connect(GError **error);

/* All guests, sorted by name, of GuestView. Caller unrefs. */
GPtrArray *client_read_guests(GDBusConnection *bus, GError **error);

/* The host's figures. Free with host_view_free. */
HostView *client_read_host(GDBusConnection *bus, GError **error);

/* The answer to client_read_all: both are NULL when error is set. All three stay the caller's. */
typedef void (*ClientReadDone)(GPtrArray *guests, HostView *host, const GError *error, void *user_data);

/* Reads guests and host without blocking. Calls done exactly once, later, with an error when cancelled. */
void client_read_all(GDBusConnection *bus, GCancellable *cancellable, ClientReadDone done, void *user_data);

/* The daemon's explanation of the guest of this name or UUID, one JSON object. Caller frees. */
char *client_explain(GDBusConnection *bus, const char *guest, GError **error);

/* What became of the guest of this name or UUID in the last seconds, a{sv}; also of one that is gone. Caller unrefs. */
GVariant *client_history(GDBusConnection *bus, const char *guest, uint64_t seconds, GError **error);

/* How well a guest of so many bytes of startup memory would fit, one JSON object. Caller frees. */
char *client_rate(GDBusConnection *bus, uint64_t startup, uint32_t priority, GError **error);

/*
 * What a change of the settings of a guest would come to, one JSON object. settings is a{sv} as SetGuest takes it, floating or
 * not; unset: the whole element is taken out, and settings is empty. Caller frees.
 */
char *client_preview_settings(GDBusConnection *bus, const char *uuid, GVariant *settings, bool unset, GError **error);

/* Changes them. Without a time-out: polkit may ask for a password, and the daemon has its own. */
bool client_change_settings(GDBusConnection *bus, const char *uuid, GVariant *settings, bool unset, GError **error);

/* Has dynmemd give all guests their startup memory back, as Retire() does. Without a time-out, likewise. */
bool client_retire(GDBusConnection *bus, GError **error);

/* Turns an error of the bus into one of DYNMEM_ERROR with a message for people; takes raw over. */
void client_take_error(GError *raw, GError **error);
