/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A simulation file, read: the host, its settings and its guests. Plain data, so that the tests can
 * make, change and print scenarios of their own.
 */

#include "settings.h"
#include "sim.h"
#include "units.h"

/* How fast a balloon moves unless the file says otherwise, a second. */
#define SIM_INFLATE_KIB (400 * KIB_PER_MIB)
#define SIM_SWAPPING_KIB (100 * KIB_PER_MIB)
#define SIM_DEFLATE_KIB (800 * KIB_PER_MIB)

/* Long enough for the engine to have learnt what there is to learn of guests at rest. */
#define SIM_SETTLE_SECONDS 300

/* A paging file is made in so many seconds unless the file says otherwise. */
#define SIM_PAGING_MAKE_SECONDS 2

/* A value that the file does not give. */
#define SIM_UNSET UINT64_MAX

/* What keeps a simulated guest from being ideal; bits of SimGuestSpec.behaviours. */
typedef enum SimBehaviour {
    SIM_SLOW = 1 << 0,         /* its balloon moves at a tenth of the speed */
    SIM_STUCK = 1 << 1,        /* its balloon never moves */
    SIM_FLOOR = 1 << 2,        /* it gives nothing back below floor_kib */
    SIM_NO_DRIVER = 1 << 3,    /* no balloon driver: it has its maximum, for ever */
    SIM_NO_STATS = 1 << 4,     /* its balloon works, its statistics never come */
    SIM_LYING = 1 << 5,        /* what it reports is wrong in many ways, by turns */
    SIM_INTERMITTENT = 1 << 6, /* its balloon is stuck for a time, moves for a time, and so on */
    SIM_INHIBITED = 1 << 7,    /* its balloon moves and the host gains nothing */
    SIM_AUTODEFLATE = 1 << 8,  /* it counts the memory in its balloon as used */
} SimBehaviour;

typedef enum SimEventKind {
    SIM_EVENT_REBOOT,  /* reset in place */
    SIM_EVENT_WEDGE,   /* reset in place, and its driver does not come until the next reset */
    SIM_EVENT_START,   /* somebody starts it: a new QEMU, when the start is admitted */
    SIM_EVENT_STOP,    /* its QEMU ends */
    SIM_EVENT_SAVE,    /* its QEMU ends with its memory kept, and goes on with it at the next start */
    SIM_EVENT_PAUSE,   /* paused by the administrator */
    SIM_EVENT_MIGRATE, /* a migration begins */
    SIM_EVENT_HANG,    /* its QEMU stops answering */
    SIM_EVENT_MUTE,    /* its statistics stop coming */
    SIM_EVENT_RESUME,  /* ends a pause, a migration, a hang, the silence */
} SimEventKind;

typedef struct SimEvent {
    uint64_t second;
    SimEventKind kind;
} SimEvent;

/* From this second on it is so much: a need in KiB, say. */
typedef struct SimLevel {
    uint64_t second;
    uint64_t level;
} SimLevel;

typedef struct SimGuestSpec {
    char uuid[37];
    char *name;
    uint64_t minimum_kib; /* SIM_UNSET where not given, and so the next four */
    uint64_t startup_kib;
    uint64_t maximum_kib; /* always given */
    uint64_t buffer_percent;
    uint64_t priority;
    GuestMode mode;
    bool managed;
    bool no_paging; /* smart-paging=no */

    bool square; /* the need is a square wave; steps is then empty */
    uint64_t square_low_kib;
    uint64_t square_high_kib;
    uint64_t square_half_seconds;
    uint64_t square_shift_seconds;
    GArray *steps; /* of SimLevel in KiB, by rising second */
    uint64_t noise_kib;

    uint64_t inflate_kib; /* a second */
    uint64_t swapping_kib;
    uint64_t deflate_kib;

    uint32_t behaviours; /* SimBehaviour bits */
    uint64_t floor_kib;
    uint64_t stuck_seconds; /* of SIM_INTERMITTENT */
    uint64_t moving_seconds;
    GArray *events; /* of SimEvent, by rising second */
} SimGuestSpec;

