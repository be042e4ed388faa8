/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells the outside what happened and why: D-Bus, journal, metrics, systemd. Works out what changed between
 * two ticks once (changes.h); everything else shows that. All of it on the main loop's thread, and nothing here
 * waits for anybody: without a bus, a journal or systemd the rest goes on.
 */

#include "cluster_port.h"
#include "config_problem.h"
#include "outcome.h"
#include "settings_change.h"

#include <gio/gio.h>

typedef struct Report Report;

typedef struct ReportOptions {
    GBusType bus_type;         /* G_BUS_TYPE_SYSTEM, G_BUS_TYPE_SESSION; G_BUS_TYPE_NONE: no D-Bus */
    const char *run_directory; /* for metrics.prom; NULL: DYNMEM_RUN_DIRECTORY */
    bool dry_run;              /* the property DryRun */
    /* The D-Bus method Reload(), from a caller who may: read the configuration again. May be NULL. */
    void (*reload)(void *user_data);
    /* The D-Bus method Retire(), from a caller who may; one journal record says who. May be NULL: the method then fails. */
    void (*retire)(void *user_data);
    /*
     * The bus name is not there (any more). taken: another process owns it, or the bus policy does not allow
     * it; two daemons must not balance one host, so this is the moment to end. Otherwise the bus is away: it is
     * tried again, and again called only when it was there in between. why is one line for people, valid for the
     * call. May be NULL.
     */
    void (*name_lost)(void *user_data, bool taken, const char *why);
    /*
     * Starts (starts.h): what callers of the bus who may ask for. answer and done are called once, maybe before the return.
     * May be NULL: the methods then fail.
     */
    void (*ask_start)(void *user_data, const StartAsk *ask, StartAnswer answer, void *answer_data);
    bool (*release_start)(void *user_data, const char *uuid); /* false: there was none */
    void (*owner_gone)(void *user_data, const char *owner);   /* who asked for a start has left the bus */
    /* libvirt's hook has called. hook_called_usec: when it did so last under an earlier daemon, since 1970; 0: not known. */
    void (*hook_called)(void *user_data, uint64_t real_usec);
    uint64_t hook_called_usec;
    void (*note_start)(void *user_data, const char *uuid, StartNote note);
    void (*start_guest)(void *user_data, const char *uuid, GuestStartDone done, void *done_data);
    void (*rate)(void *user_data, uint64_t startup_kib, uint32_t priority, StartRating *rating);
    /* Settings of guests, as engine.h has them. May be NULL: the methods then fail. */
    SettingsChange *(*preview_settings)(void *user_data, const char *uuid, const SettingsAsk *ask, GError **error);
    void (*change_settings)(void *user_data, const char *uuid, const SettingsAsk *ask, ElementDone done,
                            void *done_data);
    ClusterPort cluster; /* what its interface asks for; it has a self of its own */
    void *user_data;
} ReportOptions;

/*
 * Starts connecting to the bus, in the background. options is copied. READY=1 goes to systemd by itself, once the name
 * is owned (or there is no bus) and the first tick is completed.
 */
Report *report_new(const ReportOptions *options);
/* Leaves the bus and takes metrics.prom away. No callback is called after it. */
void report_free(Report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)

/* Valid as long as report lives. */
ReportSink report_sink(Report *report);

/* The configuration was read, at start or again; problems is of ConfigProblem. Each is one journal record. */
void report_config(Report *report, const GPtrArray *problems);

/* What a cluster does with a guest. Each is one journal record. */
void report_move(Report *report, ClusterNews news, const ClusterMotion *motion, const char *detail);

/* What became of the connection to libvirt, with one line on it, for the journal, STATUS= and the bus. Call it at
   the start and whenever one of the two is another. */
void report_link(Report *report, WorldLink link, const char *text);

/* sd_notify RELOADING=1 with MONOTONIC_USEC and, when the reload is done, READY=1. */
void report_reloading(Report *report);
void report_ready(Report *report);
void report_stopping(Report *report);
