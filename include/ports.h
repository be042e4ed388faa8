/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The outside world as tables of functions. The daemon fills them with watch/ (libvirt), observe/
 * (/proc, cgroups) and report/; the simulator and the tests fill them with their own.
 * Everything here runs on the main loop's thread and none of it blocks.
 */

#include "paging.h"
#include "settings.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct TickReport TickReport;

/* ---- who is there: raw facts of one guest, as libvirt tells them ---- */

typedef enum GuestLife {
    GUEST_LIFE_OFF,
    GUEST_LIFE_RUNNING,
    GUEST_LIFE_PAUSED,    /* by the administrator or an I/O error; statistics are frozen */
    GUEST_LIFE_SUSPENDED, /* asleep by its own wish (S3) */
} GuestLife;

/* Which fields of a GuestReport the guest or QEMU did send. */
typedef enum GuestReportField {
    REPORT_ACTUAL = 1 << 0,
    REPORT_USABLE = 1 << 1,
    REPORT_TOTAL = 1 << 2,
    REPORT_UNUSED = 1 << 3,
    REPORT_CACHE = 1 << 4,
    REPORT_SWAP_IN = 1 << 5,
    REPORT_MAJOR_FAULTS = 1 << 6,
    REPORT_LAST_UPDATE = 1 << 7,
    REPORT_RESIDENT = 1 << 8,
    REPORT_SWAP_OUT = 1 << 9,
} GuestReportField;

/*
 * One answer to "how is your memory", untrusted and as it came (virDomainMemoryStats). The figures
 * of the guest stay those of its last report until it sends a new one, also across a reset: only
 * last_update_sec tells (QEMU hw/virtio/virtio-balloon.c, virtio_balloon_receive_stats).
 */
typedef struct GuestReport {
    uint64_t serial;     /* counts the answers of this guest; 0: none yet */
    uint64_t asked_usec; /* when the question went out */
    uint64_t answered_usec;
    uint32_t fields;          /* GuestReportField bits */
    uint64_t actual_kib;      /* balloon size now, read from QEMU, not part of the guest's report */
    uint64_t usable_kib;      /* guest's MemAvailable */
    uint64_t total_kib;       /* guest's MemTotal */
    uint64_t unused_kib;      /* guest's MemFree */
    uint64_t cache_kib;       /* guest's page cache */
    uint64_t swap_in_kib;     /* swapped in since the guest booted */
    uint64_t swap_out_kib;    /* swapped out since the guest booted */
    uint64_t major_faults;    /* since the guest booted */
    uint64_t last_update_sec; /* wall clock of the host at the guest's last report; 0: never */
    uint64_t resident_kib;    /* RSS of the QEMU process */
} GuestReport;

/*
 * Whether the guest has reported between two answers of one process, the later of which is now. The stamp is in whole
 * seconds, and a guest that is asked at once may report twice in one; figures change with a report only.
 */
static inline bool
guest_report_is_another(const GuestReport *before, const GuestReport *now)
{
    return (now->fields & REPORT_LAST_UPDATE) != 0 && now->last_update_sec != 0 &&
           ((before->fields & REPORT_LAST_UPDATE) == 0 || now->last_update_sec != before->last_update_sec ||
            now->usable_kib != before->usable_kib || now->total_kib != before->total_kib ||
            now->unused_kib != before->unused_kib || now->cache_kib != before->cache_kib ||
            now->swap_in_kib != before->swap_in_kib || now->swap_out_kib != before->swap_out_kib ||
            now->major_faults != before->major_faults);
}

