/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of the book of starts share: a book in the second daemon of this boot of the host, requests for the guests A and B, and
 * what those who asked and the hook were told.
 */

#include "admit/start_book.h"
#include "cmocka_all.h"
#include "units.h"

#define A "aaaaaaaa-0000-0000-0000-000000000001"
#define B "aaaaaaaa-0000-0000-0000-000000000002"

#define SECOND USEC_PER_SEC

/* A guest that is managed. */
#define ELEMENT "<d:memory xmlns:d='urn:dynmem:domain:1' minimum='256MiB' startup='512MiB' priority='70'/>"

typedef struct Answer {
    unsigned calls;
    bool granted;
    char *reason;
} Answer;

typedef struct World {
    char *directory;
    Keep *keep;
    StartBook *book;
    Settings *settings;
    GString *moments;      /* what the hook's moments were: "wait A, ..." */
    unsigned run;          /* the id that "prepare" comes with; 0: none */
    uint64_t started_usec; /* when the last of them was that told of a start */
    GuestRecord records[2];
    const GuestRecord *pointers[2];
    size_t record_count;
    WorldLink link;
    uint64_t now_usec;
    const StartRequest *const *requests;
    size_t count;
    Answer answers[8];
} World;

/* Of each test. */
int set_up(void **state);
int tear_down(void **state);

/* As a daemon does that begins. The one before has freed its book, and left what it keeps. */
void open_book(World *world);

/*
 * Asks for a guest of 2 GiB with 1 GiB current, whose domain has that element; answers[answer] gets the answer. Returns what
 * start_book_ask() does.
 */
bool ask_with(World *world, const StartAsk *ask, const char *element, const GuestRecord *record, unsigned answer);
/* ... with ELEMENT. */
bool ask(World *world, const char *uuid, bool hook, unsigned answer);
/* ... for what libvirt is about to start as A, with current MiB. */
bool hook_asks(World *world, StartKind kind, const char *current, const GuestRecord *record, unsigned answer);
/* A StartAnswer for start_book_ask(), told an Answer: counts, and keeps what is said. */
void answered(void *user_data, bool granted, const char *reason);

/* A tick's look at the book: sets requests and count, which are valid until the next one. */
void look(World *world);
/* A tick that decides the same of all requests. */
void settle(World *world, StartVerdict verdict, uint64_t booked_kib);
