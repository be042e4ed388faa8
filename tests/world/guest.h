/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A guest of the world: what is defined of it, its QEMU while it runs, what the daemon's watch knows of it, and what the
 * ledger said of it last.
 */

#include "engine.h"
#include "outcome.h"
#include "units.h"

#define FROM_MIB(mib) ((uint64_t)(mib)*KIB_PER_MIB)

typedef struct World World;
typedef struct Seat Seat;

/* ---- what is defined ---- */

typedef struct Definition {
    char name[24];
    bool managed;
    GuestMode mode;
    uint64_t minimum_kib; /* 0: not given; so is startup */
    uint64_t startup_kib;
    uint64_t current_kib; /* <currentMemory> */
    uint64_t base_kib;    /* memory without the devices below */
    uint64_t dimm_kib;
    uint64_t device_kib; /* a virtio-mem device's size; 0: there is none */
    uint64_t device_requested_kib;
    uint64_t hard_limit_kib; /* 0: none */
    unsigned strict_nodes;   /* bits of the host's first two nodes that it is bound to; 0: not bound */
    unsigned partition; /* its control group is not in libvirt's default one but in the first, or the one within that */
    bool immediate;
    bool vfio;
    bool huge; /* all of it in huge pages, in a pool of their own */
    unsigned priority;
    unsigned buffer;
} Definition;

/* ---- one QEMU ---- */

typedef enum DriverKind {
    DRIVER_GOOD,
    DRIVER_SLOW,  /* a tenth of the speed */
    DRIVER_STUCK, /* its balloon does not move */
    DRIVER_MUTE,  /* it balloons and sends no statistics but the first, empty ones */
    DRIVER_NONE,
} DriverKind;

/* What runs in a guest. */
typedef struct Kernel {
    DriverKind driver;
    uint64_t boot_usec;      /* from its start to its driver */
    uint64_t boot_touch_kib; /* what it touches until then, if it is let: some zero all they have */
    uint64_t inflate_kib;    /* each second */
    uint64_t deflate_kib;
    bool frail;   /* it is reset when its balloon leaves it less than it needs */
    bool onlines; /* a dimm is brought online by itself */
} Kernel;

typedef struct Machine {
    uint64_t number; /* of its process, never used again */
    uint64_t base_kib;
    uint64_t dimm_kib;
    uint64_t unseen_kib; /* of the dimms: not online */
    uint64_t device_kib;
    uint64_t device_requested_kib;
    uint64_t device_plugged_kib;
    uint64_t overhead_kib; /* what QEMU itself costs */
    bool vfio;
    bool huge;

    bool paused;
    bool hung;    /* SIGSTOP */
    bool ran;     /* its processors have run, or it brought its memory */
    bool cold;    /* its first kernel boots */
    bool brought; /* ... or it has none: its memory came with it, or was replaced by a snapshot's */
    bool arriving;
    bool loading; /* reads its memory from a file, and does not run yet */
    bool leaving;
    uint64_t coming_kib; /* still to be read or received */

    uint64_t asked_kib; /* num_pages: how large its balloon is to be */
    /* What the daemon told it to have, with its memory devices as they were then: what is plugged later, or what it has
       that nobody told it, is its administrator's. 0: it was not the daemon who told it last. */
    uint64_t told_kib;
    uint64_t shown_kib;   /* how large QEMU says that it is: void after a reset */
    uint64_t balloon_kib; /* how large it is */
    bool foreign; /* asked_kib comes from somebody else: nothing tells the daemon of it but the balloon's size */
    bool driver;
    bool emptying;         /* the guest empties it by itself */
    uint64_t emptied_usec; /* it did until then, or had no driver any more; 0: never */
    uint64_t booted_usec;
    unsigned resets;
    uint64_t driver_usec; /* when its driver comes up; UINT64_MAX: never, or it is up */

    uint64_t need_kib;
    uint64_t held_kib;       /* of the host's memory, without overhead */
    uint64_t cache_kib;      /* host page cache of its disks that is charged to it */
    uint64_t disk_kib;       /* ... which grows to that, as far as its limit and the host let it */
    uint64_t image_kib;      /* of a disk image on tmpfs, charged to it: shared memory that is not its own */
    uint64_t hard_limit_kib; /* memory.max; 0: none */
    unsigned nodes;          /* as strict_nodes */
    uint64_t held_back;
    bool held_now;
    uint64_t frail_usec;    /* a frail one lacks memory since then */
    uint64_t lacking_usec;  /* what it sees is less than it can live with since then */
    uint64_t helpless_usec; /* ... and so long of that the daemon could do nothing */

    uint64_t period_sec;
    uint64_t asks; /* so often it was asked to report at once */
    uint64_t reported_usec;
    GuestReport report; /* as it sent it last; last_update_sec 0: never */
    uint64_t swapped_kib;

    uint64_t paged_kib;    /* of its memory, in its paging file */
    uint64_t swap_max_kib; /* how much of it may be */
    uint64_t high_kib;     /* memory.high in force; LIMIT_NONE: none */
    bool high_ours;
} Machine;