typedef struct GuestRecord {
    char uuid[37];
    /* Another number: another record, and nothing of the one with this uuid before holds for it (a transient guest that
       was gone and is there again). Never 0. */
    uint64_t serial;
    char *name;
    uint64_t definition_serial; /* another number whenever one of the three XMLs is another */
    char *live_xml;             /* NULL while off */
    char *inactive_xml;         /* NULL for a transient guest */
    /* Of a guest that is off with its memory in a file of libvirt (managed save): what its next start brings. NULL: it boots.
       Of a file that is removed without a start libvirt tells nothing: seen within seconds, by looking again. */
    char *saved_xml;
    GuestLife life;
    uint64_t read_usec; /* libvirt was asked for it then, and has answered since; 0: not yet */
    bool migrating;     /* leaving or arriving: nothing may be changed */
    bool answering;     /* false: a call into its monitor is past its deadline */
    uint64_t boots;     /* starts and resets seen; 0: it ran before the daemon saw it. It may go on across serials */
    uint64_t boot_usec; /* time of the last of them, or when it was first seen running */
    bool boot_in_place; /* the last of them was a reset: balloon and statistics are void */
    bool boot_resumed;  /* the last of them brought its memory with it: restored, migrated here, or a snapshot's */
    /* When it last stopped in such a way that a start soon after is a restart: shut down, destroyed or crashed, not saved,
       migrated away or reverted; 0: not seen. It stays while the guest runs again. */
    uint64_t stop_usec;
    bool
        ran_at_host_down; /* it ran when the host went down, and this boot (the next one while it is off) is its first since */
    /* Time of the last resync after libvirt was away during this run, 0 where there was none. A reset before it may
       have been missed: that the driver is there must be seen anew. */
    uint64_t gap_usec;
    pid_t pid; /* of its QEMU; 0: not known */
    GuestReport report;
    /* Somebody else told its driver in this run to report every period_changed_sec (0: never), instead of what set_period
       asked for: the last that was seen of that, put right or not. */
    bool period_changed;
    uint32_t period_changed_sec;
    /*
     * What its balloon was told. target_kib is the largest target that may be in force as far as was told here: the last
     * one taken, and each that waits, is under way or has a fate that is not known, until a later one is known to be taken
     * and libvirtd can't do the earlier one any more (half a minute).
     */
    bool target_known; /* the last call to end was taken, nothing made that void since, and no earlier one can follow */
    bool target_pending; /* a target waits or is under way */
    /*
     * Nothing above target_kib can be in force. False: what the balloon was told before is not known (by an earlier daemon,
     * by the snapshot or file its memory came from, by libvirt at its start), and no call has been taken since. Then
     * target_kib is the larger of the balloon's size when last reported, where it was, and of what was told here; 0: nothing.
     */
    bool target_bounded;
    uint64_t target_kib;
    uint64_t target_usec; /* when the last call that was taken had ended: a size asked for before is from before it */
} GuestRecord;

typedef enum WorldLink {
    WORLD_LINK_DOWN,      /* not connected; the records are the last ones known */
    WORLD_LINK_READ_ONLY, /* may look, may not change */
    WORLD_LINK_READ_WRITE,
} WorldLink;

/* "down", "read-only", "read-write". Never NULL. */
const char *world_link_name(WorldLink link);

/* error is NULL when the target was taken; it is owned by the caller. */
typedef void (*GuestTargetDone)(void *user_data, const char *uuid, uint64_t target_kib, const GError *error);

/* error is NULL when the guest runs; it is owned by the caller. */
typedef void (*GuestStartDone)(void *user_data, const char *uuid, const GError *error);

/* One of a guest's two definitions, and its element of DYNMEM_METADATA_URI. All texts are owned. */
typedef struct ElementHalf {
    char *xml;     /* domain XML; NULL: it has no such definition */
    char *element; /* as libvirt gives it, in no namespace; NULL: it has none */
    bool change;   /* set by the ElementWork: the element is to become wanted */
    char *wanted;  /* NULL: it is to be taken out */
} ElementHalf;

typedef struct ElementHalves {
    ElementHalf live; /* what it runs with */
    ElementHalf next; /* what its next start is made from */
} ElementHalves;

/*
 * Says what is to become of a guest's element, from its definitions as they are at this moment. On a thread of the world: it
 * must touch nothing but data and halves. Returns false and sets error where nothing is to be done.
 */
typedef bool (*ElementWork)(void *data, ElementHalves *halves, GError **error);

/* error is NULL when it is done, wholly; it is owned by the caller. */
typedef void (*ElementDone)(void *user_data, const char *uuid, const GError *error);

/* What libvirt's hook tells of a guest's start, before libvirt itself does. */
typedef enum HookMoment {
    HOOK_WAITS,    /* libvirt waits for our answer with this guest locked: no call may touch it, or walk all guests */
    HOOK_ANSWERED, /* that is over */
    HOOK_STARTED,  /* it runs, or is about to: when it is first read, that was a start seen and not an older one */
    HOOK_STOPPED,  /* it is gone, or its start has failed: HOOK_STARTED is void */
} HookMoment;

/* Is this guest asked for a report? */
typedef bool (*GuestChosen)(void *user_data, const GuestRecord *record);

/* Its balloon is on its way, or may be: pages that it can't free, below this part of its memory, keep nobody asking. */
static inline bool
guest_record_moves(const GuestRecord *record)
{
    uint64_t size = record->report.actual_kib;
    uint64_t off = MAX(size, record->target_kib) - MIN(size, record->target_kib);

    return record->life == GUEST_LIFE_RUNNING && (record->target_pending || (record->target_known && off > size / 256));
}

/* See GuestWorld.set_period. */
#define PERIOD_RELEASE UINT32_MAX

