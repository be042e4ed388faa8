/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A watch on libvirt's own test driver, which lives inside this process, and the administrator's connection beside it. */
#include "cmocka_all.h"

#include "watch/virt.h"
#include "watch/watch.h"

#define URI "test:///default"

#define UUID_A "11111111-1111-1111-1111-111111111111"
#define UUID_B "22222222-2222-2222-2222-222222222222"

typedef struct Fixture {
    Watch *watch;
    GuestWorld world;
    virConnectPtr connection; /* the administrator's */
    Keep *keep;               /* in memory only */
    char *directory;          /* for the files "state" and "saved" */
    unsigned changes;
    unsigned collected;
    unsigned targets_done;
    unsigned targets_failed;
    unsigned starts_done;
    char *start_error; /* of the last start; NULL: none */
    bool stopped;
} Fixture;

/* What is called back counts, and does nothing else. */
void on_changed(void *user_data);
void on_collected(void *user_data);
void on_target(void *user_data, const char *uuid, uint64_t target_kib, const GError *error);
void on_started(void *user_data, const char *uuid, const GError *error);
void on_stopped(void *user_data);

/* Runs the main loop until condition(fixture, argument) holds. */
void wait_until(Fixture *fixture, bool (*condition)(Fixture *fixture, const char *argument), const char *argument);
/* Runs it for a while: what does not happen now does not happen. */
void run_loop_for(uint64_t usec);

/* Conditions, and the guest's record. */
const GuestRecord *find(Fixture *fixture, const char *uuid);
bool is_up(Fixture *fixture, const char *argument);
bool is_known(Fixture *fixture, const char *uuid);
bool is_unknown(Fixture *fixture, const char *uuid);
bool is_running(Fixture *fixture, const char *uuid);
bool is_paused(Fixture *fixture, const char *uuid);
bool is_off(Fixture *fixture, const char *uuid);
bool is_collected(Fixture *fixture, const char *argument);
bool is_target_done(Fixture *fixture, const char *argument);
bool is_start_done(Fixture *fixture, const char *argument);
bool is_stopped(Fixture *fixture, const char *argument);
bool has_changed(Fixture *fixture, const char *argument);

char *guest_xml(const char *name, const char *uuid, const char *extra);
virDomainPtr define(Fixture *fixture, const char *name, const char *uuid, const char *extra);

/* Of a group of tests, and of each: UUID_A and UUID_B are gone after it. */
int keep_listening(void **state);
int stop_listening(void **state);
int setup(void **state);
int teardown(void **state);
/* Connects. */
void start(Fixture *fixture);
