/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A host with guests, in virtual time, that is as awkward as libvirt: calls take time, end late, or nobody knows how they
 * ended; guests come, go and come back; the daemon learns of all that later than it happens. The real engine runs in it
 * through include/ports.h and knows nothing but what those tables tell.
 *
 * What is true is the world's own: truth.c knows what each QEMU could hold at worst, from its balloon and its memory.high as
 * they are in force here, and holds the plan of the last finished tick against it after every single event. It shares neither
 * code nor formulas with src/decide.
 *
 *   machine.c   one QEMU: balloon, kernel, statistics, memory.high
 *   domain.c    XML of a guest as libvirt gives it
 *   virsh.c     what administrators and guests do: start, reset, save, migrate, plug, ...
 *   start.c     how a start goes: hooks, admission, launch
 *   watcher.c   what the daemon's watch knows of all that, and when: GuestRecords
 *   calls.c     calls into QEMU: reports and targets
 *   limits.c    memory.high being written
 *   paging.c    paging files
 *   host.c      figures of the host
 *   daemon.c    dynmemd: the engine, its ticks, its deaths
 *   truth.c     what is booked covers what could be held, and its excuses
 *   needs.c     what guests are owed, and that nothing is left behind
 *   chance.c    random worlds
 *   run.c       ... from beginning to end
 *   bugs.c      what was wrong once, put back
 *   trace.c     what happened last, for people
 */

#include "guest.h"
#include "rng.h"

#define WORLD_STEP_USEC (100 * USEC_PER_MSEC)
/* Guests of a world, unless WorldOptions says more. */
#define WORLD_SEATS 8
/* Wall clock of second 0, and what CLOCK_MONOTONIC shows then. */
#define WORLD_WALL_SEC UINT64_C(1700000000)
#define WORLD_FIRST_USEC (1000 * USEC_PER_SEC)

/* A start so soon after a stop is a restart. */
#define WORLD_RESTART_SEC UINT64_C(120)
/* A paging file is to be gone after so long. */
#define WORLD_PAGING_SEC UINT64_C(200)

#define MIB(kib) ((double)(kib) / 1024.0)
#define FROM_MIB(mib) ((uint64_t)(mib)*KIB_PER_MIB)

typedef struct World World;
typedef struct Seat Seat;

/* ---- time (world.c) ---- */

/* Something that happens later. number tells a machine, a record, a start: who has another one by then is not meant. */
typedef void (*Deed)(World *world, Seat *seat, uint64_t number, void *data);

typedef struct Event {
    uint64_t usec;
    uint64_t order; /* of two at the same time the one that was asked for first comes first */
    Deed deed;
    Seat *seat;
    uint64_t number;
    void *data; /* not owned */
} Event;

void world_after(World *world, uint64_t usec, Deed deed, Seat *seat, uint64_t number, void *data);

/* ---- the world ---- */

/* What has a limit of its own for the guests in it. */
typedef enum Within {
    WITHIN_HOST,
    WITHIN_NODE,                    /* its first NUMA node: who is strictly bound to that; then its second */
    WITHIN_NODES = WITHIN_NODE + 2, /* ... both of them: who is bound to one of them, or to both */
    WITHIN_GROUP,                   /* the one above some of them */
    WITHIN_INNER,                   /* ... and one within that, above some of these */
    WITHINS,
} Within;

/* What the daemon is at when something happens (moments.c): to that guest, or to any where it happens to the host. */
typedef enum Moment {
    MOMENT_IDLE, /* at nothing of the rest */
    MOMENT_SQUEEZED,
    MOMENT_GROWING,
    MOMENT_TOLD, /* a call that tells it a target is under way */
    MOMENT_BOOTING,
    MOMENT_STARTING, /* its start is asked for, admitted or begun */
    MOMENT_FILE_MADE,
    MOMENT_FILE_ON,
    MOMENT_FILE_EMPTIED,
    MOMENT_NO_DAEMON,
    MOMENT_NO_LIBVIRT,
    MOMENTS,
} Moment;