typedef struct GuestWorld {
    void *self;
    /*
     * Asks every guest that is chosen (NULL: every one), runs or is paused, and has no question outstanding, for a report. Calls done exactly once,
     * as soon as all have answered, at the latest deadline_usec from now; late answers show in a later
     * tick. done may be called before collect returns (the simulator does). A collection that is begun
     * ends the one before.
     */
    void (*collect)(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data),
                    void *user_data);
    /* All guests, sorted by uuid. Owned by the world, valid until the main loop runs again. */
    const GuestRecord *const *(*records)(void *self, size_t *count);
    WorldLink (*link)(void *self);
    /*
     * Guests run here, or may, that have not been read yet since the daemon began: what they hold is booked nowhere. Not where a host has
     * just booted and libvirt is not there yet: it starts guests before it lets anybody connect (remote_daemon.c, daemonRunStateInit).
     * NULL: never.
     */
    bool (*unread)(void *self);
    /*
     * Tells the balloon of a running guest its target. The record's target fields change at once.
     * done is called once, later or before the return, also when the guest goes away meanwhile. While a call to
     * the guest is under way only the newest target waits for it: the one that waited before ends with an error.
     * A call past its deadline ends with DYNMEM_ERROR_TIMEOUT and stays pending in the record until it returns.
     */
    void (*set_target)(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data);
    /*
     * How often the guest's driver shall report, in seconds; 0: never. Repeated by itself after each start of the guest, and
     * where somebody else is seen to have changed it, until something else is asked for; forgotten with the record's serial.
     * That is looked for within minutes, and at once when the same is asked for again. Failures are tried again, and told in
     * debug. PERIOD_RELEASE: as somebody else wants it, and not seen to any more.
     */
    void (*set_period)(void *self, const char *uuid, uint32_t seconds);
    /*
     * Has a running guest report now, whatever its period: it is set to 0 and back to what it is, which makes QEMU ask at
     * once (hw/virtio/virtio-balloon.c, balloon_stats_set_poll_interval). The report is there to be collected a few
     * milliseconds later. Nothing is done where its period is not the one asked for by set_period, or nothing may be
     * changed now. libvirt writes its status file twice for it: for few guests, and seldom. NULL: it can't be had here.
     */
    void (*ask_now)(void *self, const char *uuid);
    /*
     * Starts a guest that is off (virDomainCreate). done is called once; the call takes as long as libvirt's hooks do.
     */
    void (*start)(void *self, const char *uuid, GuestStartDone done, void *user_data);
    /*
     * Changes the element of dynmem in a guest's metadata, as work says (its data is taken over, and freed with free_data on
     * any thread). Both definitions are changed, or none: where one can't be, the other is put back. done is called once,
     * when the records show it; its error says what became of it. DYNMEM_ERROR_TIMEOUT, DYNMEM_ERROR_DISCONNECTED: that is
     * not known. One change at a time for each guest, further ones are refused.
     */
    void (*edit_element)(void *self, const char *uuid, ElementWork work, void *data, GDestroyNotify free_data,
                         ElementDone done, void *user_data);
    /*
     * Told by whoever answers libvirt's hook. The guest need not be known, and libvirt need not be connected. at_usec: when that
     * was (monotonic), which may be before this daemon was there; 0: now.
     */
    void (*note_hook)(void *self, const char *uuid, HookMoment moment, uint64_t at_usec);
} GuestWorld;

/* ---- the host ---- */

/* A pool of huge pages of one size. */
typedef struct HostPool {
    uint64_t page_kib; /* 0: no such pool, nor any behind it */
    uint64_t total_kib;
    uint64_t free_kib;
} HostPool;

#define HOST_POOLS_MAX 4

/* A NUMA node of the host. */
typedef struct HostNode {
    uint64_t total_kib; /* 0: there is no such node, or it has no memory */
    uint64_t available_kib;
} HostNode;

#define HOST_NODES_MAX 64

typedef struct HostFigures {
    uint64_t total_kib;     /* MemTotal */
    uint64_t available_kib; /* MemAvailable, and what ZFS gives back (arc_kib) */
    uint64_t arc_kib; /* of ZFS's cache above its own minimum: given back under pressure, not part of MemAvailable */
    uint64_t hugepages_kib; /* all huge page pools, used or not: outside of everything */
    HostPool pools[HOST_POOLS_MAX];
    HostNode nodes[HOST_NODES_MAX]; /* all zero on a host with one node */
    uint64_t swap_total_kib;
    uint64_t swap_free_kib;
    uint32_t pressure_some_centi; /* PSI memory "some" avg10, in hundredths of a percent */
    uint32_t pressure_full_centi; /* PSI memory "full" avg10 */
    bool has_pressure;            /* false: no PSI in this kernel */
} HostFigures;