/* One key of dynmemd.conf that the file gives. */
typedef struct SimSetting {
    char *group;
    char *key;
    char *value;
} SimSetting;

/* What is there to limit a guest with. */
typedef enum SimCgroup {
    SIM_CGROUP_V2,
    SIM_CGROUP_V1,
    SIM_CGROUP_NONE,   /* guests have no cgroups of their own */
    SIM_CGROUP_BROKEN, /* as v2, but nothing can be written */
} SimCgroup;

/* What goes wrong with paging files. */
typedef struct SimPagingFaults {
    bool refused;          /* the directory can't hold any */
    uint64_t make_fails;   /* so many can't be made, then they can */
    uint64_t off_fails;    /* swapoff of each fails so often */
    uint64_t make_seconds; /* how long one takes to make */
} SimPagingFaults;

struct SimScenario {
    char *name; /* of the file, for messages */
    uint64_t memory_kib;
    SimCgroup cgroup;
    uint64_t disk_kib; /* free space where paging files are made; SIM_UNSET: plenty */
    SimPagingFaults paging;
    GArray *daemon_restarts; /* of uint64_t: the daemon is killed in that second and starts anew, by rising second */
    GArray *host_reboots;    /* of uint64_t, likewise the host; whoever ran is started by libvirtd after it */
    uint64_t overhead_kib;   /* what each QEMU holds besides its guest's memory */
    GArray *other;           /* of SimLevel in KiB: what the host itself uses */
    GArray *pressure;        /* of SimLevel in percent: memory pressure (PSI "some") that the kernel tells of */
    uint64_t settle_seconds; /* how long the engine has watched the guests before second 0 */
    uint64_t seconds;
    uint64_t seed;
    Settings *settings;
    GPtrArray *given;  /* of SimSetting: what settings was made from */
    GPtrArray *guests; /* of SimGuestSpec, sorted by uuid as by place in the file */
};

/* A scenario without guests, with every default in force. */
SimScenario *sim_scenario_new(const char *name);

/* Appends a guest with every default in force. Owned by the scenario. maximum_kib is still to be set. */
SimGuestSpec *sim_scenario_add_guest(SimScenario *scenario, const char *name);

/* Takes guest number index out. */
void sim_scenario_remove_guest(SimScenario *scenario, size_t index);

SimScenario *sim_scenario_copy(const SimScenario *scenario);

/* Sets one key of dynmemd.conf; as config_set. */
bool sim_scenario_set(SimScenario *scenario, const char *group, const char *key, const char *value, GError **error);

/* The scenario as a simulation file that reads back to the same run. Caller frees. */
char *sim_scenario_format(const SimScenario *scenario);

/* startup, rounded up to where the balloon ends, and minimum, with their defaults. */
uint64_t sim_guest_spec_startup(const SimGuestSpec *spec);
uint64_t sim_guest_spec_minimum(const SimGuestSpec *spec);

/* Does it run at second 0? Unless the first of its starts and stops is a start. */
bool sim_guest_spec_runs_first(const SimGuestSpec *spec);

/* The level of an array of SimLevel in that second; 0 before the first. */
uint64_t sim_level(const GArray *levels, uint64_t second);

/* What the guest needs in that second, noise included. A function of its arguments alone. */
uint64_t sim_guest_spec_need(const SimGuestSpec *spec, uint64_t seed, uint64_t second);

/* The word for an event in a simulation file: "reboot", "start", … */
const char *sim_event_name(SimEventKind kind);
/* "v2", "v1", "none", "broken". */
const char *sim_cgroup_name(SimCgroup cgroup);
/* The word for one behaviour bit: "slow", "stuck", … */
const char *sim_behaviour_name(SimBehaviour behaviour);

/*
 * A number that depends on its arguments alone: the simulator's only source of chance. The order in which guests
 * are looked at, or which others there are, changes nothing.
 */
uint64_t sim_chance(uint64_t seed, const char *name, uint64_t second, uint64_t purpose);