typedef struct WorldOptions {
    uint64_t seed;
    unsigned seats; /* guests there may be; 0: WORLD_SEATS */
    bool coarse; /* the ledger is held against the truth each 100 ms, and not after each event: many guests cost less */
    uint64_t memory_kib;
    uint64_t reserve_kib;
    bool limits;           /* cgroup v2 */
    bool limits_flaky;     /* now and then a write fails */
    bool paging;           /* guests may have paging files */
    bool swap;             /* the host can swap out what is above a limit */
    bool quiet_calls;      /* calls take 5 ms and never fail: for directed cases */
    uint64_t call_usec;    /* with quiet_calls: so long instead */
    uint64_t connect_usec; /* from a daemon's start, or libvirtd's, to its first look; 0: by chance */
    uint64_t launch_usec;  /* from the hook's answer to QEMU; 0: by chance */
    uint64_t above_kib;    /* memory.max of a group that guests stand in; 0: none */
    uint64_t above_seats;  /* bits of those that do */
    uint64_t among_kib;    /* what others hold in that */
    uint64_t inner_kib;    /* memory.max of a group within that one; 0: none */
    uint64_t inner_seats;  /* bits of those that stand in it: a part of above_seats */
    unsigned nodes; /* NUMA nodes of the same size, two at least, and guests are bound to the first two; 0: none */
    bool no_hook;   /* libvirt has no hook: nobody is asked */
    bool absent_allows;
    bool reverts_in_place; /* libvirt is older than 8.1 */
    bool admission;
    uint64_t interval_usec;
    Moment moment; /* more happens at this moment than at others; MOMENT_IDLE: there is none */
} WorldOptions;

typedef struct WorldCounts {
    uint64_t steps;
    uint64_t ticks;
    uint64_t checks;
    uint64_t ends;
    uint64_t ends_fit; /* ... at which all that is needed did fit */
    uint64_t starts;
    uint64_t refused;
    uint64_t targets;
    uint64_t targets_unknown;
    uint64_t resets;
    uint64_t files; /* paging files */
    uint64_t daemons;
    uint64_t excused;
    uint64_t tight; /* checks at which the host had less than 64 MiB left to promise */
} WorldCounts;

#define TRACE_LINES 60
#define TRACE_WIDTH 200

struct World {
    WorldOptions options;
    Rng rng;
    uint64_t now_usec;
    uint64_t order;
    GArray *events; /* a heap of Event */
    uint64_t numbers;

    Seat *seats; /* room for options.seats */
    unsigned count;
    unsigned found; /* seat that was looked for last */
    const GuestRecord **records;
    const PagingRecord **files;

    /* host */
    uint64_t other_kib; /* processes that are no guests */
    uint64_t other_goal_kib;
    uint64_t other_least_kib[32]; /* what the host's figures showed of it at least in each of the last steps */
    unsigned other_next;
    uint64_t others_usec; /* when that changed last */
    bool stalls;          /* the kernel says that somebody waits for memory */

    /* daemon */
    Engine *engine;
    Keep *keep;
    uint64_t daemon; /* which one; 0: none is there */
    uint64_t daemons;
    uint64_t daemon_usec; /* when the last of them was started */
    bool daemon_dies;
    bool manage_all;
    WorldLink link;
    bool libvirtd_away;
    bool complete; /* all guests were read since the link is up */
    bool all_read; /* ... once since the daemon began */
    uint64_t link_number;
    uint64_t tick_number;
    bool tick_soon;
    bool answers_open; /* of a collection */
    void (*collected)(void *user_data);
    void *collected_data;
    uint64_t round;
    unsigned round_asked;
    GPtrArray *calls;      /* of Call */
    uint64_t reserved_kib; /* as the last plan has it */
    uint64_t committed_kib;
    uint64_t budget_kib;
    bool ticked; /* this daemon has finished a tick with libvirt there */
    bool pressed;
    bool judged; /* what it found is known: from then on it is to blame for what comes */

