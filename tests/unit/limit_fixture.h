/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A daemon that sets limits on a host of plain files, whose threads stand at the gate (fake_gate.h), and how what was asked for ended. */

#include "cmocka_all.h"
#include "fake_gate.h"
#include "fake_host.h"
#include "units.h"

typedef struct Fixture {
    FakeHost *host;
    GString *ends; /* "MIB " of a value that is in force, "MIB! " of one that is not */
    GString *why;  /* the last error */
    int left;      /* stops that have not ended */
} Fixture;

/* Of each test. The end opens the gate, and lets no more calls fail. */
int setup(void **state);
int teardown(void **state);

/* Sets a guest's memory.high; LIMIT_NONE: none. */
void set_of(Fixture *f, const char *uuid, pid_t pid, uint64_t high_mib);
void set(Fixture *f, uint64_t high_mib);
/* Waits until all ends so far are these. */
void await_ends(Fixture *f, const char *text);

GuestLimits look_at(Fixture *f, const char *uuid, pid_t pid);
GuestLimits look(Fixture *f);
/* A check: whether memory.high says so. */
bool web_has(FakeHost *host, void *text);