/* ---- what was asked of a QEMU and is not over ---- */

typedef enum CallKind {
    CALL_REPORT,
    CALL_TARGET,
    CALL_PERIOD,
    CALL_ASK,
} CallKind;

/* How it is to go; drawn when it is made. */
typedef enum CallFate {
    FATE_GOOD,
    FATE_REFUSED, /* nothing is changed, and it says so */
    FATE_UNKNOWN, /* it is done, or not, or later; the answer is lost */
} CallFate;

typedef struct Call {
    CallKind kind;
    CallFate fate;
    Seat *seat;
    uint64_t daemon;  /* who made it: another one does not hear of its end */
    uint64_t record;  /* serial of its record */
    uint64_t machine; /* that ran when it was made; 0: none */
    uint64_t boots;
    uint64_t number;
    uint64_t made_usec;
    uint64_t reply_usec; /* from when it was done to its return */
    uint64_t value;
    bool undone; /* it may still be done by QEMU */
    bool open;   /* it has not returned */
    bool late;   /* whoever waited was told that it is late */
    GuestTargetDone done;
    void *user_data;
    GuestReport report;
} Call;

/* ---- what is written to a cgroup ---- */

typedef struct LimitWrite {
    bool active;
    uint64_t to_kib;
    uint64_t number;
    GuestLimitDone done;
    void *user_data;
} LimitWrite;

typedef struct PagingFile {
    bool there;
    bool shown; /* as gone or failed: it goes then */
    bool end_wanted;
    uint64_t number;
    uint64_t machine; /* that has it: another one of the same guest has no part in it */
    PagingRecord record;
} PagingFile;

/* ---- excuses (truth.c) ---- */

typedef enum Excuse {
    EXCUSE_NONE,
    EXCUSE_UNASKED,
    EXCUSE_SOON,
    EXCUSE_MOVED,
    EXCUSE_EMPTIES,
    EXCUSE_UNLOADED,
    EXCUSE_RESET,
    EXCUSE_UNHELD,
    EXCUSE_MISSED,
    EXCUSE_PLUGGED,
    EXCUSE_REVERTED,
    EXCUSE_ABSENT,
    EXCUSE_STRAY_CALL,
    EXCUSE_COUNT,
} Excuse;

/* ---- a guest ---- */

/* What could be seen of what it may hold: not where its balloon and its devices are told to go, but where they are. */
typedef struct Showing {
    uint64_t kib; /* without its devices */
    uint64_t device_kib;
} Showing;

/* Longer than any excuse lasts (truth.c). */
#define SHOWN_STEPS 96

/* How a start goes on. */
typedef enum StartStage {
    STARTING_NOT,
    STARTING_ASKED, /* dm-ctl start: the daemon was asked, libvirt not yet */
    STARTING_HOOK,  /* libvirt waits for its hook, with the guest locked */
    STARTING_LAUNCH,
    STARTING_LOAD,
} StartStage;

typedef enum StartHow {
    START_HOW_COLD,
    START_HOW_SAVED,    /* its managed save */
    START_HOW_ARRIVES,  /* an incoming migration */
    START_HOW_SNAPSHOT, /* reverted to one that was taken of it running, while it was off */
} StartHow;

typedef struct Start {
    StartStage stage;
    StartHow how;
    uint64_t number;
    bool paused;
    bool ctl;      /* by dm-ctl start */
    bool ctl_left; /* who ran dm-ctl start has pressed Ctrl-C */
    bool refilter; /* the hook that waits is the one before prepare */
    bool unasked;  /* nobody could be asked */
    bool forced;   /* it was nobody's when it was asked for, and is let in whatever there is */
    bool granted;
    StartKind kind; /* of the hook that waits */
    bool waits;     /* an answer is awaited */
    uint64_t asked_usec;
    uint64_t ctl_usec;   /* dm-ctl asked the daemon then; 0: its hook is the first to ask */
    char owner[16];      /* of dm-ctl on the bus */
    Definition brought;  /* what it is started with */
    uint64_t brings_kib; /* its balloon's size; 0: it boots */
} Start;

/* Memory in a file: a managed save, or a snapshot. */
typedef struct Memory {
    bool there;
    Definition definition;
    uint64_t held_kib;
    uint64_t need_kib;
    uint64_t balloon_kib;
    uint64_t asked_kib;
    uint64_t device_plugged_kib;
    bool driver;
} Memory;