    /* truth */
    uint64_t least_other_kib;     /* least that others had a moment before the last step */
    uint64_t debts_kib[WITHINS];  /* promised beyond each by what nobody could prevent */
    uint64_t beyond_kib[WITHINS]; /* ... and could be held at this moment */
    uint64_t gives_usec;          /* whose driver came last has given what it had too much by then (needs.c) */
    char *broken;                 /* the first thing that must not be */

    WorldCounts counts;
    char trace[TRACE_LINES][TRACE_WIDTH];
    uint64_t trace_next;
};

World *world_new(const WorldOptions *options);
void world_free(World *world);
/* Adds a guest that is off and defined. */
Seat *world_add(World *world, const Definition *definition, const Kernel *kernel);
/* Puts guest into the world as one that has run for an hour with so much memory, before any daemon is there. */
void world_place(World *world, Seat *seat, uint64_t actual_kib, uint64_t need_kib);
/* The world goes on by so much, or until something is broken. Returns false then. */
bool world_run(World *world, uint64_t usec);
uint64_t world_number(World *world);
double world_second(const World *world);

/* ---- bugs.c ---- */

/*
 * What the daemon once did wrong where it meets the world, put back there: the world stands for src/watch and src/act, and hands
 * src/admit and src/config what they read. What src/decide did wrong has switches of its own (decide/faults.h).
 */
typedef enum Bug {
    BUG_BOOTS,      /* a guest that brings its memory is asked for as if it booted */
    BUG_OLD_XML,    /* a start is admitted by the definition that was read before, not by what starts */
    BUG_BARE_XML,   /* <hard_limit> and what memory devices have plugged are not read */
    BUG_LEAVES,     /* the booking of a start that goes on is dropped with who asked for it */
    BUG_SAME_RUN,   /* a QEMU that has taken the place of another is not noticed */
    BUG_TOLD_ONCE,  /* a balloon that somebody else moved is not told its target again */
    BUG_ALL_SEEN,   /* memory that a guest does not see counts as seen */
    BUG_RAISE_WAITS /* a limit that is raised waits for what is being lowered */
} Bug;

/* Puts back those whose bits are set, and no others. */
void bugs_put_back(unsigned bugs);
bool has_bug(Bug bug);

/* ---- run.c ---- */

/* All of one random world, to its end or until something is broken, which it returns false for. */
bool run_world(World *world);

/* ---- trace.c ---- */

