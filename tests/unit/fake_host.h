/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A host of plain files below a temporary root, for the tests of limits and paging files: control groups of version 2
 * with two guests, /proc/swaps, and calls that do to these files what the kernel would, or fail as a test says.
 */

#include "act/guest_limits.h"
#include "act/paging.h"

#define FAKE_WEB "11111111-1111-4111-8111-111111111111"
#define FAKE_DB "22222222-2222-4222-8222-222222222222"
#define FAKE_WEB_PID 1001
#define FAKE_DB_PID 1002
#define FAKE_WEB_GROUP "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt"
#define FAKE_DB_GROUP "/machine.slice/machine-qemu\\x2d2\\x2ddb.scope/libvirt"
#define FAKE_STATE "/var/lib/dynmem"
#define FAKE_PAGING FAKE_STATE "/paging"
#define FAKE_WEB_FILE FAKE_PAGING "/" FAKE_WEB ".dynmem-paging"
#define FAKE_DB_FILE FAKE_PAGING "/" FAKE_DB ".dynmem-paging"
#define FAKE_SECOND_NAME FAKE_PAGING "/second-name"

typedef struct FakeHost {
    char *root;
    char *state; /* directory of what is remembered */
    ActSystem system;
    Held *held;
    Limits *limits;
    Paging *paging;
    LimitWorld limit_world;
    PagingWorld paging_world;
} FakeHost;

#define FAKE_NO_PROCESS (-1000)

/* What the calls answer. */
typedef struct FakeFaults {
    int swap_on;      /* errno; 0: it works */
    bool second_name; /* where that fails the file has a second name then, FAKE_SECOND_NAME: it is not touched */
    int swap_off[8];  /* errno of each call; 0: it works, -N: killed by signal N, FAKE_NO_PROCESS: can't be called */
    unsigned swap_off_calls; /* so far */
    int allocate;            /* errno; 0: it works, -1: it says so, and nothing is allocated */
    int subvolume;           /* errno; 0: it works */
    unsigned subvolumes;     /* that were made */
    int file_system;         /* errno; 0: it works */
    long type;
    uint64_t free_kib;
    bool whole_paths;  /* the daemon has no mount namespace: /proc/swaps shows true paths also after it ended */
    unsigned crash_at; /* the process ends at this step; 0: never */
    unsigned steps;    /* so far */
} FakeFaults;
extern FakeFaults fake_faults;

/* A host on which no daemon has run yet. */
FakeHost *fake_host_new(void);
/* The host that another process has made there. */
FakeHost *fake_host_at(const char *root);
/* Deletes it all. */
void fake_host_free(FakeHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeHost, fake_host_free)
/* A daemon starts, and ends without a word. */
void fake_host_start(FakeHost *host);
void fake_host_kill(FakeHost *host);

/* Writes a file below the root. */
void fake_host_write(const FakeHost *host, const char *file, const char *text);
/* Reads one; NULL where it is not there. Caller frees. */
char *fake_host_read(const FakeHost *host, const char *file);
void fake_host_remove(const FakeHost *host, const char *file);
/* A control group with the files of the memory controller. */
void fake_host_add_group(const FakeHost *host, const char *group, uint64_t swapped_kib);
/* The host is booted: other control groups, another boot id, nothing in /proc/swaps. */
void fake_host_boot(const FakeHost *host);

/* Whether the file of a group says so; fails the test unless it does. */
bool fake_host_says(const FakeHost *host, const char *group, const char *file, const char *text);
void fake_host_expect(const FakeHost *host, const char *group, const char *file, const char *text);

/* Runs the main loop until check says so; fails the test after ten seconds. */
void fake_host_until(FakeHost *host, bool (*check)(FakeHost *host, void *data), void *data);
/* What limits_stop() and paging_stop() call at their end, told an int: counts it down. And a check that it is at 0. */
void fake_count_down(void *data);
bool fake_is_zero(FakeHost *host, void *data);
/* Runs the main loop for a while: what has ended is told, and what follows from it begun. */
void fake_run_loop(void);
GuestRecord fake_guest(const char *uuid, pid_t pid);
PagingRequest fake_request(const char *uuid, pid_t pid);
void fake_host_make(FakeHost *host, const char *uuid, pid_t pid);
void fake_host_end(FakeHost *host, const char *uuid);
/* Whether there is a file, or a link, of that name; whether it is in /proc/swaps. */
bool fake_host_exists(const FakeHost *host, const char *file);
bool fake_host_swaps_to(const FakeHost *host, const char *file);
/* Fails the test unless everything is as on a host on which no paging file ever was. */
void fake_host_expect_clean(const FakeHost *host);
/* The record of a guest's file, or NULL. */
const PagingRecord *fake_host_file(FakeHost *host, const char *uuid);
/* Waits until a guest's file is at a stage. */
void fake_host_await(FakeHost *host, const char *uuid, PagingStage stage);
/* Waits until there is no record. */
void fake_host_await_none(FakeHost *host);
