/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much of the host's memory a guest's QEMU holds. */

#include "ports.h"

typedef struct ResidentReader ResidentReader;

/* root: "" for the real host. */
ResidentReader *resident_reader_new(const char *root);
void resident_reader_free(ResidentReader *reader);

/* As HostWorld.resident, of the QEMU with this pid. */
bool resident_reader_read(ResidentReader *reader, pid_t pid, const GuestSettings *settings, GuestResident *resident);

/* Once a tick: lets go of processes that were not asked for any more. */
void resident_reader_tick(ResidentReader *reader);
