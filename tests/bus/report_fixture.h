/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service on a private bus, fed with ticks built by hand, and a client of it. Client and service share the main loop, so every call of
 * the client is asynchronous and the loop is turned until it is answered.
 */

#include "cmocka_all.h"
#include "dynmem-bus.h"
#include "fake_tick.h"
#include "names.h"
#include "report/report.h"

#include <string.h>

#define GUEST_PATH(n) DYNMEM_BUS_GUEST_PREFIX "6a2c0a3e_0000_4000_8000_00000000000" n
/* Long enough for a loaded machine. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

typedef struct Signal {
    char *path;
    char *interface;
    char *name;
    GVariant *parameters;
} Signal;

typedef struct Fixture {
    GTestDBus *bus;
    char *run_directory;
    Report *report;
    ReportSink sink;
    FakeTick *tick;
    GDBusConnection *client;
    unsigned subscription;
    GPtrArray *signals; /* of Signal: what the service has sent so far */
    unsigned reloads;
    unsigned retirements;
    unsigned lost;
    bool taken;
} Fixture;

/* An answer to a call. */
typedef struct Reply {
    GVariant *value;
    GError *error;
    bool done;
} Reply;

/* Of each test. */
int set_up(void **state);
int tear_down(void **state);
/* Both are done in set_up; again for a bus that was away: connects a client, which hears every signal of the service ... */
void connect_client(Fixture *fixture);
/* ... and waits until the service has its name. */
void wait_for_name(Fixture *fixture);
/* What the service calls back (name_lost of ReportOptions), told a Fixture: counts. */
void name_lost(void *data, bool taken, const char *why);

/* Turns the loop until *done, or fails. */
void turn_until(const bool *done);
/* Ends a call that was begun for a Reply. */
void replied(GObject *source, GAsyncResult *result, void *data);
/* Returns the reply, or NULL and sets error. */
GVariant *call(Fixture *fixture, const char *name, const char *path, const char *interface, const char *method,
               GVariant *parameters, GError **error);
/* The present value; the test fails where there is none. */
GVariant *property(Fixture *fixture, const char *path, const char *interface, const char *name);
void assert_text(Fixture *fixture, const char *path, const char *interface, const char *name, const char *expected);

/* Hands the tick in, and lets every signal that it caused arrive: a reply comes after them. */
void hand_in(Fixture *fixture);