/* What the last finished tick said of it. */
typedef struct Told {
    bool planned; /* it was in the plan */
    bool off;
    uint64_t committed_kib;
    uint64_t lent_kib;
    uint64_t overhead_kib;
    uint64_t limit_kib;
    uint64_t target_kib;
    uint64_t unseen_kib; /* it thinks that its kernel does not see so much */
    GuestState state;
    PlanRule rule;
    bool starting;
    uint64_t start_kib;
    uint64_t start_overhead_kib;
} Told;

/* What the daemon's watch knows. */
typedef struct Known {
    GuestRecord record;
    bool exists; /* there is such a record */
    bool shown;  /* ... and it was read once */
    uint64_t changes;
    uint64_t machine; /* of the process of its pid */
    unsigned due;     /* runs that readings have told of, the last of them this one: their events may still come */
    bool coming;      /* ... that found it being started */
    bool reverting;   /* it was ended for a snapshot, and has not been started since */
    bool gap;
    uint64_t read_usec; /* when what is being read was asked for */
    bool hook_waits;
    uint64_t hook_started_usec;
    bool reading;
    bool read_again;
    bool read_put_off;
    uint64_t read_number;
    /* what its balloon was told */
    bool bounded;       /* a call was taken since its process began, or its memory became another */
    bool certain;       /* ... and it was the last one to end */
    uint64_t told_kib;  /* by that, and by what its memory has grown since */
    uint64_t ram_kib;   /* its memory when its XML was read; 0: it was not */
    uint64_t grown_kib; /* by so much while the call was under way */
    uint64_t doubt_kib; /* the largest of those whose end nobody knows; libvirtd may do them yet, for a while */
    uint64_t doubt_usec;
    bool wish_set;
    uint64_t wish_kib;
    GuestTargetDone wish_done;
    void *wish_data;
    Call *call; /* under way */
    bool asked; /* the round waits for it */
    bool report_wanted;
    bool period_wished;
    uint32_t period_sec;
    bool ask_wanted;
    uint64_t report_serial;
} Known;

struct Seat {
    World *world;
    unsigned index;
    char uuid[37];
    bool defined; /* libvirt knows it */
    bool transient;
    Definition definition; /* of its next start */
    Definition live;       /* of its QEMU */
    Kernel kernel;
    Machine *machine;
    Memory saved;
    Memory snapshot;
    Memory abroad; /* with which it runs on another host */
    Start start;
    uint64_t reserved_usec;       /* the next was asked for then */
    bool reserved_forced;         /* it was nobody's then, and is let in whatever there is */
    uint64_t reserved_until_usec; /* somebody reserved memory for a start that does not come */
    uint64_t stop_usec;           /* as the keep has it */
    uint64_t event_usec;          /* its events come in order: none before this */
    uint64_t need_changes_usec;
    Known known;
    LimitWrite writing;
    LimitWrite waiting;
    PagingFile file;
    Told told;
    Excuse excuse;
    uint64_t excused_usec;       /* so long yet, of time in which the daemon could look */
    Showing showed[SHOWN_STEPS]; /* in each step in which the daemon could look */
    uint64_t shows;              /* steps of those; the last is at (shows - 1) % SHOWN_STEPS */
    uint64_t blind_usec;         /* so long the daemon has not looked at it, though it could */
    uint64_t slack_kib;          /* most that its limit had since then */
    uint64_t slack_usec;
    uint64_t slack_before_kib; /* ... and in the time before that */
    uint64_t low_kib;          /* the least it was booked at a moment ago */
    uint64_t since_low_kib;    /* ... and since it was booked at that */
    uint64_t low_usec;
    bool wild; /* it was started or reset as one that nobody looks after: it may take all its memory at any time */
    uint64_t plugged_kib; /* its administrator gave it so much more virtio-mem, whatever room there was, then */
    uint64_t plugged_usec;
    uint64_t forced_usec;    /* it was let in whatever there was, then; 0: it was not */
    uint64_t costs_kib;      /* what its QEMU was booked at a step ago */
    uint64_t fair_kib;       /* what it was booked at when it began to take more than it was given; 0: it does not */
    uint64_t calm_kib;       /* what it could hold then */
    uint64_t could_kib;      /* what it could hold when it was looked at last */
    uint64_t lacks_usec;     /* it lacks what it needs since then, though all fits and could be had; 0: it does not */
    uint64_t lacks_kib;      /* what it had then */
    uint64_t low_limit_usec; /* it is held back by a limit that should be higher since then; 0: it is not */
    bool gives;              /* it has a driver that works, and can give what it has too much */
    bool let_go;             /* taken out of management while it ran */
    uint64_t told_by;        /* the daemon that told it a target last */
};
