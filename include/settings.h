/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the administrator wants: dynmemd.conf with its drop-ins (Settings), and one guest's domain XML
 * with its <dynmem:memory> element (GuestSettings). Filled by config/, read by everybody.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Settings.reserve_kib: no Reserve= was given, the sliding rule of the ledger decides. */
#define SETTINGS_RESERVE_AUTO UINT64_MAX
/* Settings.budget_kib: no Budget= was given, the host's memory is the only limit. */
#define SETTINGS_BUDGET_NONE UINT64_MAX

/* Settings.minimum_most: no MinimumMost= was given. */
#define SETTINGS_MINIMUM_ANY UINT64_MAX

/* How much of the moving between hosts of a cluster a host does by itself. */
typedef enum ClusterLevel {
    CLUSTER_LEVEL_OFF,
    CLUSTER_LEVEL_MANUAL,    /* what would be moved is shown */
    CLUSTER_LEVEL_CONFIRM,   /* ... and moved once an administrator has confirmed it */
    CLUSTER_LEVEL_AUTOMATIC, /* ... and moved */
    CLUSTER_LEVELS,
} ClusterLevel;

/* "off", "manual", "confirm", "automatic", NULL. */
extern const char *const cluster_level_names[CLUSTER_LEVELS + 1];

/* A size, or a part of a guest's maximum. */
typedef struct SizeOrPercent {
    uint64_t kib;     /* counts where percent is 0 */
    uint32_t percent; /* 1 to 100 */
} SizeOrPercent;

/* <resource><partition> of guests that name none (libvirt src/qemu/qemu_cgroup.c, qemuInitCgroup). */
#define SETTINGS_DEFAULT_PARTITION "/machine"

/* Settings.paging_directory: the folder of the guest's first disk file. */
#define SETTINGS_PAGING_BESIDE_DISK "beside-disk"

typedef struct Settings {
    /* [Host] */
    uint64_t reserve_kib; /* Reserve=: kept for the host, or SETTINGS_RESERVE_AUTO */
    char *reserve_file;   /* where Reserve= was set last, and in which line; NULL: nowhere */
    unsigned reserve_line;
    uint64_t budget_kib; /* Budget=: cap on what all guests together may have */
    /* [Policy] */
    bool manage_all;              /* Manage=all: also guests without the metadata element */
    uint32_t buffer_percent;      /* Buffer=: default for guests that name none, 0 to 2000 */
    uint32_t priority;            /* Priority=: default for guests that name none, 0 to 100 */
    uint32_t priority_most;       /* PriorityMost=: cap on each guest's priority and on the default, 0 to 100 */
    SizeOrPercent minimum_most;   /* MinimumMost=: cap on each guest's minimum; kib may be SETTINGS_MINIMUM_ANY */
    uint32_t cache_share_percent; /* CacheShare=: page cache counted as demand, 0 to 100 */
    bool give_away;               /* GiveAway=: stage 3, memory nobody wants is handed out */
    uint64_t interval_usec;       /* Interval=: time between two ticks */
    /* [SmartPaging] */
    bool paging_enabled;
    char *paging_directory; /* absolute path or SETTINGS_PAGING_BESIDE_DISK */
    uint64_t paging_deadline_usec;
    uint64_t restart_window_usec;
    uint64_t minimum_free_disk_kib;
    /* [Admission] */
    bool admission_enabled;
    uint64_t admission_timeout_usec;
    bool admission_allow_when_absent;
    bool admission_refuse_migration; /* who migrates here is let in as a start is, or refused */
    /* [Enforcement] */
    bool memory_high;
    /* [Cluster] */
    ClusterLevel cluster_level;
    uint32_t cluster_pressure_percent; /* PressurePercent=: what guests want of the budget before one of them moves */
    uint32_t cluster_gain_percent;     /* GainPercent=: so many points the target must be below what the worse was */
    uint64_t cluster_hold_usec;
    uint64_t cluster_cooldown_usec;
    /* Of no file: dynmemd is about to end for good, and no guest's minimum is below its startup memory any more. */
    bool retiring;
    uint64_t hugepage_kib; /* likewise: the kernel's size of huge pages where none is named */
} Settings;

/* Settings with every default in force. Never fails. Free with settings_free. */
Settings *settings_new(void);
/* A deep copy. */
Settings *settings_copy(const Settings *settings);
void settings_free(Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)

typedef enum GuestMode {
    GUEST_MODE_DYNAMIC, /* worked out and done */
    GUEST_MODE_OBSERVE, /* worked out and shown, nothing changed */
    GUEST_MODE_STATIC,  /* counted only */
} GuestMode;

/* "dynamic", "observe", "static". Never NULL. */
const char *guest_mode_name(GuestMode mode);

/*
 * Why inflating this guest's balloon would free nothing on the host, or can't be done. QEMU skips the
 * discard silently where something pins guest memory (hw/virtio/virtio-balloon.c,
 * virtio_balloon_inhibited), so these guests are told from their XML.
 */
