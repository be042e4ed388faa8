/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One call into a guest's monitor: what is asked, the libvirt calls that do it, and what they found. */

#include "ports.h"

#include <libvirt/libvirt.h>

typedef enum MonitorCallKind {
    MONITOR_CALL_REPORT,
    MONITOR_CALL_TARGET,
    MONITOR_CALL_PERIOD,
    MONITOR_CALL_ASK, /* the period to 0 and back to period_sec: QEMU asks the guest at once */
    MONITOR_CALL_JOB, /* only whether one holds it */
} MonitorCallKind;

typedef enum MonitorJob {
    MONITOR_JOB_UNKNOWN, /* not asked, or the driver can't tell */
    MONITOR_JOB_NONE,
    MONITOR_JOB_HOLDS, /* a migration, save or the like: nothing may be changed until it ends */
} MonitorJob;

typedef struct MonitorCall {
    MonitorCallKind kind;
    char uuid[37];
    char *name;
    uint64_t serial; /* the guest's when the call was handed in, as boots and runs */
    uint64_t boots;
    uint64_t runs;
    bool ask_job;
    uint64_t target_kib;
    uint32_t period_sec;
    /* found */
    GError *error;     /* NULL: done */
    bool certain;      /* error, and nothing was changed */
    bool half_done;    /* MONITOR_CALL_ASK: the period was set to 0, and may be so still */
    bool other_period; /* ... nothing was done: its period is another one */
    bool not_running;  /* libvirt says there is no such guest, or it does not run */
    MonitorJob job;
    uint64_t asked_usec;
    uint64_t answered_usec;
    virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
    int stat_count;
} MonitorCall;

MonitorCall *monitor_call_new(MonitorCallKind kind, const char *uuid, const char *name);
void monitor_call_free(void *call);

/* CallRun on a VirtLane; data is a MonitorCall. */
bool monitor_call_run(void *lane, void *data);

/* The answer to MONITOR_CALL_REPORT as the next report of the guest; values as they came. */
void monitor_call_read_report(const MonitorCall *call, GuestReport *report);
