/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hosts of plain files: as they were found, below tests/unit/data/hosts, or of files that a test puts below TEST_WORK. */

#include "cmocka_all.h"
#include "observe/host_files.h"

typedef struct Fixture {
    HostFiles *files;
    HostWorld world;
    HostFigures figures;
} Fixture;

void fixture_clear(Fixture *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

/* The host that was found under that name. */
Fixture host(const char *name);
/* The host of what is put there, also later. */
Fixture made_host(void);
/* Makes the file, or replaces it. */
void put(const char *path, const char *text);
/* Before or after each test that puts files. */
int remove_work(void **state);
