/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells the outside what happened and why: D-Bus, journal, metrics, systemd. Works out what changed between
 * two ticks once (changes.h); everything else shows that.
 */

#include "config_problem.h"
#include "outcome.h"

#include <gio/gio.h>

typedef struct Report Report;

typedef struct ReportOptions {
    GBusType bus_type;         /* G_BUS_TYPE_SYSTEM, G_BUS_TYPE_SESSION; G_BUS_TYPE_NONE: no D-Bus */
    const char *run_directory; /* for metrics.prom; NULL: DYNMEM_RUN_DIRECTORY */
    /* The D-Bus method Reload(). Sets error when nothing could be read at all. */
    void (*reload)(void *user_data);
    void *user_data;
} ReportOptions;

Report *report_new(const ReportOptions *options);
void report_free(Report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)

ReportSink report_sink(Report *report);

/* The configuration was read, at start or again; problems is of ConfigProblem. Each is one journal record. */
void report_config(Report *report, const GPtrArray *problems);

/* One line on the connection to libvirt, for STATUS= and the bus. */
void report_link(Report *report, WorldLink link, const char *text);

/* sd_notify RELOADING=1 with MONOTONIC_USEC and, after it, READY=1. */
void report_reloading(Report *report);
void report_ready(Report *report);
void report_stopping(Report *report);
