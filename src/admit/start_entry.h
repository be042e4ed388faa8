/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One start in the book, and the line that is kept of it. */

#include "ports.h"
#include "starts.h"

typedef struct StartEntry {
    StartRequest request; /* until it has begun it ends with who asked for it; then it goes on, whoever goes away */
    GArray *askers;       /* of StartAsker, who wait */
    bool hook_waits;      /* libvirt's hook is one of them */
    char *owner;          /* NULL: nobody */
    uint64_t doubt_usec; /* libvirt was away then, or it is of an earlier daemon (1), and nobody has told of it since */
    bool shown;          /* it was handed out to be decided on, once: what is booked for it is in the ledger */
    bool brings;         /* the hook has said so: it comes with its memory, and "prepare" that follows is no boot */
    uint64_t run;        /* libvirt's id of what was started with that; 0: it is not known, or not yet */
    uint64_t before_usec;   /* the guest's boot_usec when it was asked for: another one is the start */
    uint64_t admitted_usec; /* or when it was last heard of */
    uint64_t started_usec;  /* when libvirt said that it has started it; 0: not yet */
} StartEntry;

typedef struct StartAsker {
    StartAnswer answer;
    void *user_data;
} StartAsker;

StartEntry *start_entry_new(const char *uuid);
void start_entry_free(void *entry);

/* The line that outlives the daemon: what a start is booked with, not who waits for it. Free with g_free. */
char *start_entry_text(const StartEntry *entry);
/* NULL where text is no such line. */
StartEntry *start_entry_read(const char *uuid, const char *text);
