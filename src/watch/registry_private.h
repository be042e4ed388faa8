/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the table of guests (registry.c) and the changes of one guest's record (guest_record.c) share. */

#include "registry.h"

struct Registry {
    Runs *runs;
    uint64_t made_usec; /* what happened before was not heard here */
    GHashTable *guests; /* uuid -> Guest */
    GHashTable *strays; /* uuid -> KiB of the target whose call goes on while there is no guest */
    uint64_t serials;   /* given out */
    ProcessSet *processes;
    GPtrArray *records; /* sorted; built when asked for */
    bool records_valid;
    void (*process_ended)(void *user_data, Guest *guest);
    void *user_data;
};
