/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What observe/ hands to decide/: the host and all its guests at one moment, judged (is this report
 * fresh, is the driver up, can these numbers be) but not yet weighed. Everything a decision may
 * depend on is in here, in Settings or in the decision's own state.
 */

#include "ports.h"
#include "starts.h"

/* What is wrong with a guest's numbers. A number in doubt is bounded here and never trusted further. */
typedef enum GuestDoubt {
    DOUBT_USABLE_ABOVE_TOTAL = 1 << 0, /* usable, unused or cache larger than what the guest has */
    DOUBT_ACTUAL_ABOVE_MAXIMUM = 1 << 1,
    DOUBT_COUNTER_WENT_BACK = 1 << 2,  /* swap-in or fault counter fell without a boot */
    DOUBT_TOTAL_ABOVE_ACTUAL = 1 << 3, /* more memory in the guest than its QEMU gives it */
    DOUBT_IMPOSSIBLE = 1 << 4,         /* a figure above KIB_LIMIT */
} GuestDoubt;

typedef struct GuestSnapshot {
    const char *uuid;
    uint64_t serial; /* of its record: another number, another guest of the same uuid */
    const char *name;
    const GuestSettings *settings;

    GuestLife life;
    bool migrating;
    bool answering;

    uint64_t boots;        /* another number than last time: started or reset since */
    uint64_t boot_usec;    /* when it started, was reset, or was first seen */
    bool boot_in_place;    /* it was a reset: until driver_up the guest may touch all its maximum */
    bool boot_resumed;     /* it came with its memory */
    uint64_t gap_usec;     /* libvirt was away until then, in this run; 0: it was not */
    uint64_t stop_usec;    /* when it stopped before, see GuestRecord; 0: not seen */
    bool ran_at_host_down; /* see GuestRecord */
    bool adopted;          /* it ran before the daemon saw it, or libvirt was away meanwhile */
    bool driver_up;        /* its balloon driver has reported since that boot */
    bool driver_known;     /* it has reported since its QEMU was started, in whatever boot */
    uint64_t driver_usec;  /* since when */

    /* Statistics. report_serial counts the guest's own reports that were seen: another number, new numbers. */
    uint64_t report_serial;
    bool fresh;           /* the last report is less than three periods old (or the guest is frozen) */
    uint64_t report_usec; /* when that report was first seen */
    uint64_t period_usec; /* how often it is expected to report */
    bool has_actual;
    uint64_t actual_kib; /* balloon size now */
    uint64_t asked_usec; /* when the question went out that this is the answer to */
    bool has_usable;     /* demand can be worked out: the next two belong together */
    uint64_t usable_kib;
    uint64_t report_actual_kib; /* the balloon's size at the time of that report, without what the guest did not see */
    bool has_total;
    uint64_t total_kib;
    bool has_unused;
    uint64_t unused_kib;
    bool has_cache;
    uint64_t cache_kib;
    uint64_t swapped_in_kib;   /* between the last two reports; 0 where unknown */
    uint64_t swapped_out_kib;  /* likewise */
    uint64_t major_faults;     /* likewise */
    uint64_t report_span_usec; /* time between these two reports; 0: there was one only */
    /* It reports once in so many seconds, time after time, which is longer than period_usec by more than one: another period is
       in force, or the guest is that slow. 0: it does not. */
    uint64_t rhythm_sec;
    bool period_changed; /* see GuestRecord */
    uint32_t period_changed_sec;
    uint32_t doubts; /* GuestDoubt bits */
    /* Memory that its QEMU gives it and its kernel does not see (a dimm that is not online): its own total and its balloon
       together say so. It is not there to be squeezed, since all of it would be taken from what the guest does see. It is
       part of actual_kib, and so of what the guest is to have at least; where that is not known yet, of its maximum. */
    uint64_t unseen_kib;
    uint64_t
        announced_kib; /* its XML tells of so much that was plugged, and no size with it has been read yet; or the reverse */

    uint64_t resident_kib; /* what its QEMU holds of the host's memory, 0 where unknown */
    uint64_t
        group_other_kib; /* what its group holds besides (GuestResident.other_kib): no balloon or limit gives it back */

    GuestLimits limits;         /* of its cgroup; zero while off */
    const PagingRecord *paging; /* its paging file; NULL: none */

    bool target_known;
    bool target_pending;
    bool target_unbounded; /* a larger one than the next may be in force, see GuestRecord */
    uint64_t target_kib;   /* to be booked: the largest target that may be in force */
    uint64_t target_usec;  /* since then, see GuestRecord */
} GuestSnapshot;

/* What is seen of a guest between two ticks. */
typedef struct GuestMoment {
    uint64_t grown_kib; /* its QEMU holds so much more of the host's memory than when it last reported */
    uint64_t held_back; /* GuestLimits.held_back, now */
} GuestMoment;

typedef struct HostSnapshot {
    HostFigures figures;
    bool figures_valid;  /* false: they could not be read now and are the last known; no raise is safe */
    bool pressure_event; /* the kernel reported memory pressure since the last tick */
    WorldLink link;
    bool unread; /* guests run here, or may, that are not among those below */
} HostSnapshot;

typedef struct Snapshot {
    uint64_t now_usec;
    HostSnapshot host;
    GuestSnapshot *guests; /* sorted by uuid */
    size_t guest_count;
    const StartRequest *const *starts; /* guests about to start, sorted by uuid; owned by who keeps them */
    size_t start_count;
    const PagingRecord *const *files; /* all paging files, sorted by uuid, also of guests that are gone */
    size_t file_count;
    const char *paging_bar; /* why no paging file can be had on this host; NULL where it can */
    const char *limit_bar;  /* why no guest of this host can be limited; NULL where they can */
} Snapshot;
