/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A registry with one guest that nobody has read yet. */

#include "cmocka_all.h"
#include "watch/registry.h"

#define UUID "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

typedef struct Fixture {
    Runs *runs;
    Registry *registry;
    Guest *guest;            /* UUID */
    unsigned targets_failed; /* counted by the tests that set targets */
} Fixture;

/* Of each test. */
int setup(void **state);
int teardown(void **state);
