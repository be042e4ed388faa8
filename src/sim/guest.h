/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One simulated guest: what it needs, what its balloon and its driver do, what it reports. The model
 * is that of a Linux guest with a virtio-balloon under QEMU, second by second:
 *
 *  - it touches what it needs as far as it has it; what it needs beyond is swapped out, and its statistics
 *    show it full and swapping;
 *  - its balloon grows fast while it takes free memory, slowly once the guest must swap for it, and not
 *    at all below 35 % of what the guest needs;
 *  - a reset voids the balloon: until the driver is back the guest can touch all its maximum, and does, as far
 *    as it is let, while QEMU goes on showing the old size and the old statistics;
 *  - memory once touched stays with QEMU until the balloon takes it;
 *  - what QEMU holds does not grow beyond memory.high: what the guest touches beyond goes to its paging file, slowly,
 *    and where it has none or it is full the guest is held back;
 *  - what the guest needs of its paging file comes back as it is touched, and the rest stays there.
 */

#include "ports.h"
#include "scenario.h"

/* The driver is up so many seconds after a start or a reset, if the guest gets its startup memory meanwhile. */
#define SIM_BOOT_SECONDS 10

/* So much goes to a paging file or comes back from it in a second. */
#define SIM_PAGING_KIB (100 * KIB_PER_MIB)

typedef struct SimGuest {
    const SimGuestSpec *spec;
    uint64_t seed;
    uint64_t overhead_kib; /* of its QEMU */
    guint next_event;

    bool running;
    bool booting; /* its driver is not up since the last start or reset */
    bool paused;
    bool migrating;
    bool hanging; /* its QEMU does not answer */
    bool muted;   /* its statistics do not come */
    bool wedged;  /* it hangs in its boot loader: its driver does not come */
    bool asks;    /* somebody wants to start it, and that is not taken up yet */
    bool stopped; /* its QEMU has ended, or who wanted it started gave up, and that is not taken up yet */
    uint64_t boot_second;
    uint64_t boot_progress; /* seconds of its boot that are behind it */
    uint64_t garbage_kib;   /* what QEMU held when it was reset */
    uint64_t boots;
    bool boot_in_place;
    bool boot_resumed;    /* it came with its memory */
    uint64_t stop_second; /* when it was last shut down; only with has_stopped */
    bool has_stopped;
    uint64_t saved_kib;    /* its memory is in a file of libvirt's, with so much; 0: it is not */
    bool ran_at_host_down; /* it ran when the host went down, and this boot or the next is its first since */

    uint64_t need_kib;
    uint64_t has_kib;     /* what the guest can touch: its maximum less its balloon, or all while booting */
    uint64_t touched_kib; /* what it did touch and QEMU still holds, in memory or in its paging file */
    uint64_t target_kib;  /* what QEMU was told, by libvirt at the start, by the engine later */
    uint64_t shown_kib;   /* the balloon's size as QEMU shows it */

    uint64_t high_kib;     /* memory.high of its cgroup */
    uint64_t swap_max_kib; /* what it may have in its paging file */
    uint64_t paged_kib;    /* part of touched_kib that is there */
    uint64_t held_back;    /* how often it wanted more than memory.high let it have */
    bool held;             /* in this second */

    uint64_t swapped_kib; /* of what it needs, in its swap */
    uint64_t swap_in_kib; /* counters since boot */
    uint64_t swap_out_kib;
    uint64_t major_faults;
    uint64_t period_sec;      /* of the statistics; 0: none */
    uint64_t reported_second; /* second of the last report */
    uint64_t updated_sec;     /* last_update: wall clock of that report; 0: never */
    GuestReport report;       /* what it last reported; fields are those of the guest only */
} SimGuest;

/* A guest as it is before second 0: running and settled with its startup memory, or off. */
void sim_guest_init(SimGuest *guest, const SimGuestSpec *spec, const SimScenario *scenario);

/*
 * A second before second 0, in which the engine gets to know the guests: the guest is content with its
 * startup memory, buffer included.
 */
void sim_guest_settle(SimGuest *guest, uint64_t buffer_percent, uint64_t wall_sec);

/*
 * The second begins: what the file has in store happens, the guest touches what it needs, its driver reports
 * if it is due. wall_sec is the host's wall clock.
 */
void sim_guest_begin(SimGuest *guest, uint64_t second, uint64_t wall_sec);

/* The second passes: the balloon moves towards its target. */
void sim_guest_move(SimGuest *guest, uint64_t second);

/* Its QEMU is started: whoever wanted that has been let. */
void sim_guest_start(SimGuest *guest, uint64_t second);

/* It is shut down, or who wanted it started gives up; saved: its memory goes to a file of libvirt's. */
void sim_guest_stop(SimGuest *guest, uint64_t second, bool saved);

/* Its QEMU ends at once, with the host. */
void sim_guest_fall(SimGuest *guest);

/* So much of its paging file is read back, whatever memory.high says. */
void sim_guest_read_back(SimGuest *guest, uint64_t kib);

/* What its QEMU holds of the host's memory, 0 while off. */
uint64_t sim_guest_resident(const SimGuest *guest);

/* What it can touch: what it has, as far as memory.high and its paging file let it. */
uint64_t sim_guest_assigned(const SimGuest *guest);

/* Fills what QEMU answers now to a question for its memory. serial and times are the caller's. */
void sim_guest_answer(const SimGuest *guest, GuestReport *report);