void trace(World *world, const Seat *seat, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* All that is kept, oldest first, and how the guests stand. */
void trace_print(const World *world);
void trace_tick(const World *world);
/* Something must not be: the first is kept, with its time. */
void world_break(World *world, const Seat *seat, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* ---- machine.c ---- */

Machine *machine_new(World *world, const Definition *definition);
uint64_t machine_ram(const Machine *machine);
/* What QEMU says that the guest has. */
uint64_t machine_actual(const Machine *machine);
/* The same of a guest that is elsewhere, or was kept. */
uint64_t memory_actual(const Memory *memory);
/* ... and what libvirt shows as <currentMemory>: where no driver is there what it was told. */
uint64_t machine_current(const Machine *machine);
uint64_t machine_device(const Machine *machine);
/* QEMU takes a target. */
void machine_take_target(Machine *machine, uint64_t target_kib, bool foreign);
void machine_reset(World *world, Seat *seat);
void machine_step(World *world, Seat *seat);
/* QEMU asks the guest how its memory is, and it answers, if it can. */
void machine_ask(World *world, Seat *seat);
/* All that it holds of the host's memory. */
uint64_t machine_resident(const Machine *machine);
/* Its answer to "how is your memory". */
void machine_answer(const Machine *machine, GuestReport *report);
void machine_keep(const Seat *seat, Memory *memory);
void machine_bring(Machine *machine, const Memory *memory);

/* ---- domain.c ---- */

/* Free with g_free. current_kib: <currentMemory>. id: 0: none. machine: NULL for what is not running. */
char *domain_text(const Seat *seat, const Definition *definition, uint64_t current_kib, uint64_t id,
                  const Machine *machine);

/* ---- virsh.c: each does nothing where it makes no sense ---- */

void virsh_destroy(World *world, Seat *seat, bool kept);
void virsh_reset(World *world, Seat *seat);
void virsh_suspend(World *world, Seat *seat);
void virsh_resume(World *world, Seat *seat);
void virsh_setmem(World *world, Seat *seat, uint64_t kib);
void virsh_save(World *world, Seat *seat);
void virsh_snapshot(World *world, Seat *seat);
void virsh_revert(World *world, Seat *seat);
void virsh_migrate(World *world, Seat *seat, uint64_t usec, bool cancelled);
/* A migration that was begun is over now. */
void virsh_migrated(World *world, Seat *seat, bool cancelled);
void virsh_plug(World *world, Seat *seat, uint64_t kib);
void virsh_unplug(World *world, Seat *seat);
void virsh_request(World *world, Seat *seat, uint64_t kib);
/* Another definition: at once for the next start, and with live for the one that runs too. */
void virsh_define(World *world, Seat *seat, const Definition *definition, bool live);
void virsh_rename(World *world, Seat *seat);
void virsh_hang(World *world, Seat *seat, bool hung);
void guest_empties(World *world, Seat *seat, bool emptying);
void guest_unloads(World *world, Seat *seat);
void world_restart_libvirtd(World *world, uint64_t usec);

/* ---- start.c ---- */

/* virsh start, or dm-ctl start with ctl. */
void virsh_start(World *world, Seat *seat, StartHow how, bool paused, bool ctl);
/* Somebody reserves memory for a start and never starts it. */
void ctl_reserve(World *world, Seat *seat);
/* Who ran dm-ctl start presses Ctrl-C. */
void ctl_leave(World *world, Seat *seat);
/* The daemon died: hooks that wait ask the next one. */
void starts_lose_daemon(World *world);
/* The hook of a guest that ended. */
void starts_note_stopped(World *world, Seat *seat);
/* All that it brings is there. */
void starts_arrived(World *world, Seat *seat);

/* ---- watcher.c ---- */

typedef enum VirEvent {
    VIR_STARTED,
    VIR_STARTED_RESUMED,
    VIR_STOPPED,
    VIR_STOPPED_KEPT,
    VIR_STOPPED_REVERTED,
    VIR_SUSPENDED,
    VIR_SUSPENDED_MIGRATED,
    VIR_RESUMED,
    VIR_REVERTED,
    VIR_RESET,
    VIR_CHANGED, /* defined, undefined, a device: a reading tells */
} VirEvent;

/* libvirt tells; the daemon hears of it in a while, if it is there and connected. */
void watcher_tell(World *world, Seat *seat, VirEvent event);
void watcher_connect(World *world);
void watcher_disconnect(World *world);
/* A new daemon knows nothing. */
void watcher_forget(World *world);
const GuestRecord *const *watcher_records(void *self, size_t *count);
bool watcher_has_size(const Seat *seat);
void watcher_note_hook(void *self, const char *uuid, HookMoment moment, uint64_t at_usec);
Seat *world_seat(World *world, const char *uuid);

/* ---- calls.c ---- */

void calls_collect(void *self, GuestChosen chosen, uint64_t deadline_usec, void (*done)(void *user_data),
                   void *user_data);
void calls_set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data);
void calls_set_period(void *self, const char *uuid, uint32_t seconds);
void calls_ask_now(void *self, const char *uuid);
void calls_pump(World *world, Seat *seat);
/* Another job holds the guest, for long: who else wants one waits too. */
bool calls_are_held(const World *world, const Seat *seat);
/* Its XML was read. */
void calls_note_ram(Seat *seat);
/* Its process is gone: who waits for a target is told. */
void calls_restart(World *world, Seat *seat, const char *why);
void calls_leave_round(World *world, Seat *seat);
void calls_disconnect(World *world);
/* The daemon is gone: what it asked for may still be done, and nobody hears of it. */
void calls_orphan(World *world);
void calls_show(Seat *seat);
/* A QEMU that hung goes on: what it was told meanwhile is done now. Or it is gone: calls that it kept fail. */
void calls_wake(World *world, Seat *seat);
void calls_reap(World *world);

/* ---- limits.c ---- */

LimitWorld limits_of(World *world);
/* Its cgroup is gone. */
void limits_gone(World *world, Seat *seat);
void limits_orphan(World *world);

/* ---- paging.c ---- */

PagingWorld paging_of(World *world);
void paging_step(World *world);
void paging_clear(PagingFile *file);
/* The next daemon finds what there is. */
void paging_orphan(World *world);

/* ---- host.c ---- */

HostWorld host_of(World *world);
void host_step(World *world);
/* Whether it is bound to that, or would be, as it is defined: to all of it or to a part. */
bool world_is_within(const Seat *seat, Within within);
/* What its guests hold of the host. */
uint64_t world_resident(const World *world, Within within);
void host_grow(World *world, uint64_t other_kib);

/* ---- daemon.c ---- */

void daemon_start(World *world);
void daemon_kill(World *world);
void daemon_tick_soon(World *world);
void daemon_set_manage_all(World *world, bool all);
bool daemon_knows(const World *world, const Seat *seat);
/* Who is taken out of management is owed its startup memory by the daemon that squeezed it, or by one that finds its limit. */
bool daemon_remembers(const World *world, const Seat *seat);

/* ---- truth.c ---- */

/* The daemon is to balloon it. */
bool truth_is_ours(const Seat *seat);
/* Nobody looks after it: all its memory is its own. */
bool truth_is_wild(const Seat *seat);
/* The ledger says so, too, and books all of it. */
bool truth_is_shown_wild(const Seat *seat);
/* It boots for the first time, and its XML need not have been read. */
bool truth_is_new(const Seat *seat);
/* Most that its QEMU could hold of the host's memory, without overhead. */
uint64_t truth_touchable(const Seat *seat);
/* What the ledger says that it may hold. */
uint64_t truth_booked(const Seat *seat);
/* Its booking may be too low for as long as the table says. */
void truth_excuse(Seat *seat, Excuse excuse);
/* It is another QEMU, or none: nothing excuses it. */
void truth_forget(Seat *seat);
/* Something happened to it that nobody told the daemon before: excuses it where that makes a difference. */
void truth_surprise(Seat *seat, Excuse excuse);
void truth_check(World *world);
/* A tick is finished. */
void truth_take_plan(World *world);
void truth_step(World *world);

/* ---- needs.c ---- */

void needs_check(World *world);
/* Something is still on its way that nobody can hurry. */
bool needs_more_rest(const World *world);
/* Nothing has happened for a while, and nothing shall have been left behind. */
void needs_check_rest(World *world);

/* ---- chance.c ---- */

World *chance_world(uint64_t seed);
/* Whether that has groups or nodes with limits of their own. */
bool chance_has_limits_above(uint64_t seed);
/* From this seed on each world has a moment at which more happens than at others. */
#define CHANCE_MOMENTS (UINT64_C(1) << 32)
void chance_step(World *world);
/* Whether, in all worlds so far, everything that may happen has happened at every moment at which it can. shown: prints how often. */
bool chance_met_all(bool shown);

/* What the daemon is at with the guest (NULL: with any of them): a bit for each Moment. */
unsigned moments_of(const World *world, const Seat *seat);
const char *moment_name(Moment moment);