typedef enum BalloonBar {
    BALLOON_USABLE,     /* nothing known against it */
    BALLOON_NO_DEVICE,  /* no <memballoon>, or model 'none' */
    BALLOON_VFIO,       /* a host device is assigned through VFIO */
    BALLOON_VDPA,       /* a vDPA device maps guest memory */
    BALLOON_NVME,       /* an NVMe disk driven from user space */
    BALLOON_SEV,        /* memory encryption pins guest memory */
    BALLOON_HUGEPAGES,  /* backed by huge pages: 4 KiB pages can't be given back */
    BALLOON_LOCKED,     /* <locked/>: memory is locked */
    BALLOON_BAD_MEMORY, /* <memory> is absent or senseless in the XML */
} BalloonBar;

/* What a guest's memory lies in. It says which figure of its cgroup is its memory. */
typedef enum MemorySource {
    MEMORY_ANONYMOUS,
    MEMORY_SHARED, /* memfd or other shared memory: "shmem" in memory.stat */
    MEMORY_FILE,   /* a file: "file" in memory.stat */
} MemorySource;

/*
 * One guest's settings, defaults applied and held to the caps: minimum <= startup <= maximum holds always. All three are
 * whole pages, rounded up: told another size, a balloon ends at the next larger one, and libvirt rounds <memory> up itself
 * (src/qemu/qemu_domain.c, qemuDomainAlignMemorySizes).
 */
typedef struct GuestSettings {
    bool managed; /* has the metadata element, or Manage=all */
    /* It runs, and the XML of its run is not known yet: all this is what its definition says, or where it has none its last run. */
    bool presumed;
    /* It had the metadata element since it was first seen, and its definition has none any more: somebody has taken it out,
       or a tool has lost it. */
    bool element_gone;
    GuestMode mode;
    uint64_t minimum_kib;
    uint64_t startup_kib;
    uint64_t maximum_kib; /* memory within the balloon's reach: <memory> less fixed_kib */
    uint64_t dimms_kib; /* dimms: part of maximum, which a guest sees once its kernel has brought it online. 0: none */
    /* Memory devices outside the balloon's reach (virtio-mem): each the larger of what it was asked for and what it has
       plugged. QEMU plugs no more than it was asked for (hw/virtio/virtio-mem.c, virtio_mem_plug_request). */
    uint64_t fixed_kib;
    uint64_t hugepages_kib; /* part of maximum and fixed that lies in a huge page pool, not in ordinary memory */
    /* Of that pool's pages, where it takes of several of the larger part's; where its XML names none, 2 MiB, the default of
       x86. 0: none of it does. */
    uint64_t hugepage_size_kib;
    uint64_t hard_limit_kib; /* <memtune><hard_limit>: memory.max of its cgroup; 0: none */
    /* Bit n: all its ordinary memory comes from these NUMA nodes of the host (<numatune> strict or restrictive). 0: not
       bound, or not wholly. */
    uint64_t strict_nodes;
    char *partition;     /* of its control group (<resource><partition>); owned; NULL: libvirt's default */
    MemorySource source; /* of its ordinary memory */
    bool immediate;      /* QEMU touches all its memory before the guest runs (<allocation mode='immediate'/>) */
    uint32_t buffer_percent;
    uint32_t priority;
    /* The two that have caps as they would be without: above minimum_kib and priority where a cap holds them down. */
    uint64_t asked_minimum_kib;
    uint32_t asked_priority;
    bool smart_paging;
    char *paging_directory; /* owned; NULL: the one of Settings */
    BalloonBar bar;
    bool autodeflate;               /* <memballoon autodeflate='on'>: the guest counts the balloon as used */
    bool emulated;                  /* no hardware virtualisation: QEMU keeps translated code besides */
    uint32_t vcpus;                 /* for the overhead's first estimate; at least 1 */
    uint32_t configured_period_sec; /* <stats period=> of its definition: what it does when not managed */
    uint32_t current_period_sec;    /* <stats period=> in force when its XML was read: what it does unless told */
} GuestSettings;

/* Whether its reports are needed, so that its driver is asked to send them every interval. */
bool guest_settings_need_reports(const GuestSettings *settings);

/* Whether targets, limits and paging files are its: it is managed, balanced and has a balloon of use. */
bool guest_settings_are_ours(const GuestSettings *settings);

/* The most ordinary memory that it may ever have: all of maximum and fixed that lies in no huge page pool. */
uint64_t guest_settings_full_kib(const GuestSettings *settings);

/*
 * What a guest with maximum_kib needs for its kernel and the structures that it keeps of its memory, whatever its statistics
 * and its settings say.
 */
uint64_t guest_floor_kib(uint64_t maximum_kib);

/* A deep copy; *copy must be clear before. */
void guest_settings_copy(const GuestSettings *settings, GuestSettings *copy);
void guest_settings_clear(GuestSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuestSettings, guest_settings_clear)