/* What a guest holds of the host's memory. */
typedef struct GuestResident {
    /* The guest's memory by where it lies (GuestSettings.source), QEMU's own and, where the cgroup tells, kernel memory. */
    uint64_t memory_kib;
    /* What else its cgroup holds and can't give back: shared memory of a guest whose own is not, as a disk image on tmpfs. */
    uint64_t other_kib;
} GuestResident;

typedef struct HostWorld {
    void *self;
    /* Reads the host's figures. Returns false and sets error when they can't be had; *figures untouched. */
    bool (*read)(void *self, HostFigures *figures, GError **error);
    /*
     * What a guest holds of the host's memory, from its cgroup or its process. Returns false where neither tells, *resident
     * untouched; absent is no error.
     */
    bool (*resident)(void *self, const GuestRecord *guest, const GuestSettings *settings, GuestResident *resident);
} HostWorld;

/* ---- limits and paging files ---- */

/* error is NULL when memory.high is in force; it is owned by the caller. */
typedef void (*GuestLimitDone)(void *user_data, const char *uuid, uint64_t high_kib, const GError *error);

/* What is looked at between two ticks. */
typedef struct GuestGlance {
    uint64_t charged_kib; /* as in GuestLimits */
    uint64_t held_back;   /* likewise, where it is near its memory.high; else as it was last read */
} GuestGlance;

/* A table without functions (all NULL) is a world without limits. */
typedef struct LimitWorld {
    void *self;
    /* Why no guest of this host can be limited, one clause for people; NULL where they can. Owned by the world. */
    const char *(*bar)(void *self);
    /*
     * A look at a running guest, for each of them many times a second: one small read of an open file, two where it is near
     * its memory.high. Returns false, *glance untouched, where it has no group of version 2, or read() has not found it yet. NULL:
     * it can't be had here.
     */
    bool (*glance)(void *self, const GuestRecord *guest, GuestGlance *glance);
    /* Reads the limits of a running guest. Always fills figures; where there is nothing to set, usable is false. */
    void (*read)(void *self, const GuestRecord *guest, GuestLimits *figures);
    /*
     * Reads the limits of the groups that a guest of this partition (GuestSettings.partition) comes into once it runs: none where
     * they are not there yet. NULL: nothing is known of them here.
     */
    void (*above)(void *self, const char *partition, GroupsAbove *above);
    /*
     * Sets memory.high of a guest; LIMIT_NONE puts back what was there before the first set. Lowering reclaims memory in the
     * writer (kernel mm/memcontrol.c, memory_high_write) and may take seconds: it is done elsewhere, done is called later on
     * the main loop's thread, once. While a write to a guest is under way only the newest value waits for it: the one that
     * waited before ends with an error. A raise waits for nothing: it overtakes the lowering of its own guest, which ends
     * with DYNMEM_ERROR_REFUSED.
     */
    void (*set)(void *self, const GuestRecord *guest, uint64_t high_kib, GuestLimitDone done, void *user_data);
} LimitWorld;

/* A table without functions is a world without paging files. */
typedef struct PagingWorld {
    void *self;
    /* Why no paging file can be had on this host, one clause for people; NULL where it can. Owned by the world. */
    const char *(*bar)(void *self);
    /* All files there are, sorted by uuid. Owned by the world, valid until the main loop runs again. */
    const PagingRecord *const *(*records)(void *self, size_t *count);
    /*
     * Makes a file, switches it on, gives its guest memory.swap.max = size, and keeps everybody else from swapping out more
     * than they have. It goes on elsewhere; the record shows how far it is. One file a guest: while there is one nothing is
     * made.
     */
    void (*make)(void *self, const PagingRequest *request);
    /*
     * Ends a file, whatever it is at: its guest may use it no more, what it holds is read back, swapoff in a helper
     * process, everybody's limits as they were, what it held discarded, deleted. Memory for what it holds must have been
     * booked, and the guest's memory.high raised. It goes on elsewhere and is tried again until it is done.
     */
    void (*end)(void *self, const char *uuid);
} PagingWorld;

typedef struct Clock {
    void *self;
    uint64_t (*now_usec)(void *self); /* CLOCK_MONOTONIC, or virtual time */
} Clock;

/* ---- who listens ---- */

typedef struct ReportSink {
    void *self;
    /* Called at the end of each tick. What report points to is valid for the time of the call. */
    void (*tick)(void *self, const TickReport *report);
} ReportSink;

typedef struct Ports {
    GuestWorld guests;
    HostWorld host;
    LimitWorld limits;
    PagingWorld paging;
    Clock clock;
    ReportSink sink;
} Ports;
