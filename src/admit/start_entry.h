/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One start in the book, and the line that is kept of it. */

#include "ports.h"
#include "starts.h"

/* How far a start has come. */
typedef enum StartStage {
    START_STAGE_ASKED,   /* nobody has begun it: it ends with who asked for it */
    START_STAGE_BEGUN,   /* libvirt is at it, and goes on whoever goes away */
    START_STAGE_STARTED, /* libvirt says that it has started it */
} StartStage;

typedef struct StartEntry {
    StartRequest request;
    GArray *askers; /* of StartAsker, who wait */
    char *owner;    /* NULL: nobody */
    StartStage stage;
    uint64_t doubt_usec; /* libvirt was away then, or it is of an earlier daemon (1), and nobody has told of it since */
    uint64_t unknown_usec; /* libvirt has not known it since then */
    bool shown;            /* it was handed out to be decided on, once: what is booked for it is in the ledger */
    bool brings;           /* the hook has said so: it comes with its memory, and "prepare" that follows is no boot */
    uint64_t run;          /* libvirt's id of what was started with that; 0: it is not known, or not yet */
    /* The guest's record when it was asked for: another number of boots, or another record, is the start. */
    bool record_known;
    uint64_t serial;
    uint64_t boots;
    uint64_t admitted_usec; /* or when it was last heard of */
    uint64_t started_usec;  /* when libvirt said that it has started it; 0: not yet */
} StartEntry;

typedef struct StartAsker {
    StartAnswer answer;
    void *user_data;
    bool hook;
} StartAsker;

StartEntry *start_entry_new(const char *uuid);
/* It has come so far, or further already. */
void start_entry_advance(StartEntry *entry, StartStage stage);
void start_entry_free(void *entry);

/* The line that outlives the daemon: what a start is booked with, not who waits for it. Free with g_free. */
char *start_entry_text(const StartEntry *entry);
/* NULL where text is no such line. */
StartEntry *start_entry_read(const char *uuid, const char *text);
