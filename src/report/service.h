/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The D-Bus service: connection and name, the Manager object, the guests' objects, methods and signals. When
 * the bus goes away everything goes on without it, and it is tried again until it is back.
 */

#include "changes.h"
#include "held_tick.h"
#include "history.h"
#include "report.h"

#include <gio/gio.h>

typedef struct Service Service;

typedef struct ServiceOptions {
    GBusType bus_type;      /* not G_BUS_TYPE_NONE */
    const HeldTick *held;   /* the last tick; must outlive the service */
    const History *history; /* likewise */
    bool dry_run;
    void (*reload)(void *user_data); /* may be NULL */
    /* Likewise: the method then fails. who has asked, for people, valid for the call. */
    void (*retire)(void *user_data, const char *who);
    const ReportOptions *methods; /* its callbacks for starts and settings; copied */
    /* It is known whether the name can be had: called for each change of owned. why is for people. */
    void (*settled)(void *user_data, bool owned, bool taken, const char *why);
    void *user_data;
} ServiceOptions;

/* Starts connecting, in the background. */
Service *service_new(const ServiceOptions *options);
/* Gives the name back. Nothing is called after it. */
void service_free(Service *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Service, service_free)

/* Brings all objects up to date. Call it after held was updated with the same report. */
void service_update(Service *service, const TickReport *report);
void service_set_link(Service *service, WorldLink link, const char *text);
/* Sends the signals that belong to the change. */
void service_emit(Service *service, const Change *change);
